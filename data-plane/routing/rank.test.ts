import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { candidate } from '#test/fakes/deployment.ts'
import { diceOf } from './dice.ts'
import { rank, type RankInput, type Standing } from './rank.ts'
import type { Candidate } from './snapshot.ts'

const HEALTHY: Standing = { factor: 1, ejected: false }
const input = (seed: number, over: Partial<RankInput> = {}): RankInput => ({
  standing: () => HEALTHY,
  random: diceOf(seed),
  sticky: null,
  ...over,
})
const ejecting = (...names: readonly string[]): Partial<RankInput> => ({
  standing: ({ deployment: { provider } }) => ({ factor: 1, ejected: names.includes(provider) }),
})

function plan(candidates: readonly Candidate[], over: RankInput = input(1)): readonly string[] {
  const result = rank(candidates, over)
  return result.ok ? result.value.map(({ deployment: { provider } }) => provider) : [result.error]
}

const DRAWS = 20_000

/** Share of the plans that begin with each candidate. */
function shares(
  candidates: readonly Candidate[],
  over: Partial<RankInput> = {},
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (let seed = 0; seed < DRAWS; seed++) {
    const first = plan(candidates, input(seed * 2_654_435_761, over))[0] ?? ''
    counts.set(first, (counts.get(first) ?? 0) + 1)
  }
  return new Map([...counts].map(([name, count]) => [name, count / DRAWS]))
}

/** Four standard deviations of a share over all draws. */
const within = (share: number): number => 4 * Math.sqrt((share * (1 - share)) / DRAWS)

describe('shares of the first place', () => {
  test.each([
    [{ a: 1, b: 1 }],
    [{ a: 3, b: 1 }],
    [{ a: 1, b: 2, c: 3, d: 4 }],
    [{ a: 10, b: 0.1 }],
    [{ a: 1_000_000, b: 1_000_000 }],
    [{ a: 0.000_1, b: 0.000_3 }],
  ])('follow the weights %j', (weights) => {
    const candidates = Object.entries(weights).map(([name, weight]) => candidate(name, { weight }))
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    const seen = shares(candidates)
    for (const [name, weight] of Object.entries(weights)) {
      const share = weight / total
      expect([name, Math.abs((seen.get(name) ?? 0) - share) < within(share)]).toEqual([name, true])
    }
  })

  test('follow the weights times the prober’s factors', () => {
    const factors = new Map([
      ['a', 0.25],
      ['b', 1],
    ])
    const seen = shares([candidate('a', { weight: 4 }), candidate('b', { weight: 3 })], {
      standing: ({ deployment: { provider } }) => ({ factor: factors.get(provider) ?? 1, ejected: false }),
    })
    expect(Math.abs((seen.get('a') ?? 0) - 0.25)).toBeLessThan(within(0.25))
  })

  test('do not depend on the order in which candidates are listed', () => {
    const forwards = [
      candidate('a', { weight: 1 }),
      candidate('b', { weight: 2 }),
      candidate('c', { weight: 5 }),
    ]
    const [there, back] = [shares(forwards), shares(forwards.toReversed())]
    for (const name of ['a', 'b', 'c']) {
      expect(Math.abs((there.get(name) ?? 0) - (back.get(name) ?? 0))).toBeLessThan(0.03)
    }
  })

  test('of the second place follow the weights of who is left', () => {
    const candidates = [
      candidate('a', { weight: 6 }),
      candidate('b', { weight: 3 }),
      candidate('c', { weight: 1 }),
    ]
    let [afterA, thenB] = [0, 0]
    for (let seed = 0; seed < DRAWS; seed++) {
      const [first, second] = plan(candidates, input(seed * 2_654_435_761))
      if (first !== 'a') continue
      afterA += 1
      if (second === 'b') thenB += 1
    }
    expect(Math.abs(thenB / afterA - 0.75)).toBeLessThan(0.02)
  })
})

