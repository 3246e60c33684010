/**
 * An exchange on a plain connection: the request as it was read, and its answer straight to the socket.
 */
import type { Socket } from 'node:net'
import { chunkOf } from '../chunked.ts'
import { NO_BODY } from '../../http/head-lines.ts'
import { ONE_WRITE_BYTES, STALL_MS, type ClientExchange } from '../client-exchange.ts'
import type { RequestHeaders } from '../../http/request-headers.ts'
import { answerHead, hasNoLength } from './answer-head.ts'
import type { PlainHead } from './head.ts'

/** Whoever carries it. */
export type ExchangeCarrier = Readonly<{
  socket: Socket
  /** How its head ends: see `answer-head.ts`. */
  closing: () => string
  /** The rest of its body is wanted. */
  onWanted: () => void
  /** Its answer was handed to the system, and nothing more will be. */
  onOver: () => void
}>

const NOTHING = Buffer.alloc(0)

export class PlainExchange implements ClientExchange {
  readonly method = 'POST'
  readonly url: string
  readonly headers: RequestHeaders
  readonly #carrier: ExchangeCarrier
  /** Of the whole body, in bytes. */
  readonly #length: number
  /** What has come of the body; null: nobody wants it any more. */
  #body: Buffer | null
  #filled: number
  /** Told the body once it is whole. */
  #wanted: ((body: Buffer) => void) | null = null
  /** Of the answer; not sent yet. */
  #head = ''
  #hasBody = true
  #isChunked = false
  #isEnded = false
  #isClosed = false
  #onClose: ((isWhole: boolean) => void) | null = null

  /** @param first what has come of the body, with or behind its head. */
  constructor(carrier: ExchangeCarrier, { path, headers, length }: PlainHead, first: Buffer) {
    this.url = path
    this.headers = headers
    this.#carrier = carrier
    this.#length = length
    this.#body = first
    this.#filled = first.length
  }

  readBody(limit: number): Buffer | null | Promise<Buffer | null> {
    const first = this.#body
    this.#body = null
    if (first === null || this.#length > limit) return null
    if (this.#filled === this.#length) return first
    // Not pooled and not cleared: what was not sent yet takes no memory.
    const body = Buffer.allocUnsafeSlow(this.#length)
    first.copy(body)
    this.#body = body
    this.#carrier.onWanted()
    return new Promise((resolve) => {
      this.#wanted = resolve
    })
  }

  /** Has somebody asked for what is still to come of the body? */
  get isWanted(): boolean {
    return this.#wanted !== null
  }

  /** @param piece the next of the body. */
  receive(piece: Buffer): void {
    if (this.#wanted === null || this.#body === null) return
    this.#filled += piece.copy(this.#body, this.#filled)
    if (this.#filled === this.#length) this.#wanted(this.#body)
  }

  begin(status: number, headers: readonly string[]): void {
    const hasBody = !NO_BODY.has(status)
    const isChunked = hasBody && hasNoLength(headers)
    this.#head = answerHead(status, headers, isChunked, this.#carrier.closing())
    this.#isChunked = isChunked
    this.#hasBody = hasBody
  }

  write(data: Buffer): boolean {
    if (this.#isEnded || this.#isClosed || !this.#hasBody) return true
    return this.#send(this.#isChunked ? chunkOf(data) : data)
  }

  end(last: Buffer | null): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { socket } = this.#carrier
    // Whoever listens is told, or was, that it is gone.
    if (this.#isClosed || socket.destroyed) return
    const rest = this.#hasBody ? (last ?? NOTHING) : NOTHING
    this.#send(this.#isChunked ? chunkOf(rest, true) : rest)
    if (socket.writableLength === 0) this.#finish()
    else {
      // What the kernel did not take at once is ours to keep until the client reads it, but not for ever.
      socket.setTimeout(STALL_MS)
      socket.write('', (error) => {
        if (error !== null && error !== undefined) return
        socket.setTimeout(0)
        this.#finish()
      })
    }
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  onceDrained(listener: () => void): void {
    const { socket } = this.#carrier
    socket.setTimeout(STALL_MS)
    socket.once('drain', () => {
      socket.setTimeout(0)
      listener()
    })
  }

  destroy(): void {
    if (!this.#isClosed) this.#carrier.socket.destroy()
  }

  onClose(listener: (isWhole: boolean) => void): void {
    this.#onClose = listener
  }

  /** The connection is gone. */
  gone(): void {
    this.#close(false)
  }

  #send(bytes: Buffer): boolean {
    const { socket } = this.#carrier
    const head = this.#head
    if (head === '') return bytes.length === 0 || socket.write(bytes)
    this.#head = ''
    if (bytes.length <= ONE_WRITE_BYTES) return socket.write(head + bytes.toString('latin1'), 'latin1')
    socket.cork()
    socket.write(head, 'latin1')
    const isTaken = socket.write(bytes)
    socket.uncork()
    return isTaken
  }

  #finish(): void {
    try {
      this.#close(true)
    } finally {
      this.#carrier.onOver()
    }
  }

  #close(isWhole: boolean): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClose?.(isWhole)
  }
}
