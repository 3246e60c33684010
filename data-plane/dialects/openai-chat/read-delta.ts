/**
 * One candidate of a chat stream: its deltas → events of its parts.
 *
 * Pure. Text, refusal and thought follow one another; calls stay open until the end, because their pieces may
 * interleave.
 */
import { isArray, isObject, numberOf, objectOf, parseJson, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import type { ReasoningPart } from '../canonical/request.ts'
import type { AnswerOrigin } from '../dialect.ts'
import { inventId, readImage } from './read-reply.ts'
import { plainThought, readDetail, readSignature, type OpenCarrier } from './reasoning.ts'
import { readFunction, thinkingText } from './request/read-messages.ts'
import { readCitations, readFinish, readLogprobs } from './terms.ts'

type Context = Readonly<{
  open: OpenCarrier
  toolNames: AnswerOrigin['toolNames']
  /** Parts are counted over all candidates. */
  nextIndex: () => number
  answerId: () => string
}>

type Flowing = 'text' | 'refusal' | 'reasoning' | 'summary'

/** A call as far as it is known; its part opens with its name. */
type OpenCall = {
  /** As the upstream said it; empty: not yet, or never. */
  id: string
  name: string
  isCustom: boolean
  /** Of its part; -1: not opened yet. */
  index: number
  args: string
}

export class CandidateReader {
  readonly #number: number
  readonly #context: Context
  /** Upstream's index of a call → the call that stands there now. */
  readonly #calls = new Map<number, OpenCall>()
  readonly #known: OpenCall[] = []
  #flowing: Flowing | null = null
  #flowIndex = -1
  /** Index of the detail that the open thought belongs to. */
  #detail: JsonValue | undefined
  #hasRefusal = false
  #reason: string | null = null

  constructor(number: number, context: Context) {
    this.#number = number
    this.#context = context
  }

  get isFinished(): boolean {
    return this.#reason !== null
  }

  read(choice: JsonObject, events: StreamEvent[]): void {
    // Some hosts answer a stream with whole messages.
    const delta = objectOf(choice['delta'] ?? choice['message'])
    this.#readThought(delta, events)
    this.#readContent(delta['content'], events)
    const refusal = delta['refusal']
    if (typeof refusal === 'string' && refusal !== '') this.#say('refusal', refusal, events)
    this.#readMembers(delta, choice, events)
    const calls = delta['tool_calls']
    if (isArray(calls)) for (const call of calls) this.#readCall(objectOf(call), events)
    if (isObject(delta['function_call'])) this.#readLegacyCall(delta['function_call'], events)
    const reason = stringOf(choice['finish_reason'])
    if (reason !== undefined && reason !== '') this.#reason = reason
  }

  finish(events: StreamEvent[]): void {
    this.#close(events)
    for (const call of this.#known) if (call.index === -1) this.#openCall(call, events)
    for (const { index } of this.#known) events.push({ kind: 'part-end', index })
    const said = { calls: this.#known.length > 0, refusal: this.#hasRefusal }
    events.push({ kind: 'finish', candidate: this.#number, finish: readFinish(this.#reason, said) })
  }

  #open(part: PartStart['part'], events: StreamEvent[]): number {
    const index = this.#context.nextIndex()
    events.push({ kind: 'part-start', index, candidate: this.#number, part })
    return index
  }

  #close(events: StreamEvent[]): void {
    if (this.#flowing !== null) events.push({ kind: 'part-end', index: this.#flowIndex })
    this.#flowing = null
    this.#detail = undefined
  }

  /** Opens a part of this kind, unless one is open. */
  #flow(kind: Flowing, events: StreamEvent[]): number {
    if (this.#flowing === kind) return this.#flowIndex
    this.#close(events)
    this.#flowing = kind
    if (kind === 'refusal') this.#hasRefusal = true
    const isThought = kind === 'reasoning' || kind === 'summary'
    const part = isThought ? { kind: 'reasoning' as const, isSummary: kind === 'summary' } : { kind }
    this.#flowIndex = this.#open(part, events)
    return this.#flowIndex
  }

  #say(kind: Flowing, text: string, events: StreamEvent[]): void {
    const index = this.#flow(kind, events)
    events.push({ kind: kind === 'summary' ? 'reasoning' : kind, index, text })
  }

  #whole(part: Extract<PartStart['part'], { kind: 'media' | 'native' }>, events: StreamEvent[]): void {
    this.#close(events)
    events.push({ kind: 'part-end', index: this.#open(part, events) })
  }

  #readContent(content: JsonValue | undefined, events: StreamEvent[]): void {
    if (typeof content === 'string') {
      if (content !== '') this.#say('text', content, events)
      return
    }
    if (!isArray(content)) return
    for (const piece of content) {
      const part = objectOf(piece)
      const isThought = part['type'] === 'thinking'
      const text = isThought ? thinkingText(part) : part['type'] === 'text' ? stringOf(part['text']) : ''
      if (text !== undefined && text !== '') this.#say(isThought ? 'reasoning' : 'text', text, events)
      for (const image of readImage(piece)) if (image.kind === 'media') this.#whole(image, events)
    }
  }

  #readThought(delta: JsonObject, events: StreamEvent[]): void {
    const details = delta['reasoning_details']
    let hasText = false
    if (isArray(details)) {
      for (const detail of details) {
        if (!isObject(detail)) continue
        const part = readDetail(detail, this.#context.open)
        if (part === null) continue
        hasText ||= part.text !== ''
        this.#readDetail(part, detail['index'], events)
      }
    }
    if (hasText) return
    const text = plainThought(delta)
    if (text !== '') this.#say('reasoning', text, events)
  }

  /** Entries of one index are pieces of one thought. */
  #readDetail(part: ReasoningPart, at: JsonValue | undefined, events: StreamEvent[]): void {
    const isThought = this.#flowing === 'reasoning' || this.#flowing === 'summary'
    if (isThought && this.#detail !== undefined && at !== this.#detail) this.#close(events)
    // State goes to the thought it follows, whatever that is called.
    const isState = part.text === '' && part.carrier !== undefined
    const kind =
      isState && isThought && this.#flowing !== null
        ? this.#flowing
        : part.isSummary
          ? 'summary'
          : 'reasoning'
    const index = this.#flow(kind, events)
    this.#detail = at
    if (part.text !== '') events.push({ kind: 'reasoning', index, text: part.text })
    if (part.carrier === undefined) return
    events.push({ kind: 'carrier', index, carrier: part.carrier })
    this.#close(events)
  }

  /** What stands beside the text and belongs to it. */
  #readMembers(delta: JsonObject, choice: JsonObject, events: StreamEvent[]): void {
    const annotations = delta['annotations']
    if (isArray(annotations))
      for (const citation of readCitations(annotations))
        events.push({ kind: 'citation', index: this.#flow('text', events), citation })
    const tokens = readLogprobs(choice['logprobs'])
    if (tokens !== null) {
      const index = this.#flowing === 'refusal' ? this.#flowIndex : this.#flow('text', events)
      events.push({ kind: 'logprobs', index, tokens })
    }
    const carrier = isObject(delta['extra_content']) ? readSignature(delta, this.#context.open) : null
    if (carrier !== null) events.push({ kind: 'carrier', index: this.#flow('text', events), carrier })
    const images = delta['images']
    if (isArray(images))
      for (const piece of images)
        for (const image of readImage(piece)) if (image.kind === 'media') this.#whole(image, events)
  }

  #readCall(piece: JsonObject, events: StreamEvent[]): void {
    const custom = piece['custom']
    const isCustom = isObject(custom)
    const said = isCustom
      ? { name: stringOf(custom['name']) ?? '', args: stringOf(custom['input']) ?? '' }
      : readFunction(objectOf(piece['function']))
    const id = stringOf(piece['id']) ?? ''
    // Mistral's way to say that it is the same.
    const call = this.#callOf(numberOf(piece['index']), id === 'null' ? '' : id, said.name)
    if (isCustom) call.isCustom = true
    this.#continue(call, said, events)
    const carrier = isObject(piece['extra_content']) ? readSignature(piece, this.#context.open) : null
    if (carrier !== null && call.index !== -1) events.push({ kind: 'carrier', index: call.index, carrier })
  }

  /** Of the legacy form there is one call, and it has no id. */
  #readLegacyCall(piece: JsonObject, events: StreamEvent[]): void {
    const said = readFunction(piece)
    this.#continue(this.#callOf(LEGACY_PLACE, '', said.name), said, events)
  }

  #callOf(place: number | undefined, id: string, name: string): OpenCall {
    const at = place ?? this.#placeOf(id, name)
    const current = this.#calls.get(at)
    if (current !== undefined && !startsAnother(current, id, name)) {
      if (current.id === '') current.id = id
      return current
    }
    const call: OpenCall = { id, name: '', isCustom: false, index: -1, args: '' }
    this.#calls.set(at, call)
    this.#known.push(call)
    return call
  }

  /** Where no index was sent: a known id is that call, a new one another, none the last one. */
  #placeOf(id: string, name: string): number {
    let last = -1
    for (const [place, call] of this.#calls) {
      if (id !== '' && call.id === id) return place
      last = place
    }
    const call = this.#calls.get(last)
    const isNew = call === undefined || (id !== '' && call.id !== '') || startsAnother(call, id, name)
    return isNew ? this.#known.length : last
  }

  /** Arguments are held back until the name is known. */
  #continue(call: OpenCall, said: Readonly<{ name: string; args: string }>, events: StreamEvent[]): void {
    if (call.name === '') call.name = said.name
    call.args += said.args
    if (call.index !== -1) {
      if (said.args !== '') events.push({ kind: 'args', index: call.index, text: said.args })
    } else if (call.name !== '') this.#openCall(call, events)
  }

  #openCall(call: OpenCall, events: StreamEvent[]): void {
    this.#close(events)
    const id =
      call.id === ''
        ? inventId(`${this.#context.answerId()} ${this.#number} ${this.#known.indexOf(call)}`)
        : call.id
    const name = this.#context.toolNames.get(call.name) ?? call.name
    call.index = this.#open({ kind: 'tool-call', id, name, isCustom: call.isCustom }, events)
    if (call.args !== '') events.push({ kind: 'args', index: call.index, text: call.args })
  }
}

const LEGACY_PLACE = -2

/**
 * Is it another call under the same index? By a new id with a name (Gemini), or, where no ids are sent, by a
 * name after arguments that are whole. A new id without a name is only a host that counts its chunks.
 */
function startsAnother(call: OpenCall, id: string, name: string): boolean {
  if (name === '' || call.name === '') return false
  if (id !== '' && call.id !== '') return id !== call.id
  return id === '' && call.args !== '' && parseJson(call.args) !== undefined
}
