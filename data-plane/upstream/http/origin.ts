/**
 * The connections to one origin, and the requests that wait for one.
 *
 * Requests of one turn of the event loop are sent together at its end. One that finds no idle connection has one
 * opened for it; when there are as many as there may be, it waits until one is free.
 *
 * A connection rests for a turn after an answer. What came right behind it, that it is closed or an answer to nobody,
 * is seen by then; else the next request would go into a closed connection, or be given that answer.
 */
import type { Socket } from 'node:net'
import { Roster } from '#contracts/roster.ts'
import type { Connector } from '#contracts/security/guarded-connector.ts'
import { Call, type FaultListener, type Receiver } from './call.ts'
import { Connection, type ConnectionEvents } from './connection.ts'
import { ENDED } from './ended.ts'
import { Heads, type Request } from './request.ts'

const MOST_CONNECTIONS = 1_024
/** Idle connections are closed before most servers close theirs (nginx 75 s, Node 5 s), in milliseconds. */
const KEPT_MS = 4_000
/** Where a server says how long it keeps them: so long before, and at most so long. */
const KEPT_MARGIN_MS = 2_000
const MOST_KEPT_MS = 600_000
/** How often idle connections are looked at. */
const LOOK_MS = 500

export class Origin implements AsyncDisposable {
  readonly #connect: Connector
  readonly #url: URL
  readonly #heads: Heads
  readonly #mostConnections: number
  readonly #onFault: FaultListener
  readonly #events: ConnectionEvents
  readonly #connections = new Roster<Connection>()
  /** The one that was used last is used first. */
  #idle: Connection[] = []
  /** An answer has just ended on them: this turn, and the turn before. */
  #justFreed: Connection[] = []
  #resting: Connection[] = []
  /** A connection is being opened for them. */
  readonly #opening = new Roster<Call>()
  /** To be sent, or for a connection. */
  #waiting: Call[] = []
  /** Carries those that wait: one that is given up leaves, with its body, when the others are looked at. */
  readonly #queue = { pause: () => undefined, resume: () => undefined, drop: () => this.#sendSoon() }
  #willSend = false
  #isClosing = false
  #isGone = false
  #look: NodeJS.Timeout | null = null

  /** @param connect ends by itself when it takes too long. @param mostConnections more requests wait. */
  constructor(
    origin: string,
    connect: Connector,
    onFault: FaultListener,
    mostConnections = MOST_CONNECTIONS,
  ) {
    this.#connect = connect
    this.#onFault = onFault
    this.#mostConnections = mostConnections
    this.#url = new URL(origin)
    this.#heads = new Heads(this.#url.host)
    this.#events = {
      onFree: (connection) => this.#free(connection),
      onGone: (connection) => this.#forget(connection),
    }
  }

  /** Nothing is told before this returns. */
  dispatch(request: Request, receiver: Receiver): Call {
    const call = new Call(request, receiver, this.#queue, this.#onFault)
    if (this.#isClosing) setImmediate(() => call.fail(ENDED.gone))
    else this.#waiting.push(call)
    this.#sendSoon()
    return call
  }

  /** Takes no more requests; those it has are answered. */
  close(): void {
    this.#isClosing = true
    for (const connection of this.#idle.splice(0)) connection.drop()
  }

  /** Closes all connections; requests under way end with an error. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    this.#isGone = true
    for (const call of this.#waiting.splice(0)) call.fail(ENDED.gone)
    for (const call of this.#opening.takeAll()) call.fail(ENDED.gone)
    for (const connection of this.#connections.takeAll()) connection.end(ENDED.gone)
  }

  #sendSoon(): void {
    if (this.#willSend) return
    this.#willSend = true
    setImmediate(this.#sendAll)
  }

  readonly #sendAll = (): void => {
    this.#willSend = false
    const waiting = this.#waiting
    this.#waiting = []
    for (let at = 0; at < waiting.length; at++) {
      const call = waiting[at]
      if (call === undefined || call.isOver || this.#send(call)) continue
      const left = waiting.slice(at).filter(({ isOver }) => !isOver)
      // Before those that have come meanwhile.
      this.#waiting = left.concat(this.#waiting)
      return
    }
  }

  /** @returns false when it has to wait. */
  #send(call: Call): boolean {
    const isFresh = call.request.isFresh === true || this.#idle.length === 0
    if (isFresh && !this.#isGone && !this.#makeRoom()) return false
    const head = this.#isGone ? null : this.#heads.bytesOf(call.request)
    const idle = isFresh || head === null ? undefined : this.#idle.pop()
    if (head === null) call.fail(this.#isGone ? ENDED.gone : ENDED.unsendable)
    else if (idle === undefined) this.#open(call, head)
    else idle.send(call, head)
    return true
  }

  /** @returns false when there are as many connections as there may be, and all are in use. */
  #makeRoom(): boolean {
    if (this.#connections.size + this.#opening.size < this.#mostConnections) return true
    const oldest = this.#idle[0]
    oldest?.drop()
    return oldest !== undefined
  }

  #open(call: Call, head: Buffer): void {
    const { protocol, hostname, port, host } = this.#url
    this.#opening.add(call)
    // IPv6 addresses have brackets in URLs only.
    const target = { protocol, host, hostname: hostname.replace(/^\[|\]$/g, ''), port }
    try {
      this.#connect(target, (error, socket) => {
        if (error === null) this.#opened(call, head, socket)
        else this.#unopened(call, error)
      })
    } catch (error) {
      this.#unopened(call, error)
    }
  }

  #opened(call: Call, head: Buffer, socket: Socket): void {
    this.#opening.remove(call)
    const connection = new Connection(socket, this.#events)
    this.#connections.add(connection)
    if (this.#isGone) connection.drop()
    else if (call.isOver) this.#free(connection)
    else connection.send(call, head)
  }

  #unopened(call: Call, error: unknown): void {
    this.#opening.remove(call)
    call.fail(codeOf(error))
    if (this.#waiting.length > 0) this.#sendSoon()
  }

  #free(connection: Connection): void {
    if (this.#justFreed.length + this.#resting.length === 0) setImmediate(this.#rest)
    this.#justFreed.push(connection)
  }

  /** Immediates follow what has come in: two of them, and all that was there when the answer ended was seen. */
  readonly #rest = (): void => {
    for (const connection of this.#resting) this.#takeBack(connection)
    this.#resting = this.#justFreed
    this.#justFreed = []
    if (this.#resting.length > 0) setImmediate(this.#rest)
  }

  #takeBack(connection: Connection): void {
    if (connection.isGone) return
    // Who waits at a closed origin has a new one opened: else those that nobody takes would stay.
    if (this.#isClosing || idleLimit(connection) <= 0) return connection.drop()
    connection.looks = 0
    this.#idle.push(connection)
    if (this.#waiting.length > 0) this.#sendSoon()
    this.#look ??= setInterval(() => this.#lookAtIdle(), LOOK_MS).unref()
  }

  #forget(connection: Connection): void {
    this.#connections.remove(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    if (this.#waiting.length > 0) this.#sendSoon()
  }

  #lookAtIdle(): void {
    for (const connection of this.#idle) connection.looks += 1
    for (const connection of this.#idle.filter((one) => one.looks * LOOK_MS > idleLimit(one)))
      connection.drop()
    if (this.#idle.length > 0 || this.#look === null) return
    clearInterval(this.#look)
    this.#look = null
  }
}

/** In milliseconds. */
const idleLimit = ({ keptMs }: Connection): number =>
  keptMs === null ? KEPT_MS : Math.min(keptMs - KEPT_MARGIN_MS, MOST_KEPT_MS)

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ENDED.unreached
