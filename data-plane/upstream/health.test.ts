import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import type { TelemetryEdge } from '#contracts/telemetry/report.ts'
import { diceOf } from '#data-plane/routing/dice.ts'
import type { Deployment, Lane } from '#data-plane/routing/snapshot.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import { failure, type Failure } from './classify.ts'
import { Health } from './health.ts'

let clock: ManualClock
let edges: TelemetryEdge[]
let health: Health
/** In the middle: an ejection lasts as long as its base says. */
let draw: number
const FAULT = failure('fault')
const refusal = (outcome: Failure['outcome'], retryAfterMs: number | null = null): Failure => ({
  ...failure(outcome),
  scope: 'key',
  retryAfterMs,
})

beforeEach(() => {
  clock = new ManualClock()
  edges = []
  draw = 0.5
  health = new Health(
    () => draw,
    (edge) => void edges.push(edge),
  )
})

const only = (target: Deployment): Lane => target.lanes[0]!
const fail = (target: Deployment, why: Failure = FAULT, times = 1): void => {
  for (let time = 0; time < times; time++) health.failed(target, only(target), why, clock.monotonic())
}
const succeed = (target: Deployment, startedAt = clock.monotonic()): void =>
  health.succeeded(target, only(target), startedAt)
const isEjected = (target: Deployment): boolean => health.isEjected(target, clock.monotonic())

/** How long it is put aside from now, in milliseconds. */
function asideMs(target: Deployment): number {
  const start = clock.monotonic()
  let ms = 0
  while (health.isEjected(target, start + ms)) ms += 1
  return ms
}

