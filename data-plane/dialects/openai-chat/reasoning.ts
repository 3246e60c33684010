/**
 * What models thought, in the words chat has grown for it.
 *
 * Pure. Text stands in `reasoning_content` (DeepSeek, xAI, Moonshot, Alibaba) or `reasoning` (OpenRouter, Groq);
 * opaque state in `reasoning_details`, and in Google's `extra_content`. A client may keep only the last
 * piece of a field it does not know, so state is told whole and at once: sealed, with the text it belongs to.
 */
import { readCarrier, type Carrier, type Sealer } from '../canonical/carrier.ts'
import { arrayOf, isObject, objectOf, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { AnswerPart } from '../canonical/reply.ts'
import type { ReasoningPart, TextPart } from '../canonical/request.ts'

/** Opens what stands in a place of opaque state. @returns null for what is nobody's. */
export type OpenCarrier = (data: string, form: string, id?: string) => Carrier | null

const native = (form: string, id: string | undefined): Omit<Carrier, 'data' | 'provider'> => ({
  dialect: 'openai-chat',
  form,
  of: 'own',
  ...(id === undefined ? {} : { id }),
})

/** State that a client sends back: sealed by us, or as it came natively. */
export const clientCarriers =
  (sealer: Sealer): OpenCarrier =>
  (data, form, id) =>
    readCarrier(data, sealer, native(form, id))

/** State in an answer of this provider. */
export const providerCarriers =
  (provider: string): OpenCarrier =>
  (data, form, id) => ({ ...native(form, id), provider, data })

export type Thought = Readonly<{
  parts: readonly ReasoningPart[]
  /** State of the texts after them, in their order. */
  next: readonly Carrier[]
}>

/** Reads a message's or a delta's thought. */
export function readThought(message: JsonObject, open: OpenCarrier): Thought {
  const parts: ReasoningPart[] = []
  const next: Carrier[] = []
  let lastIndex: JsonValue | undefined
  for (const detail of arrayOf(message['reasoning_details'])) {
    if (!isObject(detail)) continue
    const part = readDetail(detail, open)
    if (part === null) continue
    if (part.carrier?.of === 'next') {
      next.push({ ...part.carrier, of: 'own' })
      continue
    }
    const last = parts.at(-1)
    const joined = last !== undefined && detail['index'] === lastIndex ? join(last, part) : null
    if (joined === null) parts.push(part)
    else parts[parts.length - 1] = joined
    lastIndex = detail['index']
  }
  const plain = plainThought(message)
  // Details that hold text say the same once more.
  if (plain !== '' && parts.every(({ text }) => text === ''))
    parts.unshift({ kind: 'reasoning', text: plain, isSummary: false })
  return { parts, next }
}

/** Entries of one index are one thought: pieces of a stream, kept as they came, and then its state. */
function join(last: ReasoningPart, part: ReasoningPart): ReasoningPart | null {
  if (last.carrier !== undefined) return null
  if (part.carrier !== undefined && part.text === '') return { ...last, carrier: part.carrier }
  if (last.isSummary !== part.isSummary) return null
  return { ...last, ...part, text: last.text + part.text }
}

export const plainThought = (message: JsonObject): string =>
  stringOf(message['reasoning_content']) ?? stringOf(message['reasoning']) ?? ''

/** @returns null for what is not known, or holds state that is nobody's. */
export function readDetail(detail: JsonObject, open: OpenCarrier): ReasoningPart | null {
  const format = stringOf(detail['format']) ?? UNKNOWN
  const suffix = format === UNKNOWN ? '' : `/${format}`
  const id = stringOf(detail['id'])
  const type = stringOf(detail['type'])
  if (type === 'reasoning.encrypted') {
    const data = stringOf(detail['data']) ?? ''
    const carrier = data === '' ? null : open(data, `encrypted${suffix}`, id)
    if (carrier === null) return null
    return { kind: 'reasoning', text: carrier.text ?? '', isSummary: isSummaryOf(carrier), carrier }
  }
  if (type === 'reasoning.summary')
    return { kind: 'reasoning', text: stringOf(detail['summary']) ?? '', isSummary: true }
  if (type !== 'reasoning.text') return null
  const signature = stringOf(detail['signature']) ?? ''
  const carrier = signature === '' ? null : open(signature, `text${suffix}`, id)
  const text = stringOf(detail['text']) ?? ''
  return { kind: 'reasoning', text, isSummary: false, ...(carrier === null ? {} : { carrier }) }
}

const UNKNOWN = 'unknown'

/** Only Responses tells summaries together with state. */
const isSummaryOf = (carrier: Carrier): boolean => carrier.dialect === 'openai-responses'

/** Entries that hold a thought in chat's own words. */
export function writeOwnDetails(part: ReasoningPart, index: number): readonly JsonObject[] {
  const { text, carrier } = part
  const shown: JsonObject = part.isSummary
    ? { type: 'reasoning.summary', summary: text, index }
    : { type: 'reasoning.text', text, index }
  if (carrier === undefined) return [shown]
  const [kind, format = UNKNOWN] = carrier.form.split('/', 2)
  const frame = { format, index, ...(carrier.id === undefined ? {} : { id: carrier.id }) }
  if (kind === 'text') return [{ type: 'reasoning.text', text, signature: carrier.data, ...frame }]
  const hidden = { type: 'reasoning.encrypted', data: carrier.data, ...frame }
  return text === '' ? [hidden] : [shown, hidden]
}

/** State of another format as an entry for the client, sealed with the text it belongs to. */
function writeSealed(carrier: Carrier, text: string, index: number, sealer: Sealer): JsonObject {
  const data = sealer.seal(text === '' ? carrier : { ...carrier, text })
  return { type: 'reasoning.encrypted', data, format: UNKNOWN, index }
}

/** Is it state of chat itself that stands among the details? Google's stands elsewhere. */
export const isOwnDetail = (carrier: Carrier): boolean =>
  carrier.dialect === 'openai-chat' && carrier.form !== GOOGLE

const GOOGLE = 'google'

/** Google's state on a call, or on a message's text. */
export function readSignature(value: JsonObject, open: OpenCarrier): Carrier | null {
  const data = stringOf(objectOf(objectOf(value['extra_content'])['google'])['thought_signature'])
  return data === undefined || data === '' ? null : open(data, GOOGLE)
}

export const writeSignature = (data: string): JsonObject => ({ google: { thought_signature: data } })

/** An answer's thought for the client: its text, and all state that has no other place. */
export function writeThought(
  parts: readonly AnswerPart[],
  sealer: Sealer,
): Readonly<{ text: string; details: readonly JsonObject[] }> {
  let text = ''
  let index = 0
  const details: JsonObject[] = []
  for (const part of parts) {
    if (part.kind === 'reasoning') text += part.text
    if ((part.kind !== 'reasoning' && part.kind !== 'text') || part.carrier === undefined) continue
    details.push(...stateOf(part, part.carrier, index++, sealer))
  }
  return { text, details }
}

/** What the client has to keep of a part's state. */
export function stateOf(
  part: ReasoningPart | TextPart,
  carrier: Carrier,
  index: number,
  sealer: Sealer,
): readonly JsonObject[] {
  if (part.kind === 'text') return [writeSealed({ ...carrier, of: 'next' }, part.text, index, sealer)]
  if (isOwnDetail(carrier)) return writeOwnDetails({ ...part, carrier }, index)
  return [writeSealed(carrier, part.text, index, sealer)]
}
