/**
 * A native stream as it passes through: kept to whole events, and its last few kilobytes remembered, to tell at
 * its end whether it was whole.
 *
 * Keeps references and copies only what is left over of a chunk that ends inside an event.
 */
import type { Ending, NativeAnswers } from '../../dialects/native/answers.ts'

/** Usage and finish stand in the last chunks; 16 KiB hold them with room to spare. */
const TAIL_BYTES = 16 * 1024
/** What an event is stands at its beginning, and the last one of a Responses stream repeats the whole answer. */
const OPENING_BYTES = 256
/** A longer event is passed on in pieces. */
const EVENT_BYTES = 64 * 1024

const NOTHING = Buffer.alloc(0)
const LINE_FEED = 0x0a
const RETURN = 0x0d

export class StreamTail {
  readonly #endingOf: NativeAnswers['endingOf']
  #chunks: Buffer[] = []
  #bytes = 0
  /** What was pushed and not passed on: the beginning of an event, in pieces. */
  #held: Buffer[] = []
  #heldBytes = 0
  #isBetweenEvents = true
  /** The first bytes of the latest event that came in several chunks: the tail may have lost them. */
  #opening: Buffer = NOTHING
  /** Made once: asked for at the end only. */
  #text: string | null = null

  constructor(endingOf: NativeAnswers['endingOf']) {
    this.#endingOf = endingOf
  }

  /** @returns what may be passed on: a client that was given half an event could not read an error after it. */
  push(chunk: Buffer): Buffer | null {
    this.#remember(chunk)
    const border = this.#borderIn(chunk)
    if (border === chunk.length && this.#heldBytes === 0 && this.#isBetweenEvents) return chunk
    const whole = border === 0 ? null : this.#complete(chunk.subarray(0, border))
    if (border < chunk.length) this.#hold(chunk.subarray(border))
    if (this.#heldBytes <= EVENT_BYTES) return whole
    this.#isBetweenEvents = false
    const long = this.#release()
    return whole === null ? long : Buffer.concat([whole, long])
  }

  /** What was pushed and not passed on: the beginning of an event. */
  get rest(): Buffer | null {
    return this.#heldBytes === 0 ? null : Buffer.concat(this.#held)
  }

  /** Does what was passed on end with an event, so that another may follow? */
  get isBetweenEvents(): boolean {
    return this.#isBetweenEvents
  }

  ending(): Ending {
    const { text } = this
    return this.#endingOf(this.#opening === NOTHING ? text : `${this.#opening.toString('latin1')}\n${text}`)
  }

  /** The last kilobytes, as latin1. */
  get text(): string {
    this.#text ??= Buffer.concat(this.#chunks).toString('latin1')
    return this.#text
  }

  /** @returns the position in the chunk after its last blank line; 0: there is none. */
  #borderIn(chunk: Buffer): number {
    const border = lastBorder(chunk)
    if (border > 0 || this.#heldBytes === 0) return border
    // A blank line may have begun in the chunks before.
    const before = lastBytes(this.#held, LONGEST_BORDER - 1)
    return Math.max(0, lastBorder(Buffer.concat([before, chunk.subarray(0, LONGEST_BORDER)])) - before.length)
  }

  /** @param end the last bytes of an event, with those of others that follow it. */
  #complete(end: Buffer): Buffer {
    if (this.#heldBytes > 0) this.#open(end)
    this.#isBetweenEvents = true
    if (this.#heldBytes === 0) return end
    this.#held.push(end)
    return this.#release()
  }

  #hold(piece: Buffer): void {
    if (this.#heldBytes === 0 && this.#isBetweenEvents) this.#opening = NOTHING
    this.#open(piece)
    this.#held.push(piece)
    this.#heldBytes += piece.length
  }

  /** Of an event that is passed on in pieces the opening is known already. */
  #open(piece: Buffer): void {
    const missing = OPENING_BYTES - this.#opening.length
    if (missing > 0 && this.#isBetweenEvents)
      this.#opening = Buffer.concat([this.#opening, piece.subarray(0, missing)])
  }

  #release(): Buffer {
    const [only, ...more] = this.#held
    const all = only !== undefined && more.length === 0 ? only : Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    return all
  }

  #remember(chunk: Buffer): void {
    this.#text = null
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

/** `\r\n\r\n` */
const LONGEST_BORDER = 4

function lastBytes(pieces: readonly Buffer[], count: number): Buffer {
  let bytes = NOTHING
  for (let at = pieces.length - 1; at >= 0 && bytes.length < count; at--)
    bytes = Buffer.concat([pieces[at]?.subarray(bytes.length - count) ?? NOTHING, bytes])
  return bytes
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
