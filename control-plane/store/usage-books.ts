/**
 * Writes the books: records, once each by their id, and the sums of their days in the same transaction.
 */
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { ModelPrice } from '#contracts/catalog/facts/known-models.ts'
import type { PriceSpan } from '#contracts/catalog/price.ts'
import { encodeRecord, roundedTokens, type UsageRecord } from '#contracts/usage/record.ts'
import type { Database } from './schema.ts'

/** A record with what only the control plane knows. `price`: null where none is known. */
export type Entry = Readonly<{ record: UsageRecord; tags: readonly string[]; price: ModelPrice | null }>

export const DAY_MS = 86_400_000
/** One statement's worth: well below a second. */
const ROWS_AT_ONCE = 1_000
const NO_ROOM_FOR_DATA = /^22/

const COUNTS = sql.raw(
  'input, output, cache_read, cache_write, cache_write_long, reasoning, input_audio, output_audio',
)
const SUMS = sql.raw(
  `count(*), count(*) filter (where status >= 400), count(*) filter (where is_estimated),
   count(*) filter (where cost_nano is null and input + output > 0),
   sum(input), sum(output), sum(cache_read), sum(cache_write), sum(cache_write_long), sum(reasoning),
   sum(input_audio), sum(output_audio), coalesce(sum(cost_nano), 0)`,
)
const DAY_OF = sql.raw(`(to_timestamp(at / 1000) at time zone 'UTC')::date`)
const DAY_COLUMNS = sql.raw(
  `day, key_id, tags, model, provider, upstream, requests, failed, estimated, unpriced, input, output, cache_read,
   cache_write, cache_write_long, reasoning, input_audio, output_audio, cost_nano`,
)
const ADDED = sql.raw(
  [
    'requests',
    'failed',
    'estimated',
    'unpriced',
    'input',
    'output',
    'cache_read',
    'cache_write',
    'cache_write_long',
    'reasoning',
    'input_audio',
    'output_audio',
    'cost_nano',
  ]
    .map((column) => `${column} = usage_day.${column} + excluded.${column}`)
    .join(', '),
)

export class UsageBooks {
  readonly #database: Kysely<Database>
  /** Days known to have their partition. */
  readonly #days = new Set<number>()

  constructor(database: Kysely<Database>) {
    this.#database = database
  }

  /**
   * @returns how many were new, and how many the database will never take.
   * Rejects when it cannot be asked; what was then written in part is completed by the next try.
   */
  async enter(entries: readonly Entry[]): Promise<Readonly<{ added: number; refused: number }>> {
    for (const day of new Set(entries.map(({ record }) => dayOf(record.at)))) await this.#openDay(day)
    let [added, refused] = [0, 0]
    for (let at = 0; at < entries.length; at += ROWS_AT_ONCE) {
      const some = entries.slice(at, at + ROWS_AT_ONCE)
      try {
        added += await this.#insert(some)
      } catch (error) {
        if (!isRefusal(error)) throw error
        for (const entry of some) {
          try {
            added += await this.#insert([entry])
          } catch (problem) {
            if (!isRefusal(problem)) throw problem
            refused += 1
          }
        }
      }
    }
    return { added, refused }
  }

  /** Prices the records of one model at one provider anew, day by day. @returns how many changed. */
  async reprice(provider: string, upstream: string, spans: readonly PriceSpan[]): Promise<number> {
    let changed = 0
    for (const { from, to, price } of spans) {
      for (let day = dayOf(from); day * DAY_MS < to; day++) {
        const since = Math.max(from, day * DAY_MS)
        const until = Math.min(to, (day + 1) * DAY_MS)
        changed += await this.#repriceDay({ provider, upstream, day, since, until, price })
      }
    }
    return changed
  }

  /** Models at providers that were used in a time. */
  async used(from: number, to: number): Promise<readonly Readonly<{ provider: string; upstream: string }>[]> {
    return this.#database
      .selectFrom('usage_day')
      .select(['provider', 'upstream'])
      .distinct()
      .where('provider', '<>', '')
      .where('day', '>=', dateOf(dayOf(from)))
      .where('day', '<=', dateOf(dayOf(to)))
      .execute()
  }

