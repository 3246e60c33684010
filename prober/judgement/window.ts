/**
 * What is known about one deployment, from traffic and from probes: how it fails, how slow it is against its
 * own habit, how much it is used.
 *
 * Pure; time in monotonic milliseconds is an argument.
 */
import { expectedMs, slownessOf, type LineSums } from '#contracts/telemetry/line.ts'
import { OUTCOMES, type OutcomeClass } from '#contracts/telemetry/outcome.ts'
import type { Mode } from '#contracts/telemetry/report.ts'
import {
  addTo,
  EMPTY_TALLY,
  learn,
  learnLine,
  learnUsual,
  NO_BASELINE,
  NO_EVIDENCE,
  NO_LINE,
  tallied,
  type Baseline,
  type Estimate,
  type LineHabit,
  type Tally,
} from './estimate.ts'

/** What one node saw of one deployment since its report before. */
export type Sample = Readonly<{
  node: string
  provider: string
  /** Upstream model. */
  model: string
  credential: string
  mode: Mode
  /** Attempts by outcome, in the order of `OUTCOMES`. */
  outcomes: readonly number[]
  /** First contents that the node held against what is usual: how many, and the sum of their logarithms. */
  slow: Readonly<{ count: number; sum: number }>
  line: LineSums
  /** Attempts that wait for unusually long, now. */
  waiting: number
}>

/** What became of one probe. */
export type ProbeResult = Readonly<{ outcome: OutcomeClass; ms: number }>

export type Window = Readonly<{
  /** Mean badness of an attempt: 0 answered, 1 failed, 3 cut off. */
  errors: Estimate
  /** Mean logarithm of (first content / usual). */
  slowness: Estimate
  usual: Readonly<Record<Mode, LineHabit>>
  /** A probe is shorter than any request, so it is compared with probes only. */
  usualProbe: Baseline
  attempts: Tally
  /** The same with a short memory: what is asked of it now. */
  lately: Tally
  /** Since the last success. */
  faultsInARow: number
  lastSuccessAt: number
  /** Last attempt or probe that said something about the provider. */
  lastEvidenceAt: number
}>

/** Null: says nothing about the provider, only about the caller or the credential. */
const BADNESS: Readonly<Record<OutcomeClass, number | null>> = {
  success: 0,
  // Keeping a limit is no failure: `capacity.ts` finds the limit.
  throttled: null,
  overloaded: 0.5,
  fault: 1,
  timeout: 1,
  // Cannot be tried elsewhere: the client has half an answer.
  cut: 3,
  unauthorised: null,
  exhausted: null,
  missing: null,
  invalid: null,
  cancelled: null,
}

/** Probes before it is known what one usually takes. */
const LEAST_PROBES = 2
/** How slow a failed probe counts. */
const FAILED_PROBE_SLOW = 1.5
const RATE_TAU_MS = 20_000
const LATELY_TAU_MS = 5_000

export const newWindow = (now: number): Window => ({
  errors: NO_EVIDENCE,
  slowness: NO_EVIDENCE,
  usual: { json: NO_LINE, sse: NO_LINE },
  usualProbe: NO_BASELINE,
  attempts: EMPTY_TALLY,
  lately: EMPTY_TALLY,
  faultsInARow: 0,
  // Not long ago: a deployment just met is neither suspect nor idle.
  lastSuccessAt: now,
  lastEvidenceAt: now,
})

/** Attempts of a sample, by what they mean. */
export type Verdicts = Readonly<{
  answered: number
  faults: number
  overloads: number
  badness: number
  judged: number
}>

export function verdictsOf(outcomes: readonly number[]): Verdicts {
  const count = (outcome: OutcomeClass): number => outcomes[OUTCOMES.indexOf(outcome)] ?? 0
  let judged = 0
  let badness = 0
  for (const outcome of OUTCOMES) {
    const bad = BADNESS[outcome]
    if (bad === null) continue
    judged += count(outcome)
    badness += bad * count(outcome)
  }
  const faults = count('fault') + count('timeout') + count('cut')
  return { answered: count('success'), faults, overloads: count('overloaded'), badness, judged }
}

