import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterFailure, afterSuccess } from './schedule.ts'

const ttl = fc.integer({ min: 1_000, max: 86_400_000 })
const dice = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('a good answer holds for about the time it was said to', () => {
  fc.assert(
    fc.property(ttl, dice, (ttlMs, draw) => {
      const wait = afterSuccess(ttlMs, () => draw)
      expect(wait).toBeGreaterThanOrEqual(0.8 * ttlMs)
      expect(wait).toBeLessThanOrEqual(1.2 * ttlMs)
    }),
  )
})

test('failures wait longer each time, and never much longer than a good answer', () => {
  const wait = (failures: number) => afterFailure(300_000, failures, () => 0.5)
  expect([1, 2, 3, 4].map(wait)).toEqual([5_000, 10_000, 20_000, 40_000])
  expect([20, 1_000].map(wait)).toEqual([300_000, 300_000])
  fc.assert(
    fc.property(ttl, fc.integer({ min: 1, max: 1_000 }), dice, (ttlMs, failures, draw) => {
      const ms = afterFailure(ttlMs, failures, () => draw)
      expect(ms).toBeGreaterThanOrEqual(500)
      expect(ms).toBeLessThanOrEqual(1.5 * ttlMs)
    }),
  )
})
