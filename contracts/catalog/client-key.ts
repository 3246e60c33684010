/**
 * A client key: who may call us. The key itself is never stored, only a keyed hash of it.
 *
 * Pure.
 */
import { z } from 'zod'
import type { KeyId } from '../ids.ts'
import { Origin } from './provider.ts'

/** Keyed SHA-256 of the key (`clientKeyDigest`), base64url, 43 characters. */
const digest = z.string().length(43)
/** First characters of the key, to recognise it in a list. */
const prefix = z.string().max(12)
const name = z.string().min(1).max(200)
/** Epoch milliseconds; null: never. */
const expiresAt = z.int().positive().nullable()

export const ClientKeyName = name
export const ClientKeyExpiry = expiresAt

export type ClientKeyState = 'active' | 'suspended' | 'revoked'

export type ClientKey = Readonly<{
  id: KeyId
  version: number
  origin: Origin
  name: string
  digest: string
  prefix: string
  /** The digest before the last rotation, honoured until `overlapUntil` (epoch milliseconds). */
  previous: Readonly<{ digest: string; overlapUntil: number }> | null
  expiresAt: number | null
  state: ClientKeyState
  createdAt: number
  changedAt: number
}>

export const clientKeyEvents = {
  ClientKeyIssued: z.strictObject({ origin: Origin, name, digest, prefix, expiresAt }),
  ClientKeyRotated: z.strictObject({ digest, prefix, overlapUntil: z.int().nonnegative() }),
  ClientKeyExpirySet: z.strictObject({ expiresAt }),
  ClientKeySuspended: z.strictObject({}),
  ClientKeyResumed: z.strictObject({}),
  /** Final: a revoked key never works again. */
  ClientKeyRevoked: z.strictObject({}),
}
