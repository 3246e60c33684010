import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import type { LogicalModel } from '#contracts/catalog/model.ts'
import { ProviderDefinition, type Provider, type ProviderState } from '#contracts/catalog/provider.ts'
import { modelName, providerId } from '#contracts/ids.ts'
import { compileSnapshot } from '#data-plane/routing/compile.ts'
import { resolveModel } from '#data-plane/routing/resolve.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import { resolveByCatalog } from './resolve-name.ts'

const provider = (id: string, state: ProviderState, listed: readonly string[], weight = 1): Provider => ({
  id: providerId(id),
  version: 1,
  origin: 'api',
  state,
  definition: ProviderDefinition.parse({
    name: id,
    kind: 'openai',
    baseUrl: `https://${id}.example/v1`,
    routing: { weight },
    models: { static: [...listed] },
  }),
  credentials: [],
  createdAt: 1,
  changedAt: 1,
})

const model = (
  name: string,
  targets: readonly [string, string, number][],
  aliases: readonly string[] = [],
): LogicalModel => ({
  name: modelName(name),
  version: 1,
  origin: 'api',
  targets: targets.map(([id, upstream, weight], tier) => ({
    provider: providerId(id),
    model: upstream,
    weight,
    tier,
  })),
  aliases: aliases.map(modelName),
  createdAt: 1,
  changedAt: 1,
})

const catalog = (providers: readonly Provider[], models: readonly LogicalModel[] = []): Catalog => ({
  ...EMPTY_CATALOG,
  providers: new Map(providers.map((one) => [one.id, one])),
  models: new Map(models.map((one) => [one.name, one])),
})

describe('a name', () => {
  const known = catalog(
    [
      provider('a', 'enabled', ['gpt', 'b/gpt'], 3),
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
        ],
        ['quick'],
      ),
    ],
  )
  const kindOf = (name: string) => resolveByCatalog(known, name).kind

  test('is a logical model first, by its own name or an alias', () => {
    expect(resolveByCatalog(known, 'quick')).toEqual({
      name: 'quick',
      kind: 'alias',
      model: 'fast',
      candidates: [
        { provider: 'a', model: 'gpt', tier: 0, weight: 2, state: 'enabled', takes: true },
        { provider: 'b', model: 'gpt', tier: 1, weight: 1, state: 'draining', takes: false },
        { provider: 'c', model: 'old', tier: 2, weight: 1, state: 'disabled', takes: false },
      ],
    })
    expect(kindOf('fast')).toBe('logical')
  })

  test('is then a model that enabled providers list, even with a slash', () => {
    expect(resolveByCatalog(known, 'gpt')).toMatchObject({
      kind: 'listed',
      candidates: [{ provider: 'a', weight: 3 }],
    })
    expect(kindOf('b/gpt')).toBe('listed')
  })

  test('is then a provider and what follows', () => {
    expect(resolveByCatalog(known, 'a/any/thing')).toMatchObject({
      kind: 'pinned',
      candidates: [{ provider: 'a', model: 'any/thing', takes: true }],
    })
    expect(resolveByCatalog(known, 'b/x')).toMatchObject({ kind: 'pinned', candidates: [{ takes: false }] })
  })

  test('is otherwise unknown', () => {
    for (const name of ['old', 'c/old', 'nobody/x', '/x', 'a/', 'constructor'])
      expect(kindOf(name)).toBe('unknown')
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
  fc.assert(
    fc.property(anyCatalog, fc.constantFrom(...names), (known, name) => {
      const snapshot = compileSnapshot({
        catalog: known,
        digest: '',
        secret: () => undefined,
        discovered: new Map(),
        slots: { deployments: new Slots(), providers: new Slots(), lanes: new Slots() },
        previous: null,
      })
      const taken = (resolveModel(snapshot, name)?.candidates ?? [])
        .filter(({ weight }) => weight > 0)
        .map(({ deployment, tier, weight }) => `${deployment.provider} ${deployment.model} ${tier} ${weight}`)
      const promised = resolveByCatalog(known, name)
        .candidates.filter(({ takes }) => takes)
        .map((one) => `${one.provider} ${one.model} ${one.tier} ${one.weight}`)
      expect(promised.sort()).toEqual(taken.sort())
    }),
  )
})
