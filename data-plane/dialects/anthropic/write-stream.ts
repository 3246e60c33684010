/**
 * Events of the middle as Anthropic's, for its clients.
 *
 * Pure; keeps state between events. Blocks stand one after the other without gaps: what is said of a part
 * while another is still open waits. Every frame has its `event:` line and its blank line; a stream ends with
 * `message_delta` and `message_stop`, or with an error.
 */
import type { Problem } from '#contracts/errors.ts'
import { writeCarrier, type Carrier } from '../canonical/carrier.ts'
import type { Finish, Usage } from '../canonical/reply.ts'
import type { Citation } from '../canonical/request.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import type { AnswerTarget, StreamWriter } from '../dialect.ts'
import { wrapText } from '../repair/custom-tools.ts'
import { openJsonPrefix } from '../repair/json-prefix.ts'
import { errorFrame } from './errors.ts'
import { DIALECT, writeCitation, writeDeltaUsage, writeFinish, writeUsage } from './terms.ts'
import { endingFields, isRedacted, mediaInWords, messageHead } from './write-reply.ts'

type Told = Exclude<StreamEvent, { kind: 'start' | 'usage' | 'finish' | 'error' | 'ping' }>

/** The part whose blocks are being written. */
type Current = {
  readonly start: PartStart
  /** Its own block is open; before that, state may still be put in front. */
  isOpen: boolean
  /** Needed to cite from. */
  text: string
  /** Of a call's arguments, what can still become JSON. */
  readonly args: (piece: string) => string
  /** State of thoughts, told at their end. */
  signature: Carrier | null
  /** A block for state that came too late to stand in front. */
  behind: string | null
}

type State = {
  readonly target: AnswerTarget
  isStarted: boolean
  isOver: boolean
  blocks: number
  current: Current | null
  /** Parts that wait for their turn, and what was said of them; in the order of their opening. */
  readonly waiting: Map<number, Told[]>
  readonly skipped: Set<number>
  hasCall: boolean
  hasRefusal: boolean
  usage: Usage | null
  finish: Finish | null
}

export function openWriter(target: AnswerTarget): StreamWriter {
  const state: State = {
    target,
    isStarted: false,
    isOver: false,
    blocks: 0,
    current: null,
    waiting: new Map(),
    skipped: new Set(),
    hasCall: false,
    hasRefusal: false,
    usage: null,
    finish: null,
  }
  return {
    write: (event) => (state.isOver ? '' : write(event, state)),
    end: () => (state.isOver ? '' : end(state)),
    fail: (problem) => (state.isOver ? '' : fail(problem, state)),
  }
}

function write(event: StreamEvent, state: State): string {
  switch (event.kind) {
    case 'start':
      state.usage = event.usage
      return begin(state, event.id, event.model, event.serviceTier)
    case 'ping':
      return 'event: ping\ndata: {"type": "ping"}\n\n'
    case 'usage':
      state.usage = event.usage
      return ''
    case 'finish':
      // The last frames wait for `end`: usage may still come.
      if (event.candidate === 0) state.finish = event.finish
      return ''
    case 'error':
      return fail(event.problem, state)
    default:
      return begin(state, null, null, null) + tell(event, state)
  }
}

function begin(state: State, id: string | null, model: string | null, tier: string | null): string {
  if (state.isStarted) return ''
  state.isStarted = true
  const message = {
    ...messageHead(id, model, state.target),
    content: [],
    container: null,
    diagnostics: null,
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    usage: writeUsage(state.usage, tier),
  }
  return frame('message_start', `"message":${JSON.stringify(message)}`)
}

function tell(event: Told, state: State): string {
  const { current } = state
  if (event.kind === 'part-start') {
    if (isMeant(event)) return current === null ? open(event, state) : wait(event, state)
    state.skipped.add(event.index)
    return ''
  }
  if (state.skipped.has(event.index)) return ''
  if (current?.start.index !== event.index) return wait(event, state)
  return event.kind === 'part-end' ? close(current, state) + next(state) : say(event, current, state)
}

/** One answer, and nothing that only another dialect could read. */
const isMeant = ({ candidate, part }: PartStart): boolean =>
  candidate === 0 && (part.kind !== 'native' || part.dialect === DIALECT)

function wait(event: Told, state: State): string {
  const held = state.waiting.get(event.index)
  if (held !== undefined) held.push(event)
  else if (event.kind === 'part-start') state.waiting.set(event.index, [event])
  return ''
}

/** The part that waited longest has its turn, with all that was said of it meanwhile. */
function next(state: State): string {
  let frames = ''
  for (const [index, held] of state.waiting) {
    state.waiting.delete(index)
    for (const event of held) frames += tell(event, state)
    if (state.current !== null) break
  }
  return frames
}

function open(start: PartStart, state: State): string {
  const current: Current = {
    start,
    isOpen: false,
    text: '',
    args: argsOf(start),
    signature: null,
    behind: null,
  }
  state.current = current
  const { part } = start
  if (part.kind === 'tool-call') state.hasCall = true
  if (part.kind === 'refusal') state.hasRefusal = true
  if (part.kind === 'native') return openBlock(JSON.stringify(part.value), current, state)
  return part.kind === 'media' ? sayText(mediaInWords(part), current, state) : ''
}

