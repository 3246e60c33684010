import { describe, expect, test } from 'vitest'
import { ManualClock, systemClock } from './clock.ts'

describe('clocks', () => {
  test('of tests move only when told to', () => {
    const clock = new ManualClock(1_000)
    expect([clock.now(), clock.monotonic()]).toEqual([1_000, 1_000])
    clock.advance(250)
    expect([clock.now(), clock.monotonic()]).toEqual([1_250, 1_250])
  })

  test('of the system tell the date in one and never go back in the other', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000)
    const readings = Array.from({ length: 100 }, () => systemClock.monotonic())
    expect(readings).toEqual(readings.toSorted((a, b) => a - b))
  })
})
