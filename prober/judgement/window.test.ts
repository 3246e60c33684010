import { describe, expect, test } from 'vitest'
import { newCounts, record } from '#contracts/telemetry/histogram.ts'
import { OUTCOMES, type OutcomeClass } from '#contracts/telemetry/outcome.ts'
import {
  forgetIncident,
  newWindow,
  observe,
  observeProbe,
  rateOf,
  usualMs,
  type Sample,
  type Window,
} from './window.ts'

export function sampleOf(
  counts: Partial<Record<OutcomeClass, number>>,
  firstMs: readonly number[] = [],
  more: Partial<Sample> = {},
): Sample {
  const first = newCounts()
  for (const ms of firstMs) record(first, ms)
  const outcomes = OUTCOMES.map((outcome) => counts[outcome] ?? 0)
  return { node: 'n', provider: 'p', model: 'm', mode: 'sse', outcomes, firstMs: first, ...more }
}

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms)

/** A window that knows 100 ms as usual. */
function known(): Window {
  return observe(newWindow(0), sampleOf({ success: 40 }, times(40, 100)), true, 0)
}

describe('errors', () => {
  test.each([
    ['success', 0],
    ['throttled', 0.5],
    ['overloaded', 0.5],
    ['fault', 1],
    ['timeout', 1],
    ['cut', 3],
  ] as const)('count %s as %d', (outcome, badness) => {
    expect(observe(newWindow(0), sampleOf({ [outcome]: 4 }), true, 0).errors.value).toBe(badness)
  })

  test.each(['unauthorised', 'exhausted', 'missing', 'invalid', 'cancelled'] as const)(
    'do not count %s: it is the key’s or the caller’s',
    (outcome) => {
      const window = observe(newWindow(0), sampleOf({ [outcome]: 100 }), true, 5_000)
      expect(window.errors.count).toBe(0)
      expect(window.lastEvidenceAt).toBe(0)
      expect(rateOf(window, 5_000)).toBe(5)
    },
  )

  test('count faults in a row, which a success breaks', () => {
    const failing = observe(known(), sampleOf({ fault: 5 }), true, 1_000)
    expect(observe(failing, sampleOf({ timeout: 4 }), true, 2_000).faultsInARow).toBe(9)
    expect(observe(failing, sampleOf({ timeout: 4, success: 1 }), true, 2_000).faultsInARow).toBe(0)
  })
})

describe('slowness', () => {
  test('is not judged before the habit is known', () => {
    const window = observe(newWindow(0), sampleOf({ success: 19 }, times(19, 100)), true, 0)
    expect(usualMs(window, 'sse')).toBeNull()
    expect(observe(window, sampleOf({ success: 1 }, [5_000]), true, 0).slowness.count).toBe(0)
  })

  test('is measured against the deployment’s own habit, by mode', () => {
    const window = observe(known(), sampleOf({ success: 10 }, times(10, 400)), true, 1_000)
    expect(Math.exp(window.slowness.value)).toBeCloseTo(4, 1)
    const json = sampleOf({ success: 10 }, times(10, 4_000), { mode: 'json' })
    expect(observe(known(), json, true, 1_000).slowness.count).toBe(0)
  })

  test('counts one sample as no more than ten times slower and no less than a third', () => {
    const slow = observe(known(), sampleOf({ success: 8 }, times(8, 100_000)), true, 0)
    expect(Math.exp(slow.slowness.value)).toBeCloseTo(10, 5)
    const fast = observe(known(), sampleOf({ success: 8 }, times(8, 1)), true, 0)
    expect(Math.exp(fast.slowness.value)).toBeCloseTo(1 / Math.E, 5)
  })
})

test('a difference that nobody feels is none', () => {
  const quick = observe(newWindow(0), sampleOf({ success: 40 }, times(40, 1)), true, 0)
  expect(observe(quick, sampleOf({ success: 8 }, times(8, 9)), true, 0).slowness.value).toBe(0)
  expect(observe(quick, sampleOf({ success: 8 }, times(8, 50)), true, 0).slowness.value).toBeGreaterThan(1)
})

describe('a probe', () => {
  const probed = (window: Window, outcome: OutcomeClass, ms: number, now = 1_000) =>
    observeProbe(window, { outcome, ms }, true, now)

  test('is compared with probes only', () => {
    let window = known()
    for (const ms of [40, 40, 40]) window = probed(window, 'success', ms)
    expect(window.slowness.value).toBeCloseTo(0)
    expect(Math.exp(probed(newWindow(0), 'success', 40).slowness.value)).toBe(1)
    expect(probed(window, 'success', 400).slowness.value).toBeGreaterThan(0.5)
    expect(usualMs(window, 'sse')).toBeCloseTo(100, -1)
  })

  test('that fails is a sample like any other', () => {
    const window = probed(known(), 'timeout', 10_000)
    expect(window.errors.value).toBeGreaterThan(0)
    expect(window.slowness.value).toBeGreaterThan(0)
    expect(window.lastEvidenceAt).toBe(1_000)
  })

  test.each(['throttled', 'unauthorised', 'exhausted', 'missing', 'invalid'] as const)(
    'says nothing when it is %s',
    (outcome) => {
      const window = known()
      expect(probed(window, outcome, 10)).toBe(window)
    },
  )
})

test('an incident can be forgotten without the habits', () => {
  const window = forgetIncident(observe(known(), sampleOf({ fault: 50 }), true, 0))
  expect(window.errors.count).toBe(0)
  expect(window.faultsInARow).toBe(0)
  expect(usualMs(window, 'sse')).toBeCloseTo(100, -1)
})
