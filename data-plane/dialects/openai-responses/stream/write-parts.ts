/**
 * What a stream says of each part while it is told: opening, deltas, end.
 *
 * Pure. Parts are opened when there is something to say of them: state that comes before it then still has a
 * place in front of its part. Texts and refusals that follow each other are content of one message.
 */
import type { Carrier } from '../../canonical/carrier.ts'
import type { JsonValue } from '../../canonical/json.ts'
import type { Finish, TokenLogprob, Usage } from '../../canonical/reply.ts'
import type { Citation, MediaPart } from '../../canonical/request.ts'
import type { AnswerTarget } from '../../dialect.ts'
import {
  imageItem,
  messageItem,
  reasoningItem,
  refusalContent,
  textContent,
  type Call,
  type ItemStatus,
} from '../items/write-output.ts'
import { annotationOf, logprobsJson } from '../terms.ts'

/** A message under way. */
type Message = {
  readonly id: string
  readonly place: number
  readonly phase: string | undefined
  /** Its content as far as it is finished. */
  readonly content: string[]
  next: number
  open: number
}

/** A text or a refusal. */
export type SaidPart = {
  readonly kind: 'text' | 'refusal'
  readonly phase: string | undefined
  message: Message | null
  /** Place in the message's content. */
  at: number
  text: string
  /** The last delta, kept until its probabilities have come. */
  held: string
  logprobs: TokenLogprob[]
  /** Probabilities that no delta has told yet. */
  untold: TokenLogprob[]
  annotations: JsonValue[]
  /** Citations without a place: they are about the whole text. */
  wholes: Citation[]
  carrier: Carrier | null
}

export type ThoughtPart = {
  readonly kind: 'reasoning'
  readonly isSummary: boolean
  item: Readonly<{ id: string; place: number }> | null
  text: string
  carrier: Carrier | null
}

export type CallPart = {
  readonly kind: 'tool-call'
  readonly call: Call
  /** The upstream had to be told a free-form tool as a function: the text comes out whole at the end. */
  readonly isWrapped: boolean
  item: Readonly<{ id: string; place: number }> | null
  args: string
  carrier: Carrier | null
}

export type Part = SaidPart | ThoughtPart | CallPart

export type Writing = {
  readonly target: AnswerTarget
  readonly id: string
  readonly customTools: ReadonlySet<string>
  /** Some upstreams give them unasked. */
  readonly wantsLogprobs: boolean
  readonly parts: Map<number, Part>
  /** Finished items at their places. */
  readonly output: string[]
  /** Of the request, once it is known who serves it. */
  echo: string | null
  model: string
  serviceTier: string | null
  /** Frames of this call. */
  out: string
  sequence: number
  nextPlace: number
  message: Message | null
  refused: boolean
  usage: Usage | null
  finish: Finish | null
  started: boolean
  over: boolean
}

/** @param members of the event beside its type and number, as JSON text without braces. */
export function frame(type: string, members: string, writing: Writing): void {
  writing.out += `event: ${type}\ndata: {"type":"${type}","sequence_number":${writing.sequence},${members}}\n\n`
  writing.sequence += 1
}

// Items

export const added = (place: number, item: string, writing: Writing): void =>
  frame('response.output_item.added', `"output_index":${place},"item":${item}`, writing)

export function done(place: number, item: string, writing: Writing): void {
  writing.output[place] = item
  frame('response.output_item.done', `"output_index":${place},"item":${item}`, writing)
}

/** An item that is there at once. */
function addWhole(before: string, item: string, writing: Writing): void {
  closeMessage('completed', writing)
  const place = writing.nextPlace++
  added(place, before, writing)
  done(place, item, writing)
}

export const addNative = (item: string, writing: Writing): void => addWhole(item, item, writing)

export function addImage({ source, mimeType = 'image/png' }: MediaPart, writing: Writing): void {
  const id = `ig_${writing.target.newId()}`
  const data = source.kind === 'base64' ? source.data : null
  addWhole(imageItem(id, 'in_progress', null, mimeType), imageItem(id, 'completed', data, mimeType), writing)
}

/** An item that does nothing but keep the state of its neighbour. */
export function addHolder(carrier: Carrier, of: 'next' | 'previous', writing: Writing): void {
  const { newId, sealer } = writing.target
  const id = `rs_${newId()}`
  const thought = { text: '', isSummary: true }
  const state = sealer.seal({ ...carrier, of })
  addWhole(
    reasoningItem(id, 'in_progress', { ...thought, state: null }),
    reasoningItem(id, 'completed', { ...thought, state }),
    writing,
  )
}

// Messages

