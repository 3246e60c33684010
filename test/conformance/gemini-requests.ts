/** What the Gemini writer makes of a request, and how to build one shortly. */
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import type { CapabilityOverrides } from '#contracts/catalog/capability.ts'
import type { Carrier } from '#data-plane/dialects/canonical/carrier.ts'
import { objectOf, parseJson } from '#data-plane/dialects/canonical/json.ts'
import type { CanonicalRequest, Part, Turn } from '#data-plane/dialects/canonical/request.ts'
import { gemini } from '#data-plane/dialects/gemini.ts'
import { ASKED } from './contexts.ts'

const CHAT: CanonicalRequest = { ...ASKED, dialect: 'openai-chat' }
export const LATEST = 'gemini-3-flash-preview'

/** Asked in OpenAI's words unless told otherwise. */
export function write(over: Partial<CanonicalRequest>, model = LATEST, overrides: CapabilityOverrides = {}) {
  const capabilities = capabilitiesOf('gemini', 'generativelanguage.googleapis.com', model, overrides)
  const written = gemini.writeRequest(
    { ...CHAT, ...over },
    { model, provider: 'google', capabilities, stream: false },
  )
  const body = objectOf(parseJson(written.body))
  return {
    ...written,
    json: written.body,
    body,
    config: objectOf(body['generationConfig']),
    warned: written.losses.map(({ at, reason, refuse }) => `${at}:${refuse ? 'refused' : reason}`),
  }
}

export const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
export const model = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
export const text = (words: string): Part => ({ kind: 'text', text: words })
export const call = (id: string, name = 'f', args = '{}', carrier?: Carrier): Part => ({
  kind: 'tool-call',
  id,
  name,
  args,
  isCustom: false,
  ...(carrier === undefined ? {} : { carrier }),
})
export const result = (callId: string, words: string, isError = false): Part => ({
  kind: 'tool-result',
  callId,
  content: [{ kind: 'text', text: words }],
  isError,
  isCustom: false,
})
