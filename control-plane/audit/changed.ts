/**
 * What lies between two states, as a revert needs it.
 *
 * Pure.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { RevertCommand } from '../commands/command.ts'
import { entityAt } from '../commands/restore.ts'

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
