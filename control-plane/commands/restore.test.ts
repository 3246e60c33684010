import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { EVENT_TYPES, type CatalogEvent, type EventType } from '#contracts/catalog/event.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { readCommit } from '#contracts/commit/commit.ts'
import { providerStream } from '#contracts/ids.ts'
import { buildCommits } from '#test/arbitraries/commits.ts'
import { catalogEvent, history } from '#test/arbitraries/history.ts'
import { definition, OPENAI } from '#test/control-plane/given.ts'
import { contentDigest, entityAt, restoring } from './restore.ts'

type Batches = readonly (readonly CatalogEvent[])[]
const fold = (batches: Batches): Catalog => foldCommits(EMPTY_CATALOG, buildCommits(batches).map(readCommit))

/** Only go forward, or are final: the way back from them is refused by `decideRevert`. */
const FINAL: ReadonlySet<EventType> = new Set([
  'GenesisCreated',
  'EpochAdvanced',
  'SchemaFloorRaised',
  'ClientKeyRevoked',
])

/** What no command does: an alias twice, a second issue of one key, and what comes after a revocation. */
function isPossible(batches: Batches, event: CatalogEvent): boolean {
  const before = fold(batches)
  const after = fold([...batches, [event]])
  const entities = [entityAt(before, event.stream)?.entity, entityAt(after, event.stream)?.entity]
  const isUnique = entities.every(
    (entity) =>
      entity === null ||
      entity === undefined ||
      !('aliases' in entity) ||
      new Set(entity.aliases).size === entity.aliases.length,
  )
  const isSecondIssue = event.type === 'ClientKeyIssued' && entities[0] !== null
  return isUnique && !isSecondIssue
}

/** @returns whether the events of a restore lead back to the content there was. */
function comesBack(batches: Batches, event: CatalogEvent): boolean {
  const [before, after] = [fold(batches), fold([...batches, [event]])]
  const [wanted, now] = [entityAt(before, event.stream), entityAt(after, event.stream)]
  if (wanted === undefined || now === undefined) return true
  const events = restoring(now, wanted)
  const restored = entityAt(fold([...batches, [event], events]), event.stream)
  return restored !== undefined && contentDigest(restored) === contentDigest(wanted)
}

describe('a change and its restore', () => {
  for (const type of EVENT_TYPES.filter((one) => !FINAL.has(one))) {
    test(`lead back to what was, for ${type}`, () => {
      fc.assert(
        fc.property(
          history,
          catalogEvent.filter((event) => event.type === type),
          (batches, event) => {
            fc.pre(isPossible(batches, event))
            expect(comesBack(batches, event)).toBe(true)
          },
        ),
        { numRuns: 60 },
      )
    })
  }

  test('lead back to what was never said of a provider', () => {
    const stream = providerStream(OPENAI)
    const batches: Batches = [
      [{ type: 'ProviderRegistered', stream, body: { origin: 'api', definition: definition() } }],
    ]
    const changes: readonly CatalogEvent[] = [
      { type: 'ProviderDialectsSet', stream, body: { dialects: ['openai-chat'] } },
      { type: 'ProviderCapabilitiesSet', stream, body: { capabilities: [{ model: '*', set: {} }] } },
      { type: 'UpstreamPricesSet', stream, body: { prices: [{ model: '*', from: 0, input: 1, output: 2 }] } },
    ]
    for (const event of changes) expect(comesBack(batches, event), event.type).toBe(true)
  })

  test('are nothing where nothing was changed', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const catalog = fold(batches)
        for (const stream of catalog.versions.keys()) {
          const now = entityAt(catalog, stream)
          if (now !== undefined) expect(restoring(now, now)).toEqual([])
        }
      }),
    )
  })
})
