/**
 * Checks the log link by link, as a stranger would: nothing of it is believed that its hashes do not cover.
 *
 * Pure in effect. Stricter than a node's check: here every body must be there, and who did it and why.
 */
import { CHAIN_START, metaLeaf, verifyCommit, type ChainProblem } from '#contracts/commit/chain.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { RecordedCommit } from '../store/event-log.ts'

export type LogProblem =
  | ChainProblem
  /** There is no commit of this number, or another stands in its place. */
  | 'commit_missing'
  /** The commit has more events than are stored. */
  | 'event_missing'
  /** Who or why is not what was hashed. */
  | 'meta_mismatch'
  /** The chain ends in another link than the control plane has seen. */
  | 'head_mismatch'

/** A verified beginning of the log. */
export type Verified = Readonly<{ commit: number; chain: string }>

export const NOTHING_VERIFIED: Verified = { commit: 0, chain: CHAIN_START }

export function verifyNext(verified: Verified, { wire, meta }: RecordedCommit): Result<Verified, LogProblem> {
  if (wire.commit !== verified.commit + 1) return err('commit_missing')
  if (wire.events.length !== wire.leaves.length - 1 || wire.events.some(({ i }, at) => i !== at)) {
    return err('event_missing')
  }
  if (wire.leaves[0] !== metaLeaf(meta)) return err('meta_mismatch')
  const checked = verifyCommit(wire, verified.chain)
  return checked.ok ? ok({ commit: wire.commit, chain: wire.chain }) : checked
}
