/**
 * Leases of budgets beside the books they are settled in. What was spent and what is out on lease are read by one
 * statement: between two, a record could move money from one to the other unseen.
 */
import { sql, type Kysely, type Transaction } from 'kysely'
import type { BudgetSubject } from '#contracts/catalog/money/budget.ts'
import type { Database } from './schema.ts'
import { dateOf, dayOf } from './usage-books.ts'

/** One budget in one period. Times in epoch milliseconds, whole days of UTC. */
export type BudgetQuery = Readonly<{
  account: string
  subject: BudgetSubject
  start: number
  /** Null: for ever. */
  end: number | null
}>

export type StoredLease = Readonly<{
  id: string
  node: string
  boot: string
  /** Billionths of a US dollar. */
  granted: number
  booked: number
  seq: number
  expiresAt: number
  drainedAt: number | null
}>

export type BudgetStanding = Readonly<{
  /** In the books, in billionths of a US dollar. */
  spent: number
  /** Requests with tokens for which no price was known. */
  unpriced: number
  /** Those that may matter: not the ones that ended before the time asked for. */
  leases: readonly StoredLease[]
}>

export type LeaseHolder = Readonly<{ id: string; node: string; boot: string }>

/** What a lease is to be; null: as it is. */
export type LeaseChange = Readonly<{ granted: number; seq: number; expiresAt: number }> | null

const QUERIES_AT_ONCE = 500

export class BudgetLeases {
  readonly #database: Kysely<Database>

  constructor(database: Kysely<Database>) {
    this.#database = database
  }

  /** @param endedAfter leases that ended before are left out. @returns in the order of the queries. */
  async standings(queries: readonly BudgetQuery[], endedAfter: number): Promise<readonly BudgetStanding[]> {
    const standings: BudgetStanding[] = []
    for (let at = 0; at < queries.length; at += QUERIES_AT_ONCE)
      standings.push(...(await read(this.#database, queries.slice(at, at + QUERIES_AT_ONCE), endedAfter)))
    return standings
  }

  /** Reads one budget, decides and writes its lease, with nobody else doing the same meanwhile. */
  async grant<Decided extends Readonly<{ change: LeaseChange }>>(
    query: BudgetQuery,
    { id, node, boot }: LeaseHolder,
    endedAfter: number,
    decide: (standing: BudgetStanding) => Decided,
  ): Promise<Decided> {
    return this.#database.transaction().execute(async (transaction) => {
      const lock = `${query.account}/${query.start}`
      await sql`select pg_advisory_xact_lock(hashtextextended(${lock}, 0))`.execute(transaction)
      const [standing] = await read(transaction, [query], endedAfter)
      const decided = decide(standing ?? { spent: 0, unpriced: 0, leases: [] })
      if (decided.change === null) return decided
      const { granted, seq, expiresAt } = decided.change
      await sql`insert into budget_lease (id, account, start, node_id, boot, granted, seq, expires_at)
        values (${id}, ${query.account}, ${query.start}::bigint, ${node}, ${boot}, ${granted}::bigint,
          ${seq}::bigint, ${expiresAt}::bigint)
        on conflict (id) do update set granted = excluded.granted, seq = excluded.seq,
          expires_at = excluded.expires_at`.execute(transaction)
      return decided
    })
  }

  /** A node has said that the records of its runs before this one are on the bus. */
  async drained(node: string, boot: string, at: number): Promise<void> {
    await sql`update budget_lease set drained_at = ${at}::bigint
      where node_id = ${node} and boot <> ${boot} and drained_at is null`.execute(this.#database)
  }

  /** Forgets leases that ended before this time, and what is booked on none that is known. */
  async dropBefore(at: number): Promise<void> {
    await sql`delete from budget_lease where expires_at < ${at}::bigint`.execute(this.#database)
    await sql`delete from budget_booked where at < ${at}::bigint
      and not exists (select from budget_lease where budget_lease.id = budget_booked.id)`.execute(
      this.#database,
    )
  }
}

async function read(
  database: Kysely<Database> | Transaction<Database>,
  queries: readonly BudgetQuery[],
  endedAfter: number,
): Promise<readonly BudgetStanding[]> {
  if (queries.length === 0) return []
  const asked = queries.map(({ account, subject, start, end }, place) => ({
    place,
    account,
    start,
    first: dateOf(dayOf(start)),
    past: end === null ? 'infinity' : dateOf(dayOf(end)),
    key_id: 'key' in subject ? subject.key : null,
    tag: 'tag' in subject ? subject.tag : null,
  }))
  const { rows } = await sql<{ spent: string; unpriced: string; leases: string }>`
    select u.spent::text as spent, u.unpriced::text as unpriced, l.leases::text as leases
    from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as b (
      place int, account text, start bigint, first date, past date, key_id text, tag text)
    cross join lateral (
      select coalesce(sum(cost_nano), 0) as spent, coalesce(sum(unpriced), 0) as unpriced from (
        select cost_nano, unpriced from usage_day
          where key_id = b.key_id and day >= b.first and day < b.past
        union all
        select cost_nano, unpriced from usage_day
          where tags @> array[b.tag] and day >= b.first and day < b.past) as days) as u
    cross join lateral (
      select coalesce(jsonb_agg(jsonb_build_object('id', lease.id, 'node', node_id, 'boot', boot,
          'granted', granted, 'booked', coalesce(cost_nano, 0), 'seq', seq, 'expiresAt', expires_at,
          'drainedAt', drained_at)), '[]') as leases
      from budget_lease as lease left join budget_booked using (id)
      where account = b.account and start = b.start and expires_at > ${endedAfter}::bigint) as l
    order by b.place`.execute(database)
  return rows.map(({ spent, unpriced, leases }) => ({
    spent: Number(spent),
    unpriced: Number(unpriced),
    leases: JSON.parse(leases) as StoredLease[],
  }))
}
