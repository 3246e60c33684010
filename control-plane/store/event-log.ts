/**
 * The log on Postgres (or PGlite): append, and read back what was appended.
 *
 * A rejected promise means that the outcome is not known: the connection broke, perhaps after the commit.
 * Sending the same command id again tells, because the append function remembers it.
 */
import { sql, type Kysely } from 'kysely'
import { canonical } from '#contracts/canonical.ts'
import { currentVersion, type CatalogEvent } from '#contracts/catalog/event.ts'
import { chainLink, eventLeaf, commitRoot, metaLeaf, type CommitMeta } from '#contracts/commit/chain.ts'
import { GUARD, TENANT, type WireCommit, type WireEvent } from '#contracts/commit/commit.ts'
import { clientKeyStream, keyId, type KeyId } from '#contracts/ids.ts'
import type { Database } from './schema.ts'

export type Head = Readonly<{ commit: number; epoch: number; chain: string }>

/** A secret that becomes part of the vault with the commit. */
export type SealedSecret = Readonly<{ id: string; sealed: string }>

export type AppendInput = Readonly<{
  /** Commit the decision was made on: nothing may have come in between. */
  expectedHead: number
  commandId: string
  /** Tells the same command sent again from another one under the same id. */
  requestHash: string
  /** What the command answers, as JSON text; given back when it is sent again. */
  response: string
  epoch: number
  meta: CommitMeta
  /** With the version each takes in its stream. */
  events: readonly Readonly<{ event: CatalogEvent; version: number }>[]
  secrets: readonly SealedSecret[]
}>

export type AppendResult =
  | Readonly<{ kind: 'appended'; wire: WireCommit }>
  | Readonly<{ kind: 'replayed'; commit: number; response: string }>
  | Readonly<{ kind: 'key_reused' }>
  | Readonly<{ kind: 'head_moved'; head: number }>

/** A command as it was first carried out. */
export type RecordedCommand = Readonly<{ requestHash: string; commit: number; response: string }>

export type RecordedCommit = Readonly<{ wire: WireCommit; meta: CommitMeta }>

/** What an append writes beside its input: the events as they are stored, their leaves, and the root of both. */
export function prepareAppend(
  input: AppendInput,
): Readonly<{ events: readonly WireEvent[]; leaves: readonly string[]; root: Buffer }> {
  const events = input.events.map(({ event, version }, i): WireEvent => ({
    i,
    stream: event.stream,
    sver: version,
    type: event.type,
    sv: currentVersion(event.type),
    body: canonical(event.body),
  }))
  const leaves = [metaLeaf(input.meta), ...events.map(eventLeaf)]
  const header = { epoch: input.epoch, at: input.meta.at, tenant: TENANT, guard: GUARD }
  return { events, leaves, root: commitRoot(header, leaves) }
}

/** What streams of client keys begin with. */
const NO_KEY = clientKeyStream(keyId(''))

export class EventLog {
  readonly #database: Kysely<Database>

  constructor(database: Kysely<Database>) {
    this.#database = database
  }

  async head(): Promise<Head> {
    const row = await this.#database.selectFrom('cp_head').selectAll().executeTakeFirstOrThrow()
    return { commit: Number(row.commit_no), epoch: row.epoch, chain: row.chain.toString('hex') }
  }