/** @param isWell the deployment has all of its weight: what it does now is usual. */
export function observe(window: Window, sample: Sample, isWell: boolean, now: number): Window {
  const { answered, faults, badness, judged } = verdictsOf(sample.outcomes)
  const { mode, slow, line } = sample
  const attempts = sample.outcomes.reduce((sum, count) => sum + count, 0)
  const isEvidence = judged > 0 || slow.count > 0 || line[0] > 0
  return {
    errors: learn(window.errors, badness / judged, judged, now),
    slowness: learn(window.slowness, slow.sum / slow.count, slow.count, now),
    usual: { ...window.usual, [mode]: learnLine(window.usual[mode], line, isWell, now) },
    usualProbe: window.usualProbe,
    attempts: addTo(window.attempts, attempts, now, RATE_TAU_MS),
    lately: addTo(window.lately, attempts, now, LATELY_TAU_MS),
    // In which order they came is not known: a success among them breaks the row.
    faultsInARow: answered > 0 ? 0 : window.faultsInARow + faults,
    lastSuccessAt: answered > 0 ? now : window.lastSuccessAt,
    lastEvidenceAt: isEvidence ? now : window.lastEvidenceAt,
  }
}

/** A probe is a sample like any other, if it says anything about the provider. */
export function observeProbe(window: Window, probe: ProbeResult, isWell: boolean, now: number): Window {
  const badness = BADNESS[probe.outcome]
  if (badness === null) return window
  const errors = learn(window.errors, badness, 1, now)
  if (probe.outcome !== 'success') {
    const slowness = learn(window.slowness, FAILED_PROBE_SLOW, 1, now)
    return { ...window, errors, slowness, lastEvidenceAt: now }
  }
  const usual = usualProbeMs(window)
  const log = Math.log(Math.max(1, probe.ms))
  return {
    ...window,
    errors,
    slowness: usual === null ? window.slowness : learn(window.slowness, slownessOf(probe.ms, usual), 1, now),
    usualProbe: learnUsual(window.usualProbe, [[log, 1]], isWell, LEAST_PROBES, now),
    faultsInARow: 0,
    lastSuccessAt: now,
    lastEvidenceAt: now,
  }
}

/** @returns answers of the sample: first contents where they are told apart, complete ones where not. */
export const answersOf = ({ mode, slow, line, outcomes }: Sample): number =>
  mode === 'sse' ? Math.max(slow.count, line[0]) : verdictsOf(outcomes).answered

/** What it did before it went down says nothing about how it comes back. Habits stay. */
export const forgetIncident = (window: Window): Window => ({
  ...window,
  errors: NO_EVIDENCE,
  slowness: NO_EVIDENCE,
  faultsInARow: 0,
})

/** @returns attempts a second lately. */
export const rateOf = (window: Window, now: number): number =>
  tallied(window.attempts, now, RATE_TAU_MS) / (RATE_TAU_MS / 1_000)

/** @returns attempts a second now. */
export const latelyOf = (window: Window, now: number): number =>
  tallied(window.lately, now, LATELY_TAU_MS) / (LATELY_TAU_MS / 1_000)

/** A request of half a thousand tokens is the usual one, when one figure has to stand for all. */
const TYPICAL_SIZE = 0.5

/** @returns usual milliseconds of a typical request, or null while they are not known. */
export function usualMs(window: Window, mode: Mode): number | null {
  const { line } = window.usual[mode]
  return line === null ? null : expectedMs(line, TYPICAL_SIZE)
}

export const usualProbeMs = ({ usualProbe }: Window): number | null =>
  usualProbe.weight >= LEAST_PROBES ? Math.exp(usualProbe.logMs) : null
