/**
 * The NATS bus. One connection a process; the only folder that knows the client library.
 *
 * Feature floor: JetStream 2.9 (republish, direct get, key-value). The client's defaults are the usual
 * cause of outages, so every one that matters is set here and asserted by the contract suite:
 * it reconnects for ever, notices a half-open link within 5 seconds, and never buffers while cut off.
 */
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import type { Bus, CommitStream, Registers, Unsubscribe, UsageStream } from './bus.ts'
import { NatsCommits } from './nats-commits.ts'
import { NatsRegisters } from './nats-registers.ts'
import { NatsUsage } from './nats-usage.ts'
import { subjectsOf, type Subjects } from './subjects.ts'

export type NatsBusOptions = Readonly<{
  /** `nats://user:password@host:4222`; several servers separated by commas. */
  url: string
  prefix: string
  /** Shown in the server's connection list. */
  name: string
  /** How many servers keep a copy of each stream: 1, or 3 in a cluster. */
  replicas: number
  /** Something the operator should see. */
  onProblem: (message: string) => void
}>

export function natsConnectionOptions(url: string, name: string): NodeConnectionOptions {
  const servers = url.split(',').map((text) => new URL(text.trim()))
  const { username, password } = servers[0] ?? new URL('nats://127.0.0.1')
  return {
    name,
    servers: servers.map((server) => server.host),
    ...(servers.some((server) => server.protocol === 'tls:') ? { tls: {} } : {}),
    ...(password === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(password === '' && username !== '' ? { token: decodeURIComponent(username) } : {}),
    // The first connection is tried again by us: a client that waits for it cannot be told to stop.
    waitOnFirstConnect: false,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 100,
    timeout: 2_000,
    // A cable pulled out says nothing. The link counts as gone when two pings are without an answer at the
    // time of the third: after 3 to 4.5 seconds. One missing answer would also be a pause of our own.
    pingInterval: 1_500,
    maxPingOut: 2,
    ignoreClusterUpdates: false,
  }
}

/** Between two tries to make the first connection, in milliseconds; later ones are the client's business. */
const RETRY_MS = 250

export class NatsBus implements Bus {
  readonly commits: CommitStream
  readonly registers: Registers
  readonly usage: UsageStream
  readonly #options: NatsBusOptions
  readonly #statusListeners = new Set<(connected: boolean) => void>()
  /** Subscriptions asked for, with how to end each on the connection. The client renews them itself. */
  readonly #wanted = new Map<
    symbol,
    { subject: string; listener: (text: string) => void; end: Unsubscribe | null }
  >()
  #connection: NatsConnection | null = null
  #connected = false
  #closed = false
  #lastProblem = ''

  /** Starts connecting in the background; never waits and never fails. */
  constructor(options: NatsBusOptions) {
    this.#options = options
    const subjects: Subjects = subjectsOf(options.prefix)
    const connection = (): NatsConnection | null => (this.#connected ? this.#connection : null)
    this.commits = new NatsCommits(connection, subjects, options.replicas, (subject, listener) =>
      this.subscribe(subject, listener),
    )
    this.registers = new NatsRegisters(connection, subjects.registers, options.replicas)
    this.usage = new NatsUsage(connection, subjects, options.replicas)
    void this.#connect()
  }

  get connected(): boolean {
    return this.#connected
  }

  onStatus(listener: (connected: boolean) => void): Unsubscribe {
    this.#statusListeners.add(listener)
    return () => this.#statusListeners.delete(listener)
  }

  publish(subject: string, text: string): boolean {
    // The client would keep publishes without limit while it reconnects, and send them late.
    if (!this.#connected || this.#connection === null) return false
    try {
      this.#connection.publish(subject, text)
      return true
    } catch (error) {
      // Larger than the server takes: a loss like any other, but one that will happen again.
      this.#problem(`cannot publish on ${subject}`, error)
      return false
    }
  }

  subscribe(subject: string, listener: (text: string) => void): Unsubscribe {
    const key = Symbol(subject)
    this.#wanted.set(key, {
      subject,
      listener,
      end: this.#connection === null ? null : this.#begin(subject, listener),
    })
    return () => {
      this.#wanted.get(key)?.end?.()
      this.#wanted.delete(key)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#setConnected(false)
    this.#statusListeners.clear()
    await this.#connection?.close()
  }

  async #connect(): Promise<void> {
    while (!this.#closed) {
      try {
        const connection = await connect(natsConnectionOptions(this.#options.url, this.#options.name))
        if (this.#closed) return await connection.close()
        this.#connection = connection
        for (const wanted of this.#wanted.values()) wanted.end = this.#begin(wanted.subject, wanted.listener)
        this.#lastProblem = ''
        this.#setConnected(true)
        await this.#watch(connection)
      } catch (error) {
        // Not there, or refused outright, e.g. wrong credentials: the client gives up, we do not.
        if (!this.#closed) this.#problem('cannot connect to NATS', error)
      }
      this.#setConnected(false)
      this.#connection = null
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref())
    }
  }

  /** Says what is new: a server that is away for an hour is one problem, not one for every try. */
  #problem(what: string, error: unknown): void {
    const message = `${what}: ${error instanceof Error ? error.message : String(error)}`
    if (message === this.#lastProblem) return
    this.#lastProblem = message
    this.#options.onProblem(message)
  }

  /** Returns when the connection is closed for good. */
  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.#setConnected(false)
      else if (status.type === 'reconnect') this.#setConnected(true)
      else if (status.type === 'error') this.#options.onProblem(`NATS says: ${status.error.message}`)
    }
  }

  #begin(subject: string, listener: (text: string) => void): Unsubscribe | null {
    const subscription = this.#connection?.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) return
        try {
          listener(message.string())
        } catch (problem) {
          // The client would take it for a broken connection and read no further, for all subscribers.
          this.#problem(`a listener of ${subject} failed`, problem)
        }
      },
    })
    return subscription === undefined ? null : () => subscription.unsubscribe()
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return
    this.#connected = connected
    for (const listener of this.#statusListeners) listener(connected)
  }
}
