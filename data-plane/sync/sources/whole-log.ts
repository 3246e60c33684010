/**
 * The last resort of a node whose release folds otherwise than the control plane's: the log from its first
 * commit, folded here.
 *
 * Off to the side: nothing of it is served before its end was reached. About 20 s for a million commits.
 */
import { EMPTY_CATALOG, FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { foldOnto } from '#contracts/catalog/fold.ts'
import { CHAIN_START, verifyCommit } from '#contracts/commit/chain.ts'
import { floorIn, readCommit, type Commit } from '#contracts/commit/commit.ts'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import { openCommit } from '#contracts/commit/signed.ts'
import type { CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import { turn } from '../waits.ts'
import { BATCH } from './stream.ts'

/**
 * @param read signed commits after a number, in order; empty at the end. Its rejection is passed on.
 * @param key `MasterKey.commits`.
 * @returns the state at the end of the log or before the commit whose floor is above this release; null when
 *   the log is empty or was damaged on its way.
 */
export async function foldWholeLog(
  read: (after: number) => Promise<readonly string[]>,
  key: Uint8Array,
): Promise<CatalogSnapshot | null> {
  let folded: CatalogSnapshot = { catalog: EMPTY_CATALOG, chain: CHAIN_START, digest: EMPTY_DIGEST }
  for (;;) {
    const texts = await read(folded.catalog.commit)
    let isAtEnd = texts.length === 0
    for (let index = 0; index < texts.length && !isAtEnd; index += BATCH) {
      const run = readRun(texts.slice(index, index + BATCH), folded, key)
      if (run === null) return null
      folded = foldOnto(folded, run.commits)
      isAtEnd = run.isAtFloor
      await turn()
    }
    if (isAtEnd) return folded.catalog.commit === 0 ? null : folded
  }
}

type Run = Readonly<{ commits: readonly Commit[]; isAtFloor: boolean }>

function readRun(texts: readonly string[], { catalog, chain }: CatalogSnapshot, key: Uint8Array): Run | null {
  const commits: Commit[] = []
  let prev = chain
  for (const text of texts) {
    const opened = openCommit(text, key)
    if (!opened.ok || opened.value.commit !== catalog.commit + commits.length + 1) return null
    if (!verifyCommit(opened.value, prev).ok) return null
    const commit = readCommit(opened.value)
    if (floorIn(commit) > FOLD_VERSION) return { commits, isAtFloor: true }
    commits.push(commit)
    prev = commit.chain
  }
  return { commits, isAtFloor: false }
}
