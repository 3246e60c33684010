import { describe, expect, test } from 'vitest'
import { diceOf } from '#contracts/routing/dice.ts'
import { findShift, type Sample } from './shift.ts'

/** A request a second, failing at a rate that changes once. */
const failing = (before: number, after: number, turnsAt: number, seed: number): readonly Sample[] => {
  const dice = diceOf(seed)
  return Array.from({ length: 600 }, (_, at) => ({
    at: at * 1_000,
    value: dice() < (at < turnsAt ? before : after) ? 1 : 0,
  }))
}

describe('a shift', () => {
  test.each([
    [0.01, 0.3, 200],
    [0.4, 0.02, 450],
    [0, 1, 300],
  ])('of a rate from %d to %d is found where it is', (before, after, turnsAt) => {
    for (let seed = 0; seed < 20; seed++) {
      const shift = findShift(failing(before, after, turnsAt, seed))
      expect(Math.abs((shift?.at ?? 0) / 1_000 - turnsAt)).toBeLessThan(30)
      expect(Math.abs((shift?.before.mean ?? 9) - before)).toBeLessThan(0.1)
      expect(Math.abs((shift?.after.mean ?? 9) - after)).toBeLessThan(0.1)
    }
  })

  test('is not seen where there is none', () => {
    const seen = Array.from({ length: 100 }, (_, seed) => findShift(failing(0.1, 0.1, 300, seed)))
    expect(seen.filter((shift) => shift !== null).length).toBeLessThan(5)
    expect(findShift([])).toBeNull()
    expect(findShift(failing(0, 1, 5, 1).slice(0, 30))).toBeNull()
  })
})
