/**
 * A Responses event stream, read into canonical events.
 *
 * Pure. Items are known by their place in the output: some servers change an item's id from event to event,
 * and some leave out every event but the last of an item. What the deltas did not say is taken from the
 * `done` events, and what no event said from the response at the end.
 */
import type { Problem } from '#contracts/errors.ts'
import {
  arrayOf,
  isObject,
  numberOf,
  objectOf,
  parseJson,
  stringOf,
  type JsonObject,
} from '../canonical/json.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import type { AnswerOrigin, SseEvent, StreamReader } from '../dialect.ts'
import { textsOf } from './items/read-content.ts'
import { callOf, readOther, stateOf } from './read-reply.ts'
import { BETWEEN_SUMMARIES, finishOf, readAnnotation, readLogprobs, readProblem, readUsage } from './terms.ts'

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

type Item = {
  type: string
  phase: string | undefined
  call: Readonly<{ id: string; name: string }> | null
  /** Content parts by their index; `summary`; `args`. */
  readonly parts: Map<number | 'summary' | 'args', Open>
  done: boolean
}

type Reading = {
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

const BROKEN: Problem = { code: 'stream_broken' }

export function openReader(origin: AnswerOrigin): StreamReader {
  const reading: Reading = {
    origin,
    items: new Map(),
    places: new Map(),
    out: [],
    nextPart: 0,
    last: 0,
    started: false,
    over: false,
    calls: false,
    refusal: undefined,
  }
  const taken = (): readonly StreamEvent[] => {
    const { out } = reading
    reading.out = []
    return out
  }
  return {
    push({ data }: SseEvent): readonly StreamEvent[] {
      if (reading.over || data === '' || data === '[DONE]') return []
      const event = parseJson(data)
      if (isObject(event)) readEvent(event, reading)
      else fail(BROKEN, reading)
      return taken()
    },
    end(): readonly StreamEvent[] {
      if (reading.over) return []
      fail(BROKEN, reading)
      return taken()
    },
  }
}

function readEvent(event: JsonObject, reading: Reading): void {
  const type = stringOf(event['type']) ?? ''
  switch (type) {
    case 'response.output_text.delta':
      return tell('text', contentAt(event, 'text', reading), event, reading)
    case 'response.refusal.delta':
      return tell('refusal', contentAt(event, 'refusal', reading), event, reading)
    case 'response.function_call_arguments.delta':
    case 'response.custom_tool_call_input.delta':
      return tell('args', argsAt(event, reading), event, reading)
    case 'response.reasoning_summary_text.delta':
      return tell('reasoning', summaryAt(event, reading), event, reading)
    // The second is Open Responses' name for it.
    case 'response.reasoning_text.delta':
    case 'response.reasoning.delta':
      return tell('reasoning', contentAt(event, 'reasoning', reading), event, reading)
    case 'response.created':
    case 'response.queued':
    case 'response.in_progress':
      return start(objectOf(event['response']), reading)
    case 'response.output_item.added':
      return addItem(event, reading)
    case 'response.output_text.annotation.added':
      return cite(contentAt(event, 'text', reading), event['annotation'], reading)
    case 'response.content_part.done':
      return finishContent(event, objectOf(event['part']), numberOf(event['content_index']) ?? 0, reading)
    case 'response.output_item.done':
      return finishItem(placeOf(event, reading), objectOf(event['item']), reading)
    case 'response.completed':
      return finish(objectOf(event['response']), reading)
    case 'response.incomplete':
      return finish({ ...objectOf(event['response']), status: 'incomplete' }, reading)
    case 'response.failed':
      return fail(readProblem(objectOf(event['response'])), reading)
    case 'error':
      return fail(readProblem(event), reading)
    case 'keepalive':
      reading.out.push({ kind: 'ping' })
      return
    default:
      // An error without a type, as some hosts send it.
      if (type === '' && isObject(event['error'])) fail(readProblem(event), reading)
  }
}

function start(response: JsonObject, reading: Reading): void {
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

// Items

function placeOf(event: JsonObject, reading: Reading): number {
  const id = stringOf(event['item_id'])
  const place =
    numberOf(event['output_index']) ?? (id === undefined ? undefined : reading.places.get(id)) ?? reading.last
  reading.last = place
  return place
}

function itemAt(place: number, type: string, reading: Reading): Item {
  start({}, reading)
  const known = reading.items.get(place)
  if (known !== undefined) return known
  const item: Item = { type, phase: undefined, call: null, parts: new Map(), done: false }
  reading.items.set(place, item)
  return item
}

function addItem(event: JsonObject, reading: Reading): void {
  const place = placeOf(event, reading)
  const value = objectOf(event['item'])
  const id = stringOf(value['id'])
  if (id !== undefined) reading.places.set(id, place)
  const item = itemAt(place, stringOf(value['type']) ?? '', reading)
  readHead(item, value, reading)
}

/** What must be known of an item before its parts are opened. */
function readHead(item: Item, value: JsonObject, reading: Reading): void {
  item.type = stringOf(value['type']) ?? item.type
  item.phase ??= stringOf(value['phase'])
  if (item.type !== 'function_call' && item.type !== 'custom_tool_call') return
  item.call ??= callOf(value, reading.origin)
  openArgs(item, item.call, reading)
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

function contentAt(event: JsonObject, kind: 'text' | 'refusal' | 'reasoning', reading: Reading): Open {
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
function summaryAt(event: JsonObject, reading: Reading): Open {
  const item = itemAt(placeOf(event, reading), 'reasoning', reading)
  const part = summaryOf(item, reading)
  const summary = numberOf(event['summary_index']) ?? 0
  if (summary !== part.summary && part.told > 0) say('reasoning', part, BETWEEN_SUMMARIES, reading)
  part.summary = summary
  return part
}

const summaryOf = (item: Item, reading: Reading): Open =>
  item.parts.get('summary') ??
  open(item, 'summary', 'reasoning', { kind: 'reasoning', isSummary: true }, reading)

/** @returns null while nobody has said whose arguments they are; the item's end says them all. */
function argsAt(event: JsonObject, reading: Reading): Open | null {
  const item = itemAt(placeOf(event, reading), '', reading)
  return item.call === null ? null : openArgs(item, item.call, reading)
}

function openArgs(item: Item, call: NonNullable<Item['call']>, reading: Reading): Open {
  const known = item.parts.get('args')
  if (known !== undefined) return known
  reading.calls = true
  const isCustom = item.type === 'custom_tool_call'
  return open(item, 'args', 'args', { kind: 'tool-call', ...call, isCustom }, reading)
}

function tell(kind: Open['kind'], part: Open | null, event: JsonObject, reading: Reading): void {
  if (part === null) return
  say(kind, part, stringOf(event['delta']) ?? '', reading)
  const logprobs = event['logprobs']
  if (kind !== 'text' || !Array.isArray(logprobs) || logprobs.length === 0) return
  part.hasLogprobs = true
  reading.out.push({ kind: 'logprobs', index: part.index, tokens: readLogprobs(logprobs) })
}

function say(kind: Open['kind'], part: Open, text: string, reading: Reading): void {
  if (text === '' || part.ended) return
  part.told += text.length
  if (kind === 'refusal') reading.refusal = (reading.refusal ?? '') + text
  reading.out.push({ kind, index: part.index, text })
}

/** Tells what the deltas left out. */
function complete(kind: Open['kind'], part: Open | null, whole: string | undefined, reading: Reading): void {
  if (part === null || whole === undefined || whole.length <= part.told) return
  say(kind, part, whole.slice(part.told), reading)
}

function cite(part: Open, annotation: unknown, reading: Reading): void {
  if (!isObject(annotation) || part.ended) return
  part.citations += 1
  reading.out.push({ kind: 'citation', index: part.index, citation: readAnnotation(annotation) })
}

function end(part: Open, reading: Reading): void {
  if (part.ended) return
  part.ended = true
  reading.out.push({ kind: 'part-end', index: part.index })
}

/** A text ends here; a thought only with its item, which has its state. */
function finishContent(event: JsonObject, value: JsonObject, at: number, reading: Reading): void {
  const item = itemAt(placeOf(event, reading), 'message', reading)
  completeContent(item, value, at, reading)
}

function completeContent(item: Item, value: JsonObject, at: number, reading: Reading): void {
  if (value['type'] === 'reasoning_text' || item.type === 'reasoning') {
    complete('reasoning', contentOf(item, at, 'reasoning', reading), stringOf(value['text']), reading)
    return
  }
  if (value['type'] === 'refusal') {
    const part = contentOf(item, at, 'refusal', reading)
    complete('refusal', part, stringOf(value['refusal']), reading)
    end(part, reading)
    return
  }
  const text = stringOf(value['text'])
  if (text === undefined) return
  const part = contentOf(item, at, 'text', reading)
  complete('text', part, text, reading)
  const logprobs = readLogprobs(value['logprobs'])
  if (logprobs.length > 0 && !part.hasLogprobs && !part.ended) {
    part.hasLogprobs = true
    reading.out.push({ kind: 'logprobs', index: part.index, tokens: logprobs })
  }
  for (const annotation of arrayOf(value['annotations']).slice(part.citations))
    cite(part, annotation, reading)
  end(part, reading)
}

function finishItem(place: number, value: JsonObject, reading: Reading): void {
  const item = itemAt(place, stringOf(value['type']) ?? '', reading)
  if (item.done) return
  item.done = true
  readHead(item, value, reading)
  switch (item.type) {
    case 'message':
      arrayOf(value['content']).forEach((entry, at) => completeContent(item, objectOf(entry), at, reading))
      break
    case 'function_call':
    case 'custom_tool_call': {
      const args = stringOf(value[item.type === 'function_call' ? 'arguments' : 'input'])
      complete('args', item.parts.get('args') ?? null, args, reading)
      break
    }
    case 'reasoning':
      finishReasoning(item, value, reading)
      break
    default:
      finishOther(value, reading)
  }
  for (const part of item.parts.values()) end(part, reading)
}

function finishReasoning(item: Item, value: JsonObject, reading: Reading): void {
  const summary = textsOf(value['summary'])
  if (summary !== '') complete('reasoning', summaryOf(item, reading), summary, reading)
  const content = arrayOf(value['content'])
  content.forEach((entry, at) => completeContent(item, objectOf(entry), at, reading))
  const carrier = stateOf(value, reading.origin)
  if (carrier === undefined) return
  const { index } = [...item.parts.values()].at(-1) ?? summaryOf(item, reading)
  reading.out.push({ kind: 'carrier', index, carrier })
}

/** Whole at once. */
function finishOther(value: JsonObject, reading: Reading): void {
  const part = readOther(value)
  if (part.kind !== 'media' && part.kind !== 'native') return
  const index = reading.nextPart++
  reading.out.push({ kind: 'part-start', index, candidate: 0, part }, { kind: 'part-end', index })
}

// The end

function finish(response: JsonObject, reading: Reading): void {
  start(response, reading)
  arrayOf(response['output']).forEach((value, place) => {
    // Some servers drop items at the end that they had told before; places then no longer agree.
    if (reading.items.get(place)?.done !== true && mayBe(place, objectOf(value), reading)) {
      finishItem(place, objectOf(value), reading)
    }
  })
  endAll(reading)
  reading.over = true
  const usage = readUsage(response['usage'])
  if (usage !== null) reading.out.push({ kind: 'usage', usage })
  reading.out.push({
    kind: 'finish',
    candidate: 0,
    finish: finishOf(response, reading.calls, reading.refusal),
  })
}

/** Is this the item that was begun at its place, or one that no event told of? */
const mayBe = (place: number, value: JsonObject, reading: Reading): boolean => {
  const item = reading.items.get(place)
  return item === undefined ? reading.items.size <= place : item.type === value['type']
}

function endAll(reading: Reading): void {
  for (const item of reading.items.values()) for (const part of item.parts.values()) end(part, reading)
}

function fail(problem: Problem, reading: Reading): void {
  reading.over = true
  reading.out.push({ kind: 'error', problem })
}
