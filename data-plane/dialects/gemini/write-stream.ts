/**
 * Events → a stream of Gemini answers.
 *
 * Pure. Gemini's parts come one after the other and have no ends, so only the first open part is told as it
 * comes and the others wait; calls are told whole. The last chunk has the reason, the tokens and the
 * sources. No `event:` lines and no `[DONE]`: the SDK loses or chokes on them.
 */
import type { Problem } from '#contracts/errors.ts'
import type { Carrier } from '../canonical/carrier.ts'
import type { Finish, Usage } from '../canonical/reply.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import type { AnswerTarget, StreamWriter } from '../dialect.ts'
import { writeGrounding, writeLogprobs, type Placed } from './metadata.ts'
import { errorOf } from './terms.ts'
import { callPart, finishMembers, hiding, textPart, usageOf, writeOther } from './write-reply.ts'

type Open = {
  readonly part: PartStart['part']
  readonly candidate: number
  /** What has not been told yet. */
  waiting: string
  /** All of a thought, for state that takes it along. */
  whole: string
  carrier: Carrier | undefined
  isEnded: boolean
}

type Told = {
  /** Parts in the order of their opening; the first is the one being told. */
  readonly queue: Open[]
  readonly texts: string[]
  readonly placed: Placed[]
  finish: Finish | null
}

export const openWriter = (target: AnswerTarget): StreamWriter => new GeminiWriter(target)

class GeminiWriter implements StreamWriter {
  readonly #target: AnswerTarget
  readonly #isArray: boolean
  readonly #open = new Map<number, Open>()
  readonly #told = new Map<number, Told>()
  /** Part → which of its candidate's texts it is. */
  readonly #places = new Map<number, number>()
  #tail = ''
  #usage: Usage | null = null
  #serviceTier: string | null = null
  #hasBegun = false
  #isOver = false

  constructor(target: AnswerTarget) {
    this.#target = target
    this.#isArray = target.request.telling.framing === 'json-array'
  }

  write(event: StreamEvent): string {
    if (this.#isOver) return ''
    switch (event.kind) {
      case 'start':
        this.#start(event)
        return ''
      case 'part-start':
        return this.#openPart(event)
      case 'text':
      case 'refusal':
      case 'reasoning':
      case 'args':
        return this.#grow(event.index, event.text)
      case 'carrier': {
        const open = this.#open.get(event.index)
        if (open !== undefined) open.carrier = event.carrier
        return ''
      }
      case 'citation':
        this.#cite(event)
        return ''
      case 'logprobs':
        return this.#tellLogprobs(event)
      case 'part-end':
        return this.#endPart(event.index)
      case 'usage':
        this.#usage = event.usage
        return ''
      case 'finish':
        this.#toldOf(event.candidate).finish = event.finish
        return ''
      case 'error':
        return this.fail(event.problem)
      case 'ping':
        return this.#isArray ? '\n' : ': ping\r\n\r\n'
    }
  }

  end(): string {
    if (this.#isOver) return ''
    const ended = [...this.#told].filter(([, { finish }]) => finish !== null)
    if (ended.length === 0) return this.fail({ code: 'stream_broken' })
    let text = ''
    for (const [at, [candidate, { texts, placed, finish }]] of ended.entries()) {
      if (finish === null) continue
      const grounding = writeGrounding(texts, placed)
      const members = JSON.stringify({
        ...finishMembers(finish),
        index: candidate,
        ...(grounding === undefined ? {} : { groundingMetadata: grounding }),
      })
      text += this.#chunk('{"text":""}', members, at === ended.length - 1)
    }
    this.#isOver = true
    return text + (this.#isArray ? ']' : '')
  }

  fail(problem: Problem): string {
    if (this.#isOver) return ''
    this.#isOver = true
    return this.#frame(JSON.stringify(errorOf(problem).body)) + (this.#isArray ? ']' : '')
  }

  #start(event: Extract<StreamEvent, { kind: 'start' }>): void {
    const { request, newId } = this.#target
    this.#usage = event.usage
    this.#serviceTier = event.serviceTier
    this.#tail = JSON.stringify({
      modelVersion: event.model ?? request.model,
      responseId: newId(),
    }).slice(1)
  }

  #toldOf(candidate: number): Told {
    const known = this.#told.get(candidate)
    if (known !== undefined) return known
    const told = { queue: [], texts: [], placed: [], finish: null }
    this.#told.set(candidate, told)
    return told
  }

  #openPart({ index, candidate, part }: PartStart): string {
    const told = this.#toldOf(candidate)
    const open = { part, candidate, waiting: '', whole: '', carrier: undefined, isEnded: false }
    this.#open.set(index, open)
    told.queue.push(open)
    if (part.kind === 'text') {
      this.#places.set(index, told.texts.length)
      told.texts.push('')
    }
    return ''
  }

