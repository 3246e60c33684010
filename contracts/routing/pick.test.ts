import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { candidate } from '#test/fakes/deployment.ts'
import { diceOf } from './dice.ts'
import { STRATEGIES } from './strategies.ts'
import { pick, type Pick, type PickInput } from './pick.ts'
import type { Preference } from './session.ts'
import { SOUND, type Out, type Standing } from './standing.ts'

type Candidate = ReturnType<typeof candidate>
type Place = Candidate['deployment']

const DRAWS = 20_000
/** Four standard deviations of a share over all draws. */
const within = (share: number): number => 4 * Math.sqrt((share * (1 - share)) / DRAWS)

/** Standings by provider; who is not named is sound. */
type Standings = Readonly<Record<string, Partial<Standing>>>

const input = (
  seed: number,
  standings: Standings = {},
  over: Partial<PickInput<Place>> = {},
): PickInput<Place> => ({
  standing: ({ deployment: { provider } }) => ({ ...SOUND, ...standings[provider] }),
  futility: () => 0,
  dice: diceOf(seed),
  session: null,
  taste: STRATEGIES.balanced,
  region: null,
  ...over,
})

const session = (over: Partial<Preference> = {}): Preference => ({
  session: 's-1',
  bound: null,
  home: null,
  isRequired: false,
  ...over,
})

const nameOf = (picked: Pick<Place>): string =>
  picked.kind === 'chosen' ? picked.chosen.candidate.deployment.provider : picked.why

const picked = (candidates: readonly Candidate[], given: PickInput<Place>): string =>
  nameOf(pick(candidates, given))

function shares(
  candidates: readonly Candidate[],
  standings: Standings = {},
  over: Partial<PickInput<Place>> = {},
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (let seed = 0; seed < DRAWS; seed++) {
    const name = picked(candidates, input(seed * 2_654_435_761, standings, over))
    counts.set(name, (counts.get(name) ?? 0) + 1 / DRAWS)
  }
  return counts
}

function expectShares(seen: ReadonlyMap<string, number>, wanted: Readonly<Record<string, number>>): void {
  for (const [name, share] of Object.entries(wanted)) {
    const off = Math.abs((seen.get(name) ?? 0) - share)
    expect([name, seen.get(name) ?? 0, off <= Math.max(within(share), 1e-9)]).toEqual([
      name,
      seen.get(name) ?? 0,
      true,
    ])
  }
}

const weighed = (weights: Readonly<Record<string, number>>): Candidate[] =>
  Object.entries(weights).map(([name, weight]) => candidate(name, { weight }))

describe('shares', () => {
  test.each([
    [{ a: 1, b: 1 }],
    [{ a: 1, b: 2, c: 3, d: 4 }],
    [{ a: 9.9, b: 0.1 }],
    [{ a: 1_000_000, b: 1_000_000 }],
    [{ a: 0.000_1, b: 0.000_3 }],
  ])('follow the weights %j', (weights) => {
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0)
    const wanted = Object.entries(weights).map(([name, weight]) => [name, weight / total] as const)
    expectShares(shares(weighed(weights)), Object.fromEntries(wanted))
  })

  test('follow the lower of what the fleet and this node think, not both', () => {
    const seen = shares(weighed({ a: 4, b: 3 }), { a: { fleet: 0.25, local: 0.5 } })
    expectShares(seen, { a: 0.25, b: 0.75 })
  })

  test('are the operator’s own where the strategy is weights', () => {
    const taste = { kind: 'weights', gammaLatency: 0, gammaCost: 0 } as const
    expectShares(shares(weighed({ a: 1, b: 1 }), { a: { local: 0.1 } }, { taste }), { a: 0.5 })
  })

  test('are bent towards speed and price where the strategy says so', () => {
    const slow = { a: { expectedMs: 2_000 }, b: { expectedMs: 1_000 } }
    const latency = { kind: 'latency', gammaLatency: 2, gammaCost: 0 } as const
    expectShares(shares(weighed({ a: 1, b: 1 }), slow, { taste: latency }), { a: 0.2, b: 0.8 })
    const cost = { kind: 'cost', gammaLatency: 0, gammaCost: 2 } as const
    const priced = ['a', 'b'].map((name, at) => {
      const one = candidate(name)
      return { ...one, deployment: { ...one.deployment, cost: { input: 1 + at, output: 1 + at } } }
    })
    const seen = shares(priced, {}, { taste: cost })
    expect(seen.get('a')).toBeGreaterThan(0.78)
    expect(seen.get('a')).toBeLessThan(0.82)
  })

  test('stay within what limits leave; the others take the rest by their weights', () => {
    const rate = { rate: 25 }
    const seen = shares(weighed({ a: 50, b: 30, c: 15, d: 5 }), {
      a: { ...rate, allowed: 20 },
      b: rate,
      c: rate,
      d: rate,
    })
    expectShares(seen, { a: 0.2, b: 0.48, c: 0.24, d: 0.08 })
  })

  test('keep their proportions when everybody is at the limit', () => {
    const limited = { rate: 50, allowed: 10 }
    expectShares(shares(weighed({ a: 3, b: 1 }), { a: limited, b: limited }), { a: 0.75, b: 0.25 })
  })

  test('do not depend on the order in which candidates are listed', () => {
    const candidates = weighed({ a: 1, b: 2, c: 5 })
    const [there, back] = [shares(candidates), shares(candidates.toReversed())]
    for (const name of ['a', 'b', 'c'])
      expect(Math.abs((there.get(name) ?? 0) - (back.get(name) ?? 0))).toBeLessThan(0.03)
  })
})

