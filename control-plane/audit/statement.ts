/**
 * What a checkpoint says, and who said it.
 *
 * Pure in effect.
 */
import { z } from 'zod'
import type { Signed } from '../store/past.ts'
import type { Verifier } from './signer.ts'

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)

const Checkpoint = z.strictObject({
  v: z.literal(1),
  logId: z.string(),
  epoch: z.int().min(1),
  commit: z.int().min(1),
  /** Link of the commit. */
  chain: hex64,
  /** State digest at the commit, and the fold that it is of. */
  digest: hex64,
  foldVersion: z.int(),
  /** Epoch milliseconds, when it was issued. */
  at: z.int().nonnegative(),
})
export type Checkpoint = Readonly<z.infer<typeof Checkpoint>>

/** @returns the statement, or null: it is not one of this key. */
export function openCheckpoint(signed: Signed, verifier: Verifier): Checkpoint | null {
  if (!verifier.accepts('checkpoint', signed)) return null
  return Checkpoint.parse(JSON.parse(signed.body))
}
