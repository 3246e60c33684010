import { describe, expect, test } from 'vitest'
import { NO_SUMS, type LineSums } from '#contracts/telemetry/line.ts'
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

/** @param logs how slow each first content was: the logarithm of how many times its usual time it took. */
function sampleOf(
  counts: Partial<Record<OutcomeClass, number>>,
  logs: readonly number[] = [],
  more: Partial<Sample> = {},
): Sample {
  return {
    node: 'n',
    provider: 'p',
    model: 'm',
    credential: 'c',
    mode: 'sse',
    outcomes: OUTCOMES.map((outcome) => counts[outcome] ?? 0),
    slow: { count: logs.length, sum: logs.reduce((sum, log) => sum + log, 0) },
    line: NO_SUMS,
    waiting: 0,
    ...more,
  }
}

/** So many requests of half a thousand tokens that took so long. */
const took = (count: number, ms: number): LineSums => [
  count,
  count / 2,
  count / 4,
  count * ms,
  (count / 2) * ms,
]

/** A window that knows 100 ms as usual. */
function known(): Window {
  const first = observe(
    newWindow(-10_000),
    sampleOf({ success: 1 }, [], { line: took(1, 100) }),
    true,
    -10_000,
  )
  return observe(first, sampleOf({ success: 39 }, [], { line: took(39, 100) }), true, 0)
}

describe('errors', () => {
  test.each([
    ['success', 0],
    ['overloaded', 0.5],
    ['fault', 1],
    ['timeout', 1],
    ['cut', 3],
  ] as const)('count %s as %d', (outcome, badness) => {
    expect(observe(newWindow(0), sampleOf({ [outcome]: 4 }), true, 0).errors.value).toBe(badness)
  })

  test.each(['throttled', 'unauthorised', 'exhausted', 'missing', 'invalid', 'cancelled'] as const)(
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
  test('is the mean of what the nodes saw, each against what it knew to be usual', () => {
    const window = observe(known(), sampleOf({ success: 10 }, Array(10).fill(Math.log(4))), true, 1_000)
    expect(Math.exp(window.slowness.value)).toBeCloseTo(4, 10)
    expect(observe(known(), sampleOf({ success: 10 }), true, 1_000).slowness.count).toBe(0)
  })
})

describe('what is usual', () => {
  const add = (
    window: Window,
    line: LineSums,
    isWell: boolean,
    now: number,
    mode: Sample['mode'] = 'sse',
  ): Window => observe(window, sampleOf({}, [], { line, mode }), isWell, now)

  test('is not known before 20 samples over ten seconds, and known by kind of answer', () => {
    const few = add(newWindow(0), took(19, 100), true, 0)
    expect(usualMs(few, 'sse')).toBeNull()
    // A burst at the start is not what is usual.
    expect(usualMs(add(few, took(500, 100), true, 9_999), 'sse')).toBeNull()
    const enough = add(few, took(1, 100), true, 10_000)
    expect([usualMs(enough, 'sse'), usualMs(enough, 'json')]).toEqual([100, null])
  })

  test('grows with the size of a request', () => {
    // 200 ms and 100 more for each thousand tokens, at 1 000 and 3 000 tokens.
    const line: LineSums = [40, 20 + 60, 20 + 180, 20 * 300 + 20 * 500, 20 * 300 + 60 * 500]
    const { line: found } = add(add(newWindow(0), line, true, 0), line, true, 10_000).usual.sse
    expect(found?.t0).toBeCloseTo(200)
    expect(found?.perK).toBeCloseTo(100)
  })

  test('hardly changes by what a deployment does while it is not well', () => {
    const [well, unwell] = [true, false].map((isWell) => add(known(), took(40, 200), isWell, 1_000))
    expect(usualMs(well!, 'sse')).toBeCloseTo(150, 0)
    expect(usualMs(unwell!, 'sse')).toBeCloseTo(109, 0)
  })

  test('is forgotten over ten minutes, but for its last 40 samples', () => {
    const busy = add(newWindow(0), took(4_000, 100), true, 0)
    expect(usualMs(add(busy, took(40, 200), true, 60_000_000), 'sse')).toBeCloseTo(150, 0)
  })

  test('is not spoiled by sums that cannot be', () => {
    for (const bad of [NaN, Infinity, -1]) {
      expect(add(known(), [5, bad, 1, 1, 1], true, 0).usual).toEqual(known().usual)
    }
  })
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
    expect(usualMs(window, 'sse')).toBeCloseTo(100)
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
