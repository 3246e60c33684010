import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dollarsOf, nanoOf, periodAt, type BudgetPeriod } from './budget.ts'

const DAY_MS = 86_400_000
const moment = fc.integer({ min: 0, max: 4_000_000_000_000 })
const periods: readonly BudgetPeriod[] = ['day', 'week', 'month', 'total']

describe('a period', () => {
  test.each([
    ['day', '2026-03-01T00:00:00Z', '2026-03-01', '2026-03-02'],
    ['day', '2026-02-28T23:59:59.999Z', '2026-02-28', '2026-03-01'],
    ['week', '2026-03-01T12:00:00Z', '2026-02-23', '2026-03-02'],
    ['week', '2026-03-02T00:00:00Z', '2026-03-02', '2026-03-09'],
    ['month', '2024-02-29T23:59:59Z', '2024-02-01', '2024-03-01'],
    ['month', '2026-12-31T23:59:59Z', '2026-12-01', '2027-01-01'],
  ] as const)('%s of %s begins on %s and ends before %s', (period, at, start, end) => {
    expect(periodAt(period, Date.parse(at))).toEqual({ start: Date.parse(start), end: Date.parse(end) })
  })

  test('holds its moment, whole days, and every other moment of it', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...periods),
        moment,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (period, at, part) => {
          const { start, end } = periodAt(period, at)
          const past = end ?? at + 1
          expect(start <= at && at < past).toBe(true)
          expect(Math.abs(start % DAY_MS)).toBe(0)
          const other = Math.min(past - 1, Math.floor(start + (past - start) * part))
          expect(periodAt(period, other)).toEqual({ start, end })
        },
      ),
    )
  })

  test('that is total never ends', () => {
    expect(periodAt('total', 1_800_000_000_000)).toEqual({ start: 0, end: null })
  })
})

test('the largest amount is exact in billionths', () => {
  expect(nanoOf(5_000_000)).toBeLessThan(Number.MAX_SAFE_INTEGER)
  expect(dollarsOf(nanoOf(0.000_000_001))).toBe(1e-9)
})
