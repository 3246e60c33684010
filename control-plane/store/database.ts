/**
 * The database: one Kysely over one node-postgres pool, whether a server or PGlite is behind it.
 */
import { Kysely, PostgresDialect } from 'kysely'
import { Pool, type PoolConfig } from 'pg'
import type { Database } from './schema.ts'

/** Bounded waits for everything: the driver's own defaults wait for ever. In milliseconds. */
export const POOL_LIMITS = {
  connectionTimeoutMillis: 2_000,
  statement_timeout: 5_000,
  query_timeout: 6_000,
  idle_in_transaction_session_timeout: 5_000,
  keepAlive: true,
  max: 8,
} as const satisfies PoolConfig

export function serverPool(url: string): Pool {
  return guarded(new Pool({ ...POOL_LIMITS, connectionString: url, application_name: 'apiproxy' }))
}

export function openDatabase(pool: Pool): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}

/**
 * A connection that breaks rejects what was asked on it and is replaced by the pool. It also says so itself,
 * to the pool while it is idle and to nobody while it is in use; unheard, that would end the process.
 */
function guarded(pool: Pool): Pool {
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}
