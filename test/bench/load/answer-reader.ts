/**
 * Reads HTTP/1.1 answers from the bytes of a connection. Knows what the subjects of a benchmark send and
 * nothing more, so that reading costs the load client little.
 */

export type AnswerSink = Readonly<{
  onBody: (bytes: Buffer, start: number, end: number) => void
  onEnd: (status: number) => void
}>

type State = 'head' | 'sized body' | 'size line' | 'chunk' | 'chunk end' | 'trailer'

const LINE_FEED = 0x0a
const END_OF_HEAD = Buffer.from('\r\n\r\n')
const LENGTH = /\r\ncontent-length: *(\d+)/i
const CHUNKED = /\r\ntransfer-encoding: *chunked/i

export class AnswerReader {
  readonly #sink: AnswerSink
  #state: State = 'head'
  /** Of a head or line that has not ended. */
  #kept: Buffer | null = null
  #line = ''
  #status = 0
  /** Bytes still to come of a body or chunk. */
  #remaining = 0

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  /** @param bytes may be used again after the call. */
  feed(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) at = this.#step(bytes, at)
  }

  /** @returns the position after what was understood. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at)
      case 'sized body':
        return this.#readBody(bytes, at, 'head')
      case 'chunk':
        return this.#readBody(bytes, at, 'chunk end')
      case 'chunk end': {
        const line = this.#readLine(bytes, at)
        if (line.text !== null) this.#state = 'size line'
        return line.end
      }
      case 'size line': {
        const line = this.#readLine(bytes, at)
        if (line.text === null) return line.end
        this.#remaining = Number.parseInt(line.text, 16)
        this.#state = this.#remaining === 0 ? 'trailer' : 'chunk'
        return line.end
      }
      case 'trailer': {
        const line = this.#readLine(bytes, at)
        if (line.text?.trim() === '') this.#end()
        return line.end
      }
      default:
        return this.#state satisfies never
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    if (this.#kept !== null) {
      const whole = Buffer.concat([this.#kept, bytes.subarray(at)])
      this.#kept = null
      this.feed(whole)
      return bytes.length
    }
    const end = bytes.indexOf(END_OF_HEAD, at)
    if (end === -1) {
      this.#kept = Buffer.from(bytes.subarray(at))
      return bytes.length
    }
    const head = bytes.toString('latin1', at, end)
    this.#status = Number(head.slice(9, 12))
    const length = LENGTH.exec(head)?.[1]
    if (length !== undefined) {
      this.#remaining = Number(length)
      this.#state = 'sized body'
      if (this.#remaining === 0) this.#end()
    } else if (CHUNKED.test(head)) this.#state = 'size line'
    else throw new Error(`an answer without a length: ${head}`)
    return end + END_OF_HEAD.length
  }

  #readBody(bytes: Buffer, at: number, next: 'head' | 'chunk end'): number {
    const end = Math.min(bytes.length, at + this.#remaining)
    this.#remaining -= end - at
    this.#sink.onBody(bytes, at, end)
    if (this.#remaining > 0) return end
    this.#state = next
    if (next === 'head') this.#end()
    return end
  }

  #end(): void {
    this.#state = 'head'
    this.#sink.onEnd(this.#status)
  }

  /** @returns the line without its feed, or null when more of it is to come. */
  #readLine(bytes: Buffer, at: number): Readonly<{ text: string | null; end: number }> {
    const feed = bytes.indexOf(LINE_FEED, at)
    if (feed === -1) {
      this.#line += bytes.toString('latin1', at, bytes.length)
      return { text: null, end: bytes.length }
    }
    const text = this.#line + bytes.toString('latin1', at, feed)
    this.#line = ''
    return { text, end: feed + 1 }
  }
}
