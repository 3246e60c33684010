/**
 * The log read backwards and by question: who changed what, when and why. Read-only.
 */
import { sql, type Kysely } from 'kysely'
import type { CommitMeta } from '#contracts/commit/chain.ts'
import type { Database } from './schema.ts'

export type TrailFilter = Readonly<{
  limit: number
  /** Only commits below this number. */
  before?: number | undefined
  /** Made at this time or later, and before that one, in epoch milliseconds. */
  since?: number | undefined
  until?: number | undefined
  /** Id or kind of who did it. */
  actor?: string | undefined
  stream?: string | undefined
  /** Event type. */
  type?: string | undefined
}>

export type TrailEvent = Readonly<{
  stream: string
  /** Of the stream, after this event. */
  version: number
  type: string
  schemaVersion: number
  body: unknown
}>

export type TrailEntry = Readonly<{
  commitNo: number
  /** Epoch milliseconds. */
  at: number
  actor: CommitMeta['actor']
  command: string
  commandId: string
  reason: string | null
  epoch: number
  events: readonly TrailEvent[]
  /** This commit's link of the hash chain. */
  chain: string
}>

/** One event with who made it, when and why. */
export type StreamEntry = Readonly<
  Pick<TrailEntry, 'commitNo' | 'at' | 'actor' | 'reason'> & { event: TrailEvent }
>

export class Trail {
  readonly #database: Kysely<Database>

  constructor(database: Kysely<Database>) {
    this.#database = database
  }

  /** Commits that match, newest first, each with all its events. */
  async list(filter: TrailFilter): Promise<readonly TrailEntry[]> {
    const commits = await this.#commits(filter)
    if (commits.length === 0) return []
    const numbers = commits.map((commit) => commit.commit_no)
    const events = await this.#database
      .selectFrom('cp_event')
      .selectAll()
      .where('commit_no', 'in', numbers)
      .orderBy('commit_no')
      .orderBy('idx')
      .execute()
    const byCommit = Map.groupBy(events, (event) => event.commit_no)
    return commits.map((row): TrailEntry => {
      // Written by us as canonical JSON, like the bodies.
      const { actor, command, commandId, reason } = JSON.parse(row.meta) as CommitMeta
      return {
        commitNo: Number(row.commit_no),
        at: Number(row.at),
        actor,
        command,
        commandId,
        reason,
        epoch: row.epoch,
        events: (byCommit.get(row.commit_no) ?? []).map((event) => ({
          stream: event.stream,
          version: event.version,
          type: event.type,
          schemaVersion: event.schema_version,
          body: JSON.parse(event.body) as unknown,
        })),
        chain: row.chain.toString('hex'),
      }
    })
  }

  /** Events of one stream, newest first, up to a commit, each with the commit it is of. */
  async ofStream(stream: string, upTo: number, limit: number): Promise<readonly StreamEntry[]> {
    const rows = await this.#database
      .selectFrom('cp_event')
      .innerJoin('cp_commit', 'cp_commit.commit_no', 'cp_event.commit_no')
      .select(['cp_event.commit_no', 'version', 'type', 'schema_version', 'body', 'meta', 'at'])
      .where('stream', '=', stream)
      .where('cp_event.commit_no', '<=', String(upTo))
      .orderBy('version', 'desc')
      .limit(limit)
      .execute()
    return rows.map((row): StreamEntry => {
      const { actor, reason } = JSON.parse(row.meta) as CommitMeta
      const event = {
        stream,
        version: row.version,
        type: row.type,
        schemaVersion: row.schema_version,
        body: JSON.parse(row.body) as unknown,
      }
      return { commitNo: Number(row.commit_no), at: Number(row.at), actor, reason, event }
    })
  }

  #commits({ limit, before, since, until, actor, stream, type }: TrailFilter) {
    let query = this.#database
      .selectFrom('cp_commit')
      .selectAll('cp_commit')
      .orderBy('commit_no', 'desc')
      .limit(limit)
    if (before !== undefined) query = query.where('commit_no', '<', String(before))
    if (since !== undefined) query = query.where('at', '>=', String(since))
    if (until !== undefined) query = query.where('at', '<', String(until))
    if (actor !== undefined) {
      // json, not jsonb: it decodes only what is asked for.
      query = query.where(
        sql<boolean>`${actor} in (meta::json #>> '{actor,id}', meta::json #>> '{actor,kind}')`,
      )
    }
    if (stream !== undefined || type !== undefined) {
      query = query.where((builder) => {
        let events = builder
          .selectFrom('cp_event')
          .select('idx')
          .whereRef('cp_event.commit_no', '=', 'cp_commit.commit_no')
        if (stream !== undefined) events = events.where('stream', '=', stream)
        if (type !== undefined) events = events.where('type', '=', type)
        return builder.exists(events)
      })
    }
    return query.execute()
  }
}
