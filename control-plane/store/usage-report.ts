/**
 * Reads the books: sums by day and by what they are asked for, and single requests. Read-only.
 */
import { sql, type Kysely, type RawBuilder } from 'kysely'
import { decodeRecord, type UsageRecord } from '#contracts/usage/record.ts'
import type { Database } from './schema.ts'

export const DIMENSIONS = ['key', 'tag', 'model', 'provider', 'upstream', 'day'] as const
export type Dimension = (typeof DIMENSIONS)[number]

export type ReportFilter = Readonly<{
  /** Days, both included, `2026-01-31`. */
  from: string
  to: string
  key?: string | undefined
  tag?: string | undefined
  model?: string | undefined
  provider?: string | undefined
}>

export type Sums = Readonly<{
  requests: number
  failed: number
  /** Requests whose tokens were not all counted by their provider. */
  estimated: number
  /** Requests with tokens for which no price was known: they are not in the cost. */
  unpriced: number
  input: number
  output: number
  cacheRead: number
  cacheWrite: number
  reasoning: number
  /** US dollars. */
  cost: number
}>

export type RequestFilter = Readonly<{
  limit: number
  /** `next` of the page before. */
  before?: string | undefined
  key?: string | undefined
  tag?: string | undefined
  model?: string | undefined
  provider?: string | undefined
  /** Only requests that were not answered. */
  failed?: boolean | undefined
  /** Epoch milliseconds, `to` not included. */
  from?: number | undefined
  to?: number | undefined
}>

/** Requests in the order of time, from their oldest. */
export type WindowFilter = Readonly<{
  /** Epoch milliseconds, `to` not included. */
  from: number
  to: number
  /** `next` of the page before. */
  after?: string | undefined
  limit: number
  /** Of so many requests one, the same ones each time; 1: all. */
  oneIn: number
}>

export type WindowPage = Readonly<{
  /** `record` null: a later release wrote it. */
  requests: readonly Readonly<{ record: UsageRecord | null; cost: number | null }>[]
  next: string | null
}>

export type LoggedRequest = Readonly<{
  record: UsageRecord
  tags: readonly string[]
  /** US dollars; null: no price was known. */
  cost: number | null
}>

export type RequestPage = Readonly<{
  requests: readonly LoggedRequest[]
  /** `before` of the next page; null: this is the last. */
  next: string | null
}>

const NANO = 1e9

const COLUMN: Readonly<Record<Dimension, string>> = {
  key: 'key_id',
  tag: `unnest(case when cardinality(tags) = 0 then array[''] else tags end)`,
  model: 'model',
  provider: 'provider',
  upstream: `provider || '/' || upstream`,
  day: `to_char(day, 'YYYY-MM-DD')`,
}

const SUMS = sql.raw(
  `sum(requests)::float8 as requests, sum(failed)::float8 as failed, sum(estimated)::float8 as estimated,
   sum(unpriced)::float8 as unpriced, sum(input)::float8 as input, sum(output)::float8 as output,
   sum(cache_read)::float8 as "cacheRead", sum(cache_write)::float8 as "cacheWrite",
   sum(reasoning)::float8 as reasoning, (sum(cost_nano) / 1e9)::float8 as cost`,
)

export class UsageReport {
  readonly #database: Kysely<Database>

  constructor(database: Kysely<Database>) {
    this.#database = database
  }

  /** The dearest first, days in their order. */
  async summary(
    by: Dimension,
    filter: ReportFilter,
    limit: number,
  ): Promise<readonly (Sums & Readonly<{ name: string }>)[]> {
    const order = sql.raw(by === 'day' ? 'name' : 'cost desc, requests desc, name')
    const { rows } = await sql<Sums & { name: string }>`select ${sql.raw(COLUMN[by])} as name, ${SUMS}
      from usage_day where ${whereDays(filter)} group by 1 order by ${order} limit ${limit}`.execute(
      this.#database,
    )
    return rows
  }

  async timeseries(
    by: Dimension,
    filter: ReportFilter,
    limit: number,
  ): Promise<readonly (Sums & Readonly<{ day: string; name: string }>)[]> {
    const { rows } = await sql<Sums & { day: string; name: string }>`select to_char(day, 'YYYY-MM-DD') as day,
      ${sql.raw(COLUMN[by])} as name, ${SUMS}
      from usage_day where ${whereDays(filter)} group by 1, 2 order by 1, 2 limit ${limit}`.execute(
      this.#database,
    )
    return rows
  }

