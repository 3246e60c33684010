/**
 * What all changes have in common: what they take, how they are carried out, what they answer.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { canonical, checkCanonical } from '#contracts/canonical.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { sha256Hex } from '#contracts/commit/hash.ts'
import { secretFingerprint } from '#contracts/security/master-key.ts'
import { Secret } from '#contracts/security/secret.ts'
import type { Command } from '../commands/command.ts'
import type { Outcome } from '../commands/ledger.ts'
import type { SealedSecret } from '../store/event-log.ts'
import type { AdminContext } from './context.ts'
import { answered, OUTCOME_UNKNOWN, refused } from './trpc.ts'

/** Members of every change's input. */
export const changing = {
  commandId: z
    .uuid()
    .optional()
    .describe('Same id, same change: a change sent twice is carried out once. Made here when absent.'),
  reason: z.string().min(1).max(500).optional().describe('Why, for the audit trail.'),
  dryRun: z.boolean().default(false).describe('Decide and answer, but write nothing.'),
}

/** Of what is done and makes no commit: clients give an id to all they do, and twice is as good as once. */
export const doing = {
  commandId: changing.commandId.describe('Taken as every change takes it; nothing is remembered by it.'),
}

/** Of every change of something that exists. */
export const expecting = {
  expectedVersion: z
    .int()
    .min(1)
    .describe('The version you have seen; the change is refused when there is a newer one.'),
}

export type ChangeInput = Readonly<{
  commandId?: string | undefined
  reason?: string | undefined
  dryRun: boolean
}>

export type Wish = Readonly<{
  command: Command
  /** Ids made for this command. */
  ids?: Readonly<Record<string, string>>
  secrets?: readonly SealedSecret[]
}>

export type Change = Outcome & Readonly<{ commandId: string; dryRun: boolean }>

/** Carries a command out, or throws why not. */
export async function carryOut(
  ctx: AdminContext,
  input: ChangeInput,
  { command, ids, secrets }: Wish,
): Promise<Change> {
  const { commandId = randomUUID(), dryRun, ...asked } = input
  const hashed = checkCanonical(withoutSecrets(asked, ctx.masterKey.fingerprint))
  if (!hashed.ok) {
    const { path, reason } = hashed.error
    throw refused({ kind: 'invalid', issues: [{ path, message: `cannot be stored: ${reason}` }] })
  }
  const request = {
    command,
    commandId,
    requestHash: sha256Hex(canonical({ command: command.type, asked: hashed.value })),
    actor: ctx.actor,
    reason: input.reason ?? null,
    secrets: secrets ?? [],
    ids: ids ?? {},
    dryRun,
  }
  const result = await answered(ctx.ledger.execute(request), OUTCOME_UNKNOWN)
  if (!result.ok) throw refused(result.error)
  ctx.note.detail = describe(result.value, commandId, dryRun)
  return { ...result.value, commandId, dryRun }
}

/** The same input by its meaning: a secret is told apart from another by its fingerprint alone. */
function withoutSecrets(value: unknown, key: Uint8Array): unknown {
  if (value instanceof Secret) return { fingerprint: secretFingerprint(key, value) }
  if (Array.isArray(value)) return value.map((member: unknown) => withoutSecrets(member, key))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, withoutSecrets(member, key)]),
  )
}

function describe({ commitNo, events, replayed }: Outcome, commandId: string, dryRun: boolean): string {
  const what = dryRun
    ? 'dry run'
    : replayed
      ? 'carried out before'
      : events.length === 0
        ? 'no change'
        : events.join(', ')
  return `commit ${commitNo}, command ${commandId}: ${what}`
}

/** Of every question about the catalog. */
export const asking = {
  atLeastCommit: z
    .int()
    .min(0)
    .default(0)
    .describe(
      'Answer from this commit or a later one: what you have just changed, asked of another process.',
    ),
}

export async function catalogAt(ctx: AdminContext, commit: number, path = 'atLeastCommit'): Promise<Catalog> {
  if (ctx.ledger.catalog.commit < commit) await answered(ctx.ledger.catchUp())
  const { catalog } = ctx.ledger
  if (catalog.commit >= commit) return catalog
  const message = `the log ends at commit ${catalog.commit}`
  throw refused({ kind: 'invalid', issues: [{ path, message }] })
}

export const paging = {
  after: z.string().max(300).optional().describe('Only what comes after this name or id.'),
  limit: z.int().min(1).max(1_000).default(1_000),
}

export type Page<Item> = Readonly<{
  items: readonly Item[]
  /** `after` of the next page; null: this is the last. */
  next: string | null
}>

/** A page of a map in the order of its keys. */
export function page<Key extends string, Item>(
  map: ReadonlyMap<Key, Item>,
  { after, limit }: Readonly<{ after?: string | undefined; limit: number }>,
): Page<Item> {
  const rest = [...map].filter(([key]) => after === undefined || key > after)
  rest.sort(([a], [b]) => (a < b ? -1 : 1))
  const items = rest.slice(0, limit)
  return {
    items: items.map(([, item]) => item),
    next: rest.length > limit ? (items.at(-1)?.[0] ?? null) : null,
  }
}
