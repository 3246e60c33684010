import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import type { ListedModel } from '#contracts/catalog/facts/listed-model.ts'
import type { LogicalModel } from '#contracts/catalog/model.ts'
import {
  ProviderDefinition,
  type Provider,
  type ProviderDefinitionInput,
  type ProviderState,
} from '#contracts/catalog/provider.ts'
import { modelName, providerId } from '#contracts/ids.ts'
import { compileSnapshot } from '#data-plane/routing/compile.ts'
import { resolveModel } from '#data-plane/routing/resolve.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import { resolveName, type ResolveView } from './resolve-name.ts'

const provider = (
  id: string,
  state: ProviderState,
  listed: readonly string[],
  routing: ProviderDefinitionInput['routing'] = {},
): Provider => ({
  id: providerId(id),
  version: 1,
  origin: 'api',
  state,
  definition: ProviderDefinition.parse({
    name: id,
    kind: 'openai',
    baseUrl: `https://${id}.example/v1`,
    routing,
    models: { static: [...listed] },
  }),
  credentials: [],
  createdAt: 1,
  changedAt: 1,
})

const model = (
  name: string,
  targets: readonly [string, string, number, number?][],
  aliases: readonly string[] = [],
  policy: Pick<LogicalModel, 'strategy' | 'region'> = {},
): LogicalModel => ({
  name: modelName(name),
  version: 1,
  origin: 'api',
  targets: targets.map(([id, upstream, weight, tier], at) => ({
    provider: providerId(id),
    model: upstream,
    weight,
    tier: tier ?? at,
  })),
  aliases: aliases.map(modelName),
  ...policy,
  createdAt: 1,
  changedAt: 1,
})

const catalog = (providers: readonly Provider[], models: readonly LogicalModel[] = []): Catalog => ({
  ...EMPTY_CATALOG,
  providers: new Map(providers.map((one) => [one.id, one])),
  models: new Map(models.map((one) => [one.name, one])),
})

type Seen = Readonly<Record<string, readonly ListedModel[] | string>>
type Factors = Readonly<Record<string, number>>

/** @param seen by provider: its list, or why there is none. @param factors by `provider/model`. */
const view = (seen: Seen = {}, factors: Factors = {}): ResolveView => ({
  seen: (id) => {
    const said = seen[id]
    if (said === undefined) return null
    return typeof said === 'string' ? { models: null, problem: said } : { models: said, problem: null }
  },
  factor: (id, upstream) => {
    const factor = factors[`${id}/${upstream}`]
    return factor === undefined ? null : { factor, reason: 'errors' }
  },
})

describe('a name', () => {
  const known = catalog(
    [
      provider('a', 'enabled', ['gpt', 'b/gpt'], { weight: 3 }),
      provider('b', 'draining', ['gpt']),
      provider('c', 'disabled', ['old']),
    ],
    [
      model(
        'fast',
        [
          ['a', 'gpt', 2],
          ['b', 'gpt', 1],
          ['c', 'old', 1],
          ['a', 'gpt-4o', 0],
        ],
        ['quick'],
      ),
    ],
  )
  const resolve = (name: string) => resolveName(known, name, view())
  const kindOf = (name: string) => resolve(name).kind

  test('is a logical model first, by its own name or an alias, and says who is out and why', () => {
    const rest = { factor: 1, reason: null, cost: null, region: null }
    expect(resolve('quick')).toEqual({
      name: 'quick',
      kind: 'alias',
      model: 'fast',
      strategy: 'balanced',
      region: null,
      candidates: [
        {
          provider: 'a',
          model: 'gpt',
          tier: 0,
          weight: 2,
          state: 'enabled',
          takes: true,
          out: null,
          share: 1,
          ...rest,
        },
        {
          provider: 'b',
          model: 'gpt',
          tier: 1,
          weight: 1,
          state: 'draining',
          takes: false,
          out: 'the provider is draining',
          share: 0,
          ...rest,
        },
        {
          provider: 'c',
          model: 'old',
          tier: 2,
          weight: 1,
          state: 'disabled',
          takes: false,
          out: 'the provider is disabled',
          share: 0,
          ...rest,
        },
        {
          provider: 'a',
          model: 'gpt-4o',
          tier: 3,
          weight: 0,
          state: 'enabled',
          takes: false,
          out: 'its weight is 0',
          share: 0,
          ...rest,
          cost: { input: 2.5, output: 10 },
        },
      ],
      others: [],
    })
    expect(kindOf('fast')).toBe('logical')
  })

  test('is then a model that enabled providers list, even with a slash', () => {
    expect(resolve('gpt')).toMatchObject({
      kind: 'listed',
      candidates: [{ provider: 'a', weight: 3 }],
      others: [
        { provider: 'b', why: 'is draining' },
        { provider: 'c', why: 'is disabled' },
      ],
    })
    expect(kindOf('b/gpt')).toBe('listed')
  })

  test('is then a provider and what follows', () => {
    expect(resolve('a/any/thing')).toMatchObject({
      kind: 'pinned',
      candidates: [{ provider: 'a', model: 'any/thing', takes: true, share: 1 }],
      others: [],
    })
    expect(resolve('b/x')).toMatchObject({ kind: 'pinned', candidates: [{ takes: false }] })
  })

  test('is otherwise unknown', () => {
    for (const name of ['old', 'c/old', 'nobody/x', '/x', 'a/', 'a/two words', 'constructor'])
      expect(kindOf(name)).toBe('unknown')
  })

  test('is found in what providers were seen to serve, and each of the others says why it is not', () => {
    const all = catalog(
      ['a', 'b', 'c', 'd', 'e'].map((id) => provider(id, 'enabled', id === 'e' ? ['x'] : [])),
    )
    const seen = {
      a: [{ id: 'm', price: { input: 1, output: 2 } }],
      b: [{ id: 'n' }],
      c: 'answered 500',
      e: [{ id: 'm' }],
    }
    expect(resolveName(all, 'm', view(seen))).toMatchObject({
      kind: 'listed',
      candidates: [{ provider: 'a', cost: { input: 1, output: 2 } }],
      others: [
        { provider: 'b', why: 'does not list m' },
        { provider: 'c', why: 'has not said what it serves: answered 500' },
        { provider: 'd', why: 'does not list m' },
        { provider: 'e', why: 'does not list m' },
      ],
    })
  })
})

