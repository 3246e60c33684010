/** Chat requests written from parts of canonical ones, for tests of what chat says to upstreams. */
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import type { CapabilityOverrides } from '#contracts/catalog/capability.ts'
import { objectOf } from '#data-plane/dialects/canonical/json.ts'
import type { CanonicalRequest, Part, Turn } from '#data-plane/dialects/canonical/request.ts'
import { writeRequest } from '#data-plane/dialects/openai-chat/write-request.ts'

export const BASE: CanonicalRequest = {
  dialect: 'anthropic',
  model: 'm',
  stream: false,
  system: [],
  turns: [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }],
  tools: [],
  params: {},
  extras: [],
  telling: { usageChunk: true, legacyFunctions: false, framing: 'sse', reasoning: false },
  source: {},
}

export type Where = Readonly<{
  host?: string
  model?: string
  provider?: string
  set?: CapabilityOverrides
  stream?: boolean
}>

/** @returns the body, what was lost, and names that were changed. */
export function write(request: Partial<CanonicalRequest>, where: Where = {}) {
  const { host = 'example.org', model = 'm', provider = 'p', set = {}, stream = false } = where
  const capabilities = capabilitiesOf('openai', host, model, set)
  const written = writeRequest({ ...BASE, ...request }, { model, provider, stream, capabilities })
  return {
    body: objectOf(JSON.parse(written.body)),
    losses: written.losses.map(({ at, reason, refuse }) => `${at}:${refuse ? 'refuse' : reason}`),
    toolNames: written.toolNames,
  }
}

export const OPENAI = { host: 'api.openai.com' }
export const messagesOf = (
  turns: readonly Turn[],
  where: Where = {},
  request: Partial<CanonicalRequest> = {},
) => {
  const { body, losses } = write({ ...request, turns }, where)
  return { messages: body['messages'], losses }
}
export const user = (...parts: readonly Part[]): Turn => ({ role: 'user', parts })
export const model = (...parts: readonly Part[]): Turn => ({ role: 'assistant', parts })
export const text = (said: string): Part => ({ kind: 'text', text: said })
export const call = (id: string, args = '{}', more: object = {}): Part => ({
  kind: 'tool-call',
  id,
  name: 'f',
  args,
  isCustom: false,
  ...more,
})
export const result = (callId: string, ...content: readonly Part[]): Part => ({
  kind: 'tool-result',
  callId,
  content: content.filter((part) => part.kind === 'text' || part.kind === 'media'),
  isError: false,
  isCustom: false,
})
