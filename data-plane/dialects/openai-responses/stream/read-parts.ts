/**
 * The parts of a stream while they are heard: found by their place, opened when first heard of, completed by
 * what the end says more than the deltas did.
 *
 * Pure.
 */
import { arrayOf, isObject, numberOf, stringOf, type JsonObject } from '../../canonical/json.ts'
import type { PartStart, StreamEvent } from '../../canonical/stream.ts'
import type { AnswerOrigin } from '../../dialect.ts'
import { BETWEEN_SUMMARIES, readAnnotation, readLogprobs } from '../terms.ts'

/** A part that has been opened. */
type Open = {
  readonly index: number
  readonly kind: 'text' | 'refusal' | 'reasoning' | 'args'
  /** UTF-16 units told so far. */
  told: number
  citations: number
  hasLogprobs: boolean
  /** Of the summary told last. */
  summary: number
  ended: boolean
}

export type Item = {
  type: string
  phase: string | undefined
  call: Readonly<{ id: string; name: string }> | null
  /** Content parts by their index; `summary`; `args`. */
  readonly parts: Map<number | 'summary' | 'args', Open>
  done: boolean
}

export type Reading = {
  readonly origin: AnswerOrigin
  readonly items: Map<number, Item>
  readonly places: Map<string, number>
  /** Events that this push gives. */
  out: StreamEvent[]
  nextPart: number
  last: number
  started: boolean
  over: boolean
  calls: boolean
  refusal: string | undefined
}

// Items

export function start(response: JsonObject, reading: Reading): void {
  if (reading.started) return
  reading.started = true
  reading.out.push({
    kind: 'start',
    id: stringOf(response['id']) ?? null,
    model: stringOf(response['model']) ?? null,
    serviceTier: stringOf(response['service_tier']) ?? null,
    usage: null,
  })
}

export function placeOf(event: JsonObject, reading: Reading): number {
  const id = stringOf(event['item_id'])
  const place =
    numberOf(event['output_index']) ?? (id === undefined ? undefined : reading.places.get(id)) ?? reading.last
  reading.last = place
  return place
}

export function itemAt(place: number, type: string, reading: Reading): Item {
  start({}, reading)
  const known = reading.items.get(place)
  if (known !== undefined) return known
  const item: Item = { type, phase: undefined, call: null, parts: new Map(), done: false }
  reading.items.set(place, item)
  return item
}

// Parts

function open(
  item: Item,
  at: number | 'summary' | 'args',
  kind: Open['kind'],
  part: PartStart['part'],
  reading: Reading,
): Open {
  const index = reading.nextPart++
  const opened: Open = {
    index,
    kind,
    told: 0,
    citations: 0,
    hasLogprobs: false,
    summary: 0,
    ended: false,
  }
  item.parts.set(at, opened)
  reading.out.push({ kind: 'part-start', index, candidate: 0, part })
  return opened
}

export function contentAt(event: JsonObject, kind: 'text' | 'refusal' | 'reasoning', reading: Reading): Open {
  const type = kind === 'reasoning' ? 'reasoning' : 'message'
  const item = itemAt(placeOf(event, reading), type, reading)
  return contentOf(item, numberOf(event['content_index']) ?? 0, kind, reading)
}

function contentOf(item: Item, at: number, kind: 'text' | 'refusal' | 'reasoning', reading: Reading): Open {
  const known = item.parts.get(at)
  if (known !== undefined) return known
  if (kind === 'reasoning') return open(item, at, kind, { kind, isSummary: false }, reading)
  if (kind === 'refusal') return open(item, at, kind, { kind }, reading)
  const { phase } = item
  return open(item, at, kind, phase === undefined ? { kind } : { kind, phase }, reading)
}

/** All summaries of an item are one part; a new one begins a paragraph. */
export function summaryAt(event: JsonObject, reading: Reading): Open {
  const item = itemAt(placeOf(event, reading), 'reasoning', reading)
  const part = summaryOf(item, reading)
  const summary = numberOf(event['summary_index']) ?? 0
  if (summary !== part.summary && part.told > 0) say(part, BETWEEN_SUMMARIES, reading)
  part.summary = summary
  return part
}

export const summaryOf = (item: Item, reading: Reading): Open =>
  item.parts.get('summary') ??
  open(item, 'summary', 'reasoning', { kind: 'reasoning', isSummary: true }, reading)

/** @returns null while nobody has said whose arguments they are; the item's end says them all. */
export function argsAt(event: JsonObject, reading: Reading): Open | null {
  const item = itemAt(placeOf(event, reading), '', reading)
  return item.call === null ? null : openArgs(item, item.call, reading)
}

export function openArgs(item: Item, call: NonNullable<Item['call']>, reading: Reading): Open {
  const known = item.parts.get('args')
  if (known !== undefined) return known
  reading.calls = true
  const isCustom = item.type === 'custom_tool_call'
  return open(item, 'args', 'args', { kind: 'tool-call', ...call, isCustom }, reading)
}

export function tell(part: Open | null, event: JsonObject, reading: Reading): void {
  if (part === null) return
  say(part, stringOf(event['delta']) ?? '', reading)
  const logprobs = event['logprobs']
  if (part.kind !== 'text' || !Array.isArray(logprobs) || logprobs.length === 0) return
  part.hasLogprobs = true
  reading.out.push({ kind: 'logprobs', index: part.index, tokens: readLogprobs(logprobs) })
}

function say(part: Open, text: string, reading: Reading): void {
  if (text === '' || part.ended) return
  const { index, kind } = part
  part.told += text.length
  if (kind === 'refusal') reading.refusal = (reading.refusal ?? '') + text
  reading.out.push({ kind, index, text })
}

/** Tells what the deltas left out. */
export function complete(part: Open | null, whole: string | undefined, reading: Reading): void {
  if (part === null || whole === undefined || whole.length <= part.told) return
  say(part, whole.slice(part.told), reading)
}

export function cite(part: Open, annotation: unknown, reading: Reading): void {
  if (!isObject(annotation) || part.ended) return
  part.citations += 1
  reading.out.push({ kind: 'citation', index: part.index, citation: readAnnotation(annotation) })
}

export function end(part: Open, reading: Reading): void {
  if (part.ended) return
  part.ended = true
  reading.out.push({ kind: 'part-end', index: part.index })
}

export function completeContent(item: Item, value: JsonObject, at: number, reading: Reading): void {
  if (value['type'] === 'reasoning_text' || item.type === 'reasoning') {
    complete(contentOf(item, at, 'reasoning', reading), stringOf(value['text']), reading)
    return
  }
  if (value['type'] === 'refusal') {
    const part = contentOf(item, at, 'refusal', reading)
    complete(part, stringOf(value['refusal']), reading)
    end(part, reading)
    return
  }
  const text = stringOf(value['text'])
  if (text === undefined) return
  const part = contentOf(item, at, 'text', reading)
  complete(part, text, reading)
  const logprobs = readLogprobs(value['logprobs'])
  if (logprobs.length > 0 && !part.hasLogprobs && !part.ended) {
    part.hasLogprobs = true
    reading.out.push({ kind: 'logprobs', index: part.index, tokens: logprobs })
  }
  for (const annotation of arrayOf(value['annotations']).slice(part.citations))
    cite(part, annotation, reading)
  end(part, reading)
}
