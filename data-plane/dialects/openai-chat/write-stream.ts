/**
 * The answer in the middle, piece by piece → chat chunks.
 *
 * Pure. Text is put together, not built as objects: this runs for every token. State is told once and whole
 * before the finish, because many clients keep only the last piece of a field they do not know.
 */
import type { Problem } from '#contracts/errors.ts'
import { openaiErrorEvent } from '#contracts/http/openai-error.ts'
import { writeCarrier, type Carrier } from '../canonical/carrier.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { Finish, TokenLogprob, Usage } from '../canonical/reply.ts'
import type { Citation } from '../canonical/request.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import type { AnswerTarget, StreamWriter } from '../dialect.ts'
import { unwrapText } from '../repair/custom-tools.ts'
import { stateOf, writeSignature } from './reasoning.ts'
import { writeCitations, writeFinish, writeLogprobs, writeUsage } from './terms.ts'
import { answerId, customNames, writeImage } from './write-reply.ts'

export const openWriter = (target: AnswerTarget): StreamWriter => new ChatStreamWriter(target)

const DONE = 'data: [DONE]\n\n'

type OpenPart = {
  readonly candidate: CandidateState
  readonly part: PartStart['part']
  /** Of a call: its place among the candidate's calls. */
  readonly call: number
  /** Of a text: where it begins in the content, in characters. */
  readonly from: number
  /** What was said so far; of calls only of free-form ones, which are told whole. */
  text: string
  /** Of a call: its first piece has gone out. It waits, for its state stands there. */
  isTold: boolean
  carrier: Carrier | null
}

type CandidateState = {
  readonly index: number
  calls: number
  images: number
  length: number
  hasRefusal: boolean
  details: readonly JsonObject[]
}

class ChatStreamWriter implements StreamWriter {
  readonly #target: AnswerTarget
  readonly #custom: ReadonlySet<string>
  readonly #isLegacy: boolean
  readonly #open = new Map<number, OpenPart>()
  readonly #candidates = new Map<number, CandidateState>()
  #head = ''
  #tail = ''
  #usage: Usage | null = null
  #isOver = false

  constructor(target: AnswerTarget) {
    this.#target = target
    this.#custom = customNames(target.request)
    this.#isLegacy = target.request.telling.legacyFunctions
  }

  write(event: StreamEvent): string {
    if (this.#isOver) return ''
    switch (event.kind) {
      case 'start':
        return this.#start(event)
      case 'part-start':
        return this.#openPart(event)
      case 'usage':
        this.#usage = event.usage
        return ''
      case 'finish':
        return this.#finish(event.candidate, event.finish)
      case 'error':
        return this.fail(event.problem)
      case 'ping':
        return ': ping\n\n'
      default:
        return this.#continue(event)
    }
  }

  end(): string {
    if (this.#isOver) return ''
    this.#isOver = true
    if (!this.#target.request.telling.usageChunk || this.#usage === null) return DONE
    return `${this.#head}],"usage":${JSON.stringify(writeUsage(this.#usage))}}\n\n${DONE}`
  }

  fail(problem: Problem): string {
    if (this.#isOver) return ''
    this.#isOver = true
    return openaiErrorEvent(problem)
  }

  #start({ id, model, serviceTier, usage }: Extract<StreamEvent, { kind: 'start' }>): string {
    const { request, now } = this.#target
    // Other dialects' ids do not look like this.
    const dialect = id?.startsWith('chatcmpl-') === true ? 'openai-chat' : 'anthropic'
    const name = JSON.stringify(answerId({ dialect, id }, this.#target))
    const tier = serviceTier === null ? '' : `"service_tier":${JSON.stringify(serviceTier)},`
    const said = JSON.stringify(model ?? request.model)
    this.#head = `data: {"id":${name},"object":"chat.completion.chunk","created":${now},"model":${said},${tier}"choices":[`
    this.#tail = request.telling.usageChunk ? '],"usage":null}\n\n' : ']}\n\n'
    this.#usage = usage
    return this.#begin(0)
  }

  /** The SDKs want the role before anything else. */
  #begin(index: number): string {
    if (this.#candidates.has(index)) return ''
    const state = { index, calls: 0, images: 0, length: 0, hasRefusal: false, details: [] }
    this.#candidates.set(index, state)
    return this.#chunk(index, '{"role":"assistant","content":"","refusal":null}')
  }

  #chunk(index: number, delta: string, finish = 'null', logprobs = 'null'): string {
    return `${this.#head}{"index":${index},"delta":${delta},"logprobs":${logprobs},"finish_reason":${finish}}${this.#tail}`
  }

  #openPart({ index, candidate, part }: PartStart): string {
    const begun = this.#begin(candidate)
    const state = this.#candidates.get(candidate)
    if (state === undefined) return begun
    const isCall = part.kind === 'tool-call'
    this.#open.set(index, {
      candidate: state,
      part,
      call: isCall ? state.calls++ : -1,
      from: state.length,
      text: '',
      isTold: false,
      carrier: null,
    })
    if (part.kind === 'refusal') state.hasRefusal = true
    if (part.kind !== 'media' || part.media !== 'image') return begun
    const image = JSON.stringify(writeImage(part, state.images++))
    return begun + this.#chunk(candidate, `{"images":[${image}]}`)
  }

  #continue(
    event: Exclude<StreamEvent, { kind: 'start' | 'part-start' | 'usage' | 'finish' | 'error' | 'ping' }>,
  ): string {
    const open = this.#open.get(event.index)
    if (open === undefined) return ''
    const { index } = open.candidate
    switch (event.kind) {
      case 'text':
        open.text += event.text
        open.candidate.length += event.text.length
        return this.#chunk(index, `{"content":${JSON.stringify(event.text)}}`)
      case 'reasoning':
        open.text += event.text
        return this.#chunk(index, `{"reasoning_content":${JSON.stringify(event.text)}}`)
      case 'refusal':
        return this.#chunk(index, `{"refusal":${JSON.stringify(event.text)}}`)
      case 'args':
        return this.#args(open, event.text)
      case 'carrier':
        return this.#keep(open, event.carrier)
      case 'citation':
        return this.#cite(open, event.citation)
      case 'logprobs':
        return this.#weigh(open, event.tokens)
      case 'part-end':
        this.#open.delete(event.index)
        return this.#close(open)
    }
  }