/** Free text becomes the one text of an object, which is closed with the part. */
function argsOf({ part }: PartStart): Current['args'] {
  if (part.kind !== 'tool-call' || !part.isCustom) return openJsonPrefix()
  let before = CUSTOM_START
  return (piece) => {
    const json = before + JSON.stringify(piece).slice(1, -1)
    before = ''
    return json
  }
}

const [CUSTOM_START = '', CUSTOM_END = ''] = wrapText('|').split('|')

/** @returns nothing when it is open already. */
function openBlock(block: string, current: Current, state: State): string {
  if (current.isOpen) return ''
  current.isOpen = true
  return frame('content_block_start', `"index":${state.blocks},"content_block":${block}`)
}

function openOwn(current: Current, state: State): string {
  if (current.isOpen) return ''
  const { part } = current.start
  if (part.kind === 'tool-call') {
    const names = `"id":${JSON.stringify(part.id)},"name":${JSON.stringify(part.name)}`
    const block = `{"type":"tool_use",${names},"input":{},"caller":{"type":"direct"}}`
    return openBlock(block, current, state)
  }
  const block = part.kind === 'reasoning' ? THINKING : TEXT
  return openBlock(block, current, state)
}

const TEXT = '{"type":"text","text":"","citations":null}'
const THINKING = '{"type":"thinking","thinking":"","signature":""}'

function say(event: Told, current: Current, state: State): string {
  switch (event.kind) {
    case 'text':
    case 'refusal':
      return sayText(event.text, current, state)
    case 'reasoning':
      if (event.text === '' || !state.target.request.telling.reasoning) return ''
      current.text += event.text
      return (
        openOwn(current, state) + delta(`"thinking_delta","thinking":${JSON.stringify(event.text)}`, state)
      )
    case 'args':
      return sayArgs(current.args(event.text), current, state)
    case 'carrier':
      return sayCarrier(event.carrier, current, state)
    case 'citation':
      return sayCitation(event.citation, current, state)
    default:
      return ''
  }
}

function sayText(text: string, current: Current, state: State): string {
  if (text === '') return ''
  current.text += text
  return openOwn(current, state) + delta(`"text_delta","text":${JSON.stringify(text)}`, state)
}

function sayArgs(json: string, current: Current, state: State): string {
  if (json === '') return ''
  return openOwn(current, state) + delta(`"input_json_delta","partial_json":${JSON.stringify(json)}`, state)
}

function sayCitation(citation: Citation, current: Current, state: State): string {
  const written = JSON.stringify(writeCitation(citation, current.text))
  return openOwn(current, state) + delta(`"citations_delta","citation":${written}`, state)
}

/** State of thoughts is their signature; state of other parts gets a block in front, or behind if it is late. */
function sayCarrier(carrier: Carrier, current: Current, state: State): string {
  if (current.start.part.kind === 'reasoning') {
    current.signature = carrier
    return ''
  }
  const { sealer } = state.target
  if (!current.isOpen) return wholeBlock(redacted(sealer.seal({ ...carrier, of: 'next' })), state)
  current.behind = redacted(sealer.seal({ ...carrier, of: 'previous' }))
  return ''
}

const redacted = (data: string): string => `{"type":"redacted_thinking","data":${JSON.stringify(data)}}`

function wholeBlock(block: string, state: State): string {
  const start = frame('content_block_start', `"index":${state.blocks},"content_block":${block}`)
  return start + closeBlock(state)
}

const closeBlock = (state: State): string => frame('content_block_stop', `"index":${state.blocks++}`)

/** A part that said nothing leaves no block, unless it is a call. */
function close(current: Current, state: State): string {
  state.current = null
  let frames = current.signature === null ? '' : sign(current.signature, current, state)
  const { part } = current.start
  if (part.kind === 'tool-call') {
    if (part.isCustom) frames += sayArgs(current.args('') + CUSTOM_END, current, state)
    frames += openOwn(current, state)
  }
  if (current.isOpen) frames += closeBlock(state)
  return current.behind === null ? frames : frames + wholeBlock(current.behind, state)
}

function sign(carrier: Carrier, current: Current, state: State): string {
  const data = writeCarrier(carrier, DIALECT, state.target.sealer)
  if (isRedacted(carrier, current.text)) return openBlock(redacted(data), current, state)
  return openOwn(current, state) + delta(`"signature_delta","signature":${JSON.stringify(data)}`, state)
}

function end(state: State): string {
  const { finish } = state
  if (finish === null) return fail({ code: 'stream_broken' }, state)
  let frames = begin(state, null, null, null)
  while (state.current !== null) frames += close(state.current, state) + next(state)
  state.isOver = true
  const ending = endingFields(writeFinish(finish, { call: state.hasCall, refusal: state.hasRefusal }))
  const usage = JSON.stringify(writeDeltaUsage(state.usage))
  return (
    frames +
    frame('message_delta', `"delta":${JSON.stringify({ ...ending, container: null })},"usage":${usage}`) +
    'event: message_stop\ndata: {"type":"message_stop"}\n\n'
  )
}

function fail(problem: Problem, state: State): string {
  state.isOver = true
  return errorFrame(problem, state.target.requestId)
}

const delta = (rest: string, state: State): string =>
  frame('content_block_delta', `"index":${state.blocks},"delta":{"type":${rest}}`)

const frame = (type: string, rest: string): string => `event: ${type}\ndata: {"type":"${type}",${rest}}\n\n`
