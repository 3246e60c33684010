/**
 * One short conversation, asked for in every client's way.
 */
import type { JsonObject } from '#data-plane/dialects/canonical/json.ts'

/** Ways of asking: the dialects, and Gemini's streams that are one JSON array. */
export const CLIENTS = ['openai-chat', 'openai-responses', 'anthropic', 'gemini', 'gemini-array'] as const
export type Client = (typeof CLIENTS)[number]

export type Asking = Readonly<{ path: string; body: JsonObject }>

/** @param words what the user says. */
export function asking(client: Client, model: string, stream: boolean, words = 'hello'): Asking {
  const messages = [{ role: 'user', content: words }]
  switch (client) {
    case 'openai-chat':
      return { path: '/v1/chat/completions', body: { model, stream, messages } }
    case 'openai-responses':
      return { path: '/v1/responses', body: { model, stream, input: words, store: false } }
    case 'anthropic':
      return { path: '/v1/messages', body: { model, stream, max_tokens: 100, messages } }
    case 'gemini':
    case 'gemini-array': {
      const method = stream ? 'streamGenerateContent' : 'generateContent'
      const query = stream && client === 'gemini' ? '?alt=sse' : ''
      const contents = [{ role: 'user', parts: [{ text: words }] }]
      return { path: `/v1beta/models/${model}:${method}${query}`, body: { contents } }
    }
    default:
      return client satisfies never
  }
}
