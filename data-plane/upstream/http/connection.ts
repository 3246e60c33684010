/**
 * A connection to an upstream: one request at a time, and the answer to it.
 *
 * It is used again only after an answer that ended where it said it would, with nothing behind it. Whatever else
 * happens closes it: the next bytes might belong to an answer that somebody else was waiting for.
 */
import type { Socket } from 'node:net'
import type { Member } from '#contracts/roster.ts'
import { lengthOf, piecesOf, type RequestBody } from '../request-body.ts'
import type { Call, Carrier } from './call.ts'
import { ChunkedBody } from './chunks.ts'
import { ENDED } from './ended.ts'
import { readHead, type Head } from './head.ts'
import { SHORT_BODY_BYTES } from './request.ts'

export type ConnectionEvents = Readonly<{
  /** Its answer has ended: it takes another request. */
  onFree: (connection: Connection) => void
  /** It takes no more. Told once. */
  onGone: (connection: Connection) => void
}>

export class Connection implements Carrier, Member {
  place = -1
  /** Looked at since it was used last: see `origin.ts`. */
  looks = 0
  /** How long the other side keeps it when nothing is asked, in milliseconds; null: it does not say. */
  keptMs: number | null = null
  readonly #socket: Socket
  readonly #events: ConnectionEvents
  #isGone = false
  /** Is its silence limited now? */
  #isTimed = false
  /** How often something has come. */
  #heard = 0
  #call: Call | null = null
  /** Of a head that is not whole yet. */
  #kept: Buffer | null = null
  /** Null: it has not come yet. */
  #head: Head | null = null
  /** Of a body whose length was said, in bytes. */
  #left = 0
  #chunks: ChunkedBody | null = null

  constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket
    this.#events = events
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    socket.on('end', () => this.#ended())
    socket.on('timeout', () => this.#silent())
    socket.on('error', (error: NodeJS.ErrnoException) => this.end(error.code ?? ENDED.closed))
    socket.on('close', () => this.end(ENDED.closed))
  }

  /** @param head see `request.ts`. */
  send(call: Call, head: Buffer): void {
    this.#call = call
    this.#head = null
    call.begin(this)
    if (this.#call !== call) return
    if (call.isPaused) this.#socket.pause()
    this.#write(head, call.request.body)
  }

  pause(): void {
    this.#socket.pause()
    // It is not the upstream's silence.
    if (this.#isTimed) this.#limitSilence(0)
  }

  resume(): void {
    const call = this.#call
    if (call !== null && this.#head !== null) this.#limitSilence(call.request.idleMs)
    this.#socket.resume()
  }

  drop(): void {
    this.#call = null
    this.#leave()
  }

  /** Was it closed, by whomever? */
  get isGone(): boolean {
    return this.#isGone
  }

  /** Closes it at once, and tells whoever waits for an answer. */
  end(code: string): void {
    const call = this.#call
    this.drop()
    call?.fail(code)
  }

  #write(head: Buffer, body: RequestBody | null): void {
    const socket = this.#socket
    if (body === null || lengthOf(body) <= SHORT_BODY_BYTES) socket.write(head)
    else {
      socket.cork()
      socket.write(head)
      for (const piece of piecesOf(body)) socket.write(piece)
      socket.uncork()
    }
  }

  /** A process that was held up sees the clock before it sees what has come meanwhile. */
  #silent(): void {
    const [call, heard] = [this.#call, this.#heard]
    setImmediate(() => {
      if (this.#call === call && this.#heard === heard && this.#isTimed) this.end(ENDED.silent)
    })
  }

  #receive(bytes: Buffer): void {
    const call = this.#call
    this.#heard += 1
    if (call === null) this.drop() // nobody asked
    else if (this.#head !== null) this.#receiveBody(call, this.#head, bytes, 0)
    else this.#receiveHead(call, this.#kept === null ? bytes : Buffer.concat([this.#kept, bytes]))
  }

  #receiveHead(call: Call, bytes: Buffer): void {
    this.#kept = null
    for (let from = 0; ;) {
      const head = readHead(bytes, from)
      if (head === 'incomplete') {
        this.#kept = from === 0 ? bytes : bytes.subarray(from)
        return
      }
      // Nobody asked for another protocol.
      if (head === 'malformed' || head.status === 101) return this.end(ENDED.malformed)
      if (head.status >= 200) return this.#begin(call, head, bytes)
      from = head.end
    }
  }

  #begin(call: Call, head: Head, bytes: Buffer): void {
    const from = head.end
    this.#head = head
    this.#left = head.length
    this.#chunks = head.framing === 'chunked' ? new ChunkedBody() : null
    call.head(head.status, head.headers)
    if (this.#call !== call) return
    const isWhole = head.framing === 'length' && head.length <= bytes.length - from
    if (!isWhole && !call.isPaused) this.#limitSilence(call.request.idleMs)
    if (isWhole || from < bytes.length) this.#receiveBody(call, head, bytes, from)
  }

  #receiveBody(call: Call, { framing }: Head, bytes: Buffer, from: number): void {
    if (framing === 'chunked') this.#receiveChunks(call, bytes, from)
    else {
      const end = framing === 'close' ? bytes.length : Math.min(bytes.length, from + this.#left)
      if (framing === 'length') this.#left -= end - from
      if (end > from) call.data(bytes.subarray(from, end))
      if (this.#call === call && framing === 'length' && this.#left === 0)
        this.#finish(call, end === bytes.length)
    }
  }

  #receiveChunks(call: Call, bytes: Buffer, from: number): void {
    const chunks = this.#chunks
    if (chunks === null) return
    chunks.at = from
    for (let piece = chunks.next(bytes); piece !== null; piece = chunks.next(bytes)) {
      call.data(piece)
      if (this.#call !== call) return
    }
    if (chunks.isBroken) this.end(ENDED.malformed)
    else if (chunks.isOver) this.#finish(call, chunks.at === bytes.length)
  }

  /** @param isClean nothing came behind the answer. */
  #finish(call: Call, isClean: boolean): void {
    const head = this.#head
    this.#call = null
    // What was asked may not have been taken yet: the rest of it would go before the next request.
    const isSent = this.#socket.writableLength === 0
    if (head !== null && head.isKept && isClean && isSent) {
      this.keptMs = head.keptMs
      if (this.#isTimed) this.#limitSilence(0)
      if (call.isPaused) this.#socket.resume()
      this.#events.onFree(this)
    } else this.#leave()
    call.end()
  }

  #ended(): void {
    const call = this.#call
    if (call !== null && this.#head?.framing === 'close') this.#finish(call, true)
    else this.end(ENDED.closed)
  }

  /** @param ms 0: not at all. */
  #limitSilence(ms: number): void {
    this.#isTimed = ms > 0
    this.#socket.setTimeout(ms)
  }

  #leave(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#socket.destroy()
    this.#events.onGone(this)
  }
}
