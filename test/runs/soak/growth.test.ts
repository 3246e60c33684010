import { describe, expect, test } from 'vitest'
import { growthOfPeaks, type Sample } from './growth.ts'

/** Half an hour, a sample each ten seconds: memory rises for five minutes, stays for ten, and falls. */
const run = (phaseMinutes: number, leakMbPerHour: number): Sample[] =>
  Array.from({ length: 180 }, (_, at) => {
    const minutes = at / 6
    const within = (minutes + phaseMinutes) % 15
    return { hours: minutes / 60, mb: 170 + Math.min(1, within / 5) * 35 + (leakMbPerHour * minutes) / 60 }
  })
const phases = Array.from({ length: 15 }, (_, minutes) => minutes)

describe('memory that rises and falls in waves', () => {
  test.each(phases)('does not grow, from whichever of its minutes on it is looked at (%i)', (phase) => {
    expect(Math.abs(growthOfPeaks(run(phase, 0)))).toBeLessThan(1)
  })

  test.each(phases)('grows by what is never given back (%i)', (phase) => {
    expect(growthOfPeaks(run(phase, 40))).toBeGreaterThan(20)
  })
})
