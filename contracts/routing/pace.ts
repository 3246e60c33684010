/**
 * Keeps each candidate's share within what its limits leave, and gives the rest to the others.
 *
 * Pure: works on the shares it is given.
 */
import type { Scored } from './standing.ts'

/** What one candidate cannot take may bring another to its limit: so often it is looked at again. */
const ROUNDS = 3
/** Below this many requests a second limits are left to the upstream: shares of so few say nothing. */
const LEAST_RATE = 0.2

export function pace(scored: readonly Scored[]): void {
  let rate = 0
  let isLimited = false
  for (const { share, standing } of scored) {
    rate += standing.rate
    isLimited ||= share > 0 && standing.allowed < Infinity
  }
  if (!isLimited || !(rate > 0)) return
  const fleetRate = Math.max(LEAST_RATE, rate)
  for (const one of scored) one.paced = one.share
  for (let round = 0; round < ROUNDS; round++) if (!cutOnce(scored, fleetRate)) break
  for (const one of scored) one.paced = one.paced > 0 ? Math.min(1, one.share / one.paced) : 1
}

/** @returns whether anything was cut. */
function cutOnce(scored: readonly Scored[], fleetRate: number): boolean {
  let over = 0
  let free = 0
  for (const { share, standing } of scored) {
    const most = standing.allowed / fleetRate
    if (share > most) over += share - most
    else if (share < most) free += share
  }
  // When everybody is at the limit the proportions stay, and refusals are dealt with as they come.
  if (over <= 1e-9 || free <= 0) return false
  const growth = 1 + over / free
  for (const one of scored) {
    const most = one.standing.allowed / fleetRate
    one.share = one.share >= most ? most : one.share * growth
  }
  return true
}
