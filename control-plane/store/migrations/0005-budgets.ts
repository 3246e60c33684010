/**
 * Leases of budgets: what each run of a node may spend in a period, and what of that is in the books. The latter
 * is written together with the books themselves, so that money never counts twice and never not at all.
 */
import { sql, type Kysely } from 'kysely'

export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database)
}

const STATEMENTS = [
  `create table budget_lease (
     id text primary key,
     account text not null,
     start bigint not null,
     node_id text not null,
     boot text not null,
     granted bigint not null,
     seq bigint not null,
     expires_at bigint not null,
     drained_at bigint)`,
  `create index budget_lease_account on budget_lease (account, start, expires_at)`,
  `create index budget_lease_node on budget_lease (node_id) where drained_at is null`,
  // Apart from the lease: a record may be entered while the lease is being granted more.
  `create table budget_booked (
     id text primary key,
     cost_nano bigint not null,
     at bigint not null)`,
  // What was spent is asked for all the time: not by reading every day there ever was.
  `create index usage_day_key on usage_day (key_id, day)`,
  `create index usage_day_tags on usage_day using gin (tags)`,
]
