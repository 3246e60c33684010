/**
 * A broker that errs as Jepsen saw NATS err, and the connections to it.
 *
 * It answers about streams in JetStream's words, which the product's own code reads. Messages are late, lost,
 * doubled and out of order; a stream loses its end, a piece of its middle or all of itself, reads come from a
 * replica that is behind, acknowledgements are of something else.
 */
import type { Bus, CommitStream, Register, Registers, UsageStream, Unsubscribe } from '#contracts/bus/bus.ts'
import { BusUnavailable } from '#contracts/bus/bus.ts'
import { readAck, readRange } from '#contracts/bus/stream-answers.ts'
import type { Dice } from './dice.ts'
import type { Life, VirtualTime } from './time.ts'

/** How likely each thing goes wrong, for one message or one question. */
export type BrokerFaults = {
  lose: number
  double: number
  /** Much later than others. */
  delay: number
  /** No answer, although it was done; no answer, and it was not. */
  loseAnswer: number
  loseQuestion: number
  /** An acknowledgement of something else, with sequence 0. */
  falseAck: number
  /** Read from a replica that is behind. */
  staleRead: number
}

export const NO_FAULTS: Readonly<BrokerFaults> = {
  lose: 0,
  double: 0,
  delay: 0,
  loseAnswer: 0,
  loseQuestion: 0,
  falseAck: 0,
  staleRead: 0,
}

/** `null`: lost; the number stays taken. */
export type Stream = { first: number; messages: (string | null)[] }

type Subscription = Readonly<{ connection: Connection; pattern: string; listener: (text: string) => void }>

/** A stored message, as the world's checks see it. */
export type OnStored = (epoch: number, sequence: number, text: string) => void

/** A client waits so long for an answer, in milliseconds. */
const ANSWER_MS = 2_000
/** How far a replica may be behind, in messages. */
const MOST_STALE = 4

export class Broker {
  readonly streams = new Map<number, Stream>()
  readonly registers = new Map<string, Register>()
  readonly subscriptions = new Set<Subscription>()
  readonly connections = new Set<Connection>()
  readonly faults: BrokerFaults = { ...NO_FAULTS }
  readonly time: VirtualTime
  readonly dice: Dice
  /** Told of what goes over it, whether or not it arrives. */
  onPublished: (subject: string, text: string) => void = () => undefined
  onStored: OnStored = () => undefined
  isUp = true
  #revision = 0

  constructor(time: VirtualTime, dice: Dice) {
    this.time = time
    this.dice = dice
  }

  connect(life: Life): Connection {
    const connection = new Connection(this, life)
    this.connections.add(connection)
    return connection
  }

  setUp(isUp: boolean): void {
    this.isUp = isUp
    for (const connection of this.connections) connection.look()
  }

  deliver(subject: string, text: string): void {
    const { dice, faults } = this
    for (const subscription of this.subscriptions) {
      if (!matches(subscription.pattern, subject)) continue
      if (faults.lose > 0 && dice.chance(faults.lose)) continue
      this.#bring(subscription, text)
      if (faults.double > 0 && dice.chance(faults.double)) this.#bring(subscription, text)
    }
  }

  nextRevision(): number {
    return ++this.#revision
  }

  #bring(subscription: Subscription, text: string): void {
    const { dice, faults } = this
    const late = faults.delay > 0 && dice.chance(faults.delay)
    this.time.after(
      late ? dice.between(5, 1_500) : dice.between(0.2, 2),
      subscription.connection.life,
      () => {
        if (this.subscriptions.has(subscription) && subscription.connection.connected)
          subscription.listener(text)
      },
    )
  }
}

/** `a.*.c` matches `a.b.c`; no other wildcard is used. */
function matches(pattern: string, subject: string): boolean {
  const star = pattern.indexOf('*')
  if (star === -1) return pattern === subject
  return (
    subject.startsWith(pattern.slice(0, star)) &&
    subject.endsWith(pattern.slice(star + 1)) &&
    !subject.slice(star).includes('.')
  )
}

const liveSubject = (epoch: number): string => `live.${epoch}`

/** A process's connection: what goes over one is done in its order. */
export class Connection implements Bus {
  readonly life: Life
  readonly commits: CommitStream
  readonly registers: Registers
  readonly usage: UsageStream = {
    publish: () => Promise.reject(new BusUnavailable('no usage in this world')),
    take: () => Promise.reject(new BusUnavailable('no usage in this world')),
  }
  connected: boolean
  #isCut = false
  readonly #broker: Broker
  readonly #listeners = new Set<(connected: boolean) => void>()
  #lastDoneAt = 0

