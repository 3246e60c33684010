/**
 * An answer for an Anthropic client.
 *
 * Pure. The SDKs' types promise every member of a message, so the empty ones are there as null.
 */
import { writeCarrier, type Carrier, type Sealer } from '../canonical/carrier.ts'
import { isObject, parseJson, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply } from '../canonical/reply.ts'
import type { MediaPart, ReasoningPart, TextPart, ToolCallPart } from '../canonical/request.ts'
import type { AnswerTarget } from '../dialect.ts'
import { wrapText } from '../repair/custom-tools.ts'
import { dataUrl } from '../repair/media.ts'
import { DIALECT, type Ending, saidIn, writeCitation, writeFinish, writeUsage } from './terms.ts'

export function writeReply(reply: CanonicalReply, target: AnswerTarget): string {
  const [candidate] = reply.candidates
  const parts = candidate?.parts ?? []
  const blocks = parts.flatMap((part) => writePart(part, target))
  // Anthropic's own reason is right: a call made by its code execution does not end the turn.
  const said = reply.dialect === DIALECT ? { call: false, refusal: false } : saidIn(parts)
  const ending = writeFinish(candidate?.finish ?? { kind: 'other' }, said)
  const head = {
    ...messageHead(reply.id, reply.model, target),
    ...endingFields(ending),
    container: null,
    diagnostics: null,
    usage: writeUsage(reply.usage, reply.serviceTier),
  }
  return `${JSON.stringify(head).slice(0, -1)},"content":[${blocks.join(',')}]}`
}

/** @param id the upstream's; kept when it is of this form. */
export const messageHead = (id: string | null, model: string | null, target: AnswerTarget): JsonObject => ({
  id: id?.startsWith('msg_') === true ? id : `msg_${target.newId()}`,
  type: 'message',
  role: 'assistant',
  model: model ?? target.request.model,
})

export const endingFields = ({ reason, sequence, details }: Ending): JsonObject => ({
  stop_reason: reason,
  stop_sequence: sequence,
  stop_details: details,
})

function writePart(part: AnswerPart, target: AnswerTarget): string[] {
  switch (part.kind) {
    case 'text':
      return [...placeholder(part.carrier, target.sealer), ...writeText(part)]
    case 'refusal':
      return writeText({ kind: 'text', text: part.text })
    case 'reasoning':
      return writeReasoning(part, target)
    case 'tool-call':
      return [...placeholder(part.carrier, target.sealer), writeCall(part)]
    case 'media':
      return writeText({ kind: 'text', text: mediaInWords(part) })
    case 'native':
      return part.dialect === DIALECT ? [JSON.stringify(part.value)] : []
  }
}

/** A text that says nothing is refused when the client sends it back. */
function writeText({ text, citations = [] }: TextPart): string[] {
  if (text === '' && citations.length === 0) return []
  const cited = citations.length === 0 ? null : citations.map((citation) => writeCitation(citation, text))
  return [JSON.stringify({ type: 'text', text, citations: cited })]
}

/** State of a text or a call has no place there; it goes in front, where clients keep what is opaque. */
const placeholder = (carrier: Carrier | undefined, sealer: Sealer): string[] =>
  carrier === undefined
    ? []
    : [JSON.stringify({ type: 'redacted_thinking', data: sealer.seal({ ...carrier, of: 'next' }) })]

function writeReasoning({ text, carrier }: ReasoningPart, target: AnswerTarget): string[] {
  const shown = target.request.telling.reasoning ? text : ''
  if (carrier === undefined) {
    return shown === '' ? [] : [JSON.stringify({ type: 'thinking', thinking: shown, signature: '' })]
  }
  const data = writeCarrier(carrier, DIALECT, target.sealer)
  return [
    JSON.stringify(
      isRedacted(carrier, shown)
        ? { type: 'redacted_thinking', data }
        : { type: 'thinking', thinking: shown, signature: data },
    ),
  ]
}

/** Claude's own state stays of its kind; another's without a text is best shown as what cannot be shown. */
export const isRedacted = (carrier: Carrier, text: string): boolean =>
  carrier.dialect === DIALECT ? carrier.form === 'redacted' : text === ''

function writeCall({ id, name, args, isCustom }: ToolCallPart): string {
  return (
    `{"type":"tool_use","id":${JSON.stringify(id)},"name":${JSON.stringify(name)}` +
    `,"input":${isCustom ? wrapText(args) : inputText(args)},"caller":{"type":"direct"}}`
  )
}

function inputText(args: string): string {
  const text = args.trim()
  if (text === '') return '{}'
  return isObject(parseJson(text)) ? text : JSON.stringify({ _raw: args })
}

/** Pictures that a model made: Anthropic's answers hold none, Markdown does. */
export function mediaInWords({ media, source, mimeType }: MediaPart): string {
  const words = media === 'image' ? '!' : ''
  switch (source.kind) {
    case 'url':
      return `${words}[${media}](${source.url})`
    case 'base64':
      return `${words}[${media}](${dataUrl(mimeType ?? 'application/octet-stream', source.data)})`
    case 'file':
      return `[${media}: ${source.id}]`
    case 'text':
      return source.text
  }
}
