/**
 * Time and chance as arguments: whatever decides takes these, so a test can set them and a record can
 * replay them.
 */
export interface Clock {
  /** Epoch milliseconds: for people, expiry dates and records. */
  now(): number
  /** Milliseconds that never go back: for durations. */
  monotonic(): number
}

/** Uniform in [0, 1). */
export type Random = () => number

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

/** A clock that moves when told to. */
export class ManualClock implements Clock {
  #now: number

  constructor(now = 1_700_000_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  advance(ms: number): void {
    this.#now += ms
  }
}
