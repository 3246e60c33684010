/**
 * What has been used of limits, counted for the whole fleet. Losable: without it each node keeps to its share.
 */
import type { Limits } from '#contracts/catalog/limits.ts'

/** Something that is limited: a client key, or a logical model. */
export type Meter = Readonly<{
  /** `key` or `model` and its name. */
  name: string
  limits: Limits
}>

/** One request that wants to be let in. */
export type Entry = Readonly<{
  /** The request's own. */
  id: string
  meters: readonly Meter[]
  /** As far as anybody can say beforehand. */
  tokens: number
}>

export type LimitKind = 'requests' | 'tokens' | 'concurrency'

/** Where one limit stands, this request included if it was let in. */
export type Level = Readonly<{
  meter: string
  kind: LimitKind
  limit: number
  used: number
  /** Until it is unused, if nothing more is used, in milliseconds. */
  resetMs: number
}>

export type Verdict =
  /** `piece`: the second it is counted in; see `limits.ts`. */
  | Readonly<{ kind: 'in'; piece: number; levels: readonly Level[] }>
  /** Nothing was counted. `level` is the limit that lets it in last. */
  | Readonly<{ kind: 'out'; level: Level; waitMs: number; levels: readonly Level[] }>

export interface LimitCounters extends AsyncDisposable {
  /** Questions without an answer, since the start. */
  readonly failures: number
  /**
   * Counts the request in all its meters, or in none. @returns null when nobody can say. Waits for 30 ms at
   * most, and after it was in vain not at all until the counters are known to be back.
   */
  enter(entry: Entry): Promise<Verdict | null>
  /** Once for each that was let in: it is under way no more, and cost `tokens` more (or less) than was said. */
  leave(entry: Entry, piece: number, tokens: number): void
  /** Still under way: to be told of each request at least every `RENEW_MS`, or it is taken for lost. */
  renew(entries: readonly Entry[]): void
}

export const RENEW_MS = 20_000

/** When another request will end, nobody can say; in milliseconds. */
export const BUSY_WAIT_MS = 1_000

/** The limits of an entry, one by one, in a fixed order. */
export function limitsOf({ meters }: Entry): Omit<Level, 'used' | 'resetMs'>[] {
  return meters.flatMap(({ name: meter, limits }) => {
    const { requestsPerMinute, tokensPerMinute, concurrency } = limits
    return [
      ...(requestsPerMinute === undefined
        ? []
        : [{ meter, kind: 'requests' as const, limit: requestsPerMinute }]),
      ...(tokensPerMinute === undefined ? [] : [{ meter, kind: 'tokens' as const, limit: tokensPerMinute }]),
      ...(concurrency === undefined ? [] : [{ meter, kind: 'concurrency' as const, limit: concurrency }]),
    ]
  })
}

/** @param waits of each level, in milliseconds. */
export function verdictOf(levels: readonly Level[], waits: readonly number[], piece: number): Verdict {
  const waitMs = Math.max(0, ...waits)
  const level = levels[waits.indexOf(waitMs)]
  return waitMs === 0 || level === undefined
    ? { kind: 'in', piece, levels }
    : { kind: 'out', level, waitMs, levels }
}
