/**
 * A native stream as it passes through: kept to whole events, and its last few kilobytes remembered, to tell at
 * its end whether it was whole.
 *
 * Keeps references and copies only what is left over of a chunk that ends inside an event.
 */
import type { Ending, NativeAnswers } from '../../dialects/native/answers.ts'

/** Usage and finish stand in the last chunks; 16 KiB hold them with room to spare. */
const TAIL_BYTES = 16 * 1024
/** A longer event is passed on in pieces. */
const EVENT_BYTES = 64 * 1024

const LINE_FEED = 0x0a
const RETURN = 0x0d

export class StreamTail {
  readonly #endingOf: NativeAnswers['endingOf']
  #chunks: Buffer[] = []
  #bytes = 0
  #rest: Buffer | null = null
  #isBetweenEvents = true

  constructor(endingOf: NativeAnswers['endingOf']) {
    this.#endingOf = endingOf
  }

  /** @returns what may be passed on: a client that was given half an event could not read an error after it. */
  push(chunk: Buffer): Buffer | null {
    this.#remember(chunk)
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk])
    const border = lastBorder(bytes)
    if (border === bytes.length || bytes.length - border > EVENT_BYTES) {
      this.#rest = null
      this.#isBetweenEvents = border === bytes.length
      return bytes
    }
    this.#rest = border === 0 ? bytes : bytes.subarray(border)
    if (border === 0) return null
    this.#isBetweenEvents = true
    return bytes.subarray(0, border)
  }

  /** What was pushed and not passed on: the beginning of an event. */
  get rest(): Buffer | null {
    return this.#rest
  }

  /** Does what was passed on end with an event, so that another may follow? */
  get isBetweenEvents(): boolean {
    return this.#isBetweenEvents
  }

  ending(): Ending {
    return this.#endingOf(this.text)
  }

  /** The last kilobytes, as latin1. */
  get text(): string {
    return Buffer.concat(this.#chunks).toString('latin1')
  }

  #remember(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    let first = this.#chunks[0]
    while (first !== undefined && this.#bytes - first.length >= TAIL_BYTES) {
      this.#bytes -= first.length
      this.#chunks.shift()
      first = this.#chunks[0]
    }
  }
}

/** @returns the position after the last blank line, which ends an event; 0: there is none. Lines end as SSE allows. */
export function lastBorder(bytes: Buffer): number {
  for (let at = bytes.length - 1; at > 0; at--) {
    const byte = bytes[at]
    if (byte !== LINE_FEED && byte !== RETURN) continue
    const before = bytes[at - 1]
    const lineEnd = byte === LINE_FEED && before === RETURN ? bytes[at - 2] : before
    if (lineEnd === LINE_FEED || lineEnd === RETURN) return at + 1
  }
  return 0
}