  #cite({ candidate, from, text }: OpenPart, citation: Citation): string {
    const [annotation] = writeCitations([citation], from, text.length)
    if (annotation === undefined) return ''
    return this.#chunk(candidate.index, `{"annotations":[${JSON.stringify(annotation)}]}`)
  }

  #weigh({ candidate }: OpenPart, tokens: readonly TokenLogprob[]): string {
    return this.#chunk(candidate.index, '{}', 'null', JSON.stringify(writeLogprobs(tokens)))
  }

  #isHeld({ part }: OpenPart): boolean {
    return part.kind === 'tool-call' && !this.#isLegacy && (part.isCustom || this.#custom.has(part.name))
  }

  #args(open: OpenPart, text: string): string {
    if (this.#isHeld(open)) {
      open.text += text
      return ''
    }
    if (!open.isTold) return this.#tellCall(open, text)
    const args = JSON.stringify(text)
    if (!this.#isLegacy) return this.#call(open, `"function":{"arguments":${args}}`)
    return open.call > 0 ? '' : this.#chunk(open.candidate.index, `{"function_call":{"arguments":${args}}}`)
  }

  #call({ candidate, call }: OpenPart, members: string): string {
    return this.#chunk(candidate.index, `{"tool_calls":[{"index":${call},${members}}]}`)
  }

  /** Who sent `functions` knows one call and no ids. */
  #tellCall(open: OpenPart, text: string): string {
    const { part, carrier, candidate } = open
    if (part.kind !== 'tool-call') return ''
    open.isTold = true
    const called = `{"name":${JSON.stringify(part.name)},"arguments":${JSON.stringify(text)}}`
    if (this.#isLegacy)
      return open.call > 0 ? '' : this.#chunk(candidate.index, `{"function_call":${called}}`)
    const state = carrier === null ? '' : `,${this.#signature(carrier)}`
    return this.#call(open, `"id":${JSON.stringify(part.id)},"type":"function","function":${called}${state}`)
  }

  #signature(carrier: Carrier): string {
    const data = writeCarrier(carrier, 'openai-chat', this.#target.sealer)
    return `"extra_content":${JSON.stringify(writeSignature(data))}`
  }

  #keep(open: OpenPart, carrier: Carrier): string {
    open.carrier = carrier
    // It came after the call's first piece: the SDKs lay members of later pieces over it.
    return open.isTold && !this.#isLegacy ? this.#call(open, this.#signature(carrier)) : ''
  }

  #close(open: OpenPart): string {
    const { part, carrier, candidate, text } = open
    if (part.kind === 'tool-call') {
      if (!this.#isHeld(open)) return open.isTold ? '' : this.#tellCall(open, '{}')
      const input = part.isCustom ? text : unwrapText(text)
      const custom = `{"name":${JSON.stringify(part.name)},"input":${JSON.stringify(input)}}`
      const state = carrier === null ? '' : `,${this.#signature(carrier)}`
      return this.#call(open, `"id":${JSON.stringify(part.id)},"type":"custom","custom":${custom}${state}`)
    }
    if (carrier === null || (part.kind !== 'reasoning' && part.kind !== 'text')) return ''
    const said = { ...part, text }
    candidate.details = [
      ...candidate.details,
      ...stateOf(said, carrier, candidate.details.length, this.#target.sealer),
    ]
    return ''
  }

  #finish(index: number, finish: Finish): string {
    let frames = this.#begin(index)
    const state = this.#candidates.get(index)
    if (state === undefined) return frames
    const { explanation } = finish
    if (finish.kind === 'refusal' && !state.hasRefusal && explanation !== undefined)
      frames += this.#chunk(index, `{"refusal":${JSON.stringify(explanation)}}`)
    if (state.details.length > 0)
      frames += this.#chunk(index, `{"reasoning_details":${JSON.stringify(state.details)}}`)
    const said = { calls: state.calls > 0, refusal: state.hasRefusal }
    const reason = writeFinish(finish, said, this.#isLegacy)
    return frames + this.#chunk(index, '{}', JSON.stringify(reason))
  }
}