describe('a plan', () => {
  test('goes through the tiers in order, whatever the weights', () => {
    const candidates = [
      candidate('spare', { tier: 2, weight: 1_000 }),
      candidate('second', { tier: 1, weight: 100 }),
      candidate('first', { weight: 0.001 }),
    ]
    for (let seed = 0; seed < 200; seed++)
      expect(plan(candidates, input(seed))).toEqual(['first', 'second', 'spare'])
  })

  test('tries an ejected candidate last rather than never', () => {
    const candidates = [
      candidate('sick'),
      candidate('well', { weight: 0.001 }),
      candidate('spare', { tier: 9 }),
    ]
    for (let seed = 0; seed < 100; seed++)
      expect(plan(candidates, input(seed, ejecting('sick')))).toEqual(['well', 'spare', 'sick'])
  })

  test('of ejected candidates alone is a plan like any other', () => {
    const candidates = [candidate('a'), candidate('b')]
    const seen = shares(candidates, ejecting('a', 'b'))
    expect(Math.abs((seen.get('a') ?? 0) - 0.5)).toBeLessThan(within(0.5))
    expect(plan(candidates, input(1, ejecting('a', 'b')))).toHaveLength(2)
  })

  test('leaves out what takes nothing new', () => {
    expect(plan([candidate('draining', { weight: 0 }), candidate('a')])).toEqual(['a'])
    expect(plan([candidate('draining', { weight: 0 })])).toEqual(['all_draining'])
    expect(plan([])).toEqual(['no_candidates'])
  })

  test('begins with the session’s deployment, in its own tier only', () => {
    const [a, b, spare] = [
      candidate('a', { weight: 1_000 }),
      candidate('b', { weight: 0.001 }),
      candidate('spare', { tier: 1 }),
    ]
    for (let seed = 0; seed < 100; seed++) {
      expect(plan([a, b, spare], input(seed, { sticky: b.deployment.id }))[0]).toBe('b')
      const other = plan([a, b, spare], input(seed, { sticky: spare.deployment.id }))
      expect(other.at(-1)).toBe('spare')
    }
  })

  test('does not stick to what is ejected or draining', () => {
    const [a, b] = [candidate('a'), candidate('b')]
    expect(plan([a, b], input(1, { sticky: a.deployment.id, ...ejecting('a') }))).toEqual(['b', 'a'])
    expect(plan([{ ...a, weight: 0 }, b], input(1, { sticky: a.deployment.id }))).toEqual(['b'])
  })

  test('is the same for the same seed', () => {
    const some = fc.array(
      fc.record({ weight: fc.double({ min: 0, max: 100, noNaN: true }), tier: fc.nat(3) }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(some, fc.integer(), (list, seed) => {
        const candidates = list.map((over, at) => candidate(`p${at}`, over))
        expect(plan(candidates, input(seed))).toEqual(plan(candidates, input(seed)))
      }),
    )
  })

  test('holds everyone with a weight exactly once, healthy before ejected, lower tiers first', () => {
    const some = fc.array(
      fc.record({
        weight: fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e6, noNaN: true })),
        tier: fc.nat(3),
        ejected: fc.boolean(),
        factor: fc.double({ min: 0.001, max: 1, noNaN: true }),
      }),
      { minLength: 1, maxLength: 12 },
    )
    fc.assert(
      fc.property(some, fc.integer(), fc.nat(), (list, seed, choice) => {
        const candidates = list.map(({ weight, tier }, at) => candidate(`p${at}`, { weight, tier }))
        const standing = ({ deployment: { provider } }: Candidate): Standing =>
          list[Number(provider.slice(1))]!
        const result = rank(candidates, {
          standing,
          random: diceOf(seed),
          sticky: candidates[choice % candidates.length]!.deployment.id,
        })
        if (!result.ok) {
          expect(candidates.every(({ weight }) => weight === 0)).toBe(true)
          return
        }
        const order = result.value
        expect(new Set(order).size).toBe(order.length)
        expect(order).toHaveLength(candidates.filter(({ weight }) => weight > 0).length)
        const groups = order.map((one) => (standing(one).ejected ? Infinity : one.tier))
        expect(groups).toEqual(groups.toSorted((a, b) => (a === b ? 0 : a < b ? -1 : 1)))
      }),
      { numRuns: 1_000 },
    )
  })

  test('of the others is not changed when one of them drains', () => {
    const candidates = ['a', 'b', 'c', 'd'].map((name) => candidate(name))
    const drained = candidates.map((one) => (one.deployment.provider === 'b' ? { ...one, weight: 0 } : one))
    for (let seed = 0; seed < 200; seed++) {
      expect(plan(drained, input(seed))).toEqual(plan(candidates, input(seed)).filter((name) => name !== 'b'))
    }
  })
})
