/**
 * What to tell a client whose candidates have all failed.
 *
 * Pure.
 */
import type { Problem } from '#contracts/errors.ts'
import type { Failure } from '../upstream/classify.ts'
import type { PlanResult } from '../upstream/failover.ts'

/** When a throttling upstream did not say how long, in milliseconds. */
const WAIT_MS = 5_000

/**
 * The failure that tells most about when to come back: a rate limit before an overload before a fault. What
 * only we can mend (a refused credential, a missing model) counts when there is nothing else.
 */
export function problemOf(failures: readonly Failure[]): Problem {
  const waits = failures.flatMap(({ retryAfterMs }) => (retryAfterMs === null ? [] : [retryAfterMs]))
  const retryAfterMs = waits.length > 0 ? Math.min(...waits) : WAIT_MS
  const of = (...outcomes: readonly Failure['outcome'][]): Failure | undefined =>
    failures.findLast(({ outcome }) => outcomes.includes(outcome))

  if (failures.length === 0) return { code: 'no_candidates', retryAfterMs: WAIT_MS }
  const throttled = of('throttled')
  if (throttled !== undefined) return { code: 'rate_limit_exceeded', ...words(throttled), retryAfterMs }
  const overloaded = of('overloaded')
  if (overloaded !== undefined) return { code: 'upstream_overloaded', ...words(overloaded), retryAfterMs }
  const fault = of('fault', 'cut')
  if (fault !== undefined) return { code: 'upstream_error', ...words(fault) }
  const timeout = of('timeout')
  if (timeout !== undefined) return { code: 'upstream_timeout', ...words(timeout) }
  const missing = of('missing')
  if (missing !== undefined) return { code: 'model_not_found', ...words(missing) }
  const invalid = of('invalid')
  if (invalid !== undefined) return invalid.problem ?? { code: 'invalid_value', ...words(invalid) }
  return { code: 'upstream_refused' }
}

/** When nobody was asked and nobody can say how long that will be so, in milliseconds. */
const UNASKED_MS = 1_000

/** Nobody was asked: all are at their limits, which pass, or none is in use. */
export function unasked(refusal: Extract<PlanResult, { kind: 'exhausted' }>['refusal']): Problem {
  const retryAfterMs = refusal?.waitMs ?? UNASKED_MS
  switch (refusal?.why) {
    case 'limited':
      return { code: 'rate_limit_exceeded', retryAfterMs }
    case 'busy':
      return { code: 'upstream_overloaded', retryAfterMs }
    default:
      return { code: 'no_candidates', retryAfterMs }
  }
}

const words = ({ message }: Failure): { message?: string } => (message === null ? {} : { message })
