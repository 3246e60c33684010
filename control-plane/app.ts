/**
 * The control plane, put together: the log in Postgres, its relay to the bus, the nodes' side and the
 * admins' side.
 *
 * The listener opens first, so that health can be asked while the database is awaited.
 */
import type { Kysely } from 'kysely'
import type { Pool } from 'pg'
import type { Bus } from '#contracts/bus/bus.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import type { ContentStore } from '#contracts/content/content.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import type { Clock, Random } from '#contracts/process/clock.ts'
import { listeningPort, type Readiness } from '#contracts/process/health.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { Metrics } from '#contracts/process/metrics.ts'
import type { MasterKey } from '#contracts/security/master-key.ts'
import { applyDeclaration, CannotOpen, openLog } from './bootstrap/apply.ts'
import type { Declaration } from './bootstrap/declaration.ts'
import { BudgetDesk } from './budgets/desk.ts'
import { BudgetWatch } from './budgets/watch.ts'
import { Checkpoints } from './audit/checkpoint.ts'
import { History } from './audit/history.ts'
import { Signer } from './audit/signer.ts'
import { Ledger } from './commands/ledger.ts'
import type { ControlPlaneConfig } from './config.ts'
import type { ModelListCache } from './discovery/cache.ts'
import { Discovery } from './discovery/discovery.ts'
import { addControlPlaneMetrics } from './metrics.ts'
import { Fleet } from './nodes/fleet.ts'
import { Heartbeat } from './nodes/heartbeat.ts'
import { NodeLink } from './nodes/link.ts'
import { WeightKeeper } from './nodes/keep-weights.ts'
import { WeightsView } from './nodes/weights.ts'
import { relayOf } from './relay/relay-of.ts'
import type { Relay, RelayState } from './relay/relay.ts'
import { buildServer } from './server.ts'
import { BudgetLeases } from './store/budget-leases.ts'
import { CallRecorder } from './store/calls.ts'
import { openDatabase } from './store/database.ts'
import { EventLog } from './store/event-log.ts'
import { loadNodes, saveNodes } from './store/nodes.ts'
import { Past } from './store/past.ts'
import type { Database } from './store/schema.ts'
import { Trail } from './store/trail.ts'
import { DAY_MS, UsageBooks } from './store/usage-books.ts'
import { UsageReport } from './store/usage-report.ts'
import { WeightTables } from './store/weight-tables.ts'
import { UsageIngest } from './usage/ingest.ts'

export type ControlPlanePorts = Readonly<{
  /** Closed when the control plane stops. */
  pool: Pool
  /** Stays open when the control plane stops. */
  bus: Bus
  /** Stays open too. */
  modelLists: ModelListCache
  /** And these; null: there is no way to where nodes keep them. */
  contents: ContentStore | null
  clock: Clock
  random: Random
  logger: Logger
  /** What should exist besides what the API made, in view of what does. */
  declare: (catalog: Catalog) => Declaration
}>

export type RunningControlPlane = AsyncDisposable &
  Readonly<{
    port: number
    ledger: Ledger
    /** What nodes ask, without HTTP in between. */
    link: ControlLink
  }>

/** Between attempts to reach the database, in milliseconds. */
const RETRY_MS = 1_000
/** How often commits of other control planes are looked for, in milliseconds. */
const FOLLOW_MS = 250
const SAVE_NODES_MS = 5_000
const REMEMBER_NODES_MS = 3_600_000
/** 90 days: which state each node said it served. */
const REMEMBER_SERVED_MS = 90 * 86_400_000
/** How often what the prober said is written down. */
const KEEP_WEIGHTS_MS = 1_000
/** How often it is looked whether a checkpoint is due. */
const CHECKPOINT_MS = 1_000
const WATCH_BUDGETS_MS = 5_000

/** What comes to be while it starts. */
type State = { opened: boolean; waitingFor: string; relay: Relay | null; ingest: UsageIngest | null }

