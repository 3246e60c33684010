/**
 * Postgres inside the process: PGlite behind the same pool that a server would be behind.
 *
 * One connection, so a transaction must never ask the pool for another. It runs on this event loop: a query
 * blocks it for 0.1 to 0.5 ms, which is why nothing on the request path makes one.
 */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import { Pool } from 'pg'
import { POOL_LIMITS } from '../store/database.ts'

/**
 * PGlite turns fsync off (`-F`); a log that promises not to lose what it acknowledged needs it. The buffers
 * are small because the log is read once and then held in memory as a catalog.
 */
const START = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  '-c',
  'shared_buffers=8MB',
]

/** @param folder made if it is not there. Only one process may have it open: see `lock.ts`. */
export async function embeddedPool(folder: string): Promise<Pool> {
  await mkdir(dirname(folder), { recursive: true })
  const database = new PGlite(folder, { startParams: START })
  await database.waitReady
  // oxlint-disable-next-line typescript/no-misused-spread -- its fields are all that the pool reads
  const pool = new Pool({ ...createPgConfig(database), ...POOL_LIMITS, max: 1 })
  pool.on('error', () => undefined)
  const end = pool.end.bind(pool)
  // The pool leaves a database it was given open; nobody else will close this one.
  pool.end = async () => {
    await end()
    await database.close()
  }
  return pool
}
