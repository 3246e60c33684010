/**
 * The books: one row a request, in a partition a day so that old days are dropped whole, and their sums a day,
 * which is what reports read.
 *
 * Costs are billionths of a dollar (a price per million tokens times tokens is a millionth of a dollar, and
 * prices have three decimals). One function computes them, when a row is written and when it is priced anew.
 */
import { sql, type Kysely } from 'kysely'

export async function up(database: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(database)
}

const COUNTS = `input bigint not null, output bigint not null, cache_read bigint not null,
     cache_write bigint not null, cache_write_long bigint not null, reasoning bigint not null,
     input_audio bigint not null, output_audio bigint not null`

const STATEMENTS = [
  `create table usage_record (
     at bigint not null,
     id text not null,
     key_id text not null,
     tags text[] not null,
     model text not null,
     provider text not null,
     upstream text not null,
     status int not null,
     ${COUNTS},
     is_estimated boolean not null,
     cost_nano bigint,
     record text not null,
     primary key (at, id)
   ) partition by range (at)`,
  `create index usage_record_id on usage_record (id)`,
  `create index usage_record_key on usage_record (key_id, at, id)`,
  `create table usage_day (
     day date not null,
     key_id text not null,
     tags text[] not null,
     model text not null,
     provider text not null,
     upstream text not null,
     requests bigint not null,
     failed bigint not null,
     estimated bigint not null,
     unpriced bigint not null,
     ${COUNTS},
     cost_nano bigint not null,
     primary key (day, key_id, tags, model, provider, upstream))`,
  // Null prices: of input and output the model's price is not known; of the cache it is that of other input.
  `create function usage_cost(
       input bigint, output bigint, cache_read bigint, cache_write bigint,
       price_input float8, price_output float8, price_read float8, price_write float8)
     returns bigint language sql immutable as $$
       select round((
         greatest(0, input - cache_read - cache_write) * price_input + output * price_output
         + cache_read * coalesce(price_read, price_input)
         + cache_write * coalesce(price_write, price_input)) * 1000)::bigint $$`,
]
