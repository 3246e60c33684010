/**
 * The commit point of a native stream: until something of the answer itself has come, nothing is told to the
 * client and any failure may move on; afterwards never.
 *
 * Pure in effect: fed with chunks, says what they mean. Comments, pings and lifecycle events are not the
 * answer. Parses only what comes before the first content, an event or two.
 */
import { createParser, type EventSourceParser } from 'eventsource-parser'
import type { NativeAnswers, Verdict } from '../../dialects/native/answers.ts'

/** Holding more than this much without content means we do not understand the stream: let it pass. */
const HOLD_BYTES = 256 * 1024
const HOLD_EVENTS = 64

export class CommitGate {
  readonly #parser: EventSourceParser
  readonly #judge: NativeAnswers['judgeEvent']
  readonly #decoder = new TextDecoder()
  #verdict: Verdict = 'hold'
  #bytes = 0
  #events = 0
  #errorText = ''

  constructor(judge: NativeAnswers['judgeEvent']) {
    this.#judge = judge
    this.#parser = createParser({ onEvent: ({ event, data }) => this.#onEvent(event ?? '', data) })
  }

  feed(chunk: Buffer): Verdict {
    this.#bytes += chunk.length
    this.#parser.feed(this.#decoder.decode(chunk, { stream: true }))
    if (this.#verdict === 'hold' && (this.#bytes > HOLD_BYTES || this.#events > HOLD_EVENTS)) return 'content'
    return this.#verdict
  }

  /** JSON of the event that carried the error. */
  get errorText(): string {
    return this.#errorText
  }

  #onEvent(event: string, data: string): void {
    if (this.#verdict !== 'hold') return
    this.#events += 1
    this.#verdict = this.#judge({ event, data })
    if (this.#verdict === 'error') this.#errorText = data
  }
}
