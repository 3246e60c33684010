import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  DOWN_FACTOR,
  newHealth,
  overloaded,
  probed,
  reasonOf,
  resumed,
  served,
  step,
  type Health,
} from './damp.ts'
import { NO_PEERS, read, type Score } from './score.ts'
import { newWindow } from './window.ts'

const scoreOf = (raw: number, more: Partial<Score> = {}): Score => ({
  raw,
  floor: 0.01,
  isBroken: false,
  trouble: '',
  reading: read(newWindow(0), 0),
  reference: NO_PEERS,
  ...more,
})
const GOOD = scoreOf(1)
const BROKEN = scoreOf(0.01, { isBroken: true })

/** Steps four times a second. */
function stepFor(health: Health, score: Score, ms: number): Health {
  let next = health
  for (let passed = 250; passed <= ms; passed += 250) next = step(next, score, health.at + passed)
  return next
}

const down = (now = 0): Health => step(newHealth(now), BROKEN, now)

describe('the factor', () => {
  test('falls at once and doubles in three seconds on its way up', () => {
    const low = step(newHealth(0), scoreOf(0.1), 250)
    expect(low).toMatchObject({ state: 'degraded', factor: 0.1 })
    expect(stepFor(low, GOOD, 3_000).factor).toBeCloseTo(0.2, 2)
    expect(stepFor(low, GOOD, 11_000)).toMatchObject({ state: 'healthy', factor: 1 })
  })

  test('does not jump because nobody looked for an hour', () => {
    const low = step(newHealth(0), scoreOf(0.1), 0)
    expect(step(low, GOOD, 3_600_000).factor).toBeLessThan(0.17)
  })

  test('lies in [0, 1] and is never NaN, whatever happens in whatever order', () => {
    const event = fc.oneof(
      fc.record({
        kind: fc.constant('step' as const),
        raw: fc.double({ min: 0.003, max: 1, noNaN: true }),
        isBroken: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('probe' as const), isGood: fc.boolean() }),
      fc.record({ kind: fc.constant('served' as const), answered: fc.nat(3), faults: fc.nat(3) }),
      fc.record({ kind: fc.constant('overloaded' as const) }),
      fc.record({
        kind: fc.constant('resumed' as const),
        factor: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20_000), event), { maxLength: 60 }), (events) => {
        let health = newHealth(0)
        let now = 0
        for (const [waited, one] of events) {
          now += waited
          if (one.kind === 'step') health = step(health, scoreOf(one.raw, { isBroken: one.isBroken }), now)
          else if (one.kind === 'probe') health = probed(health, one.isGood, now)
          else if (one.kind === 'served') health = served(health, one.answered, one.faults, now)
          else if (one.kind === 'overloaded') health = overloaded(health, now)
          else health = resumed(one.factor, now)
          expect(health.factor).toBeGreaterThanOrEqual(0)
          expect(health.factor).toBeLessThanOrEqual(1)
          expect(reasonOf(health, 'trouble', now)).not.toBe('')
        }
        // Nothing that has happened keeps a deployment out for good: when it is well again, time is enough.
        for (let ms = 0; ms < 180_000; ms += 250) health = step(health, GOOD, now + ms)
        expect(health).toMatchObject({ state: 'healthy', factor: 1 })
      }),
    )
  })
})

describe('a deployment that is down', () => {
  test('gets nothing and comes back after two good probes in a row', () => {
    const out = down()
    expect(out).toMatchObject({ state: 'down', factor: DOWN_FACTOR })
    const once = probed(probed(probed(out, true, 3_000), false, 6_000), true, 9_000)
    expect(once.state).toBe('down')
    expect(probed(once, true, 12_000)).toMatchObject({ state: 'recovering', factor: 0.05 })
  })

  test('comes back after two answers in a row, whatever the probes say', () => {
    const out = probed(down(), false, 1_000)
    expect(served(served(out, 1, 1, 2_000), 1, 0, 3_000).state).toBe('down')
    expect(served(served(out, 1, 0, 2_000), 1, 0, 3_000).state).toBe('recovering')
  })

  test('stays out while probes fail', () => {
    let out = down()
    for (let second = 3; second < 600; second += 3)
      out = step(probed(out, false, second * 1_000), GOOD, second * 1_000)
    expect(out.state).toBe('down')
  })

  test('is tried again after a while when no probe can tell, and after longer each time', () => {
    const waits: number[] = []
    let health = down()
    for (let round = 0; round < 4; round++) {
      let now = health.at
      const since = now
      while (health.state === 'down') health = step(health, GOOD, (now += 250))
      waits.push((now - since) / 1_000)
      health = step(health, BROKEN, now + 250)
    }
    expect(waits).toEqual([15, 30, 60, 60])
  })

  test('is not called down for two failed probes when clients were answered between them', () => {
    const once = probed(newHealth(0), false, 0)
    expect(probed(once, false, 1_000).state).toBe('down')
    expect(probed(served(once, 1, 0, 500), false, 1_000).state).toBe('healthy')
  })
})

describe('coming back', () => {
  const recovering = probed(probed(down(), true, 0), true, 0)

  test('takes some thirteen seconds', () => {
    expect(stepFor(recovering, GOOD, 12_000).state).toBe('recovering')
    expect(stepFor(recovering, GOOD, 14_000).state).toBe('healthy')
  })

  test('is halved and held when it turns out too much', () => {
    const half = stepFor(recovering, GOOD, 10_000)
    const relapsed = overloaded(half, half.at)
    expect(relapsed.factor).toBeCloseTo(half.factor / 2)
    expect(stepFor(relapsed, GOOD, 2_750).factor).toBe(relapsed.factor)
    expect(stepFor(relapsed, GOOD, 4_000).factor).toBeGreaterThan(relapsed.factor)
    expect(overloaded(relapsed, half.at + 100)).toBe(relapsed)
  })
})

test('goes on from a published factor', () => {
  expect(resumed(1, 0)).toMatchObject({ state: 'healthy', factor: 1 })
  expect(resumed(0.4, 0)).toMatchObject({ state: 'degraded', factor: 0.4 })
  expect(resumed(0, 0)).toMatchObject({ state: 'down', factor: DOWN_FACTOR })
})

test('says where it stands', () => {
  const trouble = 'error rate 31 % in the last seconds'
  expect(reasonOf(newHealth(0), '', 0)).toBe('healthy')
  expect(reasonOf(down(), trouble, 12_000)).toBe(`down for 12 s: ${trouble}`)
  expect(reasonOf(step(newHealth(0), scoreOf(0.2), 0), trouble, 0)).toBe(trouble)
  expect(reasonOf(step(newHealth(0), scoreOf(0.2), 0), '', 0)).toBe('well again, at 20 % and rising')
  expect(reasonOf(probed(probed(down(), true, 0), true, 0), '', 0)).toBe('answers again, at 5.0 % and rising')
})
