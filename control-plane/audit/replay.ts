/**
 * A state folded again, compared with everybody who said what it was.
 *
 * Pure in effect.
 */
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { NodeReport } from '#contracts/fleet/report.ts'
import type { ServedState, Signed } from '../store/past.ts'
import { openCheckpoint } from './statement.ts'
import type { Verifier } from './signer.ts'

export type ServedView = Readonly<{
  node: string
  digest: string
  /** Epoch milliseconds. */
  seenAt: number
  /** `other_fold`: of a release that folds differently, whose digests are not comparable. */
  verdict: 'equal' | 'different' | 'other_fold'
}>

export type Witnesses = Readonly<{
  commit: number
  /** Of the state that was folded again. */
  digest: string
  /** What this process has; undefined: too long ago. */
  ledger: string | undefined
  /** A checkpoint, perhaps of this commit. */
  statement: Signed | undefined
  verifier: Verifier
  kept: readonly ServedState[]
  live: readonly Readonly<{ report: NodeReport; lastSeen: number }>[]
}>

export function compareServed(witnesses: Witnesses): Readonly<{
  ok: boolean
  checkpoint: 'equal' | 'different' | 'none'
  nodes: readonly ServedView[]
}> {
  const { commit, digest, ledger, kept, live } = witnesses
  const now = live
    .filter(({ report }) => report.applied === commit)
    .map(({ report, lastSeen }): ServedState => {
      const { node, foldVersion, digest: said } = report
      return { node, foldVersion, digest: said, seenAt: lastSeen }
    })
  // What a node says now replaces what it said then, where that is the same.
  const states = new Map([...kept, ...now].map((state) => [`${state.node} ${state.digest}`, state]))
  const nodes = [...states.values()].map(({ node, foldVersion, digest: said, seenAt }): ServedView => {
    const verdict = foldVersion !== FOLD_VERSION ? 'other_fold' : said === digest ? 'equal' : 'different'
    return { node, digest: said, seenAt, verdict }
  })
  const checkpoint = compareCheckpoint(witnesses)
  const isOurs = ledger === undefined || ledger === digest
  const ok = isOurs && checkpoint !== 'different' && nodes.every(({ verdict }) => verdict !== 'different')
  return { ok, checkpoint, nodes }
}

function compareCheckpoint({ commit, digest, statement, verifier }: Witnesses) {
  const opened = statement === undefined ? null : openCheckpoint(statement, verifier)
  if (opened?.commit !== commit || opened.foldVersion !== FOLD_VERSION) return 'none'
  return opened.digest === digest ? 'equal' : 'different'
}
