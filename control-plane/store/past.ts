/**
 * The past as the audit reads it: events without their envelopes, states kept along the way, signed
 * statements, and what nodes said they served.
 */
import { sql, type Kysely } from 'kysely'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { Commit } from '#contracts/commit/commit.ts'
import { readEvent } from '#contracts/commit/commit.ts'
import type { NodeReport } from '#contracts/fleet/report.ts'
import type { Database } from './schema.ts'

/** A text of ours and its signature. */
export type Signed = Readonly<{ body: string; signature: string }>

export type ServedState = Readonly<{ node: string; foldVersion: number; digest: string; seenAt: number }>

export class Past {
  readonly #database: Kysely<Database>

  constructor(database: Kysely<Database>) {
    this.#database = database
  }

  /**
   * Commits after a number up to another, in order, as the fold reads them, in batches that end at multiples
   * of `every`. Not verified: that is what
   * `audit verify` and `audit replay` are for.
   */
  async *commits(after: number, upTo: number, every: number): AsyncGenerator<readonly Commit[]> {
    for (let from = after; from < upTo;) {
      const to = Math.min((Math.floor(from / every) + 1) * every, upTo)
      yield await this.#batch(from, to)
      from = to
    }
  }

  async #batch(after: number, upTo: number): Promise<readonly Commit[]> {
    const rows = await this.#database
      .selectFrom('cp_event')
      .select(['commit_no', 'idx', 'stream', 'version', 'type', 'schema_version', 'body'])
      .where('commit_no', '>', String(after))
      .where('commit_no', '<=', String(upTo))
      .orderBy('commit_no')
      .orderBy('idx')
      .execute()
    const commits: (Commit & { events: Commit['events'][number][] })[] = []
    for (const row of rows) {
      const commit = Number(row.commit_no)
      const event = readEvent(
        {
          i: row.idx,
          stream: row.stream,
          sver: row.version,
          type: row.type,
          sv: row.schema_version,
          body: row.body,
        },
        commit,
      )
      const last = commits.at(-1)
      if (last?.commit === commit) last.events.push(event)
      else commits.push({ commit, epoch: 0, at: 0, chain: '', events: [event] })
    }
    return commits
  }

  /** @returns the last commit made at a time or before it, by the control plane's clock; 0: there is none. */
  async commitAt(epochMs: number): Promise<number> {
    const row = await this.#database
      .selectFrom('cp_commit')
      .select((builder) => builder.fn.max('commit_no').as('last'))
      .where('at', '<=', String(epochMs))
      .executeTakeFirst()
    return Number(row?.last ?? 0)
  }

  async chainAt(commit: number): Promise<string | null> {
    const row = await this.#database
      .selectFrom('cp_commit')
      .select('chain')
      .where('commit_no', '=', String(commit))
      .executeTakeFirst()
    return row?.chain.toString('hex') ?? null
  }

  /** The newest state kept at a commit or before it. */
  async snapshotBefore(commit: number): Promise<Signed | null> {
    const row = await this.#database
      .selectFrom('cp_snapshot')
      .select(['body', 'signature'])
      .where('fold_version', '=', FOLD_VERSION)
      .where('commit_no', '<=', String(commit))
      .orderBy('commit_no', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row ?? null
  }

  async keepSnapshot(commit: number, { body, signature }: Signed): Promise<void> {
    await this.#database
      .insertInto('cp_snapshot')
      .values({ commit_no: commit, fold_version: FOLD_VERSION, body, signature })
      .onConflict((conflict) =>
        conflict.columns(['commit_no', 'fold_version']).doUpdateSet({ body, signature }),
      )
      .execute()
  }

  async keepCheckpoint(commit: number, { body, signature }: Signed): Promise<void> {
    await this.#database
      .insertInto('cp_checkpoint')
      .values({ commit_no: commit, statement: body, signature })
      .onConflict((conflict) => conflict.column('commit_no').doNothing())
      .execute()
  }

  /** Signed statements about commits after one, in order. */
  async checkpoints(after: number, limit: number): Promise<readonly Signed[]> {
    const rows = await this.#database
      .selectFrom('cp_checkpoint')
      .select(['statement as body', 'signature'])
      .where('commit_no', '>', String(after))
      .orderBy('commit_no')
      .limit(limit)
      .execute()
    return rows
  }

  async lastCheckpoint(): Promise<Signed | null> {
    const row = await this.#database
      .selectFrom('cp_checkpoint')
      .select(['statement as body', 'signature'])
      .orderBy('commit_no', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row ?? null
  }

  /** Remembers what nodes said they had folded, and forgets what is older than `since` (epoch milliseconds). */
  async keepServed(
    nodes: readonly Readonly<{ report: NodeReport; lastSeen: number }>[],
    since: number,
  ): Promise<void> {
    const rows = nodes
      .filter(({ report }) => report.applied > 0)
      .map(({ report, lastSeen }) => ({
        commit_no: report.applied,
        node_id: report.node,
        fold_version: report.foldVersion,
        digest: report.digest,
        seen_at: lastSeen,
      }))
    if (rows.length > 0) {
      await this.#database
        .insertInto('cp_served')
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    }
    await this.#database
      .deleteFrom('cp_served')
      .where(sql<string>`seen_at`, '<', String(since))
      .execute()
  }

  async served(commit: number): Promise<readonly ServedState[]> {
    const rows = await this.#database
      .selectFrom('cp_served')
      .selectAll()
      .where('commit_no', '=', String(commit))
      .orderBy('node_id')
      .execute()
    return rows.map((row): ServedState => ({
      node: row.node_id,
      foldVersion: row.fold_version,
      digest: row.digest,
      seenAt: Number(row.seen_at),
    }))
  }
}
