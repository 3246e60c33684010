/**
 * Brings the database to this build's schema, once, however many processes start together: Kysely's
 * migrator holds an advisory lock meanwhile.
 */
import type { Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { err, ok, type Result } from '#contracts/result.ts'
import * as log from './migrations/0001-log.ts'
import * as usage from './migrations/0002-usage.ts'
import * as audit from './migrations/0003-audit.ts'
import * as weights from './migrations/0004-weights.ts'
import * as budgets from './migrations/0005-budgets.ts'
import * as leaseEpochs from './migrations/0006-lease-epochs.ts'

const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-log': log,
  '0002-usage': usage,
  '0003-audit': audit,
  '0004-weights': weights,
  '0005-budgets': budgets,
  '0006-lease-epochs': leaseEpochs,
}

/**
 * @param apply false: only look. @returns the names applied now, or why the schema cannot be used.
 * Rejects when the database cannot be reached.
 */
export async function migrate<Schema>(
  database: Kysely<Schema>,
  apply: boolean,
): Promise<Result<readonly string[], string>> {
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
  })
  const known = await migrator.getMigrations()
  const pending = known.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name)
  if (pending.length === 0) return ok([])
  if (!apply) {
    return err(
      `the database schema is old (missing: ${pending.join(', ')}) and AUTO_APPLY_DB_MIGRATIONS is off; ` +
        'set it to 1 for one start to bring it up to date',
    )
  }
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined) throw error
  return ok(
    (results ?? []).filter(({ status }) => status === 'Success').map(({ migrationName }) => migrationName),
  )
}