export async function startControlPlane(
  config: ControlPlaneConfig,
  ports: ControlPlanePorts,
): Promise<RunningControlPlane> {
  const { pool, bus, contents, clock, logger, declare } = ports
  await using stack = new AsyncDisposableStack()
  const database = stack.adopt(openDatabase(pool), (opened) => opened.destroy())
  const log = new EventLog(database)
  const ledger = new Ledger(log, clock)
  const fleet = new Fleet(ledger, clock)
  ledger.onCommits((wires) => fleet.propagation.heard(wires))
  const { masterKey } = config
  const discovery = stack.use(startDiscovery(config, ports, ledger, log))
  const state: State = { opened: false, waitingFor: 'the database', relay: null, ingest: null }
  const budgets = deskOf(database, { ledger, fleet, state, clock })
  const lists = (): readonly string[] => discovery.signedLists()
  const link = new NodeLink({ ledger, log, fleet, key: masterKey.commits, lists, budgets })
  const audit = auditOf(database, ledger, masterKey, logger)
  const calls = stack.use(new CallRecorder(database, clock))
  const metrics = new Metrics()
  const readiness = (): Readiness => readinessOf(ledger, state)
  const relayState = (): RelayState => state.relay?.state ?? { kind: 'idle' }
  const books = booksOf(database)
  const keeper = keeperOf(config, ports, books.weightTables)
  const weights = stack.use(weightsOf(config, ports, keeper))
  const { gatewayUrl: gateway = null } = config
  const relayed = { discovery, weights, relay: relayState, budgets, contents, gateway, ...books }
  const admin = { ledger, log, fleet, calls, masterKey, clock, logger, ...audit, ...relayed }
  const server = stack.adopt(
    buildServer({
      health: { readiness, metrics },
      nodes: { link, token: masterKey.nodeToken },
      admin: { ...admin, adminToken: config.adminToken },
    }),
    (built) => built.close(),
  )
  await server.listen({ host: config.host, port: config.port })

  const opening = { database, ledger, masterKey, logger, declare }
  await openUp(opening, config, (reason) => void (state.waitingFor = reason))
  for (const node of await loadNodes(database, clock.now() - REMEMBER_NODES_MS))
    fleet.restore(node.report, node.lastSeen)
  const relay = stack.use(relayOf({ stream: bus.commits, ledger, log, key: masterKey.commits, logger }))
  Object.assign(state, { relay, opened: true })
  stack.use(new Heartbeat({ bus, subjects: subjectsOf(config.prefix), ledger, fleet }))
  stack.use(every(FOLLOW_MS, () => ledger.catchUp()))
  stack.use(every(SAVE_NODES_MS, () => keepNodes(database, audit.past, fleet, clock)))
  const checkpoints = new Checkpoints({ ledger, clock, logger, ...audit })
  stack.use(every(CHECKPOINT_MS, () => checkpoints.tick()))
  stack.use(every(KEEP_WEIGHTS_MS, () => keeper.tick()))
  const ingest = stack.use(startIngest(config, ports, ledger, relayed.books))
  state.ingest = ingest
  const watch = new BudgetWatch({ desk: budgets, catalog: () => ledger.catalog, clock, logger })
  stack.use(every(WATCH_BUDGETS_MS, () => watch.look()))
  addControlPlaneMetrics(metrics, { ledger, fleet, relay, calls, bus, discovery, ingest, watch })
  const port = listeningPort(server)
  logger.info({ port, commit: ledger.catalog.commit }, 'control plane started')
  const running = stack.move()
  return { port, ledger, link, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

function auditOf(
  database: Kysely<Database>,
  ledger: Ledger,
  masterKey: MasterKey,
  logger: Logger,
): Readonly<{ trail: Trail; past: Past; signer: Signer; history: History }> {
  const past = new Past(database)
  const signer = new Signer(masterKey.audit)
  const trail = new Trail(database)
  return { trail, past, signer, history: new History({ past, signer, head: () => ledger.catalog, logger }) }
}

async function keepNodes(database: Kysely<Database>, past: Past, fleet: Fleet, clock: Clock): Promise<void> {
  const nodes = fleet.list()
  await saveNodes(database, nodes)
  await past.keepServed(nodes, clock.now() - REMEMBER_SERVED_MS)
}

function startDiscovery(
  { prefix, masterKey, modelsTtlMs }: ControlPlaneConfig,
  { bus, modelLists, clock, random, logger }: ControlPlanePorts,
  ledger: Ledger,
  log: EventLog,
): Discovery {
  return new Discovery({
    catalog: () => ledger.catalog,
    secrets: (ids) => log.secrets(ids),
    cache: modelLists,
    bus,
    subjects: subjectsOf(prefix),
    vaultKey: masterKey.vault,
    listKey: masterKey.models,
    ttlMs: modelsTtlMs,
    clock,
    random,
    logger,
  })
}

type DeskParts = Readonly<{ ledger: Ledger; fleet: Fleet; state: State; clock: Clock }>

const deskOf = (database: Kysely<Database>, { ledger, fleet, state, clock }: DeskParts): BudgetDesk =>
  new BudgetDesk({
    leases: new BudgetLeases(database),
    catalog: () => ledger.catalog,
    catchUp: () => ledger.catchUp(),
    nodes: () => fleet.live,
    emptiedAt: () => state.ingest?.emptiedAt ?? -Infinity,
    clock,
  })

const booksOf = (database: Kysely<Database>) => ({
  usage: new UsageReport(database),
  books: new UsageBooks(database),
  weightTables: new WeightTables(database),
})

function weightsOf(
  { prefix, masterKey }: ControlPlaneConfig,
  { bus, clock }: ControlPlanePorts,
  keeper: WeightKeeper,
): WeightsView {
  const onTable = keeper.take.bind(keeper)
  return new WeightsView({ bus, subjects: subjectsOf(prefix), key: masterKey.weights, clock, onTable })
}

const keeperOf = (
  { usageRetentionDays }: ControlPlaneConfig,
  { clock, logger }: ControlPlanePorts,
  tables: WeightTables,
): WeightKeeper => new WeightKeeper({ tables, clock, logger, retentionMs: usageRetentionDays * DAY_MS })

function startIngest(
  { usageRetentionDays: retentionDays }: ControlPlaneConfig,
  { bus, clock, logger }: ControlPlanePorts,
  ledger: Ledger,
  books: UsageBooks,
): UsageIngest {
  const catalog = (): Catalog => ledger.catalog
  return new UsageIngest({ stream: bus.usage, books, catalog, retentionDays, clock, logger })
}

const readinessOf = (ledger: Ledger, state: State): Readiness =>
  state.opened
    ? { ready: true, detail: detailOf(ledger, state.relay) }
    : { ready: false, reason: `waiting for ${state.waitingFor}` }

function detailOf(ledger: Ledger, relay: Relay | null): Readonly<Record<string, unknown>> {
  return { commit: ledger.catalog.commit, epoch: ledger.catalog.epoch, relay: relay?.state.kind ?? 'idle' }
}

type Opening = Parameters<typeof openLog>[0] & Pick<ControlPlanePorts, 'declare'>

/** Waits for the database, and brings the log to where it may be served from. */
async function openUp(
  opening: Opening,
  { applyMigrations }: ControlPlaneConfig,
  onWait: (reason: string) => void,
): Promise<void> {
  const { logger, ledger, declare } = opening
  await retry(logger, onWait, () => openLog(opening, applyMigrations))
  await retry(logger, onWait, () => applyDeclaration(opening, declare(ledger.catalog)))
}

/** Tries for ever what a database that is away refuses; what can never work is thrown. */
async function retry(
  logger: Logger,
  onWait: (reason: string) => void,
  work: () => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      if (error instanceof CannotOpen) throw error
      const reason = error instanceof Error ? error.message : String(error)
      onWait(`the database (${reason})`)
      logger.warn({ reason }, 'the database cannot be used yet')
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

/** Runs `work` again and again, never twice at once; a failure is the next round's business. */
function every(ms: number, work: () => Promise<void>): Disposable {
  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    work()
      .catch(() => undefined)
      .finally(() => (busy = false))
  }, ms)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
