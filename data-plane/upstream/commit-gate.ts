/**
 * The commit point of a stream: until something of the answer itself has come, nothing is told to the client
 * and any failure may move on; afterwards never.
 *
 * Pure in effect: fed with chunks, says what they mean. Comments, pings, role-only and usage-only chunks are
 * not the answer. Parses only what comes before the first content, a chunk or two.
 */
import { createParser, type EventSourceParser } from 'eventsource-parser'

/** `hold`: nothing of the answer yet. `content`: it has begun. `error`: an error object came instead. */
export type Verdict = 'hold' | 'content' | 'error'

/** Holding more than this much without content means we do not understand the stream: let it pass. */
const HOLD_BYTES = 256 * 1024
const HOLD_EVENTS = 64

export class CommitGate {
  readonly #parser: EventSourceParser
  readonly #decoder = new TextDecoder()
  #verdict: Verdict = 'hold'
  #bytes = 0
  #events = 0
  #errorText = ''

  constructor() {
    this.#parser = createParser({ onEvent: ({ data }) => this.#onEvent(data) })
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

  #onEvent(data: string): void {
    if (this.#verdict !== 'hold') return
    this.#events += 1
    const chunk = parseObject(data)
    if (chunk === null) return // [DONE], or not JSON: not an answer
    if (isObject(chunk['error']) || typeof chunk['error'] === 'string') {
      this.#verdict = 'error'
      this.#errorText = data
    } else if (hasContent(chunk)) this.#verdict = 'content'
  }
}

function hasContent(chunk: Readonly<Record<string, unknown>>): boolean {
  if (!Array.isArray(chunk['choices'])) return false
  return chunk['choices'].some((choice: unknown) => {
    if (!isObject(choice)) return false
    if (typeof choice['finish_reason'] === 'string') return true
    const delta = choice['delta']
    return isObject(delta) && Object.entries(delta).some(([key, value]) => key !== 'role' && isFilled(value))
  })
}

const isFilled = (value: unknown): boolean =>
  value !== null && value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
