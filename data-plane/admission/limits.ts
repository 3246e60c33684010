/**
 * The arithmetic of limits: sliding minutes, estimates, shares.
 *
 * Pure. A minute is counted in pieces of a second and holds the piece under way and the sixty before it, so
 * that no 60 seconds ever hold more than the limit; the price is up to 1.6 % of it.
 */
import type { Limits } from '#contracts/catalog/limits.ts'

const PIECE_MS = 1_000
/** Pieces before the one under way that still count. */
const PIECES = 60

/** What was used, by the second it was used in. */
export type Minute = Map<number, number>

export const pieceAt = (now: number): number => Math.floor(now / PIECE_MS)

/** Takes out what counts no more. @returns what does, added up. */
export function usedIn(minute: Minute, piece: number): number {
  let used = 0
  for (const [at, amount] of minute) {
    if (at < piece - PIECES) minute.delete(at)
    else used += amount
  }
  return used
}

/**
 * What is larger than the whole limit waits for an empty minute instead of for ever.
 *
 * @returns milliseconds until `amount` fits; 0: it does.
 */
export function waitFor(minute: Minute, now: number, amount: number, limit: number): number {
  const least = Math.min(amount, limit)
  let left = usedIn(minute, pieceAt(now))
  if (left + least <= limit) return 0
  for (const [at, used] of [...minute].toSorted(([one], [other]) => one - other)) {
    left -= used
    if (left + least <= limit) return endOf(at) - now
  }
  return endOf(pieceAt(now)) - now
}

/** @returns milliseconds until nothing that was used counts any more. */
export function emptyIn(minute: Minute, now: number): number {
  let newest = -Infinity
  for (const [at, used] of minute) if (used > 0 && at > newest) newest = at
  return newest === -Infinity ? 0 : Math.max(0, endOf(newest) - now)
}

/** When a piece stops to count. */
const endOf = (piece: number): number => (piece + PIECES + 1) * PIECE_MS

export function use(minute: Minute, piece: number, amount: number): void {
  minute.set(piece, (minute.get(piece) ?? 0) + amount)
}

/**
 * Corrects what was used in a piece by what is now known. What is found too late to count there counts now; a
 * piece that has ended gives nothing back.
 */
export function correct(minute: Minute, piece: number, now: number, by: number): void {
  const present = pieceAt(now)
  if (piece >= present - PIECES) minute.set(piece, Math.max(0, (minute.get(piece) ?? 0) + by))
  else if (by > 0) use(minute, present, by)
}

/** This node's part of what the whole fleet may: at least one of each, or nobody would be served. */
export function shareOf(limits: Limits, nodes: number): Limits {
  const part = (limit: number): number => Math.max(1, Math.floor(limit / Math.max(1, nodes)))
  const { requestsPerMinute, tokensPerMinute, concurrency } = limits
  return {
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute: part(requestsPerMinute) }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute: part(tokensPerMinute) }),
    ...(concurrency === undefined ? {} : { concurrency: part(concurrency) }),
  }
}

/** Of English text and JSON, about. Base64 has more tokens by this count than a picture costs. */
const BYTES_PER_TOKEN = 4
/** An event of a stream tells about one token, in about as many bytes. */
const BYTES_PER_EVENT = 180

/** Before anybody has counted them. */
export const tokensOfBody = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN)

export const tokensOfAnswer = (bytes: number, isStream: boolean): number =>
  Math.ceil(bytes / (isStream ? BYTES_PER_EVENT : BYTES_PER_TOKEN))
