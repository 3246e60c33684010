/**
 * Requests in the form in the middle as Anthropic is sent them, and short words to make them with.
 */
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import type { CapabilityOverrides } from '#contracts/catalog/capability.ts'
import type { JsonObject } from '#data-plane/dialects/canonical/json.ts'
import type { CanonicalRequest, FunctionTool, Part, Turn } from '#data-plane/dialects/canonical/request.ts'
import { writeRequest } from '#data-plane/dialects/anthropic/write-request.ts'
import { blankRequest } from '#test/arbitraries/canonical.ts'

export type Written = { body: JsonObject; headers: readonly string[]; lost: string[]; refused: string[] }

/** @param said what differs from a blank request of a chat client. */
export function write(
  said: Partial<CanonicalRequest>,
  model = 'claude-sonnet-4-5',
  overrides: CapabilityOverrides = {},
): Written {
  const request = { ...blankRequest('openai-chat'), ...said }
  const capabilities = capabilitiesOf('anthropic', 'api.anthropic.com', model, overrides)
  const written = writeRequest(request, { model, provider: 'claude', capabilities, stream: request.stream })
  return {
    body: JSON.parse(written.body) as JsonObject,
    headers: written.headers,
    lost: written.losses.filter(({ refuse }) => !refuse).map(({ at, reason }) => `${at}:${reason}`),
    refused: written.losses.filter(({ refuse }) => refuse).map(({ at }) => at),
  }
}

export const versionOf = ({ headers }: Written): string | undefined =>
  headers[headers.indexOf('anthropic-version') + 1]

export const text = (words: string): Part => ({ kind: 'text', text: words })
export const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
export const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
export const call = (id: string, args = '{}'): Part => ({
  kind: 'tool-call',
  id,
  name: 'look',
  args,
  isCustom: false,
})
export const result = (callId: string): Part => ({
  kind: 'tool-result',
  callId,
  content: [{ kind: 'text', text: `of ${callId}` }],
  isError: false,
  isCustom: false,
})
export const look: FunctionTool = {
  kind: 'function',
  name: 'look',
  parameters: { type: 'object', properties: {} },
}
