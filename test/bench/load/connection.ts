/**
 * One keep-alive connection of the load client: sends the same request again and again and reads the answers.
 */
import { connect, type Socket } from 'node:net'
import { AnswerReader } from './answer-reader.ts'
import { machineTime, readMark } from './mark.ts'
import type { Tally } from './tally.ts'

/** Shared by all connections: each read is dealt with before the next. */
const READ_BUFFER = Buffer.alloc(256 * 1024)

export type ConnectionPorts = Readonly<{
  port: number
  request: Buffer
  stream: boolean
  tally: Tally
  /** Ready for the next request: connected, or answered. */
  onReady: (connection: Connection) => void
  /** Lost; it connects again by itself unless closed. */
  onLost: (connection: Connection) => void
}>

export class Connection {
  readonly #ports: ConnectionPorts
  readonly #reader: AnswerReader
  #socket: Socket
  #isBusy = false
  #isClosed = false
  #dueAt = 0
  #sentAt = 0
  #isFirstByte = false
  /** Of an event that has not ended. */
  #text = ''
  #isDone = false

  constructor(ports: ConnectionPorts) {
    this.#ports = ports
    const onBody = (bytes: Buffer, start: number, end: number): void => this.#onBody(bytes, start, end)
    this.#reader = new AnswerReader({ onBody, onEnd: (status) => this.#onEnd(status) })
    this.#socket = this.#connect()
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  /** @param dueAt when it should have been sent: later than that is the subject's fault, and is counted. */
  send(dueAt: number): void {
    this.#isBusy = true
    this.#dueAt = dueAt
    this.#sentAt = performance.now()
    this.#isFirstByte = true
    this.#isDone = false
    this.#text = ''
    this.#socket.write(this.#ports.request)
  }

  close(): void {
    this.#isClosed = true
    this.#socket.destroy()
  }

  #connect(): Socket {
    const onread = {
      buffer: READ_BUFFER,
      callback: (bytes: number): boolean => {
        this.#reader.feed(READ_BUFFER.subarray(0, bytes))
        return true
      },
    }
    const socket = connect({ port: this.#ports.port, host: '127.0.0.1', noDelay: true, onread })
    socket.on('connect', () => this.#ports.onReady(this))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#isClosed) return
      if (this.#isBusy && this.#ports.tally.isOpen) this.#ports.tally.failures += 1
      this.#isBusy = false
      this.#ports.onLost(this)
      // A subject that refuses connections would be asked without end.
      setTimeout(() => {
        if (!this.#isClosed) this.#socket = this.#connect()
      }, 50)
    })
    return socket
  }

  #onBody(bytes: Buffer, start: number, end: number): void {
    const { tally, stream } = this.#ports
    const now = performance.now()
    if (this.#isFirstByte) {
      this.#isFirstByte = false
      if (tally.holds(this.#sentAt)) tally.firstByteMs.push(now - this.#sentAt)
    }
    if (tally.isOpen) tally.bodyBytes += end - start
    if (stream) this.#readEvents(bytes.toString('latin1', start, end))
  }

  #readEvents(piece: string): void {
    const text = this.#text + piece
    const arrived = machineTime()
    let from = 0
    for (;;) {
      const to = text.indexOf('\n\n', from)
      if (to === -1) break
      if (text.startsWith('data: ', from)) this.#onEvent(text, from, to, arrived)
      from = to + 2
    }
    this.#text = from === 0 ? text : text.slice(from)
  }

  #onEvent(text: string, from: number, to: number, arrived: number): void {
    if (text.startsWith('data: [DONE]', from)) this.#isDone = true
    const { tally } = this.#ports
    if (!tally.isOpen) return
    tally.chunks += 1
    const sent = readMark(text, from, to)
    if (sent !== null) tally.chunkDelayMs.push((arrived - sent) / 1_000)
  }

  #onEnd(status: number): void {
    const { tally, stream } = this.#ports
    this.#isBusy = false
    if (tally.isOpen) {
      if (status < 200 || status >= 300) tally.failures += 1
      else if (stream && !this.#isDone) tally.incomplete += 1
      else tally.answers += 1
      if (tally.holds(this.#dueAt)) tally.latencyMs.push(performance.now() - this.#dueAt)
    }
    this.#ports.onReady(this)
  }
}
