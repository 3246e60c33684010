/**
 * What a release makes of a log, in one place: the folds that a world checks its nodes against.
 *
 * Loaded once for every release, always without planted bugs.
 */
import { EMPTY_CATALOG, FOLD_VERSION, type Catalog } from '#contracts/catalog/catalog.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { CHAIN_START, verifyCommit } from '#contracts/commit/chain.ts'
import { readCommit, type Commit, type WireCommit } from '#contracts/commit/commit.ts'
import { EMPTY_DIGEST, nextDigest, stateDigest } from '#contracts/commit/digest.ts'

/** A state of the log as one release sees it. */
export type Seen = Readonly<{ catalog: Catalog; digest: string }>

export const NOTHING: Seen = { catalog: EMPTY_CATALOG, digest: EMPTY_DIGEST }

export const foldVersion = FOLD_VERSION

export function see(before: Seen, wire: WireCommit): Seen & Readonly<{ events: Commit['events'] }> {
  const commit = readCommit(wire)
  const catalog = foldCommits(before.catalog, [commit])
  const touched = commit.events.map(({ stream }) => stream)
  return {
    catalog,
    digest: nextDigest(before.digest, before.catalog, catalog, touched),
    events: commit.events,
  }
}

export const digestOf = (catalog: Catalog): string => stateDigest(catalog)

/** @returns what is wrong with a commit, or null. */
export function problemOf(wire: WireCommit, prev: string | null): string | null {
  const verified = verifyCommit(wire, prev ?? CHAIN_START)
  return verified.ok ? null : verified.error
}