  /** Lets go of the records of days before this time. The sums stay. @returns how many days went. */
  async dropBefore(at: number): Promise<number> {
    const { rows } = await sql<{ name: string }>`select c.relname as name from pg_inherits i
      join pg_class c on c.oid = i.inhrelid where i.inhparent = 'usage_record'::regclass`.execute(
      this.#database,
    )
    let dropped = 0
    for (const { name } of rows) {
      const day = Number(/^usage_record_(\d+)$/.exec(name)?.[1] ?? Infinity)
      if (day >= dayOf(at)) continue
      await sql`drop table if exists ${sql.table(name)}`.execute(this.#database)
      this.#days.delete(day)
      dropped += 1
    }
    return dropped
  }

  async #openDay(day: number): Promise<void> {
    if (this.#days.has(day)) return
    const [from, to] = [day * DAY_MS, (day + 1) * DAY_MS]
    await sql`create table if not exists ${sql.table(`usage_record_${day}`)} partition of usage_record
      for values from (${sql.lit(from)}) to (${sql.lit(to)})`.execute(this.#database)
    this.#days.add(day)
  }

  async #insert(entries: readonly Entry[]): Promise<number> {
    const { rows } = await sql<{ added: string }>`
      with given as materialized (
        select * from jsonb_to_recordset(${JSON.stringify(entries.map(asRow))}::jsonb) as r (
          at bigint, id text, key_id text, tags text[], model text, provider text, upstream text, status int,
          input bigint, output bigint, cache_read bigint, cache_write bigint, cache_write_long bigint,
          reasoning bigint, input_audio bigint, output_audio bigint, is_estimated boolean,
          price_input float8, price_output float8, price_read float8, price_write float8, record text,
          leases text[])),
      fresh as (
        insert into usage_record (at, id, key_id, tags, model, provider, upstream, status, ${COUNTS},
          is_estimated, cost_nano, record)
        select at, id, key_id, tags, model, provider, upstream, status, ${COUNTS}, is_estimated,
          usage_cost(input, output, cache_read, cache_write, price_input, price_output, price_read, price_write),
          record
        from given
        -- Writers of the same records wait for each other in one order, or some would wait in a circle.
        order by at, id
        on conflict do nothing
        returning *),
      summed as (
        insert into usage_day (${DAY_COLUMNS})
        select ${DAY_OF}, key_id, tags, model, provider, upstream, ${SUMS} from fresh
        group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
        on conflict (day, key_id, tags, model, provider, upstream) do update set ${ADDED})${bookedOn(entries)}
      select count(*) as added from fresh`.execute(this.#database)
    return Number(rows[0]?.added ?? 0)
  }

  /** Rows and sums of one day change together. */
  async #repriceDay({
    provider,
    upstream,
    day,
    since,
    until,
    price,
  }: Readonly<{
    provider: string
    upstream: string
    day: number
    since: number
    until: number
    price: ModelPrice | null
  }>): Promise<number> {
    return this.#database.transaction().execute(async (transaction) => {
      // Whoever enters records meanwhile waits, or its sums would be added to half of ours.
      await sql`lock table usage_day in share row exclusive mode`.execute(transaction)
      const cost = sql`usage_cost(input, output, cache_read, cache_write, ${price?.input ?? null}::float8,
        ${price?.output ?? null}::float8, ${price?.cacheRead ?? null}::float8, ${price?.cacheWrite ?? null}::float8)`
      const { numAffectedRows } = await sql`update usage_record set cost_nano = ${cost}
        where at >= ${since}::bigint and at < ${until}::bigint
          and provider = ${provider} and upstream = ${upstream}
          and cost_nano is distinct from ${cost}`.execute(transaction)
      if (numAffectedRows === undefined || numAffectedRows === 0n) return 0
      const date = dateOf(day)
      await sql`delete from usage_day
        where day = ${date}::date and provider = ${provider} and upstream = ${upstream}`.execute(transaction)
      await sql`insert into usage_day (${DAY_COLUMNS})
        select ${DAY_OF}, key_id, tags, model, provider, upstream, ${SUMS} from usage_record
        where at >= ${day * DAY_MS}::bigint and at < ${(day + 1) * DAY_MS}::bigint
          and provider = ${provider} and upstream = ${upstream}
        group by 1, 2, 3, 4, 5, 6`.execute(transaction)
      return Number(numAffectedRows)
    })
  }
}

/** Where records name leases they were paid from: what they cost is no longer out on lease. */
const bookedOn = (entries: readonly Entry[]): RawBuilder<unknown> =>
  entries.every(({ record }) => record.leases === undefined)
    ? sql``
    : sql`,
      booked as (
        insert into budget_booked (id, cost_nano, at)
        select lease, sum(cost_nano), max(fresh.at)
        from fresh join (select distinct on (at, id) at, id, leases from given) as told using (at, id)
          cross join lateral unnest(told.leases) as lease
        where cost_nano is not null
        group by 1 order by 1
        on conflict (id) do update set cost_nano = budget_booked.cost_nano + excluded.cost_nano,
          at = greatest(budget_booked.at, excluded.at))`

export const dayOf = (at: number): number => Math.floor(at / DAY_MS)
/** As Postgres writes a date. */
export const dateOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10)

/** The database looked at the data and said no: asking again changes nothing. */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  NO_ROOM_FOR_DATA.test(error.code)

function asRow({ record, tags, price }: Entry): object {
  const [input, output, cacheRead, cacheWrite, long, reasoning, inputAudio, outputAudio] = roundedTokens(
    record.tokens,
  )
  return {
    at: record.at,
    id: record.id,
    key_id: record.key,
    tags: tags.toSorted(),
    model: record.model,
    provider: record.provider,
    upstream: record.upstream,
    status: record.status,
    input,
    output,
    cache_read: cacheRead,
    cache_write: cacheWrite,
    cache_write_long: long,
    reasoning,
    input_audio: inputAudio,
    output_audio: outputAudio,
    is_estimated: record.isEstimated,
    price_input: price?.input ?? null,
    price_output: price?.output ?? null,
    price_read: price?.cacheRead ?? null,
    price_write: price?.cacheWrite ?? null,
    record: encodeRecord(record),
    leases: record.leases ?? [],
  }
}
