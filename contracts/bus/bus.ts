/**
 * The bus port: how planes reach each other. Two adapters, NATS and in-process, pass one contract suite.
 *
 * The bus is a doorbell and a cache, never the truth: every reader can do without it, and checks what it
 * brings.
 */
export interface Bus extends AsyncDisposable {
  /** False from a lost connection until it is back. Nothing is buffered meanwhile. */
  readonly connected: boolean
  onStatus(listener: (connected: boolean) => void): Unsubscribe

  /** At most once, to whoever listens now. @returns false when it was dropped because we are not connected. */
  publish(subject: string, text: string): boolean
  /** Subscriptions outlive reconnects. A listener must not throw. */
  subscribe(subject: string, listener: (text: string) => void): Unsubscribe

  readonly commits: CommitStream
  readonly registers: Registers
  readonly usage: UsageStream
}

export type Unsubscribe = () => void

/** What a stream holds now: the commits `first` to `last`; `last` is `first - 1` when it holds none. */
export type StreamRange = Readonly<{ first: number; last: number }>

/**
 * The stream of commits of one epoch. The sequence of a message is its commit number: writing expects the
 * number before it, so however many relays write, nothing is lost, doubled or reordered.
 * Every call rejects with `BusUnavailable` when the broker cannot be asked.
 */
export interface CommitStream {
  /**
   * Makes the stream if it is not there.
   * @param first commit it should begin with. A broker that cannot begin elsewhere begins at 1.
   */
  create(epoch: number, first: number): Promise<void>
  /** @returns null when there is no such stream. */
  range(epoch: number): Promise<StreamRange | null>
  /** @returns 'conflict' when the stream does not end with `commit - 1`. Calls may be pipelined. */
  append(epoch: number, commit: number, text: string): Promise<'stored' | 'conflict'>
  /** @returns the message, or null when the stream does not hold it. Rejects when there is no such stream. */
  read(epoch: number, commit: number): Promise<string | null>
  /** Calls back with every message stored from now on; some may be lost, none is repeated by us. */
  live(epoch: number, listener: (text: string) => void): Unsubscribe
}

/** A register's content. `revision` grows with every write. */
export type Register = Readonly<{ value: string; revision: number }>

/** Small shared values with compare-and-set. Rejects with `BusUnavailable` when the broker cannot be asked. */
export interface Registers {
  get(key: string): Promise<Register | null>
  /**
   * @param expected revision it must have now; 0: it must not exist; 'any': do not ask.
   * @returns the new revision, or 'conflict'.
   */
  put(key: string, value: string, expected: number | 'any'): Promise<number | 'conflict'>
}

/** A message that waits to be dealt with. */
export type Delivery = Readonly<{
  bytes: Uint8Array
  /** It is dealt with for good. Resolves when the broker knows. */
  done: () => Promise<void>
}>

/**
 * Usage on its way to the books: kept by the broker until somebody has dealt with it. A message may come again
 * whenever that is in doubt. Every call rejects with `BusUnavailable` when the broker cannot be asked, or, for
 * `publish`, is full.
 */
export interface UsageStream {
  /**
   * Resolves when it is stored. @param id the same one within two minutes is stored once.
   * @param bytes stay as they are until it resolves, and for good where it rejects: they may be on their way.
   */
  publish(id: string, bytes: Uint8Array): Promise<void>
  /**
   * Every message is given to one taker, and to another when it is not `done` within half a minute.
   * @returns up to `limit` of them, waiting for the first up to `waitMs`.
   */
  take(limit: number, waitMs: number): Promise<readonly Delivery[]>
}

/** The broker cannot be reached, or did not answer in time. Try again later. */
export class BusUnavailable extends Error {
  override readonly name = 'BusUnavailable'
}
