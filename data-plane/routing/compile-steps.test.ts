import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { EMPTY_CATALOG } from '#contracts/catalog/catalog.ts'
import type { ListedModels } from '#contracts/catalog/facts/listed-model.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { readCommit } from '#contracts/commit/commit.ts'
import { providerId, type ProviderId } from '#contracts/ids.ts'
import { buildCommits } from '#test/arbitraries/commits.ts'
import { history } from '#test/arbitraries/history.ts'
import { compileSnapshot, type NodeSlots } from './compile.ts'
import { Slots } from './slots.ts'
import type { RoutingSnapshot } from './snapshot.ts'

/** What is seen of providers after each commit; the providers are those of `history`. */
const seen = fc
  .record(
    { openai: fc.subarray(['m', 'fast', 'x/y']), 'azure-eu': fc.subarray(['m', 'n']) },
    { requiredKeys: [] },
  )
  .map(
    (lists): ReadonlyMap<ProviderId, ListedModels> =>
      new Map(
        Object.entries(lists).map(([id, ids]) => [
          providerId(id),
          { at: 1, models: ids.map((name) => ({ id: name })) },
        ]),
      ),
  )

/** Everything that decides about requests, as data: what only identity would tell apart is left out. */
const meaning = ({ routes, keys, models, nacks, providers }: RoutingSnapshot) => ({
  routes: [...routes]
    .map(([name, route]) => [name, JSON.stringify(route)] as const)
    .sort(([one], [other]) => (one < other ? -1 : 1)),
  providers: [...providers].map(([id, { source, listed, accepts, deployments }]) => ({
    id,
    source,
    listed,
    accepts,
    deployments: [...deployments.keys()].sort(),
  })),
  keys,
  models: models.body.toString(),
  nacks,
})

test('what is reused from the snapshot before never differs from what is compiled anew', () => {
  fc.assert(
    fc.property(history, fc.array(seen, { minLength: 1, maxLength: 4 }), (batches, lists) => {
      const slots: NodeSlots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
      const secret = (id: string): string => `sk-${id}`
      let catalog = EMPTY_CATALOG
      let previous: RoutingSnapshot | null = null
      for (const [at, commit] of buildCommits(batches).entries()) {
        catalog = foldCommits(catalog, [readCommit(commit)])
        // A list stays the very same until it changes, as on a node.
        const discovered = lists[Math.floor(at / 2) % lists.length] ?? new Map()
        const input = { catalog, digest: '', secret, discovered, slots }
        previous = compileSnapshot({ ...input, previous })
        expect(meaning(previous)).toEqual(meaning(compileSnapshot({ ...input, previous: null })))
      }
    }),
    { numRuns: 100 },
  )
})
