/**
 * Builds valid commits, chained and counted, out of events: what the control plane's store does in SQL.
 */
import { canonical } from '#contracts/canonical.ts'
import { currentVersion, type CatalogEvent } from '#contracts/catalog/event.ts'
import {
  CHAIN_START,
  chainLink,
  eventLeaf,
  commitRoot,
  metaLeaf,
  type CommitMeta,
} from '#contracts/commit/chain.ts'
import { GUARD, TENANT, type WireCommit, type WireEvent } from '#contracts/commit/commit.ts'

/** When the first built commit was made; each later one a second after it. */
const BEGIN = 1_700_000_000_000

export const metaOf = (commit: number): CommitMeta => ({
  commandId: `command-${commit}`,
  command: 'test',
  actor: { kind: 'test', id: 'test' },
  reason: null,
  at: BEGIN + commit * 1_000,
  tenant: TENANT,
  guard: GUARD,
})

/** Makes the commits after `before`, one for each batch. */
export function buildCommits(
  batches: readonly (readonly CatalogEvent[])[],
  before: Readonly<{ commit: number; chain: string; versions: ReadonlyMap<string, number> }> = {
    commit: 0,
    chain: CHAIN_START,
    versions: new Map(),
  },
): readonly WireCommit[] {
  const versions = new Map(before.versions)
  let { commit, chain } = before
  return batches.map((batch) => {
    commit += 1
    const events = batch.map((event, i): WireEvent => {
      const sver = (versions.get(event.stream) ?? 0) + 1
      versions.set(event.stream, sver)
      return {
        i,
        stream: event.stream,
        sver,
        type: event.type,
        sv: currentVersion(event.type),
        body: canonical(event.body),
      }
    })
    const built = sealCommit({ commit, prev: chain, events })
    chain = built.chain
    return built
  })
}

/** Computes leaves and chain of a commit with any events, also with ones that no build can read. */
export function sealCommit(
  { commit, prev, events }: Readonly<{ commit: number; prev: string; events: readonly WireEvent[] }>,
  epoch = 1,
): WireCommit {
  const meta = metaOf(commit)
  const leaves = [metaLeaf(meta), ...events.map(eventLeaf)]
  const header = { epoch, at: meta.at, tenant: TENANT, guard: GUARD }
  const chain = chainLink(prev, commit, commitRoot(header, leaves))
  return { v: 1, ...header, commit, prev, chain, leaves, events }
}
