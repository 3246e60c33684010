import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { modelName, providerId } from '#contracts/ids.ts'
import type { UsageRecord } from '#contracts/usage/record.ts'
import {
  after,
  create,
  drive,
  EMPTY,
  register,
  targetsOf,
  UPSTREAM,
  type Nature,
  type Target,
} from '#test/control-plane/driven-traffic.ts'
import type { Command } from '../commands/command.ts'
import type { FactorMove } from './knowledge.ts'
import { limitsOf } from './limits.ts'
import { PastReader } from './past-request.ts'
import { WhatIf, type Prediction } from './what-if.ts'

type More = Readonly<{ moves?: readonly FactorMove[]; times?: number }>

/** Costs as they would be booked: every provider of these takes 1 and 2 dollars a million. */
const booked = ({ provider, tokens }: UsageRecord): number | null =>
  provider === '' ? null : (tokens.input + 2 * tokens.output) / 1e6

function ask(
  present: Catalog,
  changed: Catalog,
  records: readonly UsageRecord[],
  more: More = {},
): Prediction {
  const reader = new PastReader()
  const requests = records.map((record) => reader.read(record, booked(record)))
  const known = { seen: () => null, pricesAt: 0 }
  const whatIf = new WhatIf({
    present: { ...known, catalog: present },
    changed: { ...known, catalog: changed },
    requests,
    moves: more.moves ?? [],
    times: more.times ?? 1,
  })
  for (let at = 0; at < requests.length; at += 7) whatIf.make(at, at + 7)
  return whatIf.prediction
}

const NAMES = ['a', 'b', 'c', 'd'] as const
const version = (expectedVersion = 1) => ({ expectedVersion })
const setTargets = (targets: readonly Target[]): Command => ({
  type: 'SetTargets',
  name: modelName('fast'),
  targets: targetsOf(targets),
  ...version(),
})
const setWeights = (weights: Readonly<Record<string, number>>): Command => ({
  type: 'SetWeights',
  name: modelName('fast'),
  weights: Object.entries(weights).map(([provider, weight]) => ({
    provider: providerId(provider),
    model: UPSTREAM,
    weight,
  })),
  ...version(),
})
const setStrategy = (strategy: 'balanced' | 'latency' | 'cost' | 'weights'): Command => ({
  type: 'SetStrategy',
  name: modelName('fast'),
  strategy,
  ...version(),
})

const PROVIDERS = after(EMPTY, ...NAMES.map((name) => register(name)))
const SOUND_NATURES: Readonly<Record<string, Nature>> = {
  a: { ms: 100, errors: 0 },
  b: { ms: 300, errors: 0 },
  c: { ms: 900, errors: 0.2 },
  d: { ms: 50, errors: 0 },
}
const shareOf = ({ targets }: Prediction, provider: string) =>
  targets.find(({ deployment }) => deployment === `${provider}/${UPSTREAM}`)?.share ?? {
    recorded: 0,
    present: 0,
    changed: 0,
  }

/** Part of the requests whose first choice it was. */
const sentTo = (records: readonly UsageRecord[], provider: string): number =>
  records.filter(({ candidates, choices: [first] = [] }) =>
    candidates[first?.chosen ?? -1]?.deployment.startsWith(`${provider}/`),
  ).length / records.length

const target = fc.record({
  weight: fc.integer({ min: 1, max: 9 }),
  tier: fc.constantFrom(0, 0, 0, 1),
})
const world = fc.record({
  targets: fc.array(target, { minLength: 2, maxLength: 4 }),
  strategy: fc.constantFrom('balanced', 'latency', 'cost', 'weights'),
  natures: fc.array(
    fc.record({
      ms: fc.integer({ min: 20, max: 2_000 }),
      errors: fc.constantFrom(0, 0, 0.1, 0.5),
      standing: fc.constantFrom({}, {}, { fleet: 0.4 }, { local: 0.7 }, { out: 'open' as const }),
    }),
    { minLength: 4, maxLength: 4 },
  ),
  sessions: fc.constantFrom(0, 0, 40, 4_000),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
})
type World = typeof world extends fc.Arbitrary<infer Made> ? Made : never

const placed = (targets: World['targets']): readonly Target[] =>
  targets.map((one, at) => ({ ...one, provider: NAMES[at] ?? 'a' }))
const naturesOf = ({ natures }: World): Readonly<Record<string, Nature>> =>
  Object.fromEntries(NAMES.map((name, at) => [name, natures[at] ?? { ms: 1, errors: 0 }]))

