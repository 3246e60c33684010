/**
 * How long a deployment usually takes to begin an answer: a straight line over the size of the request.
 *
 * Pure. Nodes count sums, which merge by addition and are told as differences like every counter; whoever
 * reads them fits the line. Size is in thousands of prompt tokens that no cache held.
 */

/** Milliseconds to the first content: `t0`, and `perK` more for each thousand tokens. */
export type Line = Readonly<{ t0: number; perK: number }>

/** Over all samples: how many, Σ size, Σ size², Σ milliseconds, Σ size × milliseconds. */
export type LineSums = readonly [count: number, x: number, xx: number, y: number, xy: number]

export const NO_SUMS: LineSums = [0, 0, 0, 0, 0]

/** Samples before which no line is believed… */
export const LEAST_LINE_SAMPLES = 20
/** …and for how long they must have come, in milliseconds: a burst at the start is not what is usual. */
export const LEAST_LINE_MS = 10_000
/** Nobody feels a difference below this, and a busy machine makes one by itself, in milliseconds. */
const LEAST_FELT_MS = 10
/** A sample can say "ten times slower", and no more: one stuck request is not a hundred slow ones. */
const MOST_SLOW = Math.log(10)
const MOST_FAST = -1
/** Variance of sizes, against their squared mean, below which sizes are all alike and tell nothing of `perK`. */
const LEAST_SPREAD = 1e-6

export const expectedMs = ({ t0, perK }: Line, size: number): number => t0 + perK * size

/** @returns ln(time / expected) as it counts, between -1 and ln 10. */
export function slownessOf(ms: number, expected: number): number {
  const log = Math.log(Math.max(ms, LEAST_FELT_MS) / Math.max(expected, LEAST_FELT_MS))
  return log > MOST_FAST ? Math.min(log, MOST_SLOW) : MOST_FAST
}

/** One sample moves a known line by no more than a factor of two. */
export const clippedMs = (ms: number, expected: number | null): number =>
  expected === null ? ms : Math.min(2 * expected, Math.max(expected / 2, ms))

/** @returns the line of least squares; null: there is nothing to fit it to. */
export function fitLine([count, x, xx, y, xy]: LineSums): Line | null {
  if (!(count > 0)) return null
  const spread = count * xx - x * x
  const slope = spread > LEAST_SPREAD * count * count ? (count * xy - x * y) / spread : 0
  const perK = Number.isFinite(slope) ? Math.max(0, slope) : 0
  const t0 = (y - perK * x) / count
  return Number.isFinite(t0) ? { t0: Math.max(LEAST_FELT_MS, t0), perK } : null
}

/** @returns `sums` × `kept` + `more` × `share`. */
export const mixSums = (sums: LineSums, kept: number, more: LineSums, share: number): LineSums => [
  sums[0] * kept + more[0] * share,
  sums[1] * kept + more[1] * share,
  sums[2] * kept + more[2] * share,
  sums[3] * kept + more[3] * share,
  sums[4] * kept + more[4] * share,
]