describe('tiers', () => {
  const tiered = [
    candidate('first', { weight: 0.001 }),
    candidate('second', { tier: 1, weight: 100 }),
    candidate('spare', { tier: 2, weight: 1_000 }),
  ]

  test('come in order, whatever the weights', () => {
    const out = (...names: readonly string[]): Standings =>
      Object.fromEntries(names.map((name) => [name, { out: 'open' as const }]))
    for (let seed = 0; seed < 100; seed++) {
      expect(picked(tiered, input(seed))).toBe('first')
      expect(picked(tiered, input(seed, out('first')))).toBe('second')
      expect(picked(tiered, input(seed, out('first', 'second')))).toBe('spare')
    }
  })

  test('hand on what is missing once they have lost more than two sevenths of their health', () => {
    expectShares(shares(tiered, { first: { fleet: 0.72 } }), { first: 1 })
    expectShares(shares(tiered, { first: { fleet: 0.5 } }), { first: 0.7, second: 0.3 })
  })

  test('are the same for a session at every turn', () => {
    for (const name of ['s-1', 's-2', 's-3', 's-4']) {
      const seen = shares(tiered, { first: { fleet: 0.5 } }, { session: session({ session: name }) })
      expect([...seen.values()].map(Math.round)).toEqual([1])
    }
  })
})

describe('a region', () => {
  const placed = (name: string, region: string | null, over: Partial<Candidate> = {}): Candidate => {
    const one = candidate(name, over)
    return { ...one, deployment: { ...one.deployment, region } }
  }
  const all = [
    placed('here', 'eu'),
    placed('there', 'us', { weight: 1_000 }),
    placed('nowhere', null, { weight: 1_000 }),
    placed('spare', 'eu', { tier: 1 }),
  ]
  const inEurope = { region: 'eu' }

  test('is preferred within its tier, not across tiers', () => {
    expectShares(shares(all, {}, inEurope), { here: 1 })
    const gone = shares(all, { here: { out: 'open' } }, inEurope)
    expectShares(gone, { there: 0.5, nowhere: 0.5 })
  })

  test('hands on what is missing like a tier does', () => {
    expectShares(shares(all, { here: { fleet: 0.5 } }, inEurope), { here: 0.7, there: 0.15, nowhere: 0.15 })
  })

  test('that nobody prefers makes no difference', () => {
    expect(shares(all).get('here')).toBeLessThan(0.01)
  })
})