describe('asked what if', () => {
  test('nothing were changed, it is what was recorded', () => {
    fc.assert(
      fc.property(world, (given) => {
        const { targets, strategy, sessions, seed } = given
        const catalog = after(PROVIDERS, create('fast', placed(targets), strategy))
        const records = drive(catalog, {
          model: 'fast',
          requests: 150,
          seed,
          natures: naturesOf(given),
          sessions,
        })
        const { targets: rows, models } = ask(catalog, catalog, records)
        for (const { share, answered } of rows) {
          expect(share).toEqual({
            recorded: share.recorded,
            present: share.recorded,
            changed: share.recorded,
          })
          expect(answered.changed).toBe(answered.recorded)
        }
        for (const { recorded, present, changed } of models) {
          expect([present.firstMs, changed.firstMs]).toEqual([recorded.firstMs, recorded.firstMs])
          expect([present.errors, changed.errors]).toEqual([recorded.errors, recorded.errors])
          expect(changed.cost).toBeCloseTo(recorded.cost ?? Number.NaN, 9)
        }
      }),
      { numRuns: 40 },
    )
  })

  test('other weights, targets, tiers or strategies were set, shares are those that then come', () => {
    const REQUESTS = 1_500
    fc.assert(
      fc.property(world, world, (given, wanted) => {
        const [present, natures] = [placed(given.targets), naturesOf(given)]
        const catalog = after(PROVIDERS, create('fast', present, given.strategy))
        const traffic = { model: 'fast', requests: REQUESTS, natures, sessions: given.sessions }
        const records = drive(catalog, { ...traffic, seed: given.seed })
        // A provider of which nothing was recorded, such as one of a later tier, has neither factor nor times here.
        fc.pre(placed(wanted.targets).every(({ provider }) => sentTo(records, provider) > 0.02))
        const changed = after(PROVIDERS, create('fast', placed(wanted.targets), wanted.strategy))
        const predicted = ask(catalog, changed, records)
        const real = drive(changed, { ...traffic, seed: wanted.seed })
        // Of sessions the same ones come again, so that shares differ by when and how often they come.
        const units = given.sessions === 0 ? REQUESTS : Math.min(REQUESTS, given.sessions)
        const latitude = 5 * Math.sqrt(0.5 / units) + 0.005
        for (const provider of NAMES)
          expect(Math.abs(shareOf(predicted, provider).changed - sentTo(real, provider))).toBeLessThan(
            latitude,
          )
      }),
      { numRuns: 8 },
    )
  })

  test('a target were removed, its requests go to the others by their weights', () => {
    const targets = [
      { provider: 'a', weight: 2 },
      { provider: 'b', weight: 6 },
      { provider: 'd', weight: 2 },
    ]
    const catalog = after(PROVIDERS, create('fast', targets))
    const records = drive(catalog, { model: 'fast', requests: 8_000, seed: 4, natures: SOUND_NATURES })
    const rest = targets.filter(({ provider }) => provider !== 'b')
    const prediction = ask(catalog, after(catalog, setTargets(rest)), records)
    expect(shareOf(prediction, 'b')).toMatchObject({ recorded: expect.closeTo(0.6, 1), changed: 0 })
    expect(shareOf(prediction, 'a').changed).toBeCloseTo(0.5, 1)
    expect(prediction.total.recorded.firstMs?.p50).toBeGreaterThan(200)
    expect(prediction.total.changed.firstMs?.p50).toBeLessThan(130)
  })

  test('a bad one got more, more fails over, takes longer and fails where nobody else is left', () => {
    const catalog = after(
      PROVIDERS,
      create('fast', [
        { provider: 'a', weight: 9 },
        { provider: 'c', weight: 1 },
      ]),
    )
    const records = drive(catalog, { model: 'fast', requests: 6_000, seed: 9, natures: SOUND_NATURES })
    const changed = after(catalog, setWeights({ a: 1, c: 9 }))
    const some = ask(catalog, changed, records)
    const limits = limitsOf({
      prediction: some,
      times: 1,
      movesSince: null,
      present: catalog,
      changed,
      now: 0,
    }).join('\n')
    expect(limits).toMatch(new RegExp(`c/${UPSTREAM} failed in [12]\\d\\.\\d % of its attempts`))
    expect(shareOf(some, 'c').changed).toBeCloseTo(0.9, 1)
    const c = some.targets.find(({ deployment }) => deployment === `c/${UPSTREAM}`)
    expect(c).toMatchObject({ seen: 'traffic', errors: expect.closeTo(0.2, 1) })
    // A fifth of its requests was answered by the other.
    expect(c?.answered.changed).toBeCloseTo(0.72, 1)
    expect(some.total.changed.errors).toBe(0)
    const alone = ask(catalog, after(catalog, setTargets([{ provider: 'c', weight: 1 }])), records)
    expect(alone.total.recorded.errors).toBe(0)
    // Asked three times, as nodes do it: 0.2 × 0.2 × 0.2.
    expect(alone.total.changed.errors).toBeGreaterThan(0.001)
    expect(alone.total.changed.errors).toBeLessThan(0.03)
  })

  test('somebody came in of whom nothing was seen, that is said and nothing is made up', () => {
    const catalog = after(PROVIDERS, create('fast', [{ provider: 'a', weight: 1 }]))
    const records = drive(catalog, { model: 'fast', requests: 2_000, seed: 1, natures: SOUND_NATURES })
    const both = [
      { provider: 'a', weight: 1 },
      { provider: 'd', weight: 1 },
    ]
    const changed = after(catalog, setTargets(both))
    const prediction = ask(catalog, changed, records)
    const d = prediction.targets.find(({ deployment }) => deployment === `d/${UPSTREAM}`)
    expect(d).toMatchObject({ seen: 'unknown', attempts: 0, errors: null, firstMs: null })
    expect(d?.share.changed).toBeCloseTo(0.5, 1)
    expect(prediction.total.changed.unknown).toBeCloseTo(0.5, 1)
    const words = { prediction, times: 1, movesSince: null, present: catalog, changed, now: 0 }
    expect(limitsOf(words).join('\n')).toContain(`Nobody was sent to d/${UPSTREAM} in the window`)
    expect(limitsOf(words).join('\n')).not.toContain('said before')
    expect(limitsOf({ ...words, movesSince: 5 }).join('\n')).toContain(
      'what it said before 1970-01-01T00:00:00.005Z is not in here',
    )

    const usual = { json: { t0: 70, perK: 0 }, sse: { t0: 40, perK: 10 } }
    const move = { at: 1, provider: 'd', model: UPSTREAM, factor: 0.25, usual }
    const told = ask(catalog, changed, records, { moves: [move] })
    expect(told.targets.find(({ deployment }) => deployment === `d/${UPSTREAM}`)).toMatchObject({
      seen: 'prober',
      errors: null,
      firstMs: { p50: 40, p95: null },
    })
    expect(shareOf(told, 'd').changed).toBeCloseTo(0.2, 1)
  })

  test('one were used that another model uses, it fares as it did there', () => {
    const catalog = after(
      PROVIDERS,
      create('fast', [{ provider: 'a', weight: 1 }]),
      create('other', [{ provider: 'd', weight: 1 }]),
    )
    const traffic = { requests: 1_000, natures: SOUND_NATURES }
    const records = [
      ...drive(catalog, { ...traffic, model: 'fast', seed: 1 }),
      ...drive(catalog, { ...traffic, model: 'other', seed: 2 }),
    ].toSorted((one, other) => one.at - other.at)
    const prediction = ask(catalog, after(catalog, setTargets([{ provider: 'd', weight: 1 }])), records)
    const [fast] = prediction.models.filter(({ model }) => model === 'fast')
    expect(fast?.recorded.firstMs?.p50).toBeCloseTo(100, -1)
    expect(fast?.changed).toMatchObject({ unknown: 0, errors: 0 })
    expect(fast?.changed.firstMs?.p50).toBeCloseTo(50, -1)
  })

  test('latency decided, the faster ones get more, by what was seen of them', () => {
    const even = NAMES.slice(0, 2).map((provider) => ({ provider, weight: 1 }))
    const catalog = after(PROVIDERS, create('fast', even))
    const records = drive(catalog, { model: 'fast', requests: 6_000, seed: 3, natures: SOUND_NATURES })
    const prediction = ask(catalog, after(catalog, setStrategy('latency')), records)
    expect(shareOf(prediction, 'a').recorded).toBeCloseTo(0.5, 1)
    // 300 / 100 of the other's.
    expect(shareOf(prediction, 'a').changed).toBeCloseTo(0.75, 1)
  })

  test('a price changed, only what is paid changes, unless price decides', () => {
    const even = NAMES.slice(0, 2).map((provider) => ({ provider, weight: 1 }))
    const dearer = (catalog: Catalog) => {
      const known = catalog.providers.get(providerId('a'))
      if (known === undefined) throw new Error('a is gone')
      const { definition } = known
      const routing = { ...definition.routing, costInput: 3, costOutput: 6 }
      const changed = { ...definition, routing }
      return after(catalog, { type: 'UpdateProvider', id: known.id, definition: changed, ...version() })
    }
    const traffic = { model: 'fast', requests: 4_000, seed: 5, natures: SOUND_NATURES }
    const balanced = after(PROVIDERS, create('fast', even))
    const same = ask(balanced, dearer(balanced), drive(balanced, traffic))
    expect(shareOf(same, 'a').changed).toBe(shareOf(same, 'a').recorded)
    expect(same.total.recorded.costPer1000).toBeCloseTo(2)
    expect(same.total.changed.costPer1000).toBeCloseTo(4, 0)
    const byCost = after(PROVIDERS, create('fast', even, 'cost'))
    const moved = ask(byCost, dearer(byCost), drive(byCost, traffic))
    expect(shareOf(moved, 'a').changed).toBeCloseTo(0.1, 1)
  })

  test('a provider were disabled or its model gone, nobody is asked and that counts as failed', () => {
    const catalog = after(PROVIDERS, create('fast', [{ provider: 'a', weight: 1 }]))
    const records = drive(catalog, { model: 'fast', requests: 100, seed: 1, natures: SOUND_NATURES })
    const id = providerId('a')
    const gone = [
      { type: 'DisableProvider', id, ...version() },
      { type: 'RetireModel', name: modelName('fast'), ...version() },
    ] as const
    for (const command of gone) {
      const { total } = ask(catalog, after(catalog, command), records)
      expect(total.changed).toMatchObject({ refused: 100, errors: 1, firstMs: null })
    }
  })

  test('sessions that were under way stay, and new ones are placed anew', () => {
    const even = NAMES.slice(0, 2).map((provider) => ({ provider, weight: 1 }))
    const catalog = after(PROVIDERS, create('fast', even))
    const traffic = { model: 'fast', requests: 6_000, seed: 8, natures: SOUND_NATURES, sessions: 900 }
    const records = drive(catalog, traffic)
    const changed = after(catalog, setWeights({ a: 9, b: 1 }))
    const fromTheirBeginning = ask(catalog, changed, records)
    expect(shareOf(fromTheirBeginning, 'a').changed).toBeCloseTo(0.9, 1)
    const underWay = records.slice(4_000)
    const late = ask(catalog, changed, underWay)
    expect(shareOf(late, 'a').changed).toBeLessThan(0.6)
    // Of a sample nobody sees where a session began.
    const sample = ask(catalog, changed, underWay, { times: 3 })
    expect(shareOf(sample, 'a').changed).toBeCloseTo(0.9, 1)
    expect(sample.total.requests).toBe(6_000)
  })

  test('it says how many were served by an earlier configuration, and answers the same each time', () => {
    const catalog = after(
      PROVIDERS,
      create('fast', [
        { provider: 'a', weight: 1 },
        { provider: 'b', weight: 1 },
      ]),
    )
    const records = drive(catalog, { model: 'fast', requests: 400, seed: 6, natures: SOUND_NATURES })
    const now = after(catalog, setWeights({ a: 1, b: 0 }))
    const prediction = ask(now, catalog, records)
    expect(prediction.outdated).toBe(400)
    expect(shareOf(prediction, 'a')).toEqual({
      recorded: expect.closeTo(0.5, 1),
      present: 1,
      changed: shareOf(prediction, 'a').recorded,
    })
    expect(ask(now, catalog, records)).toEqual(prediction)
  })

  test("clients' own mistakes stay theirs, wherever they go", () => {
    const even = NAMES.slice(0, 2).map((provider) => ({ provider, weight: 1 }))
    const catalog = after(PROVIDERS, create('fast', even))
    const records = drive(catalog, { model: 'fast', requests: 500, seed: 2, natures: SOUND_NATURES }).map(
      (record, at) =>
        at % 5 > 0
          ? record
          : {
              ...record,
              attempts: record.attempts.map((one) => ({
                ...one,
                outcome: 'invalid' as const,
                firstMs: null,
              })),
            },
    )
    const { total } = ask(catalog, after(catalog, setWeights({ a: 9, b: 1 })), records)
    expect([total.recorded.errors, total.changed.errors]).toEqual([0, 0])
  })
})
