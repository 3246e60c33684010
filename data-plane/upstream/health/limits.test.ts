import { beforeEach, describe, expect, test } from 'vitest'
import { diceOf } from '#contracts/routing/dice.ts'
import type { Deployment, Lane } from '#data-plane/routing/snapshot.ts'
import { deployment, lane } from '#test/fakes/deployment.ts'
import { FAULT, HealthRig, SSE } from '#test/fakes/health-rig.ts'
import { failure, type Failure } from '../classify.ts'
import { Health } from './health.ts'

let rig: HealthRig
beforeEach(() => {
  rig = new HealthRig()
})

const refusal = (outcome: Failure['outcome'], retryAfterMs: number | null = null): Failure => ({
  ...failure(outcome),
  scope: 'key',
  retryAfterMs,
})

describe('a credential', () => {
  test.each([
    ['throttled', null, 750],
    ['throttled', 700, 525],
    ['throttled', 30_000, 22_500],
    ['throttled', 600_000, 45_000],
    ['throttled', 0, 0],
    ['unauthorised', null, 60_000],
    ['unauthorised', 1_000, 60_000],
    ['exhausted', null, 300_000],
    ['exhausted', 10_000, 300_000],
  ] as const)('that is %s with Retry-After %s ms rests for %i ms', (outcome, retryAfterMs, ms) => {
    const target = deployment('a', { lanes: [lane('k')] })
    rig.fail(target, refusal(outcome, retryAfterMs))
    const now = rig.clock.monotonic()
    const rests = (at: number): boolean => rig.health.pickLane(target, new Set(), now + at, {}) === null
    expect([rests(0), rests(Math.max(0, ms - 1)), rests(ms)]).toEqual([ms > 0, ms > 0, false])
    expect(rig.outMs(target)).toBe(ms)
  })

  test('that is throttled again and again without a word rests longer each time', () => {
    const target = deployment('a', { lanes: [lane('k')] })
    const rests = Array.from({ length: 5 }, () => {
      rig.fail(target, refusal('throttled'))
      const ms = rig.outMs(target)
      rig.clock.advance(ms)
      return ms
    })
    expect(rests).toEqual([750, 1_500, 3_000, 6_000, 6_000])
    rig.answer(target)
    rig.fail(target, refusal('throttled'))
    expect(rig.outMs(target)).toBe(750)
  })

  test('whose headers show something left does not rest for long', () => {
    const target = deployment('a', { lanes: [lane('k')] })
    const limits = {
      limitRequests: null,
      remainingRequests: null,
      resetRequestsMs: null,
      limitTokens: 10_000,
      remainingTokens: 500,
      resetTokensMs: null,
    }
    rig.health.end(rig.begin(target), refusal('throttled', 60_000), limits, rig.clock.monotonic())
    expect(rig.outMs(target)).toBe(3_750)
  })

  test('that was refused, or has no quota left, is told of at once; one that is throttled is not', () => {
    const target = deployment('a', { lanes: [lane('k')] })
    for (const outcome of ['unauthorised', 'exhausted', 'throttled'] as const)
      rig.fail(target, refusal(outcome))
    expect(rig.edges).toEqual([
      { kind: 'credential_refused', provider: 'a', credential: 'k', model: 'm' },
      { kind: 'quota_gone', provider: 'a', credential: 'k', model: 'm' },
    ])
    expect(rig.standing(target).out).toBe('keys')
  })

  test('is up again after a success, but not after that of a request from before', () => {
    const target = deployment('a', { lanes: [lane('k')] })
    const before = rig.begin(target)
    rig.clock.advance(100)
    rig.fail(target, refusal('throttled', 30_000))
    rig.clock.advance(100)
    rig.end(before, null)
    expect(rig.standing(target).out).toBe('throttled')
    rig.answer(target)
    expect(rig.standing(target).out).toBeNull()
  })

  test('is chosen among those that do not rest and were not tried', () => {
    const lanes = [lane('k1'), lane('k2'), lane('k3')]
    const target = deployment('a', { lanes })
    const now = rig.clock.monotonic()
    rig.fail(target, refusal('throttled', 5_000))
    expect(rig.standing(target).out).toBeNull()
    const pick = (tried: readonly Lane[], lastResort: boolean): Lane | null =>
      rig.health.pickLane(target, new Set(tried), now, { lastResort })
    for (rig.draw = 0; rig.draw < 1; rig.draw += 0.1) expect(lanes.slice(1)).toContain(pick([], true))
    expect(pick([lanes[1]!], true)).toBe(lanes[2])
    // What was tried in vain is not tried again, and what rests only as a last resort.
    expect(pick(lanes.slice(1), false)).toBeNull()
    expect(pick(lanes.slice(1), true)).toBe(lanes[0])
    expect(pick(lanes, true)).toBeNull()
  })

  test('is kept by a session, and the same without a memory of it', () => {
    const lanes = ['k1', 'k2', 'k3'].map((name) => lane(name))
    const target = deployment('a', { lanes })
    const of = (wish: { session: string; bound?: string }): string | null =>
      rig.health.pickLane(target, new Set(), rig.clock.monotonic(), wish)?.credential ?? null
    expect(of({ session: 's', bound: 'k2' })).toBe('k2')
    const names = Array.from({ length: 50 }, (_name, at) => `s-${at}`)
    const [once, again] = [names.map((session) => of({ session })), names.map((session) => of({ session }))]
    expect(once).toEqual(again)
    expect(new Set(once).size).toBe(3)
    rig.fail({ ...target, lanes: [lanes[1]!] }, refusal('throttled', 5_000))
    expect(of({ session: 's', bound: 'k2' })).not.toBe('k2')
  })

  test('is chosen in proportion to its weight', () => {
    const lanes = [lane('k1', 1), lane('k2', 3), lane('k3', 6)]
    const target = deployment('a', { lanes })
    const fair = new Health({ factors: rig.factors, random: diceOf(7), onEdge: () => undefined })
    const counts = new Map<Lane | null, number>()
    for (let time = 0; time < 20_000; time++) {
      const choice = fair.pickLane(target, new Set(), 0, {})
      counts.set(choice, (counts.get(choice) ?? 0) + 1)
    }
    for (const [at, share] of [0.1, 0.3, 0.6].entries()) {
      // Four standard deviations.
      const error = 4 * Math.sqrt((share * (1 - share)) / 20_000)
      expect(Math.abs((counts.get(lanes[at]!) ?? 0) / 20_000 - share)).toBeLessThan(error)
    }
  })
})

