/**
 * Anthropic's events into those of the middle.
 *
 * Pure; keeps state between events. Lives with what upstreams really send: a `message_start` sent twice,
 * blocks never closed, counts that come again in `message_delta`, blocks and deltas of kinds not known yet.
 */
import type { Problem } from '#contracts/errors.ts'
import {
  isObject,
  numberOf,
  objectOf,
  parseJson,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '../canonical/json.ts'
import type { Finish } from '../canonical/reply.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import type { AnswerOrigin, SseEvent, StreamReader } from '../dialect.ts'
import { DIALECT, mergeUsage, readCitation, readFinish, readTier, readUsage } from './terms.ts'

type Block = {
  readonly type: string
  /** Part in the middle. */
  readonly index: number
  /** As it began; natives grow until they are whole. */
  readonly value: Record<string, JsonValue | undefined>
  /** Told so far: of the text, or of the arguments. */
  length: number
  state: string
  citations: JsonObject[]
  json: string
}

type State = {
  readonly origin: AnswerOrigin
  readonly open: Map<number, Block>
  messageId: string | null
  isStarted: boolean
  isOver: boolean
  parts: number
  usage: JsonObject
  finish: Finish | null
}

export function openReader(origin: AnswerOrigin): StreamReader {
  const state: State = {
    origin,
    open: new Map(),
    messageId: null,
    isStarted: false,
    isOver: false,
    parts: 0,
    usage: {},
    finish: null,
  }
  return {
    push: (event) => (state.isOver ? [] : read(event, state)),
    end: () => {
      if (state.isOver) return []
      if (state.finish !== null) return stop(state)
      return fail({ code: 'stream_broken' }, state)
    },
  }
}

function read({ event, data }: SseEvent, state: State): StreamEvent[] {
  const body = parseJson(data)
  if (!isObject(body)) return []
  switch (stringOf(body['type']) ?? event) {
    case 'message_start':
      return start(objectOf(body['message']), state)
    case 'content_block_start':
      return [...unsaidStart(state), ...openBlock(numberOf(body['index']) ?? 0, body, state)]
    case 'content_block_delta':
      return grow(state.open.get(numberOf(body['index']) ?? 0), objectOf(body['delta']))
    case 'content_block_stop':
      return closeBlock(numberOf(body['index']) ?? 0, state)
    case 'message_delta':
      return endOf(body, state)
    case 'message_stop':
      return stop(state)
    case 'ping':
      return [{ kind: 'ping' }]
    case 'error':
      return fail(readProblem(objectOf(body['error'])), state)
    default:
      return []
  }
}

function start(message: JsonObject, state: State): StreamEvent[] {
  const id = stringOf(message['id']) ?? null
  if (state.isStarted) {
    // The same message again, or another before anything was said, changes nothing. Another one in the middle
    // is two answers in one, and what was said cannot be taken back.
    return id === state.messageId || state.parts === 0 ? [] : fail({ code: 'stream_broken' }, state)
  }
  state.isStarted = true
  state.messageId = id
  state.usage = objectOf(message['usage'])
  return [
    {
      kind: 'start',
      id,
      model: stringOf(message['model']) ?? null,
      serviceTier: readTier(state.usage),
      usage: isObject(message['usage']) ? readUsage(state.usage) : null,
    },
  ]
}

/** Content without a beginning: some relays leave `message_start` out. */
const unsaidStart = (state: State): StreamEvent[] => (state.isStarted ? [] : start({}, state))

function openBlock(at: number, body: JsonObject, state: State): StreamEvent[] {
  const value = objectOf(body['content_block'])
  const type = stringOf(value['type']) ?? 'unknown'
  const before = state.open.has(at) ? closeBlock(at, state) : []
  const index = state.parts
  const block: Block = { type, index, value: { ...value }, length: 0, state: '', citations: [], json: '' }
  state.open.set(at, block)
  const isKnown =
    type === 'text' || type === 'thinking' || type === 'redacted_thinking' || type === 'tool_use'
  if (!isKnown) return before
  state.parts++
  return [
    ...before,
    { kind: 'part-start', index, candidate: 0, part: partOf(type, value, state.origin) },
    ...grow(block, { ...value, type: `${type}_start` }),
  ]
}

type Started = Extract<StreamEvent, { kind: 'part-start' }>['part']

function partOf(
  type: 'text' | 'thinking' | 'redacted_thinking' | 'tool_use',
  value: JsonObject,
  { toolNames }: AnswerOrigin,
): Started {
  if (type === 'text') return { kind: 'text' }
  if (type !== 'tool_use') return { kind: 'reasoning', isSummary: false }
  const name = stringOf(value['name']) ?? ''
  return {
    kind: 'tool-call',
    id: stringOf(value['id']) ?? '',
    name: toolNames.get(name) ?? name,
    isCustom: false,
  }
}

/** @param delta also what a block already holds when it starts, as `…_start`. */
function grow(block: Block | undefined, delta: JsonObject): StreamEvent[] {
  if (block === undefined) return []
  switch (delta['type']) {
    case 'text_delta':
    case 'text_start':
      return block.type === 'text' ? told('text', stringOf(delta['text']), block) : growNative(block, delta)
    case 'thinking_delta':
      return block.type === 'thinking' ? told('reasoning', stringOf(delta['thinking']), block) : []
    case 'thinking_start':
      block.state = stringOf(delta['signature']) ?? ''
      return told('reasoning', stringOf(delta['thinking']), block)
    case 'redacted_thinking_start':
      block.state = stringOf(delta['data']) ?? ''
      return []
    case 'signature_delta':
      block.state = stringOf(delta['signature']) ?? block.state
      return []
    case 'input_json_delta':
      if (block.type === 'tool_use') return told('args', stringOf(delta['partial_json']), block)
      block.json += stringOf(delta['partial_json']) ?? ''
      return []
    case 'citations_delta':
      if (isObject(delta['citation'])) block.citations.push(delta['citation'])
      return []
    case 'tool_use_start':
      return []
    default:
      return growNative(block, delta)
  }
}

function told(kind: 'text' | 'reasoning' | 'args', text: string | undefined, block: Block): StreamEvent[] {
  if (text === undefined || text === '') return []
  block.length += text.length
  return [{ kind, index: block.index, text }]
}

/** A `compaction_delta` and its like bring whole members; a text grows. */
function growNative(block: Block, delta: JsonObject): StreamEvent[] {
  for (const [key, value] of Object.entries(delta)) {
    if (key === 'type') continue
    const before = block.value[key]
    block.value[key] = typeof before === 'string' && typeof value === 'string' ? before + value : value
  }
  return []
}

function closeBlock(at: number, state: State): StreamEvent[] {
  const block = state.open.get(at)
  if (block === undefined) return []
  state.open.delete(at)
  const { index, type, value } = block
  const end: StreamEvent = { kind: 'part-end', index }
  switch (type) {
    case 'text':
      return [...block.citations.map((one) => citationEvent(one, block)), end]
    case 'thinking':
    case 'redacted_thinking': {
      const form = type === 'thinking' ? 'signature' : 'redacted'
      const { provider } = state.origin
      if (block.state === '') return [end]
      const carrier = { dialect: DIALECT, provider, data: block.state, form, of: 'own' } as const
      return [{ kind: 'carrier', index, carrier }, end]
    }
    case 'tool_use': {
      // The arguments of some came with the start, whole.
      const whole = block.length === 0 && isObject(value['input']) ? JSON.stringify(value['input']) : '{}'
      return whole === '{}' ? [end] : [{ kind: 'args', index, text: whole }, end]
    }
    default: {
      const part = { kind: 'native', dialect: DIALECT, type, value: wholeNative(block) } as const
      const own = state.parts++
      return [
        { kind: 'part-start', index: own, candidate: 0, part },
        { kind: 'part-end', index: own },
      ]
    }
  }
}

const citationEvent = (value: JsonObject, block: Block): StreamEvent => ({
  kind: 'citation',
  index: block.index,
  citation: readCitation(value, block.length),
})

function wholeNative({ value, json, citations }: Block): JsonObject {
  return {
    ...value,
    ...(json === '' ? {} : { input: parseJson(json) ?? { _raw: json } }),
    ...(citations.length === 0 ? {} : { citations }),
  }
}

function endOf(body: JsonObject, state: State): StreamEvent[] {
  const delta = objectOf(body['delta'])
  if (typeof delta['stop_reason'] === 'string') state.finish = readFinish(delta)
  if (!isObject(body['usage'])) return unsaidStart(state)
  state.usage = mergeUsage(state.usage, body['usage'])
  return [...unsaidStart(state), { kind: 'usage', usage: readUsage(state.usage) }]
}

function stop(state: State): StreamEvent[] {
  state.isOver = true
  const events = unsaidStart(state)
  for (const at of state.open.keys()) events.push(...closeBlock(at, state))
  events.push({ kind: 'finish', candidate: 0, finish: state.finish ?? { kind: 'other' } })
  return events
}

function fail(problem: Problem, state: State): StreamEvent[] {
  state.isOver = true
  return [{ kind: 'error', problem }]
}

const CODES: ReadonlyMap<string, Problem['code']> = new Map([
  ['overloaded_error', 'upstream_overloaded'],
  ['rate_limit_error', 'rate_limit_exceeded'],
  ['timeout_error', 'upstream_timeout'],
])

function readProblem(error: JsonObject): Problem {
  const message = stringOf(error['message'])
  return {
    code: CODES.get(stringOf(error['type']) ?? '') ?? 'upstream_error',
    ...(message === undefined ? {} : { message }),
  }
}
