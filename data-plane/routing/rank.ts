/**
 * Orders the candidates of one route into the sequence we will try them in.
 *
 * Pure: health and dice are arguments, so a plan seen in a record can be replayed and a test can pin it.
 * Called once per request, before any I/O.
 */
import { err, ok, type Result } from '#contracts/result.ts'
import type { Candidate } from './snapshot.ts'

/** What this node knows about a deployment now; see `upstream/health.ts`. */
export type Standing = Readonly<{
  /** Prober's factor, relaxed by age. Above 0. */
  factor: number
  /** Put aside by this node's own evidence. */
  ejected: boolean
}>

export type RankInput = Readonly<{
  standing: (candidate: Candidate) => Standing
  /** Uniform in [0, 1). One draw a candidate, in order. */
  random: () => number
  /** Deployment a session prefers, by id. */
  sticky: string | null
}>
export type RankError = 'no_candidates' | 'all_draining'

type Keyed = { candidate: Candidate; group: number; arrival: number }

export function rank(
  candidates: readonly Candidate[],
  input: RankInput,
): Result<readonly Candidate[], RankError> {
  if (candidates.length === 0) return err('no_candidates')
  const keyed: Keyed[] = []
  for (const candidate of candidates) {
    // 1 - random() keeps the argument of the logarithm above zero. Drawn for every candidate, used or not,
    // so that draining one does not change the others' dice.
    const draw = -Math.log(1 - input.random())
    if (candidate.weight <= 0) continue
    const { factor, ejected } = input.standing(candidate)
    keyed.push({
      candidate,
      // Ejected candidates sink below every tier instead of vanishing: when all are ejected, trying the
      // least bad one beats answering 503 unasked.
      group: ejected ? Infinity : candidate.tier,
      // Exponential race: sorting by -ln(u)/w is a weighted shuffle in one pass. A preferred candidate
      // arrives first in its own tier, and only there: a session does not undo an ejection.
      arrival: candidate.deployment.id === input.sticky ? -1 : draw / (candidate.weight * factor),
    })
  }
  if (keyed.length === 0) return err('all_draining')
  // Compare groups before subtracting: Infinity - Infinity is NaN.
  keyed.sort((a, b) => (a.group === b.group ? a.arrival - b.arrival : a.group < b.group ? -1 : 1))
  return ok(keyed.map(({ candidate }) => candidate))
}
