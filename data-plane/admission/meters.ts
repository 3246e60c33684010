/**
 * Limits counted in this process: for a single node, and for a node's own share of a fleet's.
 */
import type { Clock } from '#contracts/process/clock.ts'
import {
  BUSY_WAIT_MS,
  limitsOf,
  verdictOf,
  type Entry,
  type Level,
  type LimitKind,
  type Verdict,
} from './counters.ts'
import { correct, emptyIn, pieceAt, use, usedIn, waitFor, type Minute } from './limits.ts'

type Meters = Readonly<{ requests: Minute; tokens: Minute }> & { underWay: number }

/** How often what is not used is let go, in milliseconds. */
const TIDY_MS = 60_000

export class MeterTable {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** By name. There are as many as operators limit. */
  readonly #meters = new Map<string, Meters>()
  #tidyAt = 0

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  enter(entry: Entry): Verdict {
    const now = this.#clock.monotonic()
    const waits = limitsOf(entry).map(({ meter, kind, limit }) => {
      const meters = this.#of(meter)
      if (kind === 'concurrency') return meters.underWay < limit ? 0 : BUSY_WAIT_MS
      return waitFor(meters[kind], now, kind === 'requests' ? 1 : entry.tokens, limit)
    })
    if (waits.every((wait) => wait === 0)) this.count(entry)
    return verdictOf(this.#levels(entry, now), waits, pieceAt(now))
  }

  /** Counts what was let in by others. @returns the piece it is counted in. */
  count({ meters, tokens }: Entry): number {
    const now = this.#clock.monotonic()
    const piece = pieceAt(now)
    for (const { name } of meters) {
      const known = this.#of(name)
      use(known.requests, piece, 1)
      use(known.tokens, piece, tokens)
      known.underWay += 1
    }
    this.#tidy(now, piece)
    return piece
  }

  /** Once for each that was counted. */
  leave({ meters }: Entry, piece: number, tokens: number): void {
    for (const { name } of meters) {
      const known = this.#meters.get(name)
      if (known === undefined) continue
      known.underWay -= 1
      if (tokens !== 0) correct(known.tokens, piece, this.#clock.monotonic(), tokens)
    }
  }

  #levels(entry: Entry, now: number): readonly Level[] {
    return limitsOf(entry).map((limit) => ({ ...limit, ...this.#standing(limit.meter, limit.kind, now) }))
  }

  #standing(name: string, kind: LimitKind, now: number): Pick<Level, 'used' | 'resetMs'> {
    const meters = this.#of(name)
    if (kind === 'concurrency') return { used: meters.underWay, resetMs: 0 }
    return { used: usedIn(meters[kind], pieceAt(now)), resetMs: emptyIn(meters[kind], now) }
  }

  #of(name: string): Meters {
    const known = this.#meters.get(name)
    if (known !== undefined) return known
    const meters = { requests: new Map(), tokens: new Map(), underWay: 0 }
    this.#meters.set(name, meters)
    return meters
  }

  #tidy(now: number, piece: number): void {
    if (now < this.#tidyAt) return
    this.#tidyAt = now + TIDY_MS
    for (const [name, { requests, tokens, underWay }] of this.#meters) {
      const isIdle = usedIn(requests, piece) === 0 && usedIn(tokens, piece) === 0 && underWay === 0
      if (isIdle) this.#meters.delete(name)
    }
  }
}
