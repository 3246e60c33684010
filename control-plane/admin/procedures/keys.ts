/**
 * Client keys: who may call the gateway. The text of a key exists in one answer and nowhere else.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import {
  ClientKeyExpiry,
  ClientKeyName,
  ContentLog,
  KeyOwner,
  KeyScopes,
  KeyTags,
  PLAIN_TERMS,
  termsOf,
  type ClientKey,
  type KeyTerms,
} from '#contracts/catalog/client-key.ts'
import { Limits } from '#contracts/catalog/limits.ts'
import { keyId } from '#contracts/ids.ts'
import { clientKeyDigest } from '#contracts/security/master-key.ts'
import type { AdminContext } from '../context.ts'
import { procedure, refused, router } from '../trpc.ts'
import {
  asking,
  carryOut,
  catalogAt,
  changing,
  expecting,
  page,
  paging,
  type Change,
  type ChangeInput,
} from '../change.ts'

const KeyIdText = z.string().min(1).max(64)
const existing = { id: KeyIdText, ...expecting, ...changing }
const expiresAt = ClientKeyExpiry.describe('Epoch milliseconds; null: never.')
/** 30 days: an old key must not be forgotten. */
const OVERLAP_SECONDS = 30 * 86_400

const scopes = KeyScopes.describe(
  'Models (* stands for any characters), providers and endpoints; left out: all.',
)
const limits = Limits.describe('Over the whole fleet; what is left out is not limited.')
const owner = KeyOwner.nullable().describe('A person or a team.')
const tags = KeyTags.describe('What usage is added up by.')
const keepContext = z
  .boolean()
  .describe('Whether what is said in named sessions can be looked at afterwards.')
const contentLog = ContentLog.nullable().describe(
  'Keep what is said in requests for so long, secrets taken out (`requests content`); null: keep none of it.',
)

export type ClientKeyView = Pick<
  ClientKey,
  'id' | 'version' | 'origin' | 'name' | 'prefix' | 'state' | 'expiresAt' | 'createdAt' | 'changedAt'
> &
  KeyTerms &
  Readonly<{
    /** Suspended because no declaration names it any more. */
    undeclared: boolean
    /** Until when the key before the last rotation is honoured, in epoch milliseconds. */
    previousUntil: number | null
  }>

export const view = (key: ClientKey): ClientKeyView => ({
  id: key.id,
  version: key.version,
  origin: key.origin,
  name: key.name,
  prefix: key.prefix,
  state: key.state,
  undeclared: key.undeclared ?? false,
  ...termsOf(key),
  expiresAt: key.expiresAt,
  previousUntil: key.previous?.overlapUntil ?? null,
  createdAt: key.createdAt,
  changedAt: key.changedAt,
})

/** 256 random bits, 49 characters. */
const newKeyText = (): string => `sk-ap-${randomBytes(32).toString('base64url')}`
const PREFIX_CHARACTERS = 12

export type KeyChange = Change &
  Readonly<{
    /** The key itself: shown this once, and null when it cannot be shown. */
    key: string | null
    note: string
  }>

function withKey(change: Change, key: string): KeyChange {
  if (change.dryRun) return { ...change, key: null, note: 'a dry run makes no key' }
  if (!change.replayed) return { ...change, key, note: 'this key is shown once; it cannot be read again' }
  return {
    ...change,
    key: null,
    note: 'this command made its key before; if that answer is lost, rotate the key',
  }
}

