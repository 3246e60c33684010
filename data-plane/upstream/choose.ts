/**
 * Who gets the next attempt of a request, and how long its first content may take.
 *
 * Brings together what the node knows (`health/`) and what decides (`contracts/routing/`). Time and dice are
 * arguments.
 */
import type { Dice } from '#contracts/routing/dice.ts'
import { pick, type Pick } from '#contracts/routing/pick.ts'
import type { Preference } from '#contracts/routing/session.ts'
import { SOUND, type Standing } from '#contracts/routing/standing.ts'
import type { CompiledStrategy } from '#contracts/routing/strategies.ts'
import type { Candidate, Deployment } from '../routing/snapshot.ts'
import type { Failure } from './classify.ts'
import type { Ask, Health } from './health/health.ts'
import type { Warmth } from './health/ticket.ts'

/** What of a request decides who gets it. */
export type Choice = Readonly<{
  candidates: readonly Candidate[]
  taste: CompiledStrategy
  region: string | null
  session: Preference | null
  ask: Ask
  dice: Dice
}>

/** First content: so many times the usual, within these, in milliseconds. */
const LIMIT_TIMES = 8
const LEAST_LIMIT_MS = 5_000
const LARGEST_LIMIT_MS = 30_000
const LARGEST_LIMIT_TIMES = 3

/** Where the same deployment is asked again: the longest first wait, doubled each time, in milliseconds. */
const FAULT_WAIT_MS = 50
const CAPACITY_WAIT_MS = 1_000
/** Whoever has to wait longer than this is told instead. */
const LONGEST_WAIT_MS = 3_000

const TRIED: Standing = { ...SOUND, out: 'tried' }

export function choose(
  health: Health,
  { candidates, taste, region, session, ask, dice }: Choice,
  tried: ReadonlySet<Deployment>,
  now: number,
): Pick<Deployment> {
  return pick(candidates, {
    standing: ({ deployment }) => (tried.has(deployment) ? TRIED : health.standing(deployment, ask, now)),
    futility: ({ deployment }) => health.futility(deployment, now),
    dice,
    session,
    taste,
    region,
  })
}

/** @param configured the operator's own limit, which is never exceeded. */
export function firstLimitMs(expectedMs: number | null, configured: number, hasOther: boolean): number {
  if (expectedMs === null) return configured
  const largest = Math.max(LARGEST_LIMIT_MS, LARGEST_LIMIT_TIMES * expectedMs)
  const limit = hasOther ? Math.max(LEAST_LIMIT_MS, LIMIT_TIMES * expectedMs) : largest
  return Math.min(configured, limit, largest)
}

/** What the upstream's cache may hold of a conversation. */
export function warmthOf(session: Preference | null, deployment: Deployment): Warmth {
  if (session === null || session.bound === null) return 'cold'
  return session.bound === deployment.id ? 'warm' : 'unsure'
}

/** Did the upstream say "too much", rather than break? */
export const isCapacity = ({ outcome }: Failure): boolean =>
  outcome === 'throttled' || outcome === 'overloaded'

/** May the same deployment be asked again? Not where a credential was refused or the model is not there. */
export const mayRepeat = (failure: Failure): boolean =>
  isCapacity(failure) || failure.outcome === 'fault' || failure.outcome === 'timeout'

/**
 * How long to wait before the same deployment is asked again: full jitter, so that those who failed together
 * do not come back together; what the upstream asked for, and what the node knows to be left, win.
 *
 * @param repeats how often it was asked again before. @returns null: too long, the client is told instead.
 */
export function waitMs(failure: Failure, knownMs: number | null, repeats: number, dice: Dice): number | null {
  const base = isCapacity(failure) ? CAPACITY_WAIT_MS : FAULT_WAIT_MS
  const ms = failure.retryAfterMs ?? Math.max(dice() * base * 2 ** repeats, knownMs ?? 0)
  return ms <= LONGEST_WAIT_MS ? ms : null
}
