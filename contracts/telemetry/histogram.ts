/**
 * A histogram of durations in logarithmic buckets: small, mergeable by addition, 1 % exact.
 *
 * Pure. Cumulative counts: a reader subtracts what it saw last, so a lost report loses resolution and never
 * counts. Recording is one logarithm and one increment of a typed array.
 */
const LEAST_MS = 0.1
/** Neighbouring buckets differ by 2 %, so a bucket's middle is at most 1 % from any value in it. */
const GROWTH = 1.02
const INVERSE_LOG_GROWTH = 1 / Math.log(GROWTH)
/** ceil(log(1 hour / 0.1 ms) / log(1.02)); longer durations fall into the last bucket. */
export const BUCKETS = 880

export type Counts = Uint32Array

export const newCounts = (): Counts => new Uint32Array(BUCKETS)

export function bucketOf(ms: number): number {
  if (!(ms > LEAST_MS)) return 0
  return Math.min(BUCKETS - 1, Math.floor(Math.log(ms / LEAST_MS) * INVERSE_LOG_GROWTH))
}

/** @returns the geometric middle of a bucket, in milliseconds. */
export const bucketMiddle = (bucket: number): number => LEAST_MS * GROWTH ** (bucket + 0.5)

export function record(counts: Counts, ms: number): void {
  const bucket = bucketOf(ms)
  counts[bucket] = (counts[bucket] ?? 0) + 1
}

/** @returns pairs of bucket and count, flattened, buckets ascending, empty buckets left out. */
export function toSparse(counts: Counts): number[] {
  const sparse: number[] = []
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = counts[bucket] ?? 0
    if (count > 0) sparse.push(bucket, count)
  }
  return sparse
}

/** @returns counts; pairs that name no bucket are ignored, so that a damaged report cannot hurt. */
export function fromSparse(sparse: readonly number[]): Counts {
  const counts = newCounts()
  for (let at = 0; at + 1 < sparse.length; at += 2) {
    const bucket = sparse[at] ?? -1
    if (Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS) counts[bucket] = sparse[at + 1] ?? 0
  }
  return counts
}

/** @returns what was added between two cumulative readings. A restarted writer (smaller counts) starts at zero. */
export function difference(now: Counts, before: Counts): Counts {
  const added = newCounts()
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = now[bucket] ?? 0
    const old = before[bucket] ?? 0
    added[bucket] = count >= old ? count - old : count
  }
  return added
}

export function total(counts: Counts): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

/** @param share 0..1, e.g. 0.5 for the median. @returns milliseconds, or null when nothing was recorded. */
export function percentile(counts: Counts, share: number): number | null {
  const all = total(counts)
  if (all === 0) return null
  const rank = Math.max(1, Math.ceil(share * all))
  let seen = 0
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    seen += counts[bucket] ?? 0
    if (seen >= rank) return bucketMiddle(bucket)
  }
  return bucketMiddle(BUCKETS - 1)
}

/** @returns the mean of the logarithms (natural, of milliseconds): what ratios to a baseline are made of. */
export function meanLog(counts: Counts): number | null {
  let sum = 0
  let all = 0
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = counts[bucket] ?? 0
    if (count === 0) continue
    sum += count * Math.log(bucketMiddle(bucket))
    all += count
  }
  return all === 0 ? null : sum / all
}