export const keys = router({
  list: procedure
    .meta({ description: 'Client keys, in the order of their ids.' })
    .input(z.strictObject({ ...paging, ...asking }).prefault({}))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const { items, next } = page(catalog.keys, input)
      return { commitNo: catalog.commit, keys: items.map(view), next }
    }),

  get: procedure
    .meta({ description: 'One client key.' })
    .input(z.strictObject({ id: KeyIdText, ...asking }))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const key = catalog.keys.get(keyId(input.id))
      if (key === undefined) throw refused({ kind: 'not_found', what: `key ${input.id}` })
      return { commitNo: catalog.commit, key: view(key) }
    }),

  issue: procedure
    .meta({ description: 'Issue a client key. Its text is shown once.' })
    .input(
      z.strictObject({
        name: ClientKeyName,
        expiresAt: expiresAt.default(null),
        scopes: scopes.default(PLAIN_TERMS.scopes),
        limits: limits.default(PLAIN_TERMS.limits),
        owner: owner.default(null),
        tags: tags.default([]),
        keepContext: keepContext.default(true),
        contentLog: contentLog.default(null),
        ...changing,
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const id = keyId(`key_${randomUUID().replaceAll('-', '')}`)
      const text = newKeyText()
      const change = await carryOut(ctx, input, {
        command: {
          type: 'IssueKey',
          id,
          name: input.name,
          digest: clientKeyDigest(ctx.masterKey.pepper, text),
          prefix: text.slice(0, PREFIX_CHARACTERS),
          expiresAt: input.expiresAt,
          terms: {
            scopes: input.scopes,
            limits: input.limits,
            owner: input.owner,
            tags: input.tags,
            keepContext: input.keepContext,
            contentLog: input.contentLog,
          },
        },
        ids: { key: id },
      })
      return withKey(change, text)
    }),

  rotate: procedure
    .meta({ description: 'Give a client key a new text, shown once.' })
    .input(
      z.strictObject({
        ...existing,
        overlapSeconds: z
          .int()
          .min(0)
          .max(OVERLAP_SECONDS)
          .default(0)
          .describe('How long the old text still works.'),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const { expectedVersion } = input
      const id = keyId(input.id)
      const text = newKeyText()
      const change = await carryOut(ctx, input, {
        command: {
          type: 'RotateKey',
          id,
          digest: clientKeyDigest(ctx.masterKey.pepper, text),
          prefix: text.slice(0, PREFIX_CHARACTERS),
          overlapUntil: ctx.clock.now() + input.overlapSeconds * 1_000,
          expectedVersion,
        },
        ids: { key: id },
      })
      return withKey(change, text)
    }),

  setExpiry: procedure
    .meta({ description: 'Set when a client key expires.' })
    .input(z.strictObject({ ...existing, expiresAt }))
    .mutation(({ ctx, input }) => {
      const { expectedVersion } = input
      const id = keyId(input.id)
      const command = { type: 'SetKeyExpiry', id, expiresAt: input.expiresAt, expectedVersion } as const
      return carryOut(ctx, input, { command, ids: { key: id } })
    }),

  setScopes: procedure
    .meta({ description: 'Set what a client key may be used for.' })
    .input(z.strictObject({ ...existing, scopes }))
    .mutation(({ ctx, input }) => setTerms(ctx, input, { scopes: input.scopes })),

  setLimits: procedure
    .meta({ description: 'Limit a client key.' })
    .input(z.strictObject({ ...existing, limits }))
    .mutation(({ ctx, input }) => setTerms(ctx, input, { limits: input.limits })),

  setOwner: procedure
    .meta({ description: 'Set whose a client key is, and its tags.' })
    .input(z.strictObject({ ...existing, owner, tags }))
    .mutation(({ ctx, input }) => setTerms(ctx, input, { owner: input.owner, tags: input.tags })),

  setContext: procedure
    .meta({ description: 'Set whether sessions of a client key can be looked at.' })
    .input(z.strictObject({ ...existing, keepContext }))
    .mutation(({ ctx, input }) => setTerms(ctx, input, { keepContext: input.keepContext })),

  setContentLog: procedure
    .meta({ description: 'Set whether what is said with a client key is logged, and for how long.' })
    .input(z.strictObject({ ...existing, contentLog }))
    .mutation(({ ctx, input }) => setTerms(ctx, input, { contentLog: input.contentLog })),

  suspend: plain('SuspendKey', 'Refuse a client key until it is resumed.'),
  resume: plain('ResumeKey', 'Accept a suspended client key again.'),
  revoke: plain('RevokeKey', 'Refuse a client key for ever.'),
})

type TermsInput = ChangeInput & Readonly<{ id: string; expectedVersion: number }>

function setTerms(ctx: AdminContext, input: TermsInput, terms: Partial<KeyTerms>): Promise<Change> {
  const id = keyId(input.id)
  const command = { type: 'SetKeyTerms', id, terms, expectedVersion: input.expectedVersion } as const
  return carryOut(ctx, input, { command, ids: { key: id } })
}

function plain(type: 'SuspendKey' | 'ResumeKey' | 'RevokeKey', description: string) {
  return procedure
    .meta({ description })
    .input(z.strictObject(existing))
    .mutation(({ ctx, input }) => {
      const { expectedVersion } = input
      const id = keyId(input.id)
      return carryOut(ctx, input, { command: { type, id, expectedVersion }, ids: { key: id } })
    })
}