describe('ejection', () => {
  test.each(['fault', 'timeout', 'cut', 'overloaded'] as const)(
    'begins with the fifth %s in a row',
    (outcome) => {
      const target = deployment('a')
      fail(target, failure(outcome), 4)
      expect(isEjected(target)).toBe(false)
      fail(target, failure(outcome))
      expect(isEjected(target)).toBe(true)
      expect(edges).toEqual([{ kind: 'ejected', provider: 'a', model: 'm' }])
    },
  )

  test('is not earned by what the client did, nor by a missing model', () => {
    const target = deployment('a')
    for (const outcome of ['invalid', 'cancelled', 'missing'] as const) fail(target, failure(outcome), 100)
    expect(isEjected(target)).toBe(false)
    expect(edges).toEqual([])
  })

  test('takes faults in a row: a success in between begins anew', () => {
    const target = deployment('a')
    for (let round = 0; round < 10; round++) {
      fail(target, FAULT, 4)
      succeed(target)
    }
    expect(isEjected(target)).toBe(false)
    expect(edges).toEqual([])
  })

  test('lasts 2 s, then twice as long each time, 15 s at most', () => {
    const target = deployment('a')
    fail(target, FAULT, 5)
    const lengths = [asideMs(target)]
    for (let time = 0; time < 5; time++) {
      clock.advance(asideMs(target))
      // One fault is enough: the request let through was the trial.
      fail(target)
      lengths.push(asideMs(target))
    }
    expect(lengths).toEqual([2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
    expect(edges.filter(({ kind }) => kind === 'ejected')).toHaveLength(6)
  })

  test('lasts half as long to half as long again, by dice, so that nodes do not return together', () => {
    for (const [dice, ms] of [
      [0, 1_000],
      [0.999, 2_998],
    ] as const) {
      const target = deployment('a')
      draw = dice
      fail(target, FAULT, 5)
      expect(asideMs(target)).toBe(ms)
    }
  })

  test('is not made longer by requests that were under way', () => {
    const target = deployment('a')
    fail(target, FAULT, 5)
    fail(target, FAULT, 50)
    expect(asideMs(target)).toBe(2_000)
    expect(edges).toHaveLength(1)
  })

  test('is forgotten with the first success', () => {
    const target = deployment('a')
    fail(target, FAULT, 5)
    clock.advance(2_000)
    succeed(target)
    expect(edges.at(-1)).toEqual({ kind: 'restored', provider: 'a', model: 'm' })
    fail(target, FAULT, 4)
    expect(isEjected(target)).toBe(false)
    fail(target)
    expect(asideMs(target)).toBe(2_000)
  })

  test('is not ended by the success of a request that was under way when it began', () => {
    const target = deployment('a')
    const before = clock.monotonic()
    clock.advance(100)
    fail(target, FAULT, 5)
    clock.advance(100)
    succeed(target, before)
    expect(isEjected(target)).toBe(true)
    // One sent as a last resort is evidence.
    succeed(target)
    expect(isEjected(target)).toBe(false)
  })

  test('is of one deployment: others of the provider stay', () => {
    const [one, other] = [deployment('a', { model: 'x' }), deployment('a', { model: 'y' })]
    fail(one, FAULT, 5)
    expect([isEjected(one), isEjected(other)]).toEqual([true, false])
  })
})

describe('a credential', () => {
  test.each([
    ['throttled', null, 5_000],
    ['throttled', 700, 700],
    ['throttled', 30_000, 30_000],
    ['throttled', 600_000, 60_000],
    ['throttled', 0, 0],
    ['unauthorised', null, 60_000],
    ['unauthorised', 1_000, 60_000],
    ['exhausted', null, 300_000],
    ['exhausted', 10_000, 300_000],
  ] as const)('that is %s with Retry-After %s ms rests for %i ms', (outcome, retryAfterMs, ms) => {
    const target = deployment('a', { lanes: [lane('k')] })
    fail(target, refusal(outcome, retryAfterMs))
    const now = clock.monotonic()
    const rests = (at: number): boolean => health.pickLane(target, new Set(), now + at, false) === null
    expect([rests(0), rests(Math.max(0, ms - 1)), rests(ms)]).toEqual([ms > 0, ms > 0, false])
    // A provider all of whose credentials rest comes last.
    expect(health.isEjected(target, now + Math.max(0, ms - 1))).toBe(ms > 0)
    expect(health.isEjected(target, now + ms)).toBe(false)
  })

  test('that was refused, or has no quota left, is told of at once; one that is throttled is not', () => {
    const target = deployment('a', { lanes: [lane('k')] })
    for (const outcome of ['unauthorised', 'exhausted', 'throttled'] as const) fail(target, refusal(outcome))
    expect(edges).toEqual([
      { kind: 'credential_refused', provider: 'a', credential: 'k', model: 'm' },
      { kind: 'quota_gone', provider: 'a', credential: 'k', model: 'm' },
    ])
  })

  test('that there is none of is not told of', () => {
    fail(deployment('a'), refusal('unauthorised'))
    expect(edges).toEqual([])
  })

  test('is up again after a success, but not after that of a request from before', () => {
    const target = deployment('a', { lanes: [lane('k')] })
    const before = clock.monotonic()
    clock.advance(100)
    fail(target, refusal('throttled', 30_000))
    clock.advance(100)
    succeed(target, before)
    expect(isEjected(target)).toBe(true)
    succeed(target)
    expect(isEjected(target)).toBe(false)
  })

  test('is chosen among those that do not rest and were not tried', () => {
    const lanes = [lane('k1'), lane('k2'), lane('k3')]
    const target = deployment('a', { lanes })
    const now = clock.monotonic()
    health.failed(target, lanes[0]!, refusal('throttled'), now)
    expect(isEjected(target)).toBe(false)
    for (draw = 0; draw < 1; draw += 0.1)
      expect(lanes.slice(1)).toContain(health.pickLane(target, new Set(), now, true))
    expect(health.pickLane(target, new Set([lanes[1]!]), now, true)).toBe(lanes[2])
    // What was tried in vain is not tried again, and what rests only as a last resort.
    expect(health.pickLane(target, new Set(lanes.slice(1)), now, false)).toBeNull()
    expect(health.pickLane(target, new Set(lanes.slice(1)), now, true)).toBe(lanes[0])
    expect(health.pickLane(target, new Set(lanes), now, true)).toBeNull()
  })

  test('alone is taken as a last resort though it rests, and never twice', () => {
    const target = deployment('a', { lanes: [lane('k')] })
    fail(target, refusal('exhausted'))
    const now = clock.monotonic()
    expect(health.pickLane(target, new Set(), now, true)).toBe(only(target))
    expect(health.pickLane(target, new Set(), now, false)).toBeNull()
    expect(health.pickLane(target, new Set(target.lanes), now, true)).toBeNull()
  })

  test('is chosen in proportion to its weight', () => {
    const lanes = [lane('k1', 1), lane('k2', 3), lane('k3', 6)]
    const target = deployment('a', { lanes })
    const fair = new Health(diceOf(7), () => undefined)
    const counts = new Map<Lane | null, number>()
    for (let time = 0; time < 20_000; time++) {
      const choice = fair.pickLane(target, new Set(), 0, true)
      counts.set(choice, (counts.get(choice) ?? 0) + 1)
    }
    for (const [at, share] of [0.1, 0.3, 0.6].entries()) {
      // Four standard deviations.
      const error = 4 * Math.sqrt((share * (1 - share)) / 20_000)
      expect(Math.abs((counts.get(lanes[at]!) ?? 0) / 20_000 - share)).toBeLessThan(error)
    }
  })

  test('has a place however late it is seen', () => {
    const target = deployment('a', { lanes: [{ ...lane('k'), slot: 100_000 }] })
    expect(isEjected(target)).toBe(false)
    succeed(target)
    fail(target, refusal('throttled'))
    expect(isEjected(target)).toBe(true)
  })
})

describe('pace', () => {
  const taken = (target: Deployment, tries: number): number => {
    let count = 0
    for (let time = 0; time < tries; time++) if (health.takePace(target, clock.monotonic())) count += 1
    return count
  }

  test('is free without a limit', () => {
    expect(taken(deployment('a'), 10_000)).toBe(10_000)
  })

  test('allows one second’s worth at once, then as much as time brings', () => {
    const target = deployment('a', { maxQps: 10 })
    expect(taken(target, 100)).toBe(10)
    clock.advance(500)
    expect(taken(target, 100)).toBe(5)
    clock.advance(60_000)
    expect(taken(target, 100)).toBe(10)
  })

  test('below one request a second still lets one through, and then waits', () => {
    const target = deployment('a', { maxQps: 0.5 })
    expect(taken(target, 10)).toBe(1)
    clock.advance(1_900)
    expect(taken(target, 10)).toBe(0)
    clock.advance(200)
    expect(taken(target, 10)).toBe(1)
  })

  test('is this node’s share of the fleet’s, also after the fleet has grown', () => {
    const target = deployment('a', { maxQps: 100 })
    health.setNodes(4)
    expect(taken(target, 100)).toBe(25)
    health.setNodes(20)
    clock.advance(1_000)
    expect(taken(target, 100)).toBe(5)
    health.setNodes(0) // nobody was heard of: then there is us
    clock.advance(1_000)
    expect(taken(target, 200)).toBe(100)
  })

  test('is of a provider: all of its models take from it', () => {
    const one = deployment('a', { maxQps: 3, providerSlot: 1, model: 'x' })
    const other = deployment('a', { maxQps: 3, providerSlot: 1, model: 'y' })
    expect([taken(one, 2), taken(other, 5)]).toEqual([2, 1])
  })

  test('over an hour of requests that come as they like is never more than the limit and one burst', () => {
    const target = deployment('a', { maxQps: 7 })
    const dice = diceOf(3)
    let count = 0
    for (let second = 0; second < 3_600; second += 0.05) {
      clock.advance(50)
      count += taken(target, Math.floor(dice() * 3))
    }
    expect(count).toBeLessThanOrEqual(3_600 * 7 + 7)
    expect(count).toBeGreaterThan(3_600 * 7 * 0.98)
  })
})
