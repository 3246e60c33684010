import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildCommits } from '#test/arbitraries/commits.ts'
import { catalogEvent, history } from '#test/arbitraries/history.ts'
import { EMPTY_CATALOG, type Catalog } from '../catalog/catalog.ts'
import { foldCommits } from '../catalog/fold.ts'
import { streamId } from '../ids.ts'
import { CHAIN_START } from './chain.ts'
import { readCommit } from './commit.ts'
import { EMPTY_DIGEST, nextDigest, stateDigest } from './digest.ts'

const foldAll = (...args: Parameters<typeof buildCommits>): Catalog =>
  foldCommits(EMPTY_CATALOG, buildCommits(...args).map(readCommit))

const reversed = <Key, Value>(map: ReadonlyMap<Key, Value>): ReadonlyMap<Key, Value> =>
  new Map([...map].toReversed())

describe('the state digest', () => {
  test('of an empty catalog is zero', () => {
    expect(stateDigest(EMPTY_CATALOG)).toBe(EMPTY_DIGEST)
  })

  test('kept up commit by commit is the one computed from scratch', () => {
    fc.assert(
      fc.property(history, (batches) => {
        let catalog = EMPTY_CATALOG
        let digest = EMPTY_DIGEST
        for (const commit of buildCommits(batches)) {
          const next = foldCommits(catalog, [readCommit(commit)])
          const touched = commit.events.map((event) => streamId(event.stream))
          const quicker = nextDigest(digest, catalog, next, touched)
          digest = nextDigest(digest, catalog, next)
          expect(quicker).toBe(digest)
          catalog = next
          expect(digest).toBe(stateDigest(catalog))
        }
      }),
    )
  })

  test('needs to look only at the streams a commit touched, wherever its events were put', () => {
    const names =
      'system provider-openai provider provider- model-fast model clientkey-key_1 clientkey x -'.split(' ')
    const placed = fc.record({
      event: catalogEvent,
      stream: fc.constantFrom(...names).map(streamId),
      readable: fc.boolean(),
    })
    const batch = fc.array(placed, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 15 }), (batches) => {
        let catalog = EMPTY_CATALOG
        let digest = EMPTY_DIGEST
        for (const placements of batches) {
          const before = { commit: catalog.commit, chain: CHAIN_START, versions: catalog.versions }
          const [wire] = buildCommits([placements.map(({ event, stream }) => ({ ...event, stream }))], before)
          const events = (wire?.events ?? []).map((event, at) =>
            placements[at]?.readable ? event : { ...event, sv: 99 },
          )
          const next = wire === undefined ? catalog : foldCommits(catalog, [readCommit({ ...wire, events })])
          digest = nextDigest(
            digest,
            catalog,
            next,
            placements.map(({ stream }) => stream),
          )
          catalog = next
          expect(digest).toBe(stateDigest(catalog))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('goes back to where it was when the catalog does', () => {
    fc.assert(
      fc.property(history, history, (one, other) => {
        const [before, after] = [foldAll(one), foldAll(other)]
        const there = nextDigest(stateDigest(before), before, after)
        expect(there).toBe(stateDigest(after))
        expect(nextDigest(there, after, before)).toBe(stateDigest(before))
      }),
    )
  })

  test('does not depend on the order entities came in', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const catalog = foldAll(batches)
        const other: Catalog = {
          ...catalog,
          providers: reversed(catalog.providers),
          models: reversed(catalog.models),
          keys: reversed(catalog.keys),
          budgets: reversed(catalog.budgets),
          versions: reversed(catalog.versions),
          frozen: reversed(catalog.frozen),
        }
        expect(stateDigest(other)).toBe(stateDigest(catalog))
      }),
    )
  })

  test('differs when any one entity differs, is missing, or sits under another name', () => {
    fc.assert(
      fc.property(history, (batches) => {
        const catalog = foldAll(batches)
        const digest = stateDigest(catalog)
        for (const kind of ['providers', 'models', 'keys', 'budgets', 'versions'] as const) {
          for (const [id, entity] of catalog[kind] as ReadonlyMap<string, unknown>) {
            const without = new Map<string, unknown>(catalog[kind])
            without.delete(id)
            const renamed = new Map(without).set(`${id}?`, entity)
            const altered = new Map(without).set(
              id,
              typeof entity === 'number' ? entity + 1 : { ...(entity as object), version: -1 },
            )
            for (const map of [without, renamed, altered]) {
              expect(stateDigest({ ...catalog, [kind]: map })).not.toBe(digest)
            }
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  test('tells kinds apart: the same entity under two kinds is two things', () => {
    const versions = new Map([['x', 1]])
    const frozen = new Map([['x', 1]])
    expect(stateDigest({ ...EMPTY_CATALOG, versions } as unknown as Catalog)).not.toBe(
      stateDigest({ ...EMPTY_CATALOG, frozen } as unknown as Catalog),
    )
  })
})
