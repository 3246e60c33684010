/**
 * The catalog: the whole configuration as it stands after one commit.
 *
 * Pure, immutable. Made only by `fold.ts`. Plain data, so that its canonical form can be hashed.
 */
import type { BudgetId, KeyId, ModelName, ProviderId, StreamId } from '../ids.ts'
import type { Budget } from './money/budget.ts'
import type { ClientKey } from './client-key.ts'
import type { LogicalModel } from './model.ts'
import type { Provider } from './provider.ts'

/**
 * Changes when the same events would fold to another catalog. Nodes compare digests only between equal
 * fold versions, and a snapshot on disk of another version is not read.
 */
export const FOLD_VERSION = 1

/** An entity whose stream held an event we could not read: it stays as it was. */
export type Frozen = Readonly<{ commit: number; type: string; reason: string }>

export type Catalog = Readonly<{
  /** Last commit folded in; 0 before genesis. */
  commit: number
  /** Generation of the commit stream on the bus. */
  epoch: number
  genesis: Readonly<{ logId: string; keyCheck: string }> | null
  /** The fold version that whoever follows must have at least; 0: any. Never goes down. */
  floor: number
  providers: ReadonlyMap<ProviderId, Provider>
  models: ReadonlyMap<ModelName, LogicalModel>
  keys: ReadonlyMap<KeyId, ClientKey>
  budgets: ReadonlyMap<BudgetId, Budget>
  /** Version of every stream, retired ones too: a name can be used again, a version cannot. */
  versions: ReadonlyMap<StreamId, number>
  frozen: ReadonlyMap<StreamId, Frozen>
}>

export const EMPTY_CATALOG: Catalog = {
  commit: 0,
  epoch: 1,
  genesis: null,
  floor: 0,
  providers: new Map(),
  models: new Map(),
  keys: new Map(),
  budgets: new Map(),
  versions: new Map(),
  frozen: new Map(),
}