describe('the shares of candidates', () => {
  const providers = [
    provider('a', 'enabled', [], { region: 'eu' }),
    provider('b', 'enabled', [], { region: 'us' }),
    provider('c', 'disabled', [], { region: 'eu' }),
    provider('d', 'enabled', []),
  ]
  const shares = (policy: Pick<LogicalModel, 'strategy' | 'region'> = {}, factors: Factors = {}) => {
    const targets: [string, string, number, number][] = [
      ['a', 'm', 3, 0],
      ['b', 'm', 1, 0],
      ['c', 'm', 9, 0],
      ['d', 'm', 5, 1],
    ]
    const { candidates } = resolveName(
      catalog(providers, [model('fast', targets, [], policy)]),
      'fast',
      view({}, factors),
    )
    return candidates.map(({ share }) => share)
  }

  test('are by weight and by the prober’s factor within each tier, of those who take requests', () => {
    expect(shares()).toEqual([0.75, 0.25, 0, 1])
    expect(shares({}, { 'a/m': 0.1 })).toEqual(
      [0.3 / 1.3, 1 / 1.3, 0, 1].map((share) => expect.closeTo(share)),
    )
  })

  test('are by weight alone where the strategy says so', () => {
    expect(shares({ strategy: 'weights' }, { 'a/m': 0.1 })).toEqual([0.75, 0.25, 0, 1])
  })

  test('are not told where nodes weigh what they measure or pay', () => {
    expect(shares({ strategy: 'latency' })).toEqual([null, null, null, null])
    expect(shares({ strategy: 'cost' })).toEqual([null, null, null, null])
  })

  test('are of the preferred region as long as anybody there takes requests', () => {
    expect(shares({ region: 'us' })).toEqual([0, 1, 0, 1])
    expect(shares({ region: 'asia' })).toEqual([0.75, 0.25, 0, 1])
  })
})

test('means to the admin what it means to a node', () => {
  const ids = ['a', 'b', 'c']
  const names = ['gpt', 'fast', 'quick', 'a/gpt', 'b/x', 'c/gpt', 'zzz']
  const state = fc.constantFrom<ProviderState>('enabled', 'draining', 'disabled')
  const anyProvider = (id: string) =>
    fc.tuple(state, fc.subarray(names)).map(([is, listed]) => provider(id, is, listed))
  const target = fc.tuple(
    fc.constantFrom(...ids),
    fc.constantFrom('gpt', 'x'),
    fc.integer({ min: 0, max: 2 }),
  )
  const anyModel = (name: string, aliases: readonly string[]) =>
    fc
      .option(
        fc.uniqueArray(target, {
          minLength: 1,
          maxLength: 3,
          selector: ([id, upstream]) => `${id} ${upstream}`,
        }),
      )
      .map((targets) => (targets === null ? [] : [model(name, targets, aliases)]))
  const anyCatalog = fc
    .tuple(fc.tuple(...ids.map(anyProvider)), anyModel('fast', ['quick']), anyModel('gpt', []))
    .map(([providers, fast, gpt]) => catalog(providers, [...fast, ...gpt]))
  const list = fc.subarray(names).map((some) => some.map((id) => ({ id })))
  const anySeen = fc.record({ a: list, b: list, c: list }, { requiredKeys: [] })
  fc.assert(
    fc.property(anyCatalog, anySeen, fc.constantFrom(...names), (known, seen, name) => {
      const snapshot = compileSnapshot({
        catalog: known,
        digest: '',
        secret: () => undefined,
        discovered: new Map(Object.entries(seen).map(([id, models]) => [providerId(id), { at: 1, models }])),
        slots: { deployments: new Slots(), providers: new Slots(), lanes: new Slots() },
        previous: null,
      })
      const taken = (resolveModel(snapshot, name)?.candidates ?? [])
        .filter(({ weight }) => weight > 0)
        .map(({ deployment, tier, weight }) => `${deployment.provider} ${deployment.model} ${tier} ${weight}`)
      const promised = resolveName(known, name, view(seen))
        .candidates.filter(({ takes }) => takes)
        .map((one) => `${one.provider} ${one.model} ${one.tier} ${one.weight}`)
      expect(promised.sort()).toEqual(taken.sort())
    }),
  )
})
