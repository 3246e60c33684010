import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bucketMiddle,
  bucketOf,
  BUCKETS,
  difference,
  fromSparse,
  meanLog,
  newCounts,
  percentile,
  record,
  toSparse,
  total,
  type Counts,
} from './histogram.ts'

/** From the smallest duration that is told apart to an hour, evenly over the magnitudes. */
const duration = fc.double({ min: Math.log(0.1), max: Math.log(3_600_000), noNaN: true }).map(Math.exp)
const durations = fc.array(duration, { minLength: 1, maxLength: 300 })

function countsOf(values: readonly number[]): Counts {
  const counts = newCounts()
  for (const value of values) record(counts, value)
  return counts
}

/** What a percentile of the values themselves is, by the nearest-rank rule. */
const exactPercentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)] ?? Number.NaN

const plus = (a: Counts, b: Counts): Counts => a.map((count, bucket) => count + (b[bucket] ?? 0))

describe('a bucket', () => {
  test('has its middle within 1 % of every duration in it', () => {
    fc.assert(
      fc.property(duration, (ms) => {
        expect(Math.abs(bucketMiddle(bucketOf(ms)) / ms - 1)).toBeLessThanOrEqual(0.01)
      }),
      { numRuns: 5_000 },
    )
  })

  test('never comes before the bucket of a shorter duration', () => {
    fc.assert(
      fc.property(duration, duration, (a, b) =>
        a <= b ? bucketOf(a) <= bucketOf(b) : bucketOf(a) >= bucketOf(b),
      ),
    )
  })

  test.each([
    [0, 0],
    [-1, 0],
    [0.05, 0],
    [Number.NaN, 0],
    [-Infinity, 0],
    [Infinity, BUCKETS - 1],
    [1e12, BUCKETS - 1],
  ])('of %s is %s: nothing falls outside', (ms, bucket) => {
    expect(bucketOf(ms)).toBe(bucket)
  })

  test('reaches past an hour before the last one collects the rest', () => {
    expect(bucketOf(3_600_000)).toBeLessThan(BUCKETS - 1)
  })
})

describe('a percentile', () => {
  test('is within 1 % of the true one', () => {
    fc.assert(
      fc.property(durations, fc.constantFrom(0, 0.01, 0.5, 0.9, 0.99, 1), (values, share) => {
        const found = percentile(countsOf(values), share) ?? Number.NaN
        expect(Math.abs(found / exactPercentile(values, share) - 1)).toBeLessThanOrEqual(0.0101)
      }),
    )
  })

  test('of nothing is null', () => {
    expect(percentile(newCounts(), 0.5)).toBeNull()
    expect(meanLog(newCounts())).toBeNull()
  })

  test('counts beyond what one bucket holds in 32 bits', () => {
    const counts = newCounts()
    counts[10] = 4_000_000_000
    counts[20] = 4_000_000_000
    expect(total(counts)).toBe(8_000_000_000)
    expect(percentile(counts, 0.5)).toBe(bucketMiddle(10))
    expect(percentile(counts, 0.51)).toBe(bucketMiddle(20))
  })
})

describe('merging', () => {
  test('two histograms is adding their counts', () => {
    fc.assert(
      fc.property(durations, durations, (one, other) => {
        expect(plus(countsOf(one), countsOf(other))).toEqual(countsOf([...one, ...other]))
      }),
    )
  })

  test('what was added is what the later reading has more', () => {
    fc.assert(
      fc.property(durations, durations, (before, added) => {
        expect(difference(countsOf([...before, ...added]), countsOf(before))).toEqual(countsOf(added))
      }),
    )
  })

  test('a writer that began again is read from zero', () => {
    const before = countsOf([10, 10, 10, 500])
    const restarted = countsOf([10])
    expect(difference(restarted, before)).toEqual(restarted)
  })
})

describe('the mean of the logarithms', () => {
  test('is within 1 % of the geometric mean of what was recorded', () => {
    fc.assert(
      fc.property(durations, (values) => {
        const exact = values.reduce((sum, value) => sum + Math.log(value), 0) / values.length
        expect(Math.abs((meanLog(countsOf(values)) ?? Number.NaN) - exact)).toBeLessThanOrEqual(0.01)
      }),
    )
  })
})

describe('the sparse form', () => {
  test('brings back the counts', () => {
    fc.assert(
      fc.property(durations, (values) => {
        const counts = countsOf(values)
        expect(fromSparse(toSparse(counts))).toEqual(counts)
      }),
    )
  })

  test('holds two numbers for each bucket in use, in order', () => {
    expect(toSparse(countsOf([1, 1, 1_000]))).toEqual([bucketOf(1), 2, bucketOf(1_000), 1])
    expect(toSparse(newCounts())).toEqual([])
  })

  test('is read without harm when it is garbage', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-1, BUCKETS, 0.5, Number.NaN, Infinity)),
        ),
        (garbage) => {
          const counts = fromSparse(garbage)
          expect(counts).toHaveLength(BUCKETS)
          expect(percentile(counts, 0.5) ?? 1).toBeGreaterThan(0)
        },
      ),
    )
    expect(total(fromSparse([-1, 5, BUCKETS, 5, 1.5, 5, 3]))).toBe(0)
  })
})
