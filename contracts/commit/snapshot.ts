/**
 * A catalog at one commit as a text: what a node loads instead of replaying the log from the beginning.
 *
 * Pure. The reader proves that it holds what the writer folded by recomputing the state digest; a snapshot
 * of another fold version is refused, because its entities may mean something else.
 */
import { z } from 'zod'
import { canonical, type Json } from '../canonical.ts'
import { FOLD_VERSION, type Catalog, type Frozen } from '../catalog/catalog.ts'
import type { Budget } from '../catalog/money/budget.ts'
import type { ClientKey } from '../catalog/client-key.ts'
import type { LogicalModel } from '../catalog/model.ts'
import type { Provider } from '../catalog/provider.ts'
import type { BudgetId, KeyId, ModelName, ProviderId, StreamId } from '../ids.ts'
import { err, ok, type Result } from '../result.ts'
import { stateDigest } from './digest.ts'

export type CatalogSnapshot = Readonly<{
  catalog: Catalog
  /** Chain link of the catalog's commit: the next commit must name it. */
  chain: string
  digest: string
}>

export type SnapshotProblem = Readonly<{
  kind: 'malformed' | 'other_fold_version' | 'digest_mismatch'
  detail: string
}>

const Pairs = z.array(z.tuple([z.string(), z.unknown()]))
const Header = z.object({
  format: z.literal(1),
  foldVersion: z.int(),
  epoch: z.int().min(1),
  commit: z.int().min(0),
  /** Absent in what was written before there were floors. */
  floor: z.int().min(0).default(0),
  chain: z.string().length(64),
  digest: z.string().length(64),
  genesis: z.object({ logId: z.string(), keyCheck: z.string() }).nullable(),
  providers: Pairs,
  models: Pairs,
  keys: Pairs,
  /** Absent in what was written before there were any. */
  budgets: Pairs.default([]),
  versions: Pairs,
  frozen: Pairs,
})

/** @returns the whole text; blocks for about 3 µs an entity. See `snapshotPieces` for writers that must not. */
export function encodeSnapshot(snapshot: CatalogSnapshot): string {
  return [...snapshotPieces(snapshot)].join('')
}

/** The same text, one entity at a time, so that a busy process can do other things in between. */
export function* snapshotPieces({ catalog, chain, digest }: CatalogSnapshot): Generator<string> {
  const { commit, epoch, floor, genesis } = catalog
  // Members in the order of their names, as canonical JSON has them.
  yield '{'
  yield* pairs('budgets', catalog.budgets)
  const header = canonical({ chain, commit, digest, epoch, floor, foldVersion: FOLD_VERSION, format: 1 })
  yield `,${header.slice(1, -1)},`
  yield* pairs('frozen', catalog.frozen)
  yield `,"genesis":${canonical(genesis)},`
  yield* pairs('keys', catalog.keys)
  yield ','
  yield* pairs('models', catalog.models)
  yield ','
  yield* pairs('providers', catalog.providers)
  yield ','
  yield* pairs('versions', catalog.versions)
  yield '}'
}

function* pairs(name: string, map: ReadonlyMap<string, Json>): Generator<string> {
  yield `"${name}":[`
  let separator = ''
  for (const [id, entity] of map) {
    yield `${separator}${canonical([id, entity])}`
    separator = ','
  }
  yield ']'
}

/**
 * @param verify recompute the digest, about 5 µs an entity. Off only where the bytes were already
 *   authenticated, as a sealed file is.
 */
export function decodeSnapshot(text: string, verify: boolean): Result<CatalogSnapshot, SnapshotProblem> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return err({ kind: 'malformed', detail: 'not JSON' })
  }
  const header = Header.safeParse(value)
  if (!header.success) return err({ kind: 'malformed', detail: z.prettifyError(header.error) })
  const { foldVersion, epoch, commit, chain, digest, genesis, floor } = header.data
  if (foldVersion !== FOLD_VERSION) {
    return err({
      kind: 'other_fold_version',
      detail: `written by fold ${foldVersion}, this build folds ${FOLD_VERSION}`,
    })
  }
  // The digest covers every entity, so equal digests mean that these are the writer's own objects.
  const catalog: Catalog = {
    commit,
    epoch,
    genesis,
    floor,
    providers: new Map(header.data.providers as [ProviderId, Provider][]),
    models: new Map(header.data.models as [ModelName, LogicalModel][]),
    keys: new Map(header.data.keys as [KeyId, ClientKey][]),
    budgets: new Map(header.data.budgets as [BudgetId, Budget][]),
    versions: new Map(header.data.versions as [StreamId, number][]),
    frozen: new Map(header.data.frozen as [StreamId, Frozen][]),
  }
  if (verify && stateDigest(catalog) !== digest) {
    return err({ kind: 'digest_mismatch', detail: `at commit ${commit}` })
  }
  return ok({ catalog, chain, digest })
}
