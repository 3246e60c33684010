/**
 * The commit log, its append function, the vault, and what the control plane remembers beside them.
 *
 * One text for Postgres 15 and later and for PGlite. The append function is the only writer of the log: it
 * locks the head row, so commit numbers have no gaps and the chain's previous link is read under the lock.
 */
import { sql, type Kysely } from 'kysely'

export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database)
}

const TABLES = [
  `create table cp_head (
     id int primary key default 1 check (id = 1),
     epoch int not null,
     commit_no bigint not null,
     chain bytea not null check (length(chain) = 32))`,
  `insert into cp_head (epoch, commit_no, chain) values (1, 0, decode(repeat('00', 32), 'hex'))`,
  `create table cp_commit (
     commit_no bigint primary key,
     epoch int not null,
     prev bytea not null,
     chain bytea not null,
     leaves bytea not null,
     meta text not null,
     at bigint not null)`,
  `create table cp_event (
     commit_no bigint not null references cp_commit (commit_no),
     idx int not null,
     stream text not null,
     version int not null,
     type text not null,
     schema_version int not null,
     body text not null,
     primary key (commit_no, idx),
     unique (stream, version))`,
  `create table cp_command (
     command_id text primary key,
     request_hash text not null,
     commit_no bigint not null,
     response text not null,
     at bigint not null)`,
  `create table cp_secret (
     secret_id text primary key,
     sealed text not null,
     created_at bigint not null)`,
  `create table cp_node (
     node_id text primary key,
     report text not null,
     last_seen bigint not null)`,
  `create table cp_call (
     id bigint generated always as identity primary key,
     at bigint not null,
     actor text not null,
     procedure text not null,
     outcome text not null,
     detail text not null)`,
]

/** History is written once: not even the owner changes it by accident. */
const GUARDS = [
  `create function cp_refuse() returns trigger language plpgsql as $$
   begin
     raise exception 'the log is append-only: % on % refused', tg_op, tg_table_name;
   end $$`,
  ...['cp_commit', 'cp_event'].flatMap((table) => [
    `create trigger ${table}_is_history before update or delete on ${table}
       for each row execute function cp_refuse()`,
    `create trigger ${table}_is_kept before truncate on ${table}
       for each statement execute function cp_refuse()`,
  ]),
]

/**
 * status: 'appended'; 'replayed' (this command was carried out before: its commit and answer);
 * 'key_reused' (the command id was used for something else); 'head_moved' (decided on an old state).
 */
const APPEND = `create function cp_append(
    p_expected_head bigint, p_command_id text, p_request_hash text, p_response text,
    p_epoch int, p_meta text, p_at bigint, p_leaves bytea, p_leaf_root bytea,
    p_streams text[], p_versions int[], p_types text[], p_schema_versions int[], p_bodies text[],
    p_secret_ids text[], p_secrets text[])
  returns table (status text, commit_no bigint, prev bytea, chain bytea, response text)
  language plpgsql as $$
  declare
    head cp_head%rowtype;
    done cp_command%rowtype;
    next_no bigint;
    next_chain bytea;
  begin
    select * into head from cp_head where id = 1 for update;
    select * into done from cp_command c where c.command_id = p_command_id;
    if found then
      return query select case when done.request_hash = p_request_hash then 'replayed' else 'key_reused' end,
        done.commit_no, null::bytea, null::bytea, done.response;
      return;
    end if;
    if head.commit_no <> p_expected_head then
      return query select 'head_moved'::text, head.commit_no, null::bytea, null::bytea, null::text;
      return;
    end if;
    next_no := head.commit_no + 1;
    next_chain := sha256(head.chain || int8send(next_no) || p_leaf_root);
    insert into cp_commit (commit_no, epoch, prev, chain, leaves, meta, at)
      values (next_no, p_epoch, head.chain, next_chain, p_leaves, p_meta, p_at);
    insert into cp_event (commit_no, idx, stream, version, type, schema_version, body)
      select next_no, e.idx - 1, e.stream, e.version, e.type, e.schema_version, e.body
      from unnest(p_streams, p_versions, p_types, p_schema_versions, p_bodies)
        with ordinality as e (stream, version, type, schema_version, body, idx);
    insert into cp_secret (secret_id, sealed, created_at)
      select s.id, s.sealed, p_at from unnest(p_secret_ids, p_secrets) as s (id, sealed);
    insert into cp_command (command_id, request_hash, commit_no, response, at)
      values (p_command_id, p_request_hash, next_no, p_response, p_at);
    update cp_head h set commit_no = next_no, chain = next_chain, epoch = p_epoch where h.id = 1;
    return query select 'appended'::text, next_no, head.chain, next_chain, p_response;
  end $$`

const STATEMENTS = [...TABLES, ...GUARDS, APPEND, `create index cp_call_at on cp_call (at)`]
