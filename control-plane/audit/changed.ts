/**
 * What lies between two states, as a revert needs it.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { RevertCommand } from '../commands/command.ts'
import { afterEvents } from '../commands/decided.ts'
import { entityAt, restoring } from '../commands/restore.ts'

/**
 * @param stream only this one.
 * @returns each entity that was changed, as it was before; and whether the system itself was changed, which
 *   cannot be undone.
 */
export function changedBetween(
  before: Catalog,
  after: Catalog,
  stream?: string,
): Readonly<{ entities: RevertCommand['entities']; untouchable: boolean }> {
  const touched = [...after.versions].filter(
    ([own, version]) => before.versions.get(own) !== version && (stream ?? own) === own,
  )
  const entities = touched.flatMap(([own, version]) => {
    const wanted = entityAt(before, own)
    return wanted === undefined ? [] : [{ wanted, version }]
  })
  return { entities, untouchable: entities.length < touched.length }
}

/**
 * @param after the state that those entities are still in.
 * @returns the state once they are what they were, as far as they can be: a key that was issued is not gone
 *   then, but revoked.
 */
export function undone(after: Catalog, entities: RevertCommand['entities']): Catalog {
  const events = entities.flatMap(({ wanted }) => {
    const now = entityAt(after, wanted.stream)
    return now === undefined ? [] : restoring(now, wanted)
  })
  return afterEvents(after, events)
}
