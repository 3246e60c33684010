/** The prober's epochs are microseconds where they were seconds. */
import { sql, type Kysely } from 'kysely'

export async function up(database: Kysely<unknown>): Promise<void> {
  for (const table of ['weight_run', 'weight_entry'])
    await sql`alter table ${sql.table(table)} alter column epoch type bigint`.execute(database)
}
