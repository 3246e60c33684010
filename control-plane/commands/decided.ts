/**
 * The catalog as decided events would make it, before they are written.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent, RecordedEvent } from '#contracts/catalog/event.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { CHAIN_START } from '#contracts/commit/chain.ts'
import type { StreamId } from '#contracts/ids.ts'

export function afterEvents(catalog: Catalog, decided: readonly CatalogEvent[]): Catalog {
  const commit = catalog.commit + 1
  const versions = new Map<StreamId, number>()
  const events = decided.map((event): RecordedEvent => {
    const version = (versions.get(event.stream) ?? catalog.versions.get(event.stream) ?? 0) + 1
    versions.set(event.stream, version)
    return { ...event, version, commit }
  })
  return foldCommits(catalog, [{ commit, epoch: catalog.epoch, at: 0, chain: CHAIN_START, events }])
}
