import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { readCommit } from '#contracts/commit/commit.ts'
import { keyId, clientKeyStream, modelName, modelStream, providerId, providerStream } from '#contracts/ids.ts'
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import { buildCommits } from '#test/arbitraries/commits.ts'
import { catalogEvent, history } from '#test/arbitraries/history.ts'
import { diffCatalogs } from './diff.ts'
import { eventWords } from './words.ts'

const fold = (...batches: readonly (readonly CatalogEvent[])[]): Catalog =>
  foldCommits(EMPTY_CATALOG, buildCommits(batches).map(readCommit))

const definition = ProviderDefinition.parse({ name: 'A', kind: 'openai', baseUrl: 'https://a.example/v1' })
const stream = providerStream(providerId('a'))
const registered: CatalogEvent = { type: 'ProviderRegistered', stream, body: { origin: 'api', definition } }
const routed = (weight: number): CatalogEvent => ({
  type: 'ProviderRoutingSet',
  stream,
  body: { routing: { weight, costInput: 2.5 } },
})

/** Every text that must not be told as it is. */
const DIGEST = 'd'.repeat(43)

describe('the difference of two states', () => {
  test('names what was set, changed and taken away', () => {
    const before = fold([registered])
    const after = fold([registered], [routed(3), { type: 'ProviderDisabled', stream, body: {} }])
    expect(diffCatalogs(before, after)).toEqual([
      {
        stream: 'provider-a',
        entity: 'provider a',
        change: 'changed',
        words: ['state: enabled → disabled', 'weight: 1 → 3', 'price of a million input tokens: $2.5'],
      },
    ])
    expect(diffCatalogs(after, before)[0]?.words).toContain('price of a million input tokens: $2.5 → none')
  })

  test('tells targets one by one, and durations as people do', () => {
    const model = modelStream(modelName('fast'))
    const target = { provider: 'a', model: 'm', tier: 0 }
    const created: CatalogEvent = {
      type: 'LogicalModelCreated',
      stream: model,
      body: { name: 'fast', origin: 'api', targets: [{ ...target, weight: 1 }], aliases: [] },
    }
    const set: CatalogEvent = {
      type: 'RouteTargetsSet',
      stream: model,
      body: { targets: [{ ...target, weight: 2, timeouts: { idleMs: 90_000 } }] },
    }
    expect(diffCatalogs(fold([created]), fold([created], [set]))[0]?.words).toEqual([
      'target a/m: weight 1, tier 0 → weight 2, tier 0, silent for at most 90 s',
    ])
  })

  test('is nothing where everything was changed and changed back', () => {
    expect(diffCatalogs(fold([registered]), fold([registered], [routed(3)], [routed(1)]))).toEqual([
      expect.objectContaining({ words: ['price of a million input tokens: $2.5'] }),
    ])
    const undone: CatalogEvent = { type: 'ProviderRoutingSet', stream, body: { routing: { weight: 1 } } }
    expect(diffCatalogs(fold([registered]), fold([registered], [routed(3)], [undone]))).toEqual([])
  })

  test('of a key tells its prefix and a fingerprint, never its digest', () => {
    const key = clientKeyStream(keyId('key_1'))
    const issued: CatalogEvent = {
      type: 'ClientKeyIssued',
      stream: key,
      body: { origin: 'api', name: 'k', digest: DIGEST, prefix: 'sk-ap-12', expiresAt: null },
    }
    const told = JSON.stringify(diffCatalogs(EMPTY_CATALOG, fold([issued])))
    expect(told).toContain('sk-ap-12…, fingerprint dddddddd')
    expect(told).not.toContain(DIGEST)
    expect(eventWords(issued)).not.toContain(DIGEST)
  })

  test('is empty where an entity differs in nothing but its place in the log', () => {
    const content = (entity: object | undefined): string => {
      const { version: _v, createdAt: _c, changedAt: _a, ...rest } = { ...entity } as Record<string, unknown>
      return JSON.stringify(rest)
    }
    fc.assert(
      fc.property(history, fc.nat(15), (batches, cut) => {
        const [before, after] = [fold(...batches.slice(0, cut)), fold(...batches)]
        const told = new Set(diffCatalogs(before, after).map((diff) => String(diff.stream)))
        for (const id of new Set([...before.providers.keys(), ...after.providers.keys()])) {
          const [old, now] = [before.providers.get(id), after.providers.get(id)]
          // The diff reads an absent part as its default; that is the one difference it does not tell.
          if (told.has(providerStream(id))) expect(content(now)).not.toBe(content(old))
        }
        for (const id of new Set([...before.keys.keys(), ...after.keys.keys()])) {
          const [old, now] = [before.keys.get(id), after.keys.get(id)]
          if (told.has(clientKeyStream(id))) expect(content(now)).not.toBe(content(old))
          if (old?.state !== now?.state || old?.digest !== now?.digest || old?.name !== now?.name)
            expect(told.has(clientKeyStream(id))).toBe(true)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('the words of an event', () => {
  test('begin with the entity and hold every value of its body', () => {
    fc.assert(
      fc.property(catalogEvent, (event) => {
        const words = eventWords(event)
        expect(words).toMatch(/^(provider|model|key|budget|the system)/)
        for (const value of valuesOf(event.body)) {
          if (value.length < 43) expect(words).toContain(value)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('of an event of a later release say so', () => {
    const unreadable = {
      type: 'unreadable',
      stream,
      version: 1,
      commit: 1,
      was: 'ProviderMoved',
      reason: 'x',
    } as const
    expect(eventWords(unreadable)).toBe('provider a: ProviderMoved, which this release cannot read')
  })
})

/** Texts anywhere in a body. Numbers are told in their units, so they are looked at in the tests above. */
function valuesOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return value === 'api' || value === 'declared' ? [] : [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(valuesOf)
}
