/**
 * The hash chain: every commit names the one before it, so nothing can be changed, dropped, added or
 * reordered without showing.
 *
 * Pure. leaf = SHA-256(canonical text), root = SHA-256(hash of the header | leaves in order),
 * chain = SHA-256(previous chain | commit number as 8 bytes, big endian | root).
 * Postgres computes the same `chain` inside the append function, where the previous link is locked.
 */
import { canonical, type Json } from '../canonical.ts'
import { err, ok, type Result } from '../result.ts'
import type { WireCommit, WireEvent } from './commit.ts'
import { sha256, sha256Hex } from './hash.ts'

/** The link before the first commit. */
export const CHAIN_START = '0'.repeat(64)

/** Who did it and why: bound into leaf 0, kept in the log, not sent to nodes. */
export type CommitMeta = Readonly<{
  commandId: string
  command: string
  actor: Readonly<{ kind: string; id: string }>
  reason: string | null
  at: number
  tenant: string
  guard: string
}>

export const metaLeaf = (meta: CommitMeta): string => sha256Hex(canonical(meta))

export function eventLeaf(event: Omit<WireEvent, 'i'>): string {
  const { stream, sver, type, sv, body } = event
  const leaf: Json = { stream, sver, type, sv, body }
  return sha256Hex(canonical(leaf))
}

/** What the envelope says about the commit beside its number and links. */
export type CommitHeader = Readonly<{ epoch: number; at: number; tenant: string; guard: string }>

export function commitRoot({ epoch, at, tenant, guard }: CommitHeader, leaves: readonly string[]): Buffer {
  const header = sha256Hex(canonical({ epoch, at, tenant, guard }))
  return sha256(Buffer.from(header + leaves.join(''), 'hex'))
}

export function chainLink(prev: string, commit: number, root: Uint8Array): string {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(commit))
  return sha256(Buffer.from(prev, 'hex'), number, root).toString('hex')
}

/** Why a commit cannot be trusted. */
export type ChainProblem = 'leaf_mismatch' | 'chain_mismatch' | 'not_next_link'

/**
 * Checks a commit against itself and against the link before it.
 * Events without a body for this reader are absent from `events`; their leaves still count.
 */
export function verifyCommit(wire: WireCommit, prev: string): Result<true, ChainProblem> {
  for (const event of wire.events) {
    if (wire.leaves[event.i + 1] !== eventLeaf(event)) return err('leaf_mismatch')
  }
  if (wire.chain !== chainLink(wire.prev, wire.commit, commitRoot(wire, wire.leaves)))
    return err('chain_mismatch')
  return wire.prev === prev ? ok(true) : err('not_next_link')
}