  async append(input: AppendInput): Promise<AppendResult> {
    const { events, leaves, root } = prepareAppend(input)
    const { rows } = await sql<AppendRow>`select * from cp_append(
      ${input.expectedHead}::bigint, ${input.commandId}, ${input.requestHash}, ${input.response},
      ${input.epoch}::int, ${canonical(input.meta)}, ${input.meta.at}::bigint,
      ${Buffer.from(leaves.join(''), 'hex')}::bytea, ${root}::bytea,
      ${events.map((event) => event.stream)}::text[], ${events.map((event) => event.sver)}::int[],
      ${events.map((event) => event.type)}::text[], ${events.map((event) => event.sv)}::int[],
      ${events.map((event) => event.body)}::text[],
      ${input.secrets.map((secret) => secret.id)}::text[], ${input.secrets.map((secret) => secret.sealed)}::text[]
    )`.execute(this.#database)
    const row = rows[0]
    if (row === undefined) throw new Error('cp_append answered nothing')
    return readAppend(row, { ...input, events, leaves, root })
  }

  async command(id: string): Promise<RecordedCommand | null> {
    const row = await this.#database
      .selectFrom('cp_command')
      .selectAll()
      .where('command_id', '=', id)
      .executeTakeFirst()
    return row === undefined
      ? null
      : { requestHash: row.request_hash, commit: Number(row.commit_no), response: row.response }
  }

  /** Commits after a number, in order. */
  async read(after: number, limit: number): Promise<readonly RecordedCommit[]> {
    const commits = await this.#database
      .selectFrom('cp_commit')
      .selectAll()
      .where('commit_no', '>', String(after))
      .orderBy('commit_no')
      .limit(limit)
      .execute()
    const first = commits[0]
    const last = commits.at(-1)
    if (first === undefined || last === undefined) return []
    const events = await this.#database
      .selectFrom('cp_event')
      .selectAll()
      .where('commit_no', '>=', first.commit_no)
      .where('commit_no', '<=', last.commit_no)
      .orderBy('commit_no')
      .orderBy('idx')
      .execute()
    const byCommit = Map.groupBy(events, (event) => event.commit_no)
    return commits.map((row): RecordedCommit => ({
      wire: {
        v: 1,
        epoch: row.epoch,
        commit: Number(row.commit_no),
        prev: row.prev.toString('hex'),
        chain: row.chain.toString('hex'),
        leaves: splitLeaves(row.leaves),
        at: Number(row.at),
        tenant: TENANT,
        guard: GUARD,
        events: (byCommit.get(row.commit_no) ?? []).map((event) => ({
          i: event.idx,
          stream: event.stream,
          sver: event.version,
          type: event.type,
          sv: event.schema_version,
          body: event.body,
        })),
      },
      // Written by us as canonical JSON and covered by leaf 0.
      meta: JSON.parse(row.meta) as CommitMeta,
    }))
  }

  /** Keys that a text was ever of, now or before it was rotated away, by its digest. */
  async keysOf(digests: readonly string[]): Promise<ReadonlyMap<string, readonly KeyId[]>> {
    if (digests.length === 0) return new Map()
    const digest = sql<string>`body::json ->> 'digest'`
    const rows = await this.#database
      .selectFrom('cp_event')
      .select(['stream', digest.as('digest')])
      .where('type', 'in', ['ClientKeyIssued', 'ClientKeyRotated'])
      .where(digest, 'in', [...digests])
      .execute()
    return new Map(
      [...Map.groupBy(rows, (row) => row.digest)].map(([text, found]) => [
        text,
        [...new Set(found.map(({ stream }) => keyId(stream.slice(NO_KEY.length))))],
      ]),
    )
  }

  /** Vault texts; ids that are not there are left out. */
  async secrets(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (ids.length === 0) return new Map()
    const rows = await this.#database
      .selectFrom('cp_secret')
      .select(['secret_id', 'sealed'])
      .where('secret_id', 'in', [...ids])
      .execute()
    return new Map(rows.map((row) => [row.secret_id, row.sealed]))
  }
}

type AppendRow = Readonly<{
  status: string
  commit_no: string
  prev: Buffer | null
  chain: Buffer | null
  response: string | null
}>

type Prepared = Readonly<{
  epoch: number
  meta: CommitMeta
  events: readonly WireEvent[]
  leaves: readonly string[]
  root: Buffer
}>

function readAppend(row: AppendRow, { epoch, meta, events, leaves, root }: Prepared): AppendResult {
  const commit = Number(row.commit_no)
  if (row.status === 'key_reused') return { kind: 'key_reused' }
  if (row.status === 'head_moved') return { kind: 'head_moved', head: commit }
  if (row.status === 'replayed') return { kind: 'replayed', commit, response: row.response ?? 'null' }
  const prev = row.prev?.toString('hex') ?? ''
  const chain = row.chain?.toString('hex') ?? ''
  // Two implementations of one formula: if they ever differ, no node would accept the commit.
  if (chain !== chainLink(prev, commit, root))
    throw new Error(`commit ${commit}: Postgres computed another chain link`)
  const wire: WireCommit = {
    v: 1,
    epoch,
    commit,
    prev,
    chain,
    leaves,
    at: meta.at,
    tenant: TENANT,
    guard: GUARD,
    events,
  }
  return { kind: 'appended', wire }
}

const splitLeaves = (leaves: Buffer): string[] => leaves.toString('hex').match(/.{64}/g) ?? []
