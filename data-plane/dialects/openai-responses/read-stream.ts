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
import type { StreamEvent } from '../canonical/stream.ts'
import type { AnswerOrigin, SseEvent, StreamReader } from '../dialect.ts'
import { textsOf } from './items/read-content.ts'
import { callOf, readOther, stateOf } from './read-reply.ts'
import {
  argsAt,
  cite,
  complete,
  completeContent,
  contentAt,
  end,
  itemAt,
  openArgs,
  placeOf,
  start,
  summaryAt,
  summaryOf,
  tell,
  type Item,
  type Reading,
} from './stream/read-parts.ts'
import { finishOf, readProblem, readUsage } from './terms.ts'

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
    push({ event: name, data }: SseEvent): readonly StreamEvent[] {
      if (reading.over || data === '' || data === '[DONE]') return []
      // Says the whole request again, which may be long.
      if (reading.started && name === 'response.in_progress') return []
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
      return tell(contentAt(event, 'text', reading), event, reading)
    case 'response.refusal.delta':
      return tell(contentAt(event, 'refusal', reading), event, reading)
    case 'response.function_call_arguments.delta':
    case 'response.custom_tool_call_input.delta':
      return tell(argsAt(event, reading), event, reading)
    case 'response.reasoning_summary_text.delta':
      return tell(summaryAt(event, reading), event, reading)
    // The second is Open Responses' name for it.
    case 'response.reasoning_text.delta':
    case 'response.reasoning.delta':
      return tell(contentAt(event, 'reasoning', reading), event, reading)
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

// Items

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

/** A text ends here; a thought only with its item, which has its state. */
function finishContent(event: JsonObject, value: JsonObject, at: number, reading: Reading): void {
  const item = itemAt(placeOf(event, reading), 'message', reading)
  completeContent(item, value, at, reading)
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
      complete(item.parts.get('args') ?? null, args, reading)
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
  if (summary !== '') complete(summaryOf(item, reading), summary, reading)
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