  #grow(index: number, text: string): string {
    const open = this.#open.get(index)
    if (open === undefined) return ''
    const told = this.#toldOf(open.candidate)
    const place = this.#places.get(index)
    if (place !== undefined) told.texts[place] = (told.texts[place] ?? '') + text
    open.waiting += text
    if (open.part.kind === 'reasoning') open.whole += text
    return told.queue[0] === open ? this.#tell(open) : ''
  }

  /** What waits of the first part, as far as it can be told in pieces. */
  #tell(open: Open): string {
    const { part, waiting } = open
    if (waiting === '') return ''
    const isThought = part.kind === 'reasoning'
    if (isThought && !this.#target.request.telling.reasoning) return ''
    if (!isThought && part.kind !== 'text' && part.kind !== 'refusal') return ''
    open.waiting = ''
    return this.#chunk(textPart(waiting, isThought, undefined, this.#target), indexOf(open), false)
  }

  #endPart(index: number): string {
    const open = this.#open.get(index)
    if (open === undefined) return ''
    this.#open.delete(index)
    open.isEnded = true
    const { queue } = this.#toldOf(open.candidate)
    let text = ''
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      text += this.#tell(first)
      if (!first.isEnded) break
      text += this.#close(first)
      queue.shift()
    }
    return text
  }

  #close(open: Open): string {
    const { part, carrier, waiting, whole } = open
    const target = this.#target
    const members = indexOf(open)
    switch (part.kind) {
      case 'tool-call': {
        const { id, name, isCustom } = part
        return this.#chunk(callPart(id, name, waiting, isCustom, carrier, target), members, false)
      }
      case 'reasoning': {
        if (carrier === undefined) return ''
        const state = target.request.telling.reasoning ? carrier : hiding(carrier, whole)
        return this.#chunk(textPart('', true, state, target), members, false)
      }
      case 'text':
      case 'refusal':
        return carrier === undefined ? '' : this.#chunk(textPart('', false, carrier, target), members, false)
      case 'media':
      case 'native':
        return writeOther(part).reduce((text, one) => text + this.#chunk(one, members, false), '')
    }
  }

  #cite({ index, citation }: Extract<StreamEvent, { kind: 'citation' }>): void {
    const open = this.#open.get(index)
    const place = this.#places.get(index)
    if (open !== undefined && place !== undefined)
      this.#toldOf(open.candidate).placed.push({ text: place, citation })
  }

  #tellLogprobs({ index, tokens }: Extract<StreamEvent, { kind: 'logprobs' }>): string {
    const open = this.#open.get(index)
    if (open === undefined) return ''
    const members = JSON.stringify({ index: open.candidate, logprobsResult: writeLogprobs(tokens) })
    return this.#chunk('{"text":""}', members, false)
  }

  /** @param members of the candidate, as JSON text of an object. */
  #chunk(part: string, members: string, isLast: boolean): string {
    const content = `{"content":{"parts":[${part}],"role":"model"},${members.slice(1)}`
    const usage =
      isLast && this.#usage !== null
        ? `"usageMetadata":${JSON.stringify(usageOf(this.#usage, this.#serviceTier))},`
        : ''
    if (this.#tail === '')
      this.#start({ kind: 'start', id: null, model: null, serviceTier: null, usage: this.#usage })
    return this.#frame(`{"candidates":[${content}],${usage}${this.#tail}`)
  }

  #frame(json: string): string {
    if (!this.#isArray) return `data: ${json}\r\n\r\n`
    const lead = this.#hasBegun ? ',\r\n' : '['
    this.#hasBegun = true
    return lead + json
  }
}

const indexOf = ({ candidate }: Open): string => `{"index":${candidate}}`