  /** Newest first. A page may hold less than `limit`: what a later release wrote is left out. */
  async requests(filter: RequestFilter): Promise<RequestPage> {
    const { limit, before, key, tag, model, provider, failed, from, to } = filter
    let query = this.#database
      .selectFrom('usage_record')
      .select(['at', 'id', 'record', 'tags', 'cost_nano'])
      .orderBy('at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
    if (before !== undefined) {
      const dot = before.indexOf('.')
      const at = sql<boolean>`(at, id) < (${before.slice(0, dot)}::bigint, ${before.slice(dot + 1)})`
      // The second condition alone tells which partitions need not be looked at.
      query = query.where(at).where('at', '<=', before.slice(0, dot))
    }
    if (key !== undefined) query = query.where('key_id', '=', key)
    if (tag !== undefined) query = query.where(sql<boolean>`${tag} = any(tags)`)
    if (model !== undefined) query = query.where('model', '=', model)
    if (provider !== undefined) query = query.where('provider', '=', provider)
    if (failed === true) query = query.where('status', '>=', 400)
    if (from !== undefined) query = query.where('at', '>=', String(from))
    if (to !== undefined) query = query.where('at', '<', String(to))
    const rows = await query.execute()
    const page = rows.slice(0, limit)
    const last = page.at(-1)
    return {
      requests: page.flatMap(asLogged),
      next: rows.length > limit && last !== undefined ? `${last.at}.${last.id}` : null,
    }
  }

  /** @returns how many requests there were, `most` at the most. */
  async count(from: number, to: number, most: number): Promise<number> {
    const { rows } = await sql<{ count: string }>`select count(*) as count from (
      select 1 from usage_record where at >= ${from}::bigint and at < ${to}::bigint limit ${most}) as found`.execute(
      this.#database,
    )
    return Number(rows[0]?.count ?? 0)
  }

  /**
   * Oldest first. What is left out is left out by a hash of its id: the same each time, but read all the same, so
   * that a page costs `oneIn` times what it holds.
   */
  async window({ from, to, after, limit, oneIn }: WindowFilter): Promise<WindowPage> {
    let query = this.#database
      .selectFrom('usage_record')
      .select(['at', 'id', 'record', 'tags', 'cost_nano'])
      .where('at', '>=', String(from))
      .where('at', '<', String(to))
      .orderBy('at')
      .orderBy('id')
      .limit(limit)
    if (after !== undefined) {
      const dot = after.indexOf('.')
      const at = after.slice(0, dot)
      query = query
        .where(sql<boolean>`(at, id) > (${at}::bigint, ${after.slice(dot + 1)})`)
        .where('at', '>=', at)
    }
    if (oneIn > 1) query = query.where(sql<boolean>`(hashtext(id) & 1073741823) % ${oneIn}::int = 0`)
    const rows = await query.execute()
    const last = rows.at(-1)
    return {
      requests: rows.map((row) => {
        const [logged] = asLogged(row)
        return { record: logged?.record ?? null, cost: logged?.cost ?? null }
      }),
      next: last === undefined || rows.length < limit ? null : `${last.at}.${last.id}`,
    }
  }

  async request(id: string): Promise<LoggedRequest | null> {
    const rows = await this.#database
      .selectFrom('usage_record')
      .select(['at', 'id', 'record', 'tags', 'cost_nano'])
      .where('id', '=', id)
      .limit(1)
      .execute()
    return rows.flatMap(asLogged)[0] ?? null
  }
}

function whereDays({ from, to, key, tag, model, provider }: ReportFilter): RawBuilder<unknown> {
  const conditions = [sql`day >= ${from}::date`, sql`day <= ${to}::date`]
  if (key !== undefined) conditions.push(sql`key_id = ${key}`)
  if (tag !== undefined) conditions.push(sql`${tag} = any(tags)`)
  if (model !== undefined) conditions.push(sql`model = ${model}`)
  if (provider !== undefined) conditions.push(sql`provider = ${provider}`)
  return sql.join(conditions, sql` and `)
}

type Row = Readonly<{ at: string; id: string; record: string; tags: string[]; cost_nano: string | null }>

/** A record of a later release that this one cannot read is left out rather than failing the page. */
function asLogged({ record, tags, cost_nano: nano }: Row): readonly LoggedRequest[] {
  const read = decodeRecord(record)
  if (!read.ok) return []
  const cost = nano === null ? null : Number(nano) / NANO
  return [{ record: read.value, tags, cost }]
}