describe('nobody eligible', () => {
  const [a, b] = [candidate('a'), candidate('b')]

  test.each<Out>(['down', 'open', 'trial', 'keys', 'missing'])(
    'because of %s is doubted: all are asked by weight',
    (out) => {
      expectShares(shares([a, { ...b, weight: 3 }], { a: { out }, b: { out } }), { a: 0.25, b: 0.75 })
    },
  )

  test('is doubted less, the less is accepted', () => {
    const standings: Standings = { a: { out: 'open' } }
    expectShares(shares([a], standings, { futility: () => 0.9 }), { a: 0.1, shed: 0.9 })
  })

  test.each<Out>(['throttled', 'full', 'pace'])('because of %s is kept: nobody is asked', (out) => {
    const refused = pick([a, b], input(1, { a: { out, waitMs: 900 }, b: { out, waitMs: 400 } }))
    expect(refused).toMatchObject({ kind: 'refused', why: 'limited', waitMs: 400 })
  })

  test('with all of them full is told at once', () => {
    expect(picked([a, b], input(1, { a: { isFull: true }, b: { isFull: true } }))).toBe('busy')
    expect(picked([a, b], input(1, { a: { isFull: true }, b: { fleet: 0.1 } }))).toMatch(/^[ab]$/)
  })

  test('because all drain or were tried is told as such', () => {
    expect(picked([{ ...a, weight: 0 }], input(1))).toBe('draining')
    expect(picked([a, b], input(1, { a: { out: 'tried' }, b: { out: 'tried' } }))).toBe('none')
    expect(picked([], input(1))).toBe('none')
  })
})

describe('a session', () => {
  const [a, b, c] = [candidate('a'), candidate('b'), candidate('c')]
  const all = [a, b, c]
  const from = (one: Candidate, over: Partial<Preference> = {}): Partial<PickInput<Place>> => ({
    session: session({ bound: one.deployment.id, ...over }),
  })

  test('stays where it was, whatever the dice', () => {
    for (let seed = 0; seed < 50; seed++) expect(picked(all, input(seed, {}, from(b)))).toBe('b')
    expect(pick(all, input(1, {}, from(b)))).toMatchObject({ why: 'sticky', preferred: 'b/m' })
  })

  test('stays above three tenths of the factor, and leaves below', () => {
    expect(picked(all, input(1, { b: { fleet: 0.31 } }, from(b)))).toBe('b')
    expect(picked(all, input(1, { b: { fleet: 0.29 } }, from(b)))).not.toBe('b')
  })

  test('that must leave goes to the same other one each time, but for the few who try', () => {
    const seen = shares(all, { b: { fleet: 0.1 } }, from(b))
    const tries = 0.1 / 2.1
    expectShares(seen, { b: tries })
    expect(Math.max(seen.get('a') ?? 0, seen.get('c') ?? 0)).toBeCloseTo(1 - tries, 1)
  })

  test('goes home once that is well again, and not before', () => {
    const away = from(b, { home: a.deployment.id })
    expect(picked(all, input(1, { a: { fleet: 0.85 } }, away))).toBe('b')
    expect(picked(all, input(1, { a: { fleet: 0.95 } }, away))).toBe('a')
  })

  test('that nobody remembers is where hashing on the operator’s weights says, sick or not', () => {
    const names = Array.from({ length: 300 }, (_name, at) => `session-${at}`)
    const where = (standings: Standings) =>
      names.map((name) => picked(all, input(1, standings, { session: session({ session: name }) })))
    expect(where({ a: { fleet: 0.4 } })).toEqual(where({}))
  })

  test('beyond a limit goes elsewhere: always the same sessions', () => {
    const limited: Standings = { a: { rate: 30, allowed: 10 }, b: { rate: 30 }, c: { rate: 30 } }
    const names = Array.from({ length: 2_000 }, (_name, at) => `session-${at}`)
    const where = (seed: number) =>
      names.map((name) =>
        picked(all, input(seed, limited, { session: session({ session: name, bound: 'a/m' }) })),
      )
    expect(where(1)).toEqual(where(2))
    const kept = where(1).filter((name) => name === 'a').length / names.length
    expect(kept).toBeGreaterThan(0.28)
    expect(kept).toBeLessThan(0.39)
  })

  test('that is required is served there or not at all', () => {
    const required = from(b, { isRequired: true })
    expect(picked(all, input(1, { b: { out: 'open' } }, required))).toBe('b')
    expect(picked(all, input(1, { b: { out: 'throttled' } }, required))).toBe('required')
    expect(picked([a, c], input(1, {}, required))).toBe('required')
  })
})

