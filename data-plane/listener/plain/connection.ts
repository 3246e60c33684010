/**
 * A client's connection that has asked for nothing but plain requests so far: one after the other, each answered
 * before the next is looked at. With the first that is anything else, the connection is Node's for good, with every
 * byte that nobody has read yet.
 */
import type { Socket } from 'node:net'
import type { Member } from '#contracts/roster.ts'
import type { ClientExchange } from '../client-exchange.ts'
import { letGo } from '../pieces.ts'
import { PlainExchange, type ExchangeCarrier } from './exchange.ts'
import { readPlainHead } from './head.ts'

export type Handler = (exchange: ClientExchange) => void

export type ConnectionPorts = Readonly<{
  /** @returns undefined: nobody here answers that. */
  handlerOf: (path: string) => Handler | undefined
  /** Lines behind the headers of an answer. */
  closing: () => string
  /** Is it the last answer of its connection? */
  isStopping: () => boolean
  /** It has nothing to do with it any more. Told once. */
  onGone: (connection: PlainConnection) => void
  /** Takes a socket over. */
  handOver: (socket: Socket) => void
  /** @param code as Node names what is wrong. Tells the client and closes. */
  refuse: (code: string, socket: Socket) => void
}>

/** How often a connection is looked at before it has taken too long. */
export type Patience = Readonly<{
  /** Before its first request. */
  first: number
  /** While a request is on its way. */
  request: number
  /** Between requests. */
  idle: number
}>

/** As Node names what is wrong. */
const TOO_LATE = 'ERR_HTTP_REQUEST_TIMEOUT'
const BROKEN_OFF = 'HPE_INVALID_EOF_STATE'

/** What may wait behind a request before the socket does, in bytes. */
const MOST_WAITING = 64 * 1024

export class PlainConnection implements Member, ExchangeCarrier {
  place = -1
  readonly socket: Socket
  readonly closing: () => string
  readonly #ports: ConnectionPorts
  #looks = 0
  #hasServed = false
  #exchange: PlainExchange | null = null
  /** Of the request's body, still to come, in bytes. */
  #left = 0
  /** Came behind the request that is being answered. */
  #waiting: Buffer | null = null

  constructor(socket: Socket, ports: ConnectionPorts) {
    this.socket = socket
    this.closing = ports.closing
    this.#ports = ports
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('timeout', this.#onStalled)
    socket.on('close', this.#onClosed)
  }

  /** Nothing was asked that is not answered. */
  get isIdle(): boolean {
    return this.#exchange === null && this.#left === 0 && this.#waiting === null
  }

  /** Called all the time at the same pace. */
  look({ first, request, idle }: Patience): void {
    this.#looks += 1
    if (this.#left > 0) {
      if (this.#looks > request) this.#refuse(TOO_LATE)
    } else if (this.isIdle && this.#looks > (this.#hasServed ? idle : first)) {
      if (this.#hasServed) this.socket.destroy()
      else this.#refuse(TOO_LATE)
    }
  }

  readonly onWanted = (): void => void this.socket.resume()

  readonly onOver = (): void => {
    this.#exchange = null
    this.#hasServed = true
    // What is left of its body comes first, and goes.
    if (this.#left > 0) this.socket.resume()
    else this.#next()
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#left > 0) this.#receiveBody(bytes)
    else if (this.isIdle) this.#begin(bytes)
    else this.#keep(bytes)
  }

  #begin(bytes: Buffer): void {
    const head = readPlainHead(bytes)
    const handler = head === null ? undefined : this.#ports.handlerOf(head.path)
    if (head === null || handler === undefined) return this.#handOver(bytes)
    this.#looks = 0
    const end = head.end + head.length
    const exchange = new PlainExchange(this, head, bytes.subarray(head.end, end))
    this.#exchange = exchange
    this.#left = Math.max(0, end - bytes.length)
    if (end < bytes.length) this.#keep(bytes.subarray(end))
    handler(exchange)
    // As long as nobody wants it, the rest of a body is the client's to keep.
    if (this.#left > 0 && this.#exchange !== null && !exchange.isWanted) this.socket.pause()
  }

  #receiveBody(bytes: Buffer): void {
    const piece = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes
    this.#left -= piece.length
    this.#exchange?.receive(piece)
    if (piece === bytes) letGo(bytes)
    else this.#keep(bytes.subarray(piece.length))
    if (this.#left === 0 && this.#exchange === null) this.#next()
  }

  #keep(bytes: Buffer): void {
    this.#waiting = this.#waiting === null ? bytes : Buffer.concat([this.#waiting, bytes])
    if (this.#waiting.length > MOST_WAITING) this.socket.pause()
  }

  #next(): void {
    this.#looks = 0
    if (this.#ports.isStopping()) this.socket.destroySoon()
    else if (this.#waiting !== null) setImmediate(this.#beginWaiting)
  }

  readonly #beginWaiting = (): void => {
    const bytes = this.#waiting
    this.#waiting = null
    if (bytes === null || this.socket.destroyed) return
    this.socket.resume()
    this.#begin(bytes)
  }

  #handOver(bytes: Buffer): void {
    const { socket } = this
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('error', this.#onError)
    socket.off('timeout', this.#onStalled)
    socket.off('close', this.#onClosed)
    this.#ports.onGone(this)
    socket.pause()
    socket.unshift(bytes)
    this.#ports.handOver(socket)
    socket.resume()
  }

  #refuse(code: string): void {
    this.socket.pause()
    this.#ports.refuse(code, this.socket)
  }

  /** Whoever says that it sends no more is taken to have left, as by Node; what waits is begun no more. */
  readonly #onEnd = (): void => {
    this.#waiting = null
    if (this.#left > 0) this.#refuse(BROKEN_OFF)
    else if (this.#exchange === null || this.#exchange.isEnded) this.socket.end()
    else this.socket.destroy()
  }

  readonly #onError = (): void => undefined // 'close' follows

  readonly #onStalled = (): void => void this.socket.destroy()

  readonly #onClosed = (): void => {
    this.#ports.onGone(this)
    const exchange = this.#exchange
    this.#exchange = null
    exchange?.gone()
  }
}
