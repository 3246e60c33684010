/**
 * A client key: who may call us. The key itself is never stored, only a keyed hash of it.
 *
 * Pure.
 */
import { z } from 'zod'
import type { KeyId } from '../ids.ts'
import { Limits } from './limits.ts'
import { Origin, ProviderIdText } from './provider.ts'

/** Keyed SHA-256 of the key (`clientKeyDigest`), base64url, 43 characters. */
const digest = z.string().length(43)
/** First characters of the key, to recognise it in a list. */
const prefix = z.string().max(12)
const name = z.string().min(1).max(200)
/** Epoch milliseconds; null: never. */
const expiresAt = z.int().positive().nullable()

/** The kinds of requests a client can make. Model lists and its own sessions are open to every key. */
export const CLIENT_ENDPOINTS = [
  'chat',
  'responses',
  'messages',
  'generate',
  'embeddings',
  'count_tokens',
] as const
export type ClientEndpoint = (typeof CLIENT_ENDPOINTS)[number]

/** What a key may be used for. Absent: anything; there is no empty list, which could be read either way. */
export const KeyScopes = z.strictObject({
  /** Names as clients write them (`fast`, `openai/gpt-4o`), `*` standing for any characters. */
  models: z
    .array(
      z.string().regex(/^[^\s"\\]{1,200}$/, 'must be a model name, in which * stands for any characters'),
    )
    .min(1)
    .max(100)
    .optional(),
  providers: z.array(ProviderIdText).min(1).max(100).optional(),
  endpoints: z.array(z.enum(CLIENT_ENDPOINTS)).min(1).optional(),
})
export type KeyScopes = Readonly<z.infer<typeof KeyScopes>>

/** That what is said with a key is kept, apart from the record of the request, and for how long. */
export const ContentLog = z.strictObject({
  ttlSeconds: z
    .int()
    .min(60)
    .max(30 * 86_400),
})
export type ContentLog = Readonly<z.infer<typeof ContentLog>>

const owner = z.string().min(1).max(200)
const tags = z.array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,62}$/, 'must be a short word')).max(20)
export const KeyOwner = owner
export const KeyTags = tags

/** What can be said of a key beside its text: under which terms it is given. */
export type KeyTerms = Readonly<{
  scopes: KeyScopes
  limits: Limits
  /** A person or a team; null: nobody is named. */
  owner: string | null
  /** What usage is added up by. */
  tags: readonly string[]
  /** Whether what is said in a session that the client names may be looked at afterwards. */
  keepContext: boolean
  /** What is said in its requests is logged; null: none of it is. */
  contentLog: ContentLog | null
}>

/** Of a key about which nothing was said. */
export const PLAIN_TERMS: KeyTerms = {
  scopes: {},
  limits: {},
  owner: null,
  tags: [],
  keepContext: true,
  contentLog: null,
}

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
  /** True: suspended because no declaration names it any more; it works again when one does and says nothing else. */
  undeclared?: boolean | undefined
  /** Terms that were set; those that never were are `PLAIN_TERMS`. */
  scopes?: KeyScopes | undefined
  limits?: Limits | undefined
  owner?: string | null | undefined
  tags?: readonly string[] | undefined
  keepContext?: boolean | undefined
  contentLog?: ContentLog | null | undefined
  createdAt: number
  changedAt: number
}>

export const termsOf = (key: ClientKey): KeyTerms => ({
  scopes: key.scopes ?? PLAIN_TERMS.scopes,
  limits: key.limits ?? PLAIN_TERMS.limits,
  owner: key.owner ?? null,
  tags: key.tags ?? PLAIN_TERMS.tags,
  keepContext: key.keepContext ?? PLAIN_TERMS.keepContext,
  contentLog: key.contentLog ?? PLAIN_TERMS.contentLog,
})

export const clientKeyEvents = {
  ClientKeyIssued: z.strictObject({ origin: Origin, name, digest, prefix, expiresAt }),
  ClientKeyRotated: z.strictObject({ digest, prefix, overlapUntil: z.int().nonnegative() }),
  ClientKeyExpirySet: z.strictObject({ expiresAt }),
  ClientKeyScopesSet: z.strictObject({ scopes: KeyScopes }),
  ClientKeyLimitsSet: z.strictObject({ limits: Limits }),
  ClientKeyOwnerSet: z.strictObject({ owner: owner.nullable(), tags }),
  ClientKeyContextSet: z.strictObject({ keepContext: z.boolean() }),
  ClientKeyContentLogSet: z.strictObject({ contentLog: ContentLog.nullable() }),
  /** `undeclared`: it was taken out of the declaration it came from. */
  ClientKeySuspended: z.strictObject({ undeclared: z.literal(true).optional() }),
  ClientKeyResumed: z.strictObject({}),
  /** Final: a revoked key never works again. */
  ClientKeyRevoked: z.strictObject({}),
}
