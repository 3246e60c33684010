/**
 * The release before this one, as a set of changes to this one's source: it folds an older version and does not
 * know one type of event.
 *
 * In a mixed world processes begin with it and are upgraded in any order, while commands of both kinds are
 * carried out and the floor is raised.
 */
import type { Change } from './releases.ts'

/** Written by control planes of this release only; its entity freezes where it is not known. */
const UNKNOWN_BEFORE = 'ProviderTimeoutsSet'

export const BEFORE: readonly Change[] = [
  {
    file: 'contracts/catalog/catalog.ts',
    find: 'export const FOLD_VERSION = 1\n',
    put: 'export const FOLD_VERSION: number = 0\n',
  },
  {
    file: 'contracts/catalog/event.ts',
    find: 'return Object.hasOwn(eventSchemas, text)',
    put: `return Object.hasOwn(eventSchemas, text) && text !== '${UNKNOWN_BEFORE}'`,
  },
]
