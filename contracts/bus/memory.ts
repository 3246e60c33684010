/**
 * The in-process bus: embedded mode and tests. Same port, same asynchronous hop, same losses on request.
 *
 * A message is delivered in a later turn of the event loop, never inside `publish`: code that works here
 * does not depend on being called back at once. `faults` lets a test lose what a broker can lose.
 */
import type { Bus, CommitStream, Register, Registers, StreamRange, Unsubscribe, UsageStream } from './bus.ts'
import { BusUnavailable } from './bus.ts'
import { MemoryUsage, UsageShelf } from './usage-memory.ts'

export type MemoryBusFaults = {
  /** Cut off from the bus: publishing drops, streams and registers reject. */
  down?: boolean
  /** Asked for every live delivery; true loses it. */
  lose?: (subject: string) => boolean
}

type Listener = (text: string) => void

/** Everything the members of one bus share. */
export class MemoryBroker {
  readonly listeners = new Map<string, Set<Listener>>()
  readonly streams = new Map<number, { first: number; messages: string[] }>()
  readonly registers = new Map<string, Register>()
  readonly usage = new UsageShelf()
  revision = 0

  /** A connection of its own: losing one does not lose the others. */
  connect(faults: MemoryBusFaults = {}): MemoryBus {
    return new MemoryBus(this, faults)
  }

  deliver(subject: string, text: string): void {
    for (const [pattern, listeners] of this.listeners) {
      if (matches(pattern, subject)) for (const listener of listeners) setImmediate(listener, text)
    }
  }
}

export class MemoryBus implements Bus {
  readonly commits: CommitStream
  readonly registers: Registers
  readonly usage: UsageStream
  readonly #broker: MemoryBroker
  readonly #faults: MemoryBusFaults
  readonly #statusListeners = new Set<(connected: boolean) => void>()
  readonly #subscriptions = new Set<Unsubscribe>()
  readonly #leaveUsage: () => void
  #left = false

  constructor(broker: MemoryBroker, faults: MemoryBusFaults) {
    this.#broker = broker
    this.#faults = faults
    this.commits = new MemoryCommits(
      broker,
      () => this.connected,
      (subject, listener) => this.subscribe(subject, listener),
    )
    this.registers = new MemoryRegisters(broker, () => this.connected)
    const usage = new MemoryUsage(broker.usage, () => this.connected)
    this.usage = usage
    this.#leaveUsage = () => usage.leave()
  }

  get connected(): boolean {
    return !this.#left && this.#faults.down !== true
  }

  /** For tests: cuts this member off, or joins it again, and says so. */
  setDown(down: boolean): void {
    this.#faults.down = down
    for (const listener of this.#statusListeners) listener(!down)
  }

  onStatus(listener: (connected: boolean) => void): Unsubscribe {
    this.#statusListeners.add(listener)
    return () => this.#statusListeners.delete(listener)
  }

  publish(subject: string, text: string): boolean {
    if (!this.connected) return false
    this.#broker.deliver(subject, text)
    return true
  }

  subscribe(subject: string, listener: Listener): Unsubscribe {
    const receive: Listener = (text) => {
      if (this.connected && this.#faults.lose?.(subject) !== true && this.#subscriptions.has(unsubscribe))
        listener(text)
    }
    const listeners = this.#broker.listeners.get(subject) ?? new Set()
    this.#broker.listeners.set(subject, listeners.add(receive))
    const unsubscribe = (): void => {
      listeners.delete(receive)
      this.#subscriptions.delete(unsubscribe)
    }
    this.#subscriptions.add(unsubscribe)
    return unsubscribe
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#left = true
    this.#leaveUsage()
    for (const unsubscribe of this.#subscriptions) unsubscribe()
    this.#statusListeners.clear()
  }
}

/** Readers further behind take a snapshot, as they would from a broker that trims its stream. */
const MESSAGES_KEPT = 20_000

const liveSubject = (epoch: number): string => `commits.${epoch}`

class MemoryCommits implements CommitStream {
  readonly #broker: MemoryBroker
  readonly #connected: () => boolean
  readonly #subscribe: (subject: string, listener: Listener) => Unsubscribe

  constructor(
    broker: MemoryBroker,
    connected: () => boolean,
    subscribe: (subject: string, listener: Listener) => Unsubscribe,
  ) {
    this.#broker = broker
    this.#connected = connected
    this.#subscribe = subscribe
  }

  async create(epoch: number, first: number): Promise<void> {
    const streams = await this.#streams()
    if (!streams.has(epoch)) streams.set(epoch, { first, messages: [] })
  }

  async range(epoch: number): Promise<StreamRange | null> {
    const stream = (await this.#streams()).get(epoch)
    return stream === undefined
      ? null
      : { first: stream.first, last: stream.first + stream.messages.length - 1 }
  }

  async append(epoch: number, commit: number, text: string): Promise<'stored' | 'conflict'> {
    const stream = (await this.#streams()).get(epoch)
    if (stream === undefined || stream.first + stream.messages.length !== commit) return 'conflict'
    stream.messages.push(text)
    if (stream.messages.length > MESSAGES_KEPT) {
      const dropped = stream.messages.length - MESSAGES_KEPT / 2
      stream.messages.splice(0, dropped)
      stream.first += dropped
    }
    this.#broker.deliver(liveSubject(epoch), text)
    return 'stored'
  }

  async read(epoch: number, commit: number): Promise<string | null> {
    const stream = (await this.#streams()).get(epoch)
    if (stream === undefined) throw new BusUnavailable(`no stream of epoch ${epoch}`)
    return stream.messages[commit - stream.first] ?? null
  }

  live(epoch: number, listener: Listener): Unsubscribe {
    return this.#subscribe(liveSubject(epoch), listener)
  }

  async #streams(): Promise<MemoryBroker['streams']> {
    await hop()
    if (!this.#connected()) throw new BusUnavailable('the in-process bus is cut off')
    return this.#broker.streams
  }
}

class MemoryRegisters implements Registers {
  readonly #broker: MemoryBroker
  readonly #connected: () => boolean

  constructor(broker: MemoryBroker, connected: () => boolean) {
    this.#broker = broker
    this.#connected = connected
  }

  async get(key: string): Promise<Register | null> {
    return (await this.#entries()).get(key) ?? null
  }

  async put(key: string, value: string, expected: number | 'any'): Promise<number | 'conflict'> {
    const entries = await this.#entries()
    const revision = entries.get(key)?.revision ?? 0
    if (expected !== 'any' && expected !== revision) return 'conflict'
    this.#broker.revision += 1
    entries.set(key, { value, revision: this.#broker.revision })
    return this.#broker.revision
  }

  async #entries(): Promise<MemoryBroker['registers']> {
    await hop()
    if (!this.#connected()) throw new BusUnavailable('the in-process bus is cut off')
    return this.#broker.registers
  }
}

const hop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** `a.*.c` matches `a.b.c`; no other wildcard is used. */
function matches(pattern: string, subject: string): boolean {
  if (!pattern.includes('*')) return pattern === subject
  const wanted = pattern.split('.')
  const given = subject.split('.')
  return wanted.length === given.length && wanted.every((token, at) => token === '*' || token === given[at])
}
