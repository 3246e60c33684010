/**
 * A stream of Gemini answers → events.
 *
 * Pure. Each chunk is an answer of its own with the next piece in it; nothing says where a part begins or
 * ends. The end is told only when the upstream has closed: after `finishReason` there may still come tokens,
 * sources and a signature.
 */
import type { ErrorCode } from '#contracts/errors.ts'
import { arrayOf, isArray, isObject, numberOf, objectOf, parseJson, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { Finish } from '../canonical/reply.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import type { AnswerOrigin, SseEvent, StreamReader } from '../dialect.ts'
import { readCitations, readLogprobs, readUsage } from './metadata.ts'
import { PartialArgs } from './partial-args.ts'
import { blockOf, carrierOf, finishOf, modelOf, nameOf, readOther, tierIn } from './read-reply.ts'
import { callId } from './terms.ts'

type Words = { readonly index: number; readonly kind: 'text' | 'reasoning'; text: string; isSigned: boolean }

type State = {
  readonly number: number
  /** Words that may go on. */
  open: Words | null
  /** A call whose arguments come piece by piece. */
  call: { readonly index: number; readonly args: PartialArgs } | null
  /** Visible texts so far, which sources point into. */
  readonly texts: Words[]
  readonly sources: Record<string, JsonValue | undefined>
  hasCalls: boolean
  finish: Finish | null
}

export const openReader = (origin: AnswerOrigin): StreamReader => new GeminiReader(origin)

class GeminiReader implements StreamReader {
  readonly #origin: AnswerOrigin
  readonly #states: State[] = []
  #events: StreamEvent[] = []
  #id: string | null = null
  #hasStarted = false
  #isOver = false
  #parts = 0

  constructor(origin: AnswerOrigin) {
    this.#origin = origin
  }

  push({ data }: SseEvent): readonly StreamEvent[] {
    if (this.#isOver || data === '' || data === '[DONE]') return []
    this.#events = []
    const parsed = parseJson(data)
    const chunk = isArray(parsed) ? parsed[0] : parsed
    if (!isObject(chunk)) this.#break('The provider sent an event that is not JSON.')
    else if (isObject(chunk['error'])) this.#fail(chunk['error'])
    else this.#read(chunk)
    return this.#events
  }

  end(): readonly StreamEvent[] {
    if (this.#isOver) return []
    this.#events = []
    for (const state of this.#states) {
      const hasSources = state.finish !== null && Object.keys(state.sources).length > 0
      if (hasSources && state.open?.kind !== 'text') this.#openWords(state, 'text')
      this.#closeAll(state)
    }
    const isWhole = this.#states.length > 0 && this.#states.every(({ finish }) => finish !== null)
    for (const { number, finish } of this.#states)
      if (isWhole && finish !== null) this.#events.push({ kind: 'finish', candidate: number, finish })
    if (!isWhole) this.#break(undefined)
    this.#isOver = true
    return this.#events
  }

  #read(chunk: JsonObject): void {
    const usage = readUsage(chunk['usageMetadata'])
    if (!this.#hasStarted) {
      this.#hasStarted = true
      this.#id = stringOf(chunk['responseId']) ?? null
      const model = modelOf(chunk['modelVersion'])
      const serviceTier = tierIn(chunk['usageMetadata'])
      this.#events.push({ kind: 'start', id: this.#id, model, serviceTier, usage })
    }
    const candidates = arrayOf(chunk['candidates'])
    for (const [place, candidate] of candidates.entries()) {
      this.#readCandidate(objectOf(candidate), place)
      if (this.#isOver) return
    }
    if (candidates.length === 0 && objectOf(chunk['promptFeedback'])['blockReason'] !== undefined)
      this.#stateOf(0).finish = blockOf(chunk['promptFeedback'])
    // Running totals: the last ones count.
    if (usage !== null) this.#events.push({ kind: 'usage', usage })
  }

  #stateOf(number: number): State {
    const known = this.#states.find((state) => state.number === number)
    if (known !== undefined) return known
    const state = { number, open: null, call: null, texts: [], sources: {}, hasCalls: false, finish: null }
    this.#states.push(state)
    return state
  }

  #readCandidate(candidate: JsonObject, place: number): void {
    const state = this.#stateOf(numberOf(candidate['index']) ?? place)
    for (const part of arrayOf(objectOf(candidate['content'])['parts'])) {
      this.#readPart(objectOf(part), state)
      if (this.#isOver) return
    }
    const tokens = readLogprobs(candidate['logprobsResult'])
    if (tokens !== null && tokens.length > 0) {
      const words = state.open?.kind === 'text' ? state.open : this.#openWords(state, 'text')
      this.#events.push({ kind: 'logprobs', index: words.index, tokens })
    }
    const { groundingMetadata, citationMetadata } = candidate
    if (objectOf(groundingMetadata)['groundingChunks'] !== undefined)
      state.sources['groundingMetadata'] = groundingMetadata
    if (citationMetadata !== undefined) state.sources['citationMetadata'] = citationMetadata
    state.finish = finishOf(candidate, state.hasCalls) ?? state.finish
  }

  #readPart(part: JsonObject, state: State): void {
    const text = stringOf(part['text'])
    const carrier = carrierOf(part, this.#origin)
    if (isObject(part['functionCall'])) return this.#readCall(part['functionCall'], part, state)
    const other = text === undefined ? readOther(part) : null
    if (other !== null) {
      this.#closeAll(state)
      return this.#end(this.#start(state, other))
    }
    if (text === undefined ? carrier === undefined : text === '' && carrier === undefined) return
    const kind = part['thought'] === true ? 'reasoning' : 'text'
    // Signed words are whole; others may go on, and an empty piece may bring their signature.
    const words =
      state.open?.kind === kind && !state.open.isSigned ? state.open : this.#openWords(state, kind)
    if (text !== undefined && text !== '') {
      words.text += text
      this.#events.push({ kind, index: words.index, text })
    }
    if (carrier !== undefined) {
      words.isSigned = true
      this.#events.push({ kind: 'carrier', index: words.index, carrier })
    }
  }

  #readCall(call: JsonObject, part: JsonObject, state: State): void {
    const { id, name, args, partialArgs, willContinue } = call
    if (name !== undefined || state.call === null) {
      // Some streams end a call only by beginning the next one, and some end one twice.
      if (name === undefined) return
      this.#closeAll(state)
      const ownId = stringOf(id) ?? callId(`${this.#id ?? ''}/${state.number}`, this.#parts)
      const start = {
        kind: 'tool-call',
        id: ownId,
        name: nameOf(name, this.#origin),
        isCustom: false,
      } as const
      state.call = { index: this.#start(state, start), args: new PartialArgs() }
      state.hasCalls = true
      const carrier = carrierOf(part, this.#origin)
      if (carrier !== undefined) this.#events.push({ kind: 'carrier', index: state.call.index, carrier })
    }
    const { index, args: text } = state.call
    if (isObject(args) && name !== undefined)
      this.#events.push({ kind: 'args', index, text: JSON.stringify(args) })
    for (const piece of arrayOf(partialArgs)) {
      const grown = text.push(objectOf(piece))
      if (grown === null) return this.#break('The provider sent arguments out of order.')
      if (grown !== '') this.#events.push({ kind: 'args', index, text: grown })
    }
    if (willContinue !== true) this.#closeAll(state)
  }

  #openWords(state: State, kind: 'text' | 'reasoning'): Words {
    this.#closeAll(state)
    const part = kind === 'text' ? { kind } : { kind, isSummary: true }
    const words = { index: this.#start(state, part), kind, text: '', isSigned: false }
    state.open = words
    if (kind === 'text') state.texts.push(words)
    return words
  }

  #start(state: State, part: PartStart['part']): number {
    const index = this.#parts++
    this.#events.push({ kind: 'part-start', index, candidate: state.number, part })
    return index
  }

  #end(index: number): void {
    this.#events.push({ kind: 'part-end', index })
  }

  #closeAll(state: State): void {
    if (state.call !== null) {
      const { index, args } = state.call
      const rest = args.end()
      if (rest !== '') this.#events.push({ kind: 'args', index, text: rest })
      this.#end(index)
      state.call = null
    }
    if (state.open === null) return
    if (state.finish !== null) this.#cite(state)
    this.#end(state.open.index)
    state.open = null
  }

  /** Sources are known at the end; those of a text that is closed are told of the last one, without a place. */
  #cite(state: State): void {
    const texts = state.texts.map(({ text }) => text)
    for (const { text, citation } of readCitations(state.sources, texts)) {
      const isOpen = state.texts[text] === state.open
      if (state.open?.kind !== 'text') return
      const { start: _, end: __, ...source } = citation
      this.#events.push({ kind: 'citation', index: state.open.index, citation: isOpen ? citation : source })
    }
  }

  #fail(error: JsonObject): void {
    const status = numberOf(error['code'])
    const code: ErrorCode =
      status === 429 ? 'rate_limit_exceeded' : status === 503 ? 'upstream_overloaded' : 'upstream_error'
    const message = stringOf(error['message'])
    this.#isOver = true
    this.#events.push({
      kind: 'error',
      problem: { code, ...(message === undefined ? {} : { message }) },
    })
  }

  #break(message: string | undefined): void {
    this.#isOver = true
    const problem = { code: 'stream_broken' as const, ...(message === undefined ? {} : { message }) }
    this.#events.push({ kind: 'error', problem })
  }
}
