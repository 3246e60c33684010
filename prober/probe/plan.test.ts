import { describe, expect, test } from 'vitest'
import { ProviderProbe } from '#contracts/catalog/provider.ts'
import { newHealth, step, type Health } from '../judgement/damp.ts'
import { NO_PEERS, read } from '../judgement/score.ts'
import { newWindow, type Window } from '../judgement/window.ts'
import {
  allowanceOf,
  ended,
  newPlan,
  started,
  timeoutOf,
  whyProbe,
  type Plan,
  type RosterEntry,
  type Subject,
} from './plan.ts'

const entry = (more: Partial<RosterEntry> = {}): RosterEntry => ({
  provider: 'p',
  model: 'm',
  kind: 'openai',
  baseUrl: 'https://p.example/v1',
  allowPrivate: false,
  weight: 1,
  routes: ['m'],
  probe: ProviderProbe.parse({}),
  credential: null,
  ...more,
})

const plan = (more: Partial<Plan> = {}): Plan => ({
  lastAt: 0,
  jitter: 1,
  inFlight: false,
  allowance: 100,
  ...more,
})

const DAY = 86_400_000
const CALIBRATED = { logMs: 5, weight: 3, at: 0 }

/** Well, used a moment ago and known. */
const windowAt = (now: number, more: Partial<Window> = {}): Window => {
  const window = newWindow(now)
  return { ...window, attempts: { sum: 1, at: now }, usualProbe: CALIBRATED, ...more }
}

const subject = (now: number, more: Partial<Subject> = {}): Subject => ({
  plan: plan(),
  health: newHealth(0),
  window: windowAt(now),
  isSuspect: false,
  ...more,
})

const healthAt = (raw: number, isBroken = false): Health =>
  step(
    newHealth(0),
    { raw, floor: raw, isBroken, trouble: '', reading: read(newWindow(0), 0), reference: NO_PEERS },
    0,
  )

describe('whyProbe', () => {
  test('asks no deployment that traffic shows to be well', () => {
    for (const now of [1_000, 60_000, 600_000]) expect(whyProbe(subject(now), entry(), now)).toBeNull()
  })

  test('asks a suspect at once, and once a second', () => {
    const suspect = (now: number) => whyProbe(subject(now, { isSuspect: true }), entry(), now)
    expect(suspect(999)).toBeNull()
    expect(suspect(1_000)).toBe('suspect')
  })

  test('asks again at once after a probe that failed', () => {
    const health = { ...newHealth(0), badProbes: 1 }
    expect(whyProbe(subject(1_000, { health }), entry(), 1_000)).toBe('suspect')
  })

  test('asks what is down or nearly so every three seconds, and after ten minutes every thirty', () => {
    const down = healthAt(0.01, true)
    expect(whyProbe(subject(2_999, { health: down }), entry(), 2_999)).toBeNull()
    expect(whyProbe(subject(3_000, { health: down }), entry(), 3_000)).toBe('down')
    expect(whyProbe(subject(3_000, { health: healthAt(0.29) }), entry(), 3_000)).toBe('degraded')
    const late = 700_000
    expect(
      whyProbe(subject(late, { health: down, plan: plan({ lastAt: late - 29_000 }) }), entry(), late),
    ).toBeNull()
    expect(
      whyProbe(subject(late, { health: down, plan: plan({ lastAt: late - 30_000 }) }), entry(), late),
    ).toBe('down')
  })

  test('stretches waits by the jitter', () => {
    const health = healthAt(0.01, true)
    expect(whyProbe(subject(3_000, { health, plan: plan({ jitter: 1.3 }) }), entry(), 3_000)).toBeNull()
    expect(whyProbe(subject(3_000, { health, plan: plan({ jitter: 0.7 }) }), entry(), 2_100)).toBe('down')
  })

  test('asks an idle deployment at the operator’s interval, if somebody has used it lately', () => {
    const often = entry({ probe: ProviderProbe.parse({ intervalMs: 5_000 }) })
    const idle = (now: number, window = windowAt(0)) => whyProbe(subject(now, { window }), often, now)
    expect(idle(4_999)).toBeNull()
    expect(idle(5_000)).toBe('idle')
    expect(idle(3_700_000)).toBeNull()
    expect(idle(10_000, windowAt(0, { lastEvidenceAt: 9_000 }))).toBeNull()
  })

  test('learns how long a probe takes from a few, then one every half hour', () => {
    const now = 2_000_000
    const usualProbe = { ...CALIBRATED, weight: 2 }
    const at = (lastAt: number, window: Window) =>
      whyProbe(subject(now, { plan: plan({ lastAt }), window }), entry(), now)
    expect(at(now - 60_000, windowAt(now, { usualProbe }))).toBe('calibrate')
    expect(at(now - 60_000, windowAt(now))).toBeNull()
    expect(at(now - 1_800_000, windowAt(now))).toBe('calibrate')
  })

  test('does as the operator says', () => {
    const down = { health: healthAt(0.01, true), isSuspect: true }
    const disabled = entry({ probe: ProviderProbe.parse({ enabled: false }) })
    expect(whyProbe(subject(9_000, down), disabled, 9_000)).toBeNull()
    expect(whyProbe(subject(9_000, down), entry({ weight: 0 }), 9_000)).toBeNull()
  })

  test('asks one thing at a time', () => {
    const health = healthAt(0.01, true)
    const asked = started(plan(), 3_000, () => 0.5)
    expect(whyProbe(subject(60_000, { health, plan: asked }), entry(), 60_000)).toBeNull()
    expect(whyProbe(subject(60_000, { health, plan: ended(asked) }), entry(), 60_000)).toBe('down')
  })

  test('spends 2000 probes a day and no more, however long the trouble', () => {
    const health = healthAt(0.1)
    let sent = 0
    let at = newPlan(0, () => 0)
    for (let now = 0; now < 5 * DAY; now += 1_000) {
      if (whyProbe(subject(now, { health, plan: at, isSuspect: true }), entry(), now) === null) continue
      sent += 1
      at = ended(started(at, now, () => 0.5))
    }
    expect(sent).toBeGreaterThan(10_000)
    expect(sent).toBeLessThan(10_600)
    expect(allowanceOf(at, 20 * DAY)).toBe(500)
  })
})

test('timeoutOf waits ten seconds, less or more where a probe is quick or slow, and a minute at most', () => {
  const usual = (ms: number) => windowAt(0, { usualProbe: { logMs: Math.log(ms), weight: 5, at: 0 } })
  expect(timeoutOf(newWindow(0))).toBe(10_000)
  expect(timeoutOf(usual(100))).toBe(4_000)
  expect(timeoutOf(usual(300))).toBeCloseTo(6_000)
  expect(timeoutOf(usual(1_000))).toBe(10_000)
  expect(timeoutOf(usual(5_000))).toBeCloseTo(20_000)
  expect(timeoutOf(usual(50_000))).toBe(60_000)
})
