/**
 * Two dialects: the upstream's answer is read into the form in the middle and written in the client's words.
 */
import { createParser, type EventSourceParser } from 'eventsource-parser'
import type { Problem } from '#contracts/errors.ts'
import { StatefulParts } from '../../carriers/parts-of-stream.ts'
import { isObject, parseJson } from '../../dialects/canonical/json.ts'
import type { AnswerPart, Usage } from '../../dialects/canonical/reply.ts'
import type { StreamEvent } from '../../dialects/canonical/stream.ts'
import type {
  AnswerOrigin,
  AnswerTarget,
  Dialect,
  StreamReader,
  StreamWriter,
} from '../../dialects/dialect.ts'
import { NATIVE_ANSWERS, type Ending, type Verdict } from '../../dialects/native/answers.ts'
import { weighBody } from '../../dialects/native/meter.ts'
import { estimateText } from '../../dialects/token-count.ts'
import type { Told } from '../spent.ts'
import type { JudgedBody, Passage, StreamPassage } from '../passage.ts'

export type Conversion = Readonly<{
  upstream: Dialect
  origin: AnswerOrigin
  client: Dialect
  target: AnswerTarget
  /** Told what was answered, to its end, as far as state and calls are concerned. */
  onAnswered: (parts: readonly AnswerPart[]) => void
  /** Told the answer as it was written: the whole of it, or the last frames of its stream. Null: nobody asks. */
  onTold: ((told: string) => void) | null
}>

export class ConvertedPassage implements Passage {
  readonly bodyType = 'application/json; charset=utf-8'
  readonly streamType: string
  readonly isNative = false
  readonly #conversion: Conversion

  constructor(conversion: Conversion) {
    this.#conversion = conversion
    const { client, target } = conversion
    this.streamType =
      target.request.telling.framing === 'json-array' ? 'application/json; charset=utf-8' : client.streamType
  }

  judgeBody(body: Buffer): JudgedBody {
    const { upstream, origin, client, target, onAnswered, onTold } = this.#conversion
    const { verdict } = NATIVE_ANSWERS[upstream.name].judgeBody(body)
    if (verdict !== 'answer') return { kind: verdict }
    const value = parseJson(body.toString())
    if (!isObject(value)) return { kind: 'not_json' }
    const reply = upstream.readReply(value, origin)
    if (!reply.ok) return { kind: 'neither' }
    if (reply.value.candidates.every(({ parts, finish }) => parts.length === 0 && finish.kind === 'other')) {
      return { kind: 'neither' } // a call the model botched, or no reason at all: somebody else may do better
    }
    onAnswered(reply.value.candidates[0]?.parts ?? [])
    const written = client.writeReply(reply.value, target)
    onTold?.(written)
    const told = { usage: reply.value.usage, seen: () => weighBody(body) }
    return { kind: 'answer', body: Buffer.from(written), told }
  }

  looksLikeAnswer(body: Buffer): boolean {
    return NATIVE_ANSWERS[this.#conversion.upstream.name].judgeBody(body).verdict === 'answer'
  }

  openStream(): StreamPassage {
    return new ConvertedStream(this.#conversion)
  }
}

/** Held events and text beyond this mean that we do not understand the stream: tell what there is. */
const HOLD_EVENTS = 4_096

class ConvertedStream implements StreamPassage {
  readonly #parser: EventSourceParser
  readonly #decoder = new TextDecoder()
  readonly #reader: StreamReader
  readonly #writer: StreamWriter
  readonly #parts = new StatefulParts()
  readonly #onAnswered: Conversion['onAnswered']
  readonly #onTold: Conversion['onTold']
  #out = ''
  #verdict: Verdict = 'hold'
  #errorText = ''
  #events = 0
  #finished = false
  #usage: Usage | null = null
  #seen = 0
  #problem: Problem | null = null

  constructor({ upstream, origin, client, target, onAnswered, onTold }: Conversion) {
    this.#onTold = onTold
    this.#onAnswered = onAnswered
    this.#reader = upstream.openReader(origin)
    this.#writer = client.openWriter(target)
    this.#parser = createParser({
      onEvent: ({ event, data }) => this.#take(this.#reader.push({ event: event ?? '', data }), data),
    })
  }

  get verdict(): Verdict {
    return this.#verdict
  }

  get errorText(): string {
    return this.#errorText
  }

  push(chunk: Buffer): Buffer | null {
    this.#parser.feed(this.#decoder.decode(chunk, { stream: true }))
    return this.#told()
  }

  end(): Readonly<{ ending: Ending; last: Buffer | null }> {
    // A last event without its blank line still counts.
    this.#parser.feed(`${this.#decoder.decode()}\n\n`)
    if (this.#problem === null) this.#take(this.#reader.end(), '')
    if (this.#problem !== null && this.#problem.code !== 'stream_broken') {
      this.#out += this.#writer.fail(this.#problem)
      return { ending: 'error_told', last: this.#told() }
    }
    if (this.#problem !== null || !this.#finished) return { ending: 'broken', last: null }
    this.#onAnswered(this.#parts.parts())
    const frames = this.#writer.end()
    this.#onTold?.(frames)
    this.#out += frames
    return { ending: 'finished', last: this.#told() }
  }

  told(): Told {
    return { usage: this.#usage, seen: () => this.#seen }
  }

  breakOff(problem: Problem): Buffer {
    // Whole frames that were read together with the break are the client's, too.
    return Buffer.from(this.#out + this.#writer.fail(this.#problem ?? problem))
  }

  #told(): Buffer | null {
    if (this.#verdict !== 'content' || this.#out === '') return null
    const out = Buffer.from(this.#out)
    this.#out = ''
    return out
  }

  #take(events: readonly StreamEvent[], data: string): void {
    for (const event of events) {
      if (this.#problem !== null) return
      this.#events += 1
      if (event.kind === 'error') {
        this.#problem = event.problem
        if (this.#verdict === 'hold') {
          this.#verdict = 'error'
          this.#errorText = data
        }
        return
      }
      if (this.#verdict === 'hold' && isNothing(event)) {
        this.#verdict = 'error'
        return
      }
      if (this.#verdict === 'hold' && (isContent(event) || this.#events > HOLD_EVENTS)) {
        this.#verdict = 'content'
      }
      this.#count(event)
      if (event.kind === 'finish') this.#finished = true
      this.#parts.take(event)
      this.#out += this.#writer.write(event)
    }
  }

  #count(event: StreamEvent): void {
    switch (event.kind) {
      case 'start':
      case 'usage':
        this.#usage = event.usage ?? this.#usage
        return
      case 'text':
      case 'refusal':
      case 'reasoning':
      case 'args':
        this.#seen += estimateText(event.text)
        return
      default: // nothing that was said
    }
  }
}

/** An end without a word and without a reason a client could use. */
const isNothing = (event: StreamEvent): boolean => event.kind === 'finish' && event.finish.kind === 'other'

/** The answer has begun: words, thoughts, a call, or its end. */
function isContent(event: StreamEvent): boolean {
  switch (event.kind) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      return event.text !== ''
    case 'part-start':
      return event.part.kind === 'tool-call' || event.part.kind === 'media' || event.part.kind === 'native'
    case 'args':
    case 'carrier':
    case 'finish':
      return true
    default:
      return false
  }
}