  constructor(broker: Broker, life: Life) {
    this.#broker = broker
    this.life = life
    this.connected = broker.isUp
    this.commits = {
      create: (epoch, first) => this.#ask(() => createStream(broker, epoch, first)),
      range: (epoch) => this.#ask(() => rangeOf(broker, epoch)),
      append: (epoch, commit, text) => this.#ask(() => append(broker, epoch, commit, text)),
      read: (epoch, commit) => this.#ask(() => read(broker, epoch, commit)),
      live: (epoch, listener) => this.subscribe(liveSubject(epoch), listener),
    }
    this.registers = {
      get: (key) => this.#ask(() => broker.registers.get(key) ?? null),
      put: (key, value, expected) => this.#ask(() => put(broker, key, value, expected)),
    }
  }

  onStatus(listener: (connected: boolean) => void): Unsubscribe {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  publish(subject: string, text: string): boolean {
    if (!this.connected) return false
    this.#broker.onPublished(subject, text)
    this.#broker.deliver(subject, text)
    return true
  }

  subscribe(pattern: string, listener: (text: string) => void): Unsubscribe {
    const subscription = { connection: this, pattern, listener }
    this.#broker.subscriptions.add(subscription)
    return () => this.#broker.subscriptions.delete(subscription)
  }

  /** Cuts this process off, or joins it again. */
  setCut(isCut: boolean): void {
    this.#isCut = isCut
    this.look()
  }

  /** A client notices at once what a closed connection shows it. */
  look(): void {
    const isConnected = this.#broker.isUp && !this.#isCut
    if (isConnected === this.connected) return
    this.#broker.time.after(isConnected ? 5 : 0, this.life, () => {
      if (this.connected === isConnected || (this.#broker.isUp && !this.#isCut) !== isConnected) return
      this.connected = isConnected
      for (const listener of this.#listeners) listener(isConnected)
    })
  }

  /** The process is gone. */
  leave(): void {
    this.#broker.connections.delete(this)
    for (const subscription of this.#broker.subscriptions)
      if (subscription.connection === this) this.#broker.subscriptions.delete(subscription)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave()
  }

  #ask<Answer>(work: () => Answer): Promise<Answer> {
    const { time, dice, faults } = this.#broker
    if (!this.connected) return Promise.reject(new BusUnavailable('not connected'))
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const noAnswer = (): void =>
      void time.after(ANSWER_MS, this.life, () => reject(new BusUnavailable('no answer in time')))
    if (faults.loseQuestion > 0 && dice.chance(faults.loseQuestion)) {
      noAnswer()
      return promise
    }
    const isAnswerLost = faults.loseAnswer > 0 && dice.chance(faults.loseAnswer)
    this.#lastDoneAt = Math.max(this.#lastDoneAt, time.now + dice.between(0.2, 2))
    time.after(this.#lastDoneAt - time.now, null, () => {
      if (isAnswerLost || !this.#broker.isUp) noAnswer()
      if (!this.#broker.isUp) return
      const answer = attempt(work)
      if (isAnswerLost) return
      time.after(dice.between(0.2, 2), this.life, () => {
        if (!this.connected) reject(new BusUnavailable('the connection broke'))
        else if (answer.ok) resolve(answer.value)
        else reject(answer.error)
      })
    })
    return promise
  }
}

function attempt<Answer>(work: () => Answer): { ok: true; value: Answer } | { ok: false; error: unknown } {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    return { ok: false, error }
  }
}

function createStream({ streams }: Broker, epoch: number, first: number): void {
  if (!streams.has(epoch)) streams.set(epoch, { first, messages: [] })
}

const behind = ({ faults, dice }: Broker): number =>
  faults.staleRead > 0 && dice.chance(faults.staleRead) ? 1 + dice.below(MOST_STALE) : 0

function rangeOf(broker: Broker, epoch: number): ReturnType<typeof readRange> | null {
  const stream = broker.streams.get(epoch)
  if (stream === undefined) return null
  const messages = Math.max(0, stream.messages.length - behind(broker))
  return readRange({ first_seq: stream.first, last_seq: stream.first + messages - 1, messages })
}

function read(broker: Broker, epoch: number, commit: number): string | null {
  const stream = broker.streams.get(epoch)
  if (stream === undefined) throw new BusUnavailable(`no stream of epoch ${epoch}`)
  const at = commit - stream.first
  return at >= stream.messages.length - behind(broker) ? null : (stream.messages[at] ?? null)
}

function append(broker: Broker, epoch: number, commit: number, text: string): 'stored' | 'conflict' {
  const { streams, faults, dice } = broker
  if (faults.falseAck > 0 && dice.chance(faults.falseAck)) return readAck({ seq: 0, duplicate: true }, commit)
  const stream = streams.get(epoch)
  if (stream === undefined || stream.first + stream.messages.length !== commit) return 'conflict'
  stream.messages.push(text)
  broker.onStored(epoch, commit, text)
  broker.deliver(liveSubject(epoch), text)
  return readAck({ seq: commit, duplicate: false }, commit)
}

function put(broker: Broker, key: string, value: string, expected: number | 'any'): number | 'conflict' {
  const held = broker.registers.get(key)?.revision ?? 0
  if (expected !== 'any' && expected !== held) return 'conflict'
  const revision = broker.nextRevision()
  broker.registers.set(key, { value, revision })
  return revision
}
