/**
 * What this run of the node holds of one budget in one period: the arithmetic of spending on a lease.
 *
 * Pure. Money in billionths of a US dollar, counted from the beginning of the run and period; times in
 * monotonic milliseconds. A request reserves before it is sent and settles when it is over; what is spent and
 * reserved never exceeds what was granted, but for what a request cost beyond its reservation.
 */
import type { Grant, Holding } from '#contracts/fleet/leases.ts'

export type Purse = {
  readonly account: string
  /** Of the period, in epoch milliseconds; `end` null: it never ends. */
  readonly start: number
  readonly end: number | null
  /** How far it may go. */
  granted: number
  /** What requests that are over cost. */
  spent: number
  /** What requests under way may cost. */
  reserved: number
  /** What each request that waits for more would reserve. */
  readonly waiting: number[]
  /** No request may be begun on it from then on. */
  usableUntil: number
  /** The last reservation, and when it was made. */
  last: number
  usedAt: number
  /** Spent a millisecond, lately. */
  rate: number
  ratedAt: number
  /** What was said when it was last asked for, at `at`; null: nothing yet. */
  answer: Readonly<{ at: number; free: number; elsewhere: number }> | null
  /** When it was last asked for. */
  askedAt: number
  /** When whoever was asked knew nothing of it. */
  unknownAt: number
}

/** How far ahead of need money is asked for. */
const AHEAD_MS = 5_000
/** What was spent so long ago says little about what will be. */
const MEMORY_MS = 5_000
/** Unused for so long, it is given back. */
const IDLE_MS = 10_000
/** Asked for again, so that it does not end while it is used. */
const RENEW_MS = 20_000

export const newPurse = (account: string, start: number, end: number | null): Purse => ({
  account,
  start,
  end,
  granted: 0,
  spent: 0,
  reserved: 0,
  waiting: [],
  usableUntil: -Infinity,
  last: 0,
  usedAt: -Infinity,
  rate: 0,
  ratedAt: 0,
  answer: null,
  askedAt: -Infinity,
  unknownAt: -Infinity,
})

/** @param estimate at least 1: also a request that costs nothing needs something to be left. */
export const fits = (
  { granted, spent, reserved, usableUntil }: Purse,
  estimate: number,
  now: number,
): boolean => now < usableUntil && spent + reserved + estimate <= granted

export function reserve(purse: Purse, estimate: number, now: number): void {
  purse.reserved += estimate
  purse.last = estimate
  purse.usedAt = now
}

export function settle(purse: Purse, estimate: number, cost: number, now: number): void {
  purse.reserved -= estimate
  purse.spent += cost
  purse.rate = rateAt(purse, now) + cost / MEMORY_MS
  purse.ratedAt = now
}

const rateAt = ({ rate, ratedAt }: Purse, now: number): number => rate * Math.exp((ratedAt - now) / MEMORY_MS)

/** What should be at hand beyond what is spent and reserved. */
function ahead(purse: Purse, now: number): number {
  if (now - purse.usedAt > IDLE_MS) return 0
  return Math.ceil(rateAt(purse, now) * AHEAD_MS) + purse.reserved + 2 * purse.last
}

/** Is there anything to ask for, to give back or to keep? */
export function isDue(purse: Purse, now: number): boolean {
  const left = purse.granted - purse.spent - purse.reserved
  const wanted = ahead(purse, now)
  if (left > 2 * wanted) return true
  if (purse.granted > purse.spent && now - purse.askedAt >= RENEW_MS) return true
  // Where nothing is left for anybody, asking for what is not needed yet brings nothing.
  const isDry = purse.answer !== null && purse.answer.free === 0 && now - purse.answer.at < MEMORY_MS
  return left < wanted / 2 && !isDry
}

/** What to ask for. From now on the purse holds itself to it. */
export function ask(purse: Purse, now: number): Holding {
  const { account, start, spent, reserved, waiting } = purse
  const used = spent + reserved
  const need = used + waiting.reduce((sum, one) => sum + one, 0)
  const least = waiting.length === 0 ? 0 : used + Math.min(...waiting)
  const ceiling = need + ahead(purse, now)
  purse.granted = Math.min(purse.granted, ceiling)
  purse.askedAt = now
  return { account, start, spent, least, need, ceiling }
}

/** @param sentAt when it was asked: the lease runs from then, as far as this side knows. */
export function take(purse: Purse, { granted, free, elsewhere }: Grant, sentAt: number, ttlMs: number): void {
  purse.granted = granted
  purse.usableUntil = sentAt + ttlMs
  purse.answer = { at: sentAt, free, elsewhere }
}

/** Is it known, from a question after `asOf`, that there is not enough left to pay this? */
export function isRefused(purse: Purse, estimate: number, asOf: number, now: number): boolean {
  const { answer, granted, spent, reserved, usableUntil } = purse
  if (answer === null || answer.at < asOf || now >= usableUntil) return false
  return answer.free < spent + reserved + estimate - granted
}

/** Could a request be paid if all that is held were given back? Else the budget is spent. */
export const mayComeBack = ({ answer, granted, spent, reserved }: Purse, estimate: number): boolean =>
  answer !== null &&
  answer.free + answer.elsewhere + Math.max(0, granted - spent) >= estimate &&
  (answer.elsewhere > 0 || reserved > 0)
