/**
 * How much of its operator weight a deployment keeps: the one formula that the prober applies to what the
 * fleet saw and a node to what it saw itself.
 *
 * Pure. Errors are judged beyond the best peer's and slowness against the deployment's own habit, so that
 * who is merely slower than others keeps its weight and a fault common to all moves nothing.
 */

/** Up to this share of errors nothing is lost, … */
export const ERRORS_FREE = 0.03
/** … from this share on everything but the floor. */
const ERRORS_FULL = 0.18
/** Up to so many times slower than usual nothing is lost; beyond it the third power. */
export const SLOW_FREE = 1.5
const SLOW_POWER = 3

/**
 * @param errors share of failures beyond the best peer's.
 * @param slowness times its usual time, against the peers' own.
 * @param floor what even a bad deployment keeps, so that its recovery shows.
 */
export function keptShare(errors: number, slowness: number, floor: number): number {
  const forErrors = Math.min(1, Math.max(0, (ERRORS_FULL - errors) / (ERRORS_FULL - ERRORS_FREE)))
  const forSlowness = slowness <= SLOW_FREE ? 1 : (SLOW_FREE / slowness) ** SLOW_POWER
  const kept = forErrors * forSlowness
  return kept > floor ? kept : floor
}
