/**
 * Averages that move: a mean of what was seen lately, a rate, and what is usual.
 *
 * Pure; time in monotonic milliseconds is an argument. No measurement, however
 * wrong, makes any of it NaN.
 */
import {
  fitLine,
  LEAST_LINE_MS,
  LEAST_LINE_SAMPLES,
  mixSums,
  NO_SUMS,
  type Line,
  type LineSums,
} from '#contracts/telemetry/line.ts'

/** @returns `low` for everything that is not a number above it, NaN included. */
export const clamp = (value: number, low: number, high: number): number =>
  value > low ? Math.min(value, high) : low

/**
 * A mean that moves with time where samples are many, and with their number where they are few: the first
 * sample counts whole, the eighth an eighth, and from then on each counts between 1 % and 12.5 %.
 */
export type Estimate = Readonly<{
  value: number
  /** Samples it stands on, at most 1 / share of the next one. */
  count: number
  /** Of the last sample. */
  at: number
}>

const TAU_MS = 4_000
const LEAST_SHARE = 0.01
const LARGEST_SHARE = 0.125
/**
 * Evidence counts whole while it is this fresh, and then fades. Where traffic or probes bring any, it never
 * fades; where neither does, this is the way back.
 */
const FRESH_MS = 15_000
const FADE_MS = 15_000

export const NO_EVIDENCE: Estimate = { value: 0, count: 0, at: 0 }

/** @param mean of `count` samples that came together; their order is not known and does not matter. */
export function learn(estimate: Estimate, mean: number, count: number, now: number): Estimate {
  if (!(count > 0) || !Number.isFinite(mean)) return estimate
  const gapMs = Math.max(0, now - estimate.at) / count
  const share = clamp(1 - Math.exp(-gapMs / TAU_MS), LEAST_SHARE, LARGEST_SHARE)
  // While there are few samples each counts 1 / (its number): the first `warming` of these do.
  const warming = Math.min(count, Math.max(0, Math.ceil(1 / share - 1 - estimate.count)))
  const kept = (estimate.count / (estimate.count + warming || 1)) * (1 - share) ** (count - warming)
  return {
    value: mean + (faded(estimate, now) - mean) * kept,
    count: Math.min(1 / share, estimate.count + count),
    at: now,
  }
}

/** @returns the value as it counts now. */
export function faded(estimate: Estimate, now: number): number {
  const staleMs = now - estimate.at - FRESH_MS
  return staleMs <= 0 ? estimate.value : estimate.value * Math.exp(-staleMs / FADE_MS)
}

/** @param prior how many samples of zero are mixed in, so that one sample does not decide. */
export const shrunk = (estimate: Estimate, prior: number, now: number): number =>
  faded(estimate, now) * (estimate.count / (estimate.count + prior))

/** A count that fades with time. */
export type Tally = Readonly<{ sum: number; at: number }>

export const EMPTY_TALLY: Tally = { sum: 0, at: 0 }

export const tallied = (tally: Tally, now: number, tauMs: number): number =>
  tally.sum * Math.exp(-Math.max(0, now - tally.at) / tauMs)

export const addTo = (tally: Tally, amount: number, now: number, tauMs: number): Tally => ({
  sum: tallied(tally, now, tauMs) + amount,
  at: now,
})

/** What is usual for one deployment in one mode, learned over ten minutes while it is well. */
export type Baseline = Readonly<{
  /** Mean of the natural logarithms of milliseconds: the middle of what was seen, not dragged by outliers. */
  logMs: number
  /** Samples it stands on, fading. */
  weight: number
  at: number
}>

const BASELINE_TAU_MS = 600_000
/** Where traffic is thin ten minutes hold too little: so many samples are remembered, however old. */
const BASELINE_SAMPLES = 40
/** One sample moves the baseline by no more than a factor of two… */
const CLIP = Math.log(2)
/** …and counts a tenth while the deployment is not well, so that an incident does not become usual. */
const UNWELL_SHARE = 0.1

export const NO_BASELINE: Baseline = { logMs: 0, weight: 0, at: 0 }

/** @param samples pairs of logarithm and count. @param least samples before which nothing is clipped. */
export function learnUsual(
  baseline: Baseline,
  samples: readonly (readonly [logMs: number, count: number])[],
  isWell: boolean,
  least: number,
  now: number,
): Baseline {
  const isKnown = baseline.weight >= least
  const aged = baseline.weight * Math.exp(-Math.max(0, now - baseline.at) / BASELINE_TAU_MS)
  let weight = Math.max(aged, Math.min(baseline.weight, BASELINE_SAMPLES))
  let sum = baseline.logMs * weight
  for (const [logMs, count] of samples) {
    if (!Number.isFinite(logMs * count) || count <= 0) continue
    const share = isKnown && !isWell ? count * UNWELL_SHARE : count
    weight += share
    sum += share * (isKnown ? clamp(logMs, baseline.logMs - CLIP, baseline.logMs + CLIP) : logMs)
  }
  return weight > 0 ? { logMs: sum / weight, weight, at: now } : baseline
}

/** What is usual over the size of a request, from sums that nodes tell. */
export type LineHabit = Readonly<{
  sums: LineSums
  /** All samples ever seen. */
  count: number
  /** For how long they have come, up to the last, in milliseconds. */
  spanMs: number
  at: number
  /** Null: too few samples yet. */
  line: Line | null
}>

export const NO_LINE: LineHabit = { sums: NO_SUMS, count: 0, spanMs: 0, at: 0, line: null }

/** @param more sums of samples that the nodes clipped by what they knew to be usual. */
export function learnLine(habit: LineHabit, more: LineSums, isWell: boolean, now: number): LineHabit {
  if (!(more[0] > 0) || !more.every((sum) => Number.isFinite(sum) && sum >= 0)) return habit
  const weight = habit.sums[0]
  const aged = weight * Math.exp(-Math.max(0, now - habit.at) / BASELINE_TAU_MS)
  const kept = weight > 0 ? Math.max(aged, Math.min(weight, BASELINE_SAMPLES)) / weight : 0
  const sums = mixSums(habit.sums, kept, more, habit.line === null || isWell ? 1 : UNWELL_SHARE)
  const count = habit.count + more[0]
  const spanMs = habit.count === 0 ? 0 : habit.spanMs + Math.max(0, now - habit.at)
  const isKnown = count >= LEAST_LINE_SAMPLES && spanMs >= LEAST_LINE_MS
  return { sums, count, spanMs, at: now, line: isKnown ? fitLine(sums) : null }
}
