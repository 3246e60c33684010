/**
 * When something turned worse or better: the moment that divides what was seen into two parts that differ most.
 *
 * Pure.
 */
export const METRICS = ['errors', 'latency', 'cost'] as const
export type Metric = (typeof METRICS)[number]

/** One request as it counts: 1 or 0 for errors, milliseconds to the first content, or US dollars. */
export type Sample = Readonly<{ at: number; value: number }>

export type Shift = Readonly<{
  /** First request that is like what came after, in epoch milliseconds. */
  at: number
  before: Readonly<{ requests: number; mean: number }>
  after: Readonly<{ requests: number; mean: number }>
  /** How far apart the two are, in their standard errors: below 4 it may be chance. */
  score: number
}>

/** On each side, at least: of fewer nothing can be said. */
const LEAST_SAMPLES = 20
/** The least score that is no chance, however many moments were tried. */
const LEAST_SCORE = 4

/** @param samples in the order of their times. @returns null: nothing shifted that could be told from chance. */
export function findShift(samples: readonly Sample[]): Shift | null {
  const sums = [0]
  const squares = [0]
  for (const { value } of samples) {
    sums.push((sums.at(-1) ?? 0) + value)
    squares.push((squares.at(-1) ?? 0) + value * value)
  }
  const part = (from: number, to: number) => {
    const requests = to - from
    const mean = ((sums[to] ?? 0) - (sums[from] ?? 0)) / requests
    const variance = Math.max(0, ((squares[to] ?? 0) - (squares[from] ?? 0)) / requests - mean * mean)
    return { requests, mean, variance }
  }
  let best: Shift | null = null
  for (let at = LEAST_SAMPLES; at <= samples.length - LEAST_SAMPLES; at++) {
    const [before, after] = [part(0, at), part(at, samples.length)]
    const spread =
      Math.max(before.variance, after.variance, 1e-12) * (1 / before.requests + 1 / after.requests)
    const score = Math.abs(after.mean - before.mean) / Math.sqrt(spread)
    if (score < LEAST_SCORE || (best !== null && score <= best.score)) continue
    const told = ({ requests, mean }: typeof before) => ({ requests, mean })
    best = { at: samples[at]?.at ?? 0, before: told(before), after: told(after), score }
  }
  return best
}
