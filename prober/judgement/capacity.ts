/**
 * What a deployment accepts, where it refuses more and no header says how much.
 *
 * Pure; time in monotonic milliseconds is an argument. While refusals come, the limit is what was accepted;
 * afterwards it is tried upwards, faster the longer nothing was refused, and forgotten once it is far above
 * what is asked.
 */
import { addTo, EMPTY_TALLY, tallied, type Tally } from './estimate.ts'

export type Capacity = Readonly<{
  refused: Tally
  accepted: Tally
  refusedAt: number
  /** Attempts a second; Infinity: no limit is known. */
  limit: number
  /** Of the last step. */
  at: number
}>

const TAU_MS = 5_000
const TAU_S = TAU_MS / 1_000
/** Refusals below this share, or this many a second, happen. */
const REFUSED_SHARE = 0.02
const REFUSED_RATE = 0.05
const OF_ACCEPTED = 0.97
const LEAST_LIMIT = 0.1
/** Calm for so long: tried upwards so much a second, and then faster. */
const CALM_MS = 3_000
const GROWTH = 1.015
const LONG_CALM_MS = 10_000
const FAST_GROWTH = 1.26
const FORGET_MS = 15_000
const LONGEST_STEP_MS = 2_000

export const UNLIMITED: Capacity = {
  refused: EMPTY_TALLY,
  accepted: EMPTY_TALLY,
  refusedAt: -Infinity,
  limit: Infinity,
  at: 0,
}

export function noteCapacity(capacity: Capacity, refused: number, accepted: number, now: number): Capacity {
  return {
    ...capacity,
    refused: refused > 0 ? addTo(capacity.refused, refused, now, TAU_MS) : capacity.refused,
    accepted: accepted > 0 ? addTo(capacity.accepted, accepted, now, TAU_MS) : capacity.accepted,
    refusedAt: refused > 0 ? now : capacity.refusedAt,
  }
}

/** Lets the limit follow what is known now. Call a few times a second. */
export function stepCapacity(capacity: Capacity, now: number): Capacity {
  const refused = tallied(capacity.refused, now, TAU_MS) / TAU_S
  const accepted = tallied(capacity.accepted, now, TAU_MS) / TAU_S
  return { ...capacity, at: now, limit: limitOf(capacity, refused, accepted, now) }
}

function limitOf({ limit, refusedAt, at }: Capacity, refused: number, accepted: number, now: number): number {
  if (refused > REFUSED_SHARE * (accepted + refused) && refused > REFUSED_RATE)
    return Math.min(limit, Math.max(LEAST_LIMIT, accepted * OF_ACCEPTED))
  const calmMs = now - refusedAt
  if (limit === Infinity || calmMs <= CALM_MS) return limit
  const seconds = Math.min(LONGEST_STEP_MS, Math.max(0, now - at)) / 1_000
  const grown = limit * (calmMs > LONG_CALM_MS ? FAST_GROWTH : GROWTH) ** seconds
  return calmMs > FORGET_MS && grown > 2 * (accepted + 1) ? Infinity : grown
}
