/**
 * Items of an answer, as JSON text: for whole answers and for the frames of a stream alike.
 *
 * Pure.
 */
import type { Carrier, Sealer } from '../../canonical/carrier.ts'
import type { JsonValue, RawJson } from '../../canonical/json.ts'
import type { CanonicalRequest, MediaPart } from '../../canonical/request.ts'
import { NAME } from '../terms.ts'

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete'

export const textContent = (text: string, annotations: readonly JsonValue[], logprobs: string): string =>
  `{"type":"output_text","text":${JSON.stringify(text)},"annotations":${JSON.stringify(annotations)}` +
  `,"logprobs":${logprobs}}`

export const refusalContent = (text: string): string => `{"type":"refusal","refusal":${JSON.stringify(text)}}`

export const messageItem = (
  id: string,
  status: ItemStatus,
  phase: string | undefined,
  content: readonly string[],
): string =>
  `{"type":"message","id":"${id}","status":"${status}","role":"assistant"` +
  `${phase === undefined ? '' : `,"phase":${JSON.stringify(phase)}`},"content":[${content.join(',')}]}`

export type Reasoning = Readonly<{ text: string; isSummary: boolean; state: string | null }>

export function reasoningItem(id: string, status: ItemStatus, { text, isSummary, state }: Reasoning): string {
  const summary = isSummary && text !== '' ? summaryContent(text) : ''
  const thought = isSummary || text === '' ? '' : `,"content":[${thoughtContent(text)}]`
  const encrypted = state === null ? '' : `,"encrypted_content":${JSON.stringify(state)}`
  return `{"type":"reasoning","id":"${id}","status":"${status}","summary":[${summary}]${thought}${encrypted}}`
}

export const summaryContent = (text: string): string =>
  `{"type":"summary_text","text":${JSON.stringify(text)}}`

export const thoughtContent = (text: string): string =>
  `{"type":"reasoning_text","text":${JSON.stringify(text)}}`

export type Call = Readonly<{ id: string; name: string; isCustom: boolean }>

export const callItem = (id: string, status: ItemStatus, call: Call, args: RawJson): string =>
  `{"type":"${call.isCustom ? 'custom_tool_call' : 'function_call'}","id":"${id}","status":"${status}"` +
  `,"call_id":${JSON.stringify(call.id)},"name":${JSON.stringify(call.name)}` +
  `,"${call.isCustom ? 'input' : 'arguments'}":${JSON.stringify(args)}}`

/** A picture without data, while it is on its way. */
export const imageItem = (id: string, status: ItemStatus, result: string | null, mimeType: string): string =>
  `{"type":"image_generation_call","id":"${id}","status":"${status}"` +
  `,"output_format":${JSON.stringify(mimeType.slice('image/'.length))},"result":${JSON.stringify(result)}}`

/** What the format has no item for, as far as a link can stand for it. */
export function linkTo({ source, media }: MediaPart): string {
  if (source.kind === 'url') return media === 'image' ? `![image](${source.url})` : source.url
  return source.kind === 'text' ? source.text : ''
}

/** State for a place that belongs to it, sealed where it is another dialect's, with the text it vouches for. */
export function stateOf(carrier: Carrier, text: string, sealer: Sealer): string {
  if (carrier.dialect === NAME && carrier.of === 'own') return carrier.data
  return sealer.seal(text === '' || carrier.text !== undefined ? carrier : { ...carrier, text })
}

/** Names of the client's free-form tools: an upstream without such calls them as functions. */
export const customToolsOf = ({ tools }: CanonicalRequest): ReadonlySet<string> =>
  new Set(tools.flatMap((tool) => (tool.kind === 'custom' ? [tool.name] : [])))
