/**
 * The prober's tables as they were: each entry from the table in which it changed, and the runs of tables in
 * which nothing was missed.
 */
import { sql, type Kysely } from 'kysely'
import type { WeightDetail } from '#contracts/weights/table.ts'
import type { Database } from './schema.ts'

/** Everything of one table that was not so in the one before it in the run. */
export type KeptTable = Readonly<{
  epoch: number
  seq: number
  /** First table of the run that this one continues; its own number where it begins one. */
  firstSeq: number
  firstAt: number
  /** Epoch milliseconds. */
  at: number
  entries: readonly KeptEntry[]
}>

export type KeptEntry = Readonly<{
  provider: string
  /** Upstream model. */
  model: string
  factor: number
  reason: string
  detail: WeightDetail | null
}>

/** An entry as one table had it, and since when: the table in which it became so. */
export type PastEntry = KeptEntry & Readonly<{ seq: number; at: number }>

/** A factor that moved. */
export type WeightMove = PastEntry & Readonly<{ epoch: number }>

export type DeploymentName = Readonly<{ provider: string; model: string }>

/** The kept tables are whole at least once in this time, in milliseconds. */
export const WHOLE_TABLE_MS = 3_660_000

const WHERE_ENTRY = sql.raw('epoch, provider, model, seq, at, factor, reason, detail')
const ROWS_AT_ONCE = 1_000
/** Longer than any run, in milliseconds: what a run began with is kept as long as the run. */
const LONGEST_RUN_MS = 2 * 3_600_000

export class WeightTables {
  readonly #database: Kysely<Database>

  constructor(database: Kysely<Database>) {
    this.#database = database
  }

  /**
   * Keeps tables that follow each other. Writing them twice changes nothing.
   *
   * @param writer tells those apart who listen at the same time.
   */
  async keep(writer: string, tables: readonly KeptTable[]): Promise<void> {
    const rows = tables.flatMap(({ epoch, seq, at, entries }) =>
      entries.map(({ detail, ...entry }) => ({
        ...entry,
        epoch,
        seq,
        at,
        detail: detail === null ? null : JSON.stringify(detail),
      })),
    )
    const runs = new Map(tables.map((table) => [`${table.epoch} ${table.firstSeq}`, table]))
    await this.#database.transaction().execute(async (transaction) => {
      for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
        await transaction
          .insertInto('weight_entry')
          .values(rows.slice(at, at + ROWS_AT_ONCE))
          .onConflict((conflict) => conflict.doNothing())
          .execute()
      }
      for (const { epoch, firstSeq, firstAt, seq, at } of runs.values()) {
        await transaction
          .insertInto('weight_run')
          .values({ epoch, first_seq: firstSeq, writer, last_seq: seq, first_at: firstAt, last_at: at })
          .onConflict((conflict) =>
            conflict
              .columns(['epoch', 'first_seq', 'writer'])
              .doUpdateSet({ last_seq: seq, last_at: at })
              .where('weight_run.last_seq', '<', String(seq)),
          )
          .execute()
      }
    })
  }

  /**
   * What a table said of some deployments; of one that is missing it said nothing.
   *
   * @returns null: that table was not heard, or it is too long ago.
   */
  async entriesOf(
    epoch: number,
    seq: number,
    deployments: readonly DeploymentName[],
  ): Promise<readonly PastEntry[] | null> {
    const run = await this.#database
      .selectFrom('weight_run')
      .select('first_seq')
      .where('epoch', '=', String(epoch))
      .where('first_seq', '<=', String(seq))
      .where('last_seq', '>=', String(seq))
      .orderBy('first_seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (run === undefined) return null
    if (deployments.length === 0) return []
    const names = JSON.stringify(deployments.map(({ provider, model }) => ({ provider, model })))
    const { rows } = await sql<Row>`
      select found.* from jsonb_to_recordset(${names}::jsonb) as asked (provider text, model text)
      cross join lateral (
        select ${WHERE_ENTRY} from weight_entry
        where epoch = ${epoch} and provider = asked.provider and model = asked.model
          and seq >= ${run.first_seq}::bigint and seq <= ${seq}::bigint
        order by seq desc limit 1) as found`.execute(this.#database)
    return rows.map(entryOf)
  }

  /**
   * Entries that changed in a time, in order, `to` not included. The first of a run are among them.
   *
   * @param limit there are more: the newest.
   * @returns all that changed from `since` on; later than `from`: there were more before.
   */
  async changes(
    from: number,
    to: number,
    only: Readonly<{ provider?: string | undefined; model?: string | undefined }>,
    limit: number,
  ): Promise<Readonly<{ moves: readonly WeightMove[]; since: number }>> {
    const conditions = [sql`at >= ${from}::bigint`, sql`at < ${to}::bigint`]
    if (only.provider !== undefined) conditions.push(sql`provider = ${only.provider}`)
    if (only.model !== undefined) conditions.push(sql`model = ${only.model}`)
    const { rows } = await sql<Row>`select ${WHERE_ENTRY} from weight_entry
      where ${sql.join(conditions, sql` and `)}
      order by at desc, seq desc, provider desc, model desc limit ${limit + 1}`.execute(this.#database)
    const moves = rows.map(entryOf).toReversed()
    const left = moves.length > limit ? moves[0] : undefined
    if (left === undefined) return { moves, since: from }
    // What changed at the same time as one that was left out may not be all.
    return { moves: moves.filter(({ at }) => at > left.at), since: left.at + 1 }
  }

  /** What the tables said last before a time, of each deployment of which they had said anything lately. */
  async lastBefore(
    at: number,
    only: Readonly<{ provider?: string | undefined }>,
  ): Promise<readonly WeightMove[]> {
    const conditions = [sql`at < ${at}::bigint`, sql`at >= ${at - WHOLE_TABLE_MS}::bigint`]
    if (only.provider !== undefined) conditions.push(sql`provider = ${only.provider}`)
    const { rows } = await sql<Row>`select distinct on (provider, model) ${WHERE_ENTRY} from weight_entry
      where ${sql.join(conditions, sql` and `)} order by provider, model, at desc, epoch desc, seq desc`.execute(
      this.#database,
    )
    return rows.map(entryOf)
  }

  /** Lets go of what is older than this, in epoch milliseconds. */
  async dropBefore(at: number): Promise<void> {
    await sql`delete from weight_run where last_at < ${at}::bigint`.execute(this.#database)
    await sql`delete from weight_entry where at < ${at - LONGEST_RUN_MS}::bigint`.execute(this.#database)
  }
}

type Row = Readonly<{
  epoch: string
  provider: string
  model: string
  seq: string
  at: string
  factor: number
  reason: string
  detail: string | null
}>

const entryOf = ({ epoch, seq, at, detail, ...entry }: Row): WeightMove => ({
  ...entry,
  epoch: Number(epoch),
  seq: Number(seq),
  at: Number(at),
  // Written by us.
  detail: detail === null ? null : (JSON.parse(detail) as WeightDetail),
})
