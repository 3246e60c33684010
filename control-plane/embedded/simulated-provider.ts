/**
 * A provider that is not one: answers chat completions by itself, so that the first request of a new
 * installation works offline. Every answer says that it is simulated.
 *
 * Speaks OpenAI's chat and model-list formats over loopback HTTP, like any other upstream.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

export const SIMULATED_PROVIDER = 'simulated'
export const SIMULATED_MODEL = 'simulated-chat'

/** Between two words of a stream, in milliseconds: quick, and visibly a stream. */
const WORD_MS = 15
const LARGEST_REQUEST = 8 * 1024 * 1024

export type SimulatedProvider = AsyncDisposable & Readonly<{ baseUrl: string }>

/** @param port preferred, so that the provider's address stays the same from start to start. */
export async function startSimulatedProvider(port: number): Promise<SimulatedProvider> {
  const server = createServer((request, response) => void answer(request, response))
  await listen(server, port).catch(() => listen(server, 0))
  const address = server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  return {
    baseUrl: `http://127.0.0.1:${actual}/v1`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'GET' && request.url === '/v1/models') {
    return sendJson(response, 200, {
      object: 'list',
      data: [{ id: SIMULATED_MODEL, object: 'model', created: 0, owned_by: SIMULATED_PROVIDER }],
    })
  }
  if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
    return sendJson(response, 404, {
      error: {
        message: 'The simulated provider only chats.',
        type: 'invalid_request_error',
        param: null,
        code: 'unknown_url',
      },
    })
  }
  const body = await readJson(request)
  const prompt = lastUserText(body)
  if (prompt === null) {
    return sendJson(response, 400, {
      error: {
        message: "'messages' must hold at least one message.",
        type: 'invalid_request_error',
        param: 'messages',
        code: 'invalid_value',
      },
    })
  }
  const said = prompt.length > 200 ? `${prompt.slice(0, 200)}…` : prompt
  const text = `This is a simulated answer: no model was asked. You said: ${said}`
  const usage = {
    prompt_tokens: countWords(prompt),
    completion_tokens: countWords(text),
    total_tokens: countWords(prompt) + countWords(text),
  }
  const about = {
    id: `chatcmpl-simulated-${Date.now().toString(36)}`,
    created: Math.floor(Date.now() / 1_000),
    model: SIMULATED_MODEL,
  }
  if (body['stream'] !== true) {
    const message = { role: 'assistant', content: text, refusal: null }
    return sendJson(response, 200, {
      ...about,
      object: 'chat.completion',
      choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
      usage,
    })
  }
  await stream(response, about, text, wantsUsage(body) ? usage : null)
}

async function stream(
  response: ServerResponse,
  about: object,
  text: string,
  usage: object | null,
): Promise<void> {
  const send = (choices: readonly object[], more: object = {}): boolean =>
    response.write(
      `data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', choices, ...more })}\n\n`,
    )
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  send([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }])
  for (const word of text.match(/\S+\s*/g) ?? []) {
    if (response.destroyed) return
    send([{ index: 0, delta: { content: word }, finish_reason: null }])
    await new Promise((resolve) => setTimeout(resolve, WORD_MS))
  }
  send([{ index: 0, delta: {}, finish_reason: 'stop' }])
  if (usage !== null) send([], { usage })
  response.end('data: [DONE]\n\n')
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk) || (bytes += chunk.length) > LARGEST_REQUEST) return {}
    chunks.push(chunk)
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString())
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** @returns the text of the last message, or null when there is none to answer. */
function lastUserText(body: Readonly<Record<string, unknown>>): string | null {
  if (!Array.isArray(body['messages'])) return null
  const last: unknown = body['messages'].at(-1)
  if (typeof last !== 'object' || last === null || !('content' in last)) return null
  if (typeof last.content === 'string') return last.content
  return Array.isArray(last.content) ? last.content.map(partText).join('') : ''
}

const partText = (part: unknown): string =>
  typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string'
    ? part.text
    : ''

function wantsUsage(body: Readonly<Record<string, unknown>>): boolean {
  const options = body['stream_options']
  return (
    typeof options === 'object' &&
    options !== null &&
    'include_usage' in options &&
    options.include_usage === true
  )
}

/** Not tokens, but a number that grows with the text. */
const countWords = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
