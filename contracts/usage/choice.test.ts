import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deploymentId, providerId } from '../ids.ts'
import { diceOf } from '../routing/dice.ts'
import { pick, type Pick } from '../routing/pick.ts'
import type { Preference } from '../routing/session.ts'
import { SOUND, type Candidate, type Standing } from '../routing/standing.ts'
import { STRATEGIES } from '../routing/strategies.ts'
import { recordChoice, standingsOf, type RecordedChoice } from './choice.ts'

const share = fc.double({ min: 0.001, max: 1, noNaN: true })
const often = <Value>(usual: Value, other: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  fc.oneof({ arbitrary: fc.constant(usual), weight: 3 }, { arbitrary: other, weight: 1 })

const standing: fc.Arbitrary<Standing> = fc.record({
  out: often<Standing['out']>(null, fc.constantFrom('tried', 'open', 'trial', 'throttled', 'down', 'full')),
  fleet: often(1, fc.oneof(share, fc.constant(0))),
  local: often(1, share),
  isTrial: often(false, fc.constant(true)),
  isFull: often(false, fc.constant(true)),
  expectedMs: often<number | null>(null, fc.double({ min: 1, max: 5_000, noNaN: true })),
  rate: often(0, fc.double({ min: 0, max: 50, noNaN: true })),
  allowed: often(Infinity, fc.double({ min: 0, max: 50, noNaN: true })),
  // Says when to come back, and nothing of who is chosen.
  waitMs: fc.constant(null),
})

const places = fc.array(
  fc.record({
    tier: fc.integer({ min: 0, max: 2 }),
    weight: fc.oneof(fc.constantFrom(0, 1, 1, 3), share),
    region: fc.constantFrom(null, 'eu', 'us'),
    cost: fc.option(fc.record({ input: fc.double({ min: 0, max: 9, noNaN: true }), output: share })),
    standing,
  }),
  { maxLength: 8 },
)

const preference: fc.Arbitrary<Preference | null> = fc.option(
  fc.record({
    session: fc.string({ maxLength: 22 }),
    bound: fc.constantFrom(null, 'p0/m', 'p1/m', 'gone/m'),
    home: fc.constantFrom(null, null, 'p2/m'),
    isRequired: often(false, fc.constant(true)),
  }),
)

const about = (made: Pick) => ({
  kind: made.kind,
  why: made.why,
  chosen: made.kind === 'chosen' ? made.chosen.candidate.deployment.id : null,
  shares: made.scored.map((one) => [one.tier, one.factor, one.share]),
})

describe('a recorded choice', () => {
  test('is made again from what was recorded', () => {
    const given = fc.record({
      places,
      preference,
      strategy: fc.constantFrom(...Object.values(STRATEGIES)),
      region: fc.constantFrom(null, 'eu'),
      seed: fc.integer({ min: 0, max: 4_294_967_295 }),
      before: fc.integer({ min: 0, max: 4 }),
      futility: share,
    })
    fc.assert(
      fc.property(
        given,
        ({ places: all, preference: session, strategy: taste, region, seed, before, futility }) => {
          const candidates = all.map(({ tier, weight, region: at, cost }, index): Candidate => ({
            deployment: { id: deploymentId(providerId(`p${index}`), 'm'), region: at, cost },
            tier,
            weight,
          }))
          const dice = diceOf(seed)
          for (let drawn = 0; drawn < before; drawn++) dice()
          const known = new Map(candidates.map((one, at) => [one.deployment.id, all[at]?.standing ?? SOUND]))
          const rest = { session, taste, region }
          const made = pick(candidates, {
            ...rest,
            standing: ({ deployment }) => known.get(deployment.id) ?? SOUND,
            futility: () => futility,
            dice,
          })

          const record = recordChoice(made, { taste, drawn: before, table: null }, 64)
          const read = JSON.parse(JSON.stringify(record)) as RecordedChoice
          const standings = standingsOf(read)
          const again = pick(candidates, {
            ...rest,
            standing: (one) => standings.get(candidates.indexOf(one)) ?? SOUND,
            futility: () => read.futility ?? 0,
            dice: diceOf(seed, read.drawn),
          })
          expect(about(again)).toEqual(about(made))
          expect(read.chosen).toBe(made.kind === 'chosen' ? made.scored.indexOf(made.chosen) : null)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('says nothing of candidates of which nothing bad is known', () => {
    const candidates = ['a', 'b'].map((id): Candidate => ({
      deployment: { id: deploymentId(providerId(id), 'm'), region: null, cost: null },
      tier: 0,
      weight: 1,
    }))
    const standings = { a: { ...SOUND, rate: 3, expectedMs: 90 }, b: SOUND }
    const made = pick(candidates, {
      standing: ({ deployment }) => (deployment.id === 'a/m' ? standings.a : standings.b),
      futility: () => 0,
      dice: diceOf(1),
      session: null,
      taste: STRATEGIES.balanced,
      region: null,
    })
    const table = { epoch: 2, seq: 7, say: 1 }
    expect(recordChoice(made, { taste: STRATEGIES.balanced, drawn: 0, table }, 64)).toEqual({
      chosen: 1,
      why: 'weight',
      table: { epoch: 2, seq: 7 },
    })
  })
})
