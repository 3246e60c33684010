/**
 * What makes the log quick to ask and hard to deny: states kept along the way, signed statements of where it
 * was, and which state each node said it served. None of it is truth; all but the last can be made again.
 */
import { sql, type Kysely } from 'kysely'

export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database)
}

const STATEMENTS = [
  `create table cp_snapshot (
     commit_no bigint not null,
     fold_version int not null,
     body text not null,
     signature text not null,
     primary key (commit_no, fold_version))`,
  `create table cp_checkpoint (
     commit_no bigint primary key,
     statement text not null,
     signature text not null)`,
  `create table cp_served (
     commit_no bigint not null,
     node_id text not null,
     fold_version int not null,
     digest text not null,
     seen_at bigint not null,
     primary key (commit_no, node_id, digest))`,
  `create index cp_served_seen_at on cp_served (seen_at)`,
  `create index cp_commit_at on cp_commit (at)`,
  `create index cp_event_type on cp_event (type, commit_no)`,
]
