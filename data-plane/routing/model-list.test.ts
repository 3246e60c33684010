import { describe, expect, test } from 'vitest'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { ListedModel } from '#contracts/catalog/facts/listed-model.ts'
import type { ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { modelName, modelStream, providerId } from '#contracts/ids.ts'
import { providerRegistered, TestLog } from '#test/model/log-builder.ts'
import { compileSnapshot } from './compile.ts'
import { visibleModels } from './model-list.ts'
import { Slots } from './slots.ts'
import type { ModelList } from './snapshot.ts'

type Seen = Readonly<Record<string, readonly ListedModel[]>>

function listOf(events: readonly CatalogEvent[], seen: Seen = {}): ModelList {
  const log = new TestLog()
  log.append(events)
  return compileSnapshot({
    catalog: log.catalog(),
    digest: log.digest(),
    secret: () => 'sk-1',
    discovered: new Map(Object.entries(seen).map(([id, models]) => [providerId(id), { at: 1, models }])),
    slots: { deployments: new Slots(), providers: new Slots(), lanes: new Slots() },
    previous: null,
  }).models
}

const provider = (id: string, over: Partial<ProviderDefinitionInput> = {}): CatalogEvent =>
  providerRegistered(id, { models: { static: [] }, ...over })
const model = (name: string, ...targets: readonly (readonly [string, string, number?])[]): CatalogEvent => ({
  type: 'LogicalModelCreated',
  stream: modelStream(modelName(name)),
  body: {
    name,
    origin: 'api',
    aliases: [`${name}-alias`],
    targets: targets.map(([to, upstream, tier = 0]) => ({ provider: to, model: upstream, weight: 1, tier })),
  },
})

describe('what is told of a model', () => {
  test('is what its provider lists', () => {
    const entry = {
      id: 'v/m',
      displayName: 'M',
      created: 7,
      ownedBy: 'vendor',
      contextWindow: 9_000,
      maxOutput: 800,
      price: { input: 1, output: 2 },
    }
    expect(listOf([provider('a')], { a: [entry] }).byId.get('v/m')).toEqual({
      ...entry,
      logical: false,
      mode: 'chat',
      abilities: [],
    })
  })

  test('is what is publicly known where the list does not tell, and the list wins', () => {
    const seen = { a: [{ id: 'gpt-4o-mini' }, { id: 'gpt-4o', contextWindow: 64_000 }] }
    const { byId } = listOf([provider('a')], seen)
    expect(byId.get('gpt-4o-mini')).toMatchObject({
      contextWindow: 128_000,
      maxOutput: 16_384,
      price: { input: 0.15, output: 0.6 },
    })
    expect(byId.get('gpt-4o-mini')?.abilities).toContain('vision')
    expect(byId.get('gpt-4o')?.contextWindow).toBe(64_000)
  })

  test('is nothing that nobody knows', () => {
    expect(listOf([provider('a')], { a: [{ id: 'm' }] }).byId.get('m')).toMatchObject({
      ownedBy: 'a',
      created: 1_700_000_000,
      displayName: 'm',
      contextWindow: null,
      maxOutput: null,
      abilities: [],
      price: null,
    })
  })

  test('of a logical model fits all of its targets, and costs what the first of them does', () => {
    const { byId } = listOf([
      provider('a', { routing: { costInput: 3, costOutput: 4 } }),
      provider('b'),
      model('fast', ['b', 'gpt-4', 1], ['a', 'gpt-4o']),
    ])
    expect(byId.get('fast')).toMatchObject({
      logical: true,
      ownedBy: 'apiproxy',
      contextWindow: 8_192,
      maxOutput: 8_192,
      abilities: ['tools'],
      price: { input: 3, output: 4 },
    })
    expect(byId.get('fast-alias')).toEqual({
      ...byId.get('fast'),
      id: 'fast-alias',
      displayName: 'fast-alias',
    })
    const mixed = listOf([provider('a'), model('fast', ['a', 'gpt-4o'], ['a', 'unknown'])])
    expect(mixed.byId.get('fast')?.abilities).toEqual([])
  })

  test('is written for OpenAI’s clients with nothing that is not known', () => {
    const { body } = listOf([provider('a')], { a: [{ id: 'm' }, { id: 'text-embedding-3-small' }] })
    expect(JSON.parse(body.toString())).toEqual({
      object: 'list',
      data: [
        { id: 'm', object: 'model', created: 1_700_000_000, owned_by: 'a' },
        {
          id: 'text-embedding-3-small',
          object: 'model',
          created: 1_700_000_000,
          owned_by: 'a',
          context_window: 8_192,
          price_per_million_tokens: { input: 0.02, output: 0 },
        },
      ],
    })
  })
})

describe('the list one client may see', () => {
  const list = listOf([provider('a')], { a: ['x', 'y', 'z'].map((id) => ({ id })) })

  test('is the whole list, the very same, for who may use everything', () => {
    expect(visibleModels(list, () => true)).toBe(list)
  })

  test('holds what it may use and has a tag of its own', () => {
    const seen = visibleModels(list, (id) => id !== 'y')
    expect([...seen.byId.keys()]).toEqual(['x', 'z'])
    expect(JSON.parse(seen.body.toString()).data.map(({ id }: { id: string }) => id)).toEqual(['x', 'z'])
    expect(seen.etag).not.toBe(list.etag)
    expect(visibleModels(list, () => false).entries).toEqual([])
  })
})