describe('any choice', () => {
  const standing = fc.record({
    out: fc.option(
      fc.constantFrom<Out>('tried', 'down', 'open', 'trial', 'throttled', 'keys', 'missing', 'full', 'pace'),
      { freq: 2 },
    ),
    fleet: fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1, noNaN: true })),
    local: fc.double({ min: 0.001, max: 1, noNaN: true }),
    isTrial: fc.boolean(),
    isFull: fc.boolean(),
    expectedMs: fc.option(fc.double({ min: 10, max: 1e5, noNaN: true })),
    rate: fc.double({ min: 0, max: 1e4, noNaN: true }),
    allowed: fc.oneof(fc.constant(Infinity), fc.double({ min: 0, max: 1e4, noNaN: true })),
    waitMs: fc.option(fc.double({ min: 0, max: 1e5, noNaN: true })),
  })
  const list = fc.array(
    fc.record({
      weight: fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e6, noNaN: true })),
      tier: fc.nat(3),
      standing,
    }),
    { maxLength: 12 },
  )
  const gamma = fc.double({ min: 0, max: 4, noNaN: true })
  const taste = fc.record({
    kind: fc.constantFrom('balanced', 'latency', 'cost', 'weights'),
    gammaLatency: gamma,
    gammaCost: gamma,
  })
  const home = fc.option(fc.nat(11).map((at) => `p${at}/m`))
  const anySession = fc.option(
    fc.record({ session: fc.string({ maxLength: 20 }), bound: home, home, isRequired: fc.constant(false) }),
  )
  const anyInput = (
    of: Readonly<{ standing: Standing }>[],
    seed: number,
    over: Partial<PickInput<Place>>,
  ): PickInput<Place> => ({
    ...input(seed),
    standing: ({ deployment: { provider } }) => of[Number(provider.slice(1))]!.standing,
    ...over,
  })

  test('is the same for the same seed and standings', () => {
    fc.assert(
      fc.property(list, taste, anySession, fc.integer(), (all, liking, who, seed) => {
        const candidates = all.map(({ weight, tier }, at) => candidate(`p${at}`, { weight, tier }))
        const once = pick(candidates, anyInput(all, seed, { taste: liking, session: who }))
        expect(pick(candidates, anyInput(all, seed, { taste: liking, session: who }))).toEqual(once)
      }),
      { numRuns: 300 },
    )
  })

  test('is of somebody eligible, while there is one, and shares sum up to 1', () => {
    fc.assert(
      fc.property(list, taste, anySession, fc.integer(), (all, liking, who, seed) => {
        const candidates = all.map(({ weight, tier }, at) => candidate(`p${at}`, { weight, tier }))
        const result = pick(candidates, anyInput(all, seed, { taste: liking, session: who }))
        const eligible = result.scored.filter(({ factor }) => factor > 0)
        if (eligible.some(({ standing: { isFull } }) => !isFull)) {
          expect(result.kind).toBe('chosen')
          if (result.kind !== 'chosen') return
          expect(result.chosen.factor).toBeGreaterThan(0)
          const tiers = result.scored.filter(({ share }) => share > 0).map(({ tier }) => tier)
          expect(new Set(tiers).size).toBe(1)
          if (result.why !== 'panic' && all.every((one) => one.standing.allowed === Infinity))
            expect(result.scored.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6)
        } else if (eligible.length > 0) expect(nameOf(result)).toBe('busy')
        else if (result.kind === 'chosen') {
          // Never empty-handed while somebody is enabled whom no limit and no refusal of his own keeps out.
          expect(result.why).toBe('panic')
          expect(result.chosen.candidate.weight).toBeGreaterThan(0)
        } else {
          const worth = result.scored.filter(
            ({ candidate: { weight }, standing: { out, isFull } }) =>
              weight > 0 && !isFull && ['down', 'open', 'trial', 'keys', 'missing', null].includes(out),
          )
          expect(worth).toEqual([])
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
