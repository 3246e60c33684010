/**
 * What the prober said, kept for as long as the requests that were routed by it.
 *
 * A run is a time in which every table was heard; within it an entry is written only when it differs from the
 * one before, so that a quiet fleet costs nothing.
 */
import { sql, type Kysely } from 'kysely'

export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database)
}

const STATEMENTS = [
  `create table weight_run (
     epoch int not null,
     first_seq bigint not null,
     writer text not null,
     last_seq bigint not null,
     first_at bigint not null,
     last_at bigint not null,
     primary key (epoch, first_seq, writer))`,
  `create index weight_run_last_at on weight_run (last_at)`,
  `create table weight_entry (
     epoch int not null,
     provider text not null,
     model text not null,
     seq bigint not null,
     at bigint not null,
     factor float8 not null,
     reason text not null,
     detail text,
     primary key (epoch, provider, model, seq))`,
  `create index weight_entry_at on weight_entry (at)`,
]