describe('limits', () => {
  const headers = (limit: number | null, remaining: number | null) => ({
    limitRequests: limit,
    remainingRequests: remaining,
    resetRequestsMs: null,
    limitTokens: null,
    remainingTokens: null,
    resetTokensMs: null,
  })

  test('of all credentials together are what a deployment may be asked', () => {
    const lanes = [lane('k1'), lane('k2')]
    const target = deployment('a', { lanes })
    expect(rig.standing(target).allowed).toBe(Infinity)
    for (const one of lanes) {
      const ticket = rig.health.begin(target, one, SSE, 'cold', rig.clock.monotonic())
      rig.health.end(ticket, null, headers(600, 18), rig.clock.monotonic())
    }
    expect(rig.standing(target).allowed).toBeCloseTo(2 * 9.7)
    rig.clock.advance(20_001)
    expect(rig.standing(target).allowed).toBe(Infinity)
  })

  test('by tokens count by what requests are long', () => {
    const target = deployment('a')
    for (let time = 0; time < 10; time++) rig.health.arrived({ mode: 'sse', size: 2 }, rig.clock.monotonic())
    const tokens = { ...headers(null, null), limitTokens: 120_000, remainingTokens: 0 }
    rig.health.end(rig.begin(target), null, tokens, rig.clock.monotonic())
    expect(rig.standing(target).allowed).toBeCloseTo((0.97 * 2_000) / 2_000)
  })

  test('learned by the fleet count where no header says anything', () => {
    const target = deployment('a', { slot: rig.slots.of('a/m') })
    rig.tell({ cap: 4 })
    expect(rig.standing(target)).toMatchObject({ allowed: 4, rate: 10 })
  })
})

describe('what the operator allows', () => {
  const taken = (target: Deployment, tries: number): number => {
    let count = 0
    for (let time = 0; time < tries; time++)
      if (rig.health.takePace(target, rig.clock.monotonic())) count += 1
    return count
  }

  test('is free without a limit', () => {
    expect(taken(deployment('a'), 10_000)).toBe(10_000)
  })

  test('is one second’s worth at once, then as much as time brings', () => {
    const target = deployment('a', { maxQps: 10 })
    expect(taken(target, 100)).toBe(10)
    expect(rig.standing(target).out).toBe('pace')
    rig.clock.advance(500)
    expect(rig.standing(target).out).toBeNull()
    expect(taken(target, 100)).toBe(5)
    rig.clock.advance(60_000)
    expect(taken(target, 100)).toBe(10)
  })

  test('below one request a second still lets one through, and then waits', () => {
    const target = deployment('a', { maxQps: 0.5 })
    expect(taken(target, 10)).toBe(1)
    rig.clock.advance(1_900)
    expect(taken(target, 10)).toBe(0)
    rig.clock.advance(200)
    expect(taken(target, 10)).toBe(1)
  })

  test('is this node’s share of the fleet’s, also after the fleet has grown', () => {
    const target = deployment('a', { maxQps: 100 })
    rig.health.setNodes(4)
    expect(taken(target, 100)).toBe(25)
    rig.health.setNodes(20)
    rig.clock.advance(1_000)
    expect(taken(target, 100)).toBe(5)
    rig.health.setNodes(0) // nobody was heard of: then there is us
    rig.clock.advance(1_000)
    expect(taken(target, 200)).toBe(100)
  })

  test('is of a provider: all of its models take from it', () => {
    const one = deployment('a', { maxQps: 3, providerSlot: 1, model: 'x' })
    const other = deployment('a', { maxQps: 3, providerSlot: 1, model: 'y' })
    expect([taken(one, 2), taken(other, 5)]).toEqual([2, 1])
  })

  test('at once is kept: no more begin than may, and each that ends makes room', () => {
    const [one, other] = ['x', 'y'].map((model) =>
      deployment('a', { maxConcurrency: 8, providerSlot: 1, model }),
    ) as [Deployment, Deployment]
    rig.health.setNodes(3)
    const first = rig.begin(one)
    expect(rig.standing(other).out).toBeNull()
    rig.begin(other)
    expect([rig.standing(one).out, rig.standing(other).out]).toEqual(['full', 'full'])
    rig.end(first, FAULT)
    expect(rig.standing(other).out).toBeNull()
  })

  test('over an hour of requests that come as they like is never more than the limit and one burst', () => {
    const target = deployment('a', { maxQps: 7 })
    const dice = diceOf(3)
    let count = 0
    for (let second = 0; second < 3_600; second += 0.05) {
      rig.clock.advance(50)
      count += taken(target, Math.floor(dice() * 3))
    }
    expect(count).toBeLessThanOrEqual(3_600 * 7 + 7)
    expect(count).toBeGreaterThan(3_600 * 7 * 0.98)
  })
})
