/**
 * From score to factor: down at once, up slowly, and out of service only until probes succeed or time passes.
 *
 * Pure; time in monotonic milliseconds is an argument.
 *
 *     healthy <-> degraded       the factor follows the score: falls with it, grows by a quarter a second
 *     healthy | degraded | recovering -> down    broken, or two probes in a row failed
 *     down -> recovering         two good probes, two answers in a row, or nobody could tell for a while
 *     recovering -> healthy      the factor is back at 1
 */
import { LARGEST_FLOOR, percent, type Score } from './score.ts'

export type Health = Readonly<{
  state: 'healthy' | 'degraded' | 'down' | 'recovering'
  /** In [0, 1]; 0: out of service. */
  factor: number
  /** Of the last step. */
  at: number
  /** Of the state. */
  since: number
  /** Does not grow before. */
  holdUntil: number
  /** How long the next relapse holds it. */
  holdMs: number
  /** In a row. */
  goodProbes: number
  badProbes: number
  /** Answers in a row from the traffic that still reaches it while it is down. */
  answers: number
  /** Down: last probe that could tell, or since when it is down. */
  toldAt: number
  /** Down: how long to wait for a probe that can tell before traffic may try. */
  blindMs: number
}>

/** While down: nodes try it when nothing else is left. */
export const DOWN_FACTOR = 0
/** What earlier versions published instead, because their nodes made it of anything lower. */
const DOWN_BEFORE = 0.001
const RECOVER_FACTOR = LARGEST_FLOOR
/** A second: doubles in three. */
const GROWTH = 1.26
/** A prober that was not asked for longer than this does not let factors jump. */
const LONGEST_STEP_MS = 2_000
const HEALTHY_FACTOR = 0.999
const PROBES_TO_TELL = 2
const FIRST_HOLD_MS = 3_000
const LONGEST_HOLD_MS = 10_000
const FIRST_BLIND_MS = 15_000
const LONGEST_BLIND_MS = 60_000

export const newHealth = (now: number): Health => ({
  state: 'healthy',
  factor: 1,
  at: now,
  since: now,
  holdUntil: 0,
  holdMs: FIRST_HOLD_MS,
  goodProbes: 0,
  badProbes: 0,
  answers: 0,
  toldAt: now,
  blindMs: FIRST_BLIND_MS,
})

/** Health that goes on from a published factor. */
export function resumed(factor: number, now: number): Health {
  if (factor <= DOWN_BEFORE) return takeDown(newHealth(now), now)
  return withFactor({ ...newHealth(now), state: 'degraded' }, Math.min(1, factor), now)
}

/** Lets the factor follow the score. Call a few times a second. */
export function step(health: Health, { raw, floor, isBroken }: Score, now: number): Health {
  if (health.state === 'down')
    return now - health.toldAt < health.blindMs ? health : recover(backedOff(health), now)
  if (isBroken) return takeDown(health, now)
  const seconds = Math.min(LONGEST_STEP_MS, Math.max(0, now - health.at)) / 1_000
  const base = Math.max(health.factor, floor)
  const grown = now < health.holdUntil ? base : base * GROWTH ** seconds
  return withFactor(health, Math.min(raw, grown), now)
}

/** A probe that could tell whether the deployment works. */
export function probed(health: Health, isGood: boolean, now: number): Health {
  const goodProbes = isGood ? health.goodProbes + 1 : 0
  const badProbes = isGood ? 0 : health.badProbes + 1
  const told = { ...health, goodProbes, badProbes, toldAt: now }
  if (health.state === 'down') return goodProbes >= PROBES_TO_TELL ? recover(told, now) : told
  return badProbes >= PROBES_TO_TELL ? takeDown(told, now) : told
}

/** Traffic was answered, or failed. What clients really got counts for more than a probe that fails. */
export function served(health: Health, answered: number, faults: number, now: number): Health {
  if (health.state !== 'down') return answered > 0 ? { ...health, badProbes: 0 } : health
  const answers = faults > 0 ? 0 : health.answers + answered
  return answers >= PROBES_TO_TELL ? recover(health, now) : { ...health, answers }
}

/** "Out of capacity" while coming back: too much, too early. */
export function overloaded(health: Health, now: number): Health {
  if (health.state !== 'recovering' || now < health.holdUntil) return health
  return {
    ...health,
    factor: Math.max(RECOVER_FACTOR, health.factor / 2),
    holdUntil: now + health.holdMs,
    holdMs: Math.min(LONGEST_HOLD_MS, health.holdMs * 1.5),
  }
}

/** @returns one line for people. */
export function reasonOf(health: Health, trouble: string, now: number): string {
  const because = trouble === '' ? '' : `: ${trouble}`
  const seconds = Math.round((now - health.since) / 1_000)
  switch (health.state) {
    case 'healthy':
      return 'healthy'
    case 'degraded':
      return trouble === '' ? `well again, at ${percent(health.factor)} and rising` : trouble
    case 'down':
      return `down for ${seconds} s${because}`
    case 'recovering':
      return `answers again, at ${percent(health.factor)} and rising${because}`
    default:
      return health.state satisfies never
  }
}

const takeDown = (health: Health, now: number): Health => ({
  ...health,
  state: 'down',
  factor: DOWN_FACTOR,
  at: now,
  since: now,
  goodProbes: 0,
  answers: 0,
  toldAt: now,
})

const recover = (health: Health, now: number): Health => ({
  ...health,
  state: 'recovering',
  factor: RECOVER_FACTOR,
  at: now,
  since: now,
  holdUntil: 0,
  badProbes: 0,
})

const backedOff = (health: Health): Health => ({
  ...health,
  blindMs: Math.min(LONGEST_BLIND_MS, health.blindMs * 2),
})

function withFactor(health: Health, factor: number, now: number): Health {
  const next = { ...health, factor, at: now }
  if (factor >= HEALTHY_FACTOR) {
    if (health.state === 'healthy') return next
    return { ...next, state: 'healthy', since: now, holdMs: FIRST_HOLD_MS, blindMs: FIRST_BLIND_MS }
  }
  return health.state === 'healthy' ? { ...next, state: 'degraded', since: now } : next
}
