/**
 * The admin side of a control plane on a database of its own, in memory: everything a procedure uses is the
 * real thing, only the clock is moved by hand.
 */
import { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import fastify from 'fastify'
import type { Kysely } from 'kysely'
import { Pool } from 'pg'
import { MemoryContentStore } from '#contracts/content/content-memory.ts'
import { ManualClock, systemClock } from '#contracts/process/clock.ts'
import { listeningPort } from '#contracts/process/health.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { err } from '#contracts/result.ts'
import { deriveKeys } from '#contracts/security/master-key.ts'
import { Secret } from '#contracts/security/secret.ts'
import { contextFor, type AdminPorts } from '#control-plane/admin/context.ts'
import { addAdminRoutes } from '#control-plane/admin/plugin.ts'
import { adminRouter } from '#control-plane/admin/router.ts'
import { createCallerFactory } from '#control-plane/admin/trpc.ts'
import { History } from '#control-plane/audit/history.ts'
import { Signer } from '#control-plane/audit/signer.ts'
import { BudgetDesk } from '#control-plane/budgets/desk.ts'
import { Ledger } from '#control-plane/commands/ledger.ts'
import { Fleet } from '#control-plane/nodes/fleet.ts'
import { BudgetLeases } from '#control-plane/store/budget-leases.ts'
import { CallRecorder } from '#control-plane/store/calls.ts'
import { openDatabase, POOL_LIMITS } from '#control-plane/store/database.ts'
import { EventLog } from '#control-plane/store/event-log.ts'
import { migrate } from '#control-plane/store/migrate.ts'
import { Past } from '#control-plane/store/past.ts'
import type { Database } from '#control-plane/store/schema.ts'
import { Trail } from '#control-plane/store/trail.ts'
import { UsageBooks } from '#control-plane/store/usage-books.ts'
import { UsageReport } from '#control-plane/store/usage-report.ts'
import { WeightTables } from '#control-plane/store/weight-tables.ts'

export const ADMIN_TOKEN = 'test-admin-token-0123456789abcdef'

export type AdminApi = ReturnType<typeof adminApi>

/** The router without HTTP, as the holder of the token. */
export const adminApi = (ports: AdminPorts) => createCallerFactory(adminRouter)(() => contextFor(ports))

export type AdminPlane = AsyncDisposable &
  Readonly<{
    ports: AdminPorts
    clock: ManualClock
    database: Kysely<Database>
    api: AdminApi
    desk: BudgetDesk
    /** The way into the books was empty at this time, in epoch milliseconds. */
    emptiedUntil(at: number): void
    /** Everything the process logged, as text. */
    logged: readonly string[]
    /** Ends the database's connections: from now on it is away. */
    loseDatabase(): Promise<void>
  }>

export async function openAdminPlane(): Promise<AdminPlane> {
  await using stack = new AsyncDisposableStack()
  const engine = stack.adopt(new PGlite('memory://'), (opened) => opened.close())
  await engine.waitReady
  const pool = new Pool({ ...createPgConfig(engine), ...POOL_LIMITS, max: 1 })
  pool.on('error', () => undefined)
  let isLost = false
  const database = stack.adopt(openDatabase(pool), async (opened) => {
    if (!isLost) await opened.destroy()
  })
  await migrate(database, true)
  const clock = new ManualClock()
  const log = new EventLog(database)
  const ledger = new Ledger(log, clock)
  const calls = stack.use(new CallRecorder(database, clock))
  const logged: string[] = []
  const masterKey = deriveKeys(Buffer.alloc(32, 7))
  const past = new Past(database)
  const signer = new Signer(masterKey.audit)
  const logger = collector(logged)
  const fleet = new Fleet(ledger, clock)
  const desk = new BudgetDesk({
    leases: new BudgetLeases(database),
    catalog: () => ledger.catalog,
    catchUp: () => ledger.catchUp(),
    nodes: () => fleet.live,
    emptiedAt: () => plane.emptiedAt,
    clock,
  })
  const plane = { emptiedAt: -Infinity }
  const ports: AdminPorts = {
    ledger,
    log,
    trail: new Trail(database),
    past,
    history: new History({ past, signer, head: () => ledger.catalog, logger }),
    signer,
    fleet,
    discovery: silentDiscovery,
    weights: { of: () => null, current: () => null },
    weightTables: new WeightTables(database),
    calls,
    usage: new UsageReport(database),
    books: new UsageBooks(database),
    budgets: desk,
    contents: stack.use(new MemoryContentStore(systemClock)),
    masterKey,
    clock,
    logger,
    adminToken: new Secret(ADMIN_TOKEN),
    relay: () => ({ kind: 'current' }),
    gateway: null,
  }
  await createGenesis(ports)
  const running = stack.move()
  return {
    ports,
    clock,
    database,
    api: adminApi(ports),
    desk,
    emptiedUntil: (at) => void (plane.emptiedAt = at),
    logged,
    loseDatabase: async () => {
      isLost = true
      await pool.end()
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Nobody was asked yet, and nobody answers. */
const silentDiscovery: AdminPorts['discovery'] = {
  standing: () => null,
  ask: async () => err({ reason: 'did not answer in time', isRefused: false }),
}

async function createGenesis({ ledger, masterKey }: AdminPorts): Promise<void> {
  const result = await ledger.execute({
    command: { type: 'CreateGenesis', logId: 'test-log', keyCheck: masterKey.check },
    commandId: 'genesis',
    requestHash: 'genesis',
    actor: { kind: 'system', id: 'start' },
    reason: null,
    secrets: [],
    ids: {},
    dryRun: false,
  })
  if (!result.ok) throw new Error(JSON.stringify(result.error))
}

function collector(lines: string[]): Logger {
  const keep = (fields: Readonly<Record<string, unknown>>, message: string): void => {
    const told = Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? `${value.stack}` : value,
    ])
    lines.push(JSON.stringify([Object.fromEntries(told), message]))
  }
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => logger }
  return logger
}

export type Listener = AsyncDisposable & Readonly<{ url: string }>

/** Serves the admin API on loopback. */
export async function listenAdmin(ports: AdminPorts): Promise<Listener> {
  const server = fastify({ logger: false, forceCloseConnections: true })
  addAdminRoutes(server, ports)
  await server.listen({ host: '127.0.0.1', port: 0 })
  return { url: `http://127.0.0.1:${listeningPort(server)}`, [Symbol.asyncDispose]: () => server.close() }
}