function openMessage(phase: string | undefined, writing: Writing): Message {
  const current = writing.message
  if (current !== null && current.phase === phase) return current
  closeMessage('completed', writing)
  const message = {
    id: `msg_${writing.target.newId()}`,
    place: writing.nextPlace++,
    phase,
    content: [],
    next: 0,
    open: 0,
  }
  writing.message = message
  added(message.place, messageItem(message.id, 'in_progress', phase, []), writing)
  return message
}

/** Nothing more goes into the message; it is done when what is in it has ended. */
export function closeMessage(status: ItemStatus, writing: Writing): void {
  const { message } = writing
  writing.message = null
  if (message !== null && message.open === 0) finishMessage(message, status, writing)
}

const finishMessage = (message: Message, status: ItemStatus, writing: Writing): void =>
  done(message.place, messageItem(message.id, status, message.phase, message.content), writing)

// Texts and refusals

export const saidPart = (kind: SaidPart['kind'], phase: string | undefined): SaidPart => ({
  kind,
  phase,
  message: null,
  at: 0,
  text: '',
  held: '',
  logprobs: [],
  untold: [],
  annotations: [],
  wholes: [],
  carrier: null,
})

const placeIn = (message: Message, at: number): string =>
  `"item_id":"${message.id}","output_index":${message.place},"content_index":${at}`

function openSaid(part: SaidPart, writing: Writing): Message {
  if (part.message !== null) return part.message
  if (part.carrier !== null) {
    addHolder(part.carrier, 'next', writing)
    part.carrier = null
  }
  const message = openMessage(part.phase, writing)
  part.message = message
  part.at = message.next++
  message.open += 1
  const empty = part.kind === 'text' ? textContent('', [], '[]') : refusalContent('')
  frame('response.content_part.added', `${placeIn(message, part.at)},"part":${empty}`, writing)
  return message
}

export function sayText(part: SaidPart, text: string, writing: Writing): void {
  if (text === '') return
  tellHeld(part, writing)
  openSaid(part, writing)
  part.text += text
  if (part.kind === 'refusal') writing.refused = true
  part.held = text
  // Probabilities may follow in an event of their own; a delta tells both.
  if (!writing.wantsLogprobs || part.untold.length > 0) tellHeld(part, writing)
}

export function sayLogprobs(part: SaidPart, tokens: readonly TokenLogprob[], writing: Writing): void {
  if (!writing.wantsLogprobs) return
  part.logprobs.push(...tokens)
  part.untold.push(...tokens)
  tellHeld(part, writing)
}

function tellHeld(part: SaidPart, writing: Writing): void {
  if (part.held === '' || part.message === null) return
  const place = placeIn(part.message, part.at)
  const delta = JSON.stringify(part.held)
  if (part.kind === 'text') {
    const logprobs = logprobsJson(part.untold)
    frame('response.output_text.delta', `${place},"delta":${delta},"logprobs":${logprobs}`, writing)
  } else frame('response.refusal.delta', `${place},"delta":${delta}`, writing)
  part.held = ''
  part.untold = []
}

export function cite(part: SaidPart, citation: Citation, writing: Writing): void {
  if (citation.native === undefined && (citation.start === undefined || citation.end === undefined)) {
    part.wholes.push(citation)
    return
  }
  annotate(part, citation, writing)
}

function annotate(part: SaidPart, citation: Citation, writing: Writing): void {
  tellHeld(part, writing)
  const message = openSaid(part, writing)
  const annotation = annotationOf(citation, part.text.length)
  frame(
    'response.output_text.annotation.added',
    `${placeIn(message, part.at)},"annotation_index":${part.annotations.length}` +
      `,"annotation":${JSON.stringify(annotation)}`,
    writing,
  )
  part.annotations.push(annotation)
}

export function endSaid(part: SaidPart, writing: Writing): void {
  if (part.message === null && part.text === '' && part.carrier === null) return
  const message = openSaid(part, writing)
  tellHeld(part, writing)
  for (const citation of part.wholes) annotate(part, citation, writing)
  const place = placeIn(message, part.at)
  const text = JSON.stringify(part.text)
  const isText = part.kind === 'text'
  const logprobs = logprobsJson(part.logprobs)
  const content = isText ? textContent(part.text, part.annotations, logprobs) : refusalContent(part.text)
  if (isText) frame('response.output_text.done', `${place},"text":${text},"logprobs":${logprobs}`, writing)
  else frame('response.refusal.done', `${place},"refusal":${text}`, writing)
  frame('response.content_part.done', `${place},"part":${content}`, writing)
  message.content[part.at] = content
  message.open -= 1
  if (part.carrier !== null) addHolder(part.carrier, 'previous', writing)
  else if (message !== writing.message && message.open === 0) finishMessage(message, 'completed', writing)
}
