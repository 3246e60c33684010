/**
 * What is known about one deployment, from traffic and from probes: how it fails, how slow it is against its
 * own habit, how much it is used.
 *
 * Pure; time in monotonic milliseconds is an argument.
 */
import { bucketMiddle, bucketOf, BUCKETS, type Counts } from '#contracts/telemetry/histogram.ts'
import { OUTCOMES, type OutcomeClass } from '#contracts/telemetry/outcome.ts'
import type { Mode } from '#contracts/telemetry/report.ts'
import {
  addTo,
  clamp,
  EMPTY_TALLY,
  learn,
  learnUsual,
  NO_BASELINE,
  NO_EVIDENCE,
  tallied,
  type Baseline,
  type Estimate,
  type Tally,
} from './estimate.ts'

/** What one node saw of one deployment since its report before. */
export type Sample = Readonly<{
  node: string
  provider: string
  /** Upstream model. */
  model: string
  mode: Mode
  /** Attempts by outcome, in the order of `OUTCOMES`. */
  outcomes: readonly number[]
  firstMs: Counts
}>

/** What became of one probe. */
export type ProbeResult = Readonly<{ outcome: OutcomeClass; ms: number }>

/** A probe is shorter than any request, so it is compared with probes only. */
export type Habit = Mode | 'probe'

export type Window = Readonly<{
  /** Mean badness of an attempt: 0 answered, 1 failed, 3 cut off. */
  errors: Estimate
  /** Mean logarithm of (first content / usual). */
  slowness: Estimate
  usual: Readonly<Record<Habit, Baseline>>
  attempts: Tally
  /** Since the last success. */
  faultsInARow: number
  lastSuccessAt: number
  /** Last attempt or probe that said something about the provider. */
  lastEvidenceAt: number
}>

/** Null: says nothing about the provider, only about the caller or the credential. */
const BADNESS: Readonly<Record<OutcomeClass, number | null>> = {
  success: 0,
  throttled: 0.5,
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

/** Before so many samples a habit is not known, and slowness is not judged. */
export const LEAST_SAMPLES: Readonly<Record<Habit, number>> = { json: 20, sse: 20, probe: 2 }
/** A sample can say "ten times slower", and no more: one stuck request is not a hundred slow ones. */
const MOST_SLOW = Math.log(10)
const MOST_FAST = -1
/** Nobody feels a difference below 10 ms, and a busy machine makes one by itself. */
const LEAST_FELT = Math.log(10)
/** How slow a failed probe counts. */
const FAILED_PROBE_SLOW = 1.5
const RATE_TAU_MS = 20_000

export const newWindow = (now: number): Window => ({
  errors: NO_EVIDENCE,
  slowness: NO_EVIDENCE,
  usual: { json: NO_BASELINE, sse: NO_BASELINE, probe: NO_BASELINE },
  attempts: EMPTY_TALLY,
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
  const before = window.usual[sample.mode]
  const firsts = logsOf(sample.firstMs)
  const slow = slownessOf(firsts, before, LEAST_SAMPLES[sample.mode])
  const usual = learnUsual(before, firsts, isWell, LEAST_SAMPLES[sample.mode], now)
  const attempts = sample.outcomes.reduce((sum, count) => sum + count, 0)
  return {
    errors: learn(window.errors, badness / judged, judged, now),
    slowness: learn(window.slowness, slow.mean, slow.count, now),
    usual: { ...window.usual, [sample.mode]: usual },
    attempts: addTo(window.attempts, attempts, now, RATE_TAU_MS),
    // In which order they came is not known: a success among them breaks the row.
    faultsInARow: answered > 0 ? 0 : window.faultsInARow + faults,
    lastSuccessAt: answered > 0 ? now : window.lastSuccessAt,
    lastEvidenceAt: judged > 0 || firsts.length > 0 ? now : window.lastEvidenceAt,
  }
}

/** A probe is a sample like any other, if it says anything about the provider. */
export function observeProbe(window: Window, probe: ProbeResult, isWell: boolean, now: number): Window {
  const badness = BADNESS[probe.outcome]
  if (badness === null || probe.outcome === 'throttled') return window
  const errors = learn(window.errors, badness, 1, now)
  if (probe.outcome !== 'success') {
    const slowness = learn(window.slowness, FAILED_PROBE_SLOW, 1, now)
    return { ...window, errors, slowness, lastEvidenceAt: now }
  }
  const log = Math.log(Math.max(1, probe.ms))
  const slow = slownessOf([[log, 1]], window.usual.probe, LEAST_SAMPLES.probe)
  return {
    ...window,
    errors,
    slowness: learn(window.slowness, slow.mean, slow.count, now),
    usual: {
      ...window.usual,
      probe: learnUsual(window.usual.probe, [[log, 1]], isWell, LEAST_SAMPLES.probe, now),
    },
    faultsInARow: 0,
    lastSuccessAt: now,
    lastEvidenceAt: now,
  }
}

/** @returns how many answers of the sample were asked for within the last so many milliseconds. */
export function begunWithin({ firstMs }: Pick<Sample, 'firstMs'>, ms: number): number {
  return firstMs.subarray(0, bucketOf(ms)).reduce((sum, count) => sum + count, 0)
}

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

/** @returns usual milliseconds, or null while they are not known. */
export function usualMs(window: Window, habit: Habit): number | null {
  const { logMs, weight } = window.usual[habit]
  return weight >= LEAST_SAMPLES[habit] ? Math.exp(logMs) : null
}

type LogCount = readonly [logMs: number, count: number]

const LOG_OF_BUCKET = Float64Array.from({ length: BUCKETS }, (_, bucket) => Math.log(bucketMiddle(bucket)))

function logsOf(counts: Counts): readonly LogCount[] {
  const logs: LogCount[] = []
  counts.forEach((count, bucket) => {
    if (count > 0) logs.push([LOG_OF_BUCKET[bucket] ?? 0, count])
  })
  return logs
}

function slownessOf(
  logs: readonly LogCount[],
  usual: Baseline,
  least: number,
): { mean: number; count: number } {
  if (usual.weight < least) return { mean: 0, count: 0 }
  let sum = 0
  let count = 0
  for (const [logMs, times] of logs) {
    sum += times * clamp(felt(logMs) - felt(usual.logMs), MOST_FAST, MOST_SLOW)
    count += times
  }
  return { mean: count > 0 ? sum / count : 0, count }
}

const felt = (logMs: number): number => Math.max(logMs, LEAST_FELT)
