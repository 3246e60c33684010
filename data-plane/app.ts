/**
 * A data-plane node, put together: what it serves from, what it serves with, and what it tells.
 *
 * Starts from its disk: the client listener opens at once, whatever else is down, and answers 503 with the
 * reason until there is a configuration.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Bus } from '#contracts/bus/bus.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import type { ContentStore } from '#contracts/content/content.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import { BUILD } from '#contracts/process/build.ts'
import type { NodeId } from '#contracts/ids.ts'
import type { Clock, Random } from '#contracts/process/clock.ts'
import { listeningPort, startOpsServer, type Readiness } from '#contracts/process/health.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { Metrics } from '#contracts/process/metrics.ts'
import { idOfRecord } from '#contracts/usage/record.ts'
import { outcomeIndex } from '#contracts/telemetry/outcome.ts'
import type { LimitCounters } from './admission/counters.ts'
import { Limiter } from './admission/limiter.ts'
import { Authenticator } from './admission/principal.ts'
import { requestIds } from './api/request-id.ts'
import type { InferencePorts } from './api/serve.ts'
import { Budgets } from './budgets/budgets.ts'
import { createSealer } from './carriers/sealer.ts'
import type { DataPlaneConfig } from './config.ts'
import { addNodeMetrics } from './metrics.ts'
import type { Notes } from './notes/notes.ts'
import type { NodeSlots } from './routing/compile.ts'
import { WeightFactors } from './routing/factors.ts'
import { Slots } from './routing/slots.ts'
import type { Deployment, RoutingSnapshot } from './routing/snapshot.ts'
import { buildServer } from './server.ts'
import type { ContextStore } from './sessions/context.ts'
import { Recorder } from './sessions/recorder.ts'
import type { SessionStore } from './sessions/store.ts'
import { FileDiskCopy } from './sync/disk/disk-copy.ts'
import { loadNodeId } from './sync/disk/node-id.ts'
import { startFollowing, type CatalogFollower } from './sync/follow-catalog.ts'
import { followModels } from './sync/follow-models.ts'
import { followWeights } from './sync/follow-weights.ts'
import { SnapshotHolder } from './sync/holder.ts'
import { Problems } from './sync/problems.ts'
import { Reporter } from './sync/report.ts'
import { Counters } from './telemetry/counters.ts'
import { Spool } from './usage/spool.ts'
import { entryOf } from './usage/text.ts'
import { Emitter } from './telemetry/emit.ts'
import { Health } from './upstream/health/health.ts'
import { Pools } from './upstream/pools.ts'

export type DataPlanePorts = Readonly<{
  /** These stay open when the node stops. */
  bus: Bus
  link: ControlLink
  sessions: SessionStore
  notes: Notes
  limits: LimitCounters
  /** Null: nothing that is said in sessions is kept. */
  context: ContextStore | null
  /** Null: contents cannot be kept where they could be read; those that should be are counted as lost. */
  contents: ContentStore | null
  clock: Clock
  random: Random
  logger: Logger
}>

export type RunningDataPlane = AsyncDisposable &
  Readonly<{ port: number; opsPort: number; readiness: () => Readiness }>

/** The request goes on elsewhere as if the provider had failed, so nobody else would tell. */
const FAULT = 'an answer of a provider was not understood by a fault of the gateway'
/** How often what no configuration names any more is let go, in milliseconds. */
const TIDY_MS = 10_000

export async function startDataPlane(
  config: DataPlaneConfig,
  ports: DataPlanePorts,
): Promise<RunningDataPlane> {
  const { bus, link, clock, random, logger } = ports
  await using stack = new AsyncDisposableStack()
  const folder = join(config.dataDir, 'node')
  const { id: node } = await loadNodeId(folder)
  const boot = randomUUID()
  const subjects = subjectsOf(config.prefix)
  const problems = new Problems(logger, clock)
  const holder = new SnapshotHolder()
  const slots: NodeSlots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
  const factors = new WeightFactors(slots.deployments)
  const counters = new Counters(slots.lanes)
  const health = new Health({ factors, random, onEdge: (edge) => emitter.edge(edge) })
  const subject = subjects.telemetry(node)
  const beforeReport = (): void => takeDownWaiting(health, counters, clock)
  const emitting = { bus, subject, node, boot, counters, beforeReport, clock }
  const emitter: Emitter = stack.use(new Emitter(emitting).start())
  const pools = stack.use(new Pools((error) => logger.error({ error }, FAULT)))
  const spool = stack.use(openSpool(folder, config.usageSpoolBytes, ports))
  const { onIntent, onSend, onRecord } = recorder(spool, node)
  const { disk: diskKey, vault: vaultKey, commits: commitKey, weights: key, models } = config.masterKey
  const disk = new FileDiskCopy(folder, diskKey, clock)
  const shared = { bus, subjects, link, clock, random, problems }
  const follower = stack.use(await startFollowing({ ...shared, disk, holder, slots, vaultKey, commitKey }))
  stack.use(followWeights({ ...shared, factors, key }))
  stack.use(followModels({ ...shared, lists: follower.lists, key: models }))

  const state = { isAccepting: true }
  const statuses = new Map<number, number>()
  const readiness = (): Readiness =>
    state.isAccepting ? follower.readiness() : { ready: false, reason: 'stopping' }
  const nodes = (): number => follower.readout().fleetNodes
  const limiter = stack.use(new Limiter({ counters: ports.limits, clock, nodes }))
  const isDrained = (): boolean => spool.isDrained && hasBudgets(holder)
  const budgets = stack.use(new Budgets({ link, node, boot, isDrained, clock }))
  const parts = { holder, health, pools, counters, statuses, limiter, budgets, onIntent, onSend, onRecord }
  const inference = inferencePorts(config, ports, parts)
  const metrics = new Metrics()
  const kept = { context: ports.context, contents: ports.contents, recorder: inference.recorder }
  const read = { counters, statuses, follower, emitter, problems, bus, spool, limiter, budgets, ...kept }
  addNodeMetrics(metrics, { ...read, sessionFailures: () => ports.sessions.failures })
  const ops = stack.use(await startOpsServer(config.opsHost, config.opsPort, { readiness, metrics }))

  const server = buildServer(inference)
  await server.listen({ host: config.host, port: config.port })
  const isAccepting = (): boolean => state.isAccepting
  const reporter = stack.use(new Reporter({ ...shared, follower, node, boot, build: BUILD, isAccepting }))
  stack.defer(async () => {
    state.isAccepting = false
    reporter.tell()
    await drain(server, config.drainMs)
  })
  stack.use(tidying(holder, { follower, health, pools, counters }))
  const port = listeningPort(server)
  logger.info({ port, opsPort: ops.port, node, commit: holder.current?.commit ?? 0 }, 'data plane started')
  const running = stack.move()
  return { port, opsPort: ops.port, readiness, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Where there are none, nobody wants to know. */
const hasBudgets = ({ current }: SnapshotHolder): boolean => (current?.source.budgets.size ?? 0) > 0

function takeDownWaiting(health: Health, counters: Counters, clock: Clock): void {
  const now = clock.monotonic()
  counters.countWaiting((waits) => health.overdue(now, ({ lane, mode }) => waits(lane.slot, mode)))
}

const openSpool = (folder: string, mostBytes: number, { bus, logger, clock }: DataPlanePorts): Spool =>
  new Spool({
    folder: join(folder, 'usage'),
    stream: bus.usage,
    mostBytes,
    idOf: idOfRecord,
    onProblem: (message) => logger.warn({}, message),
    clock,
  })

function recorder(spool: Spool, node: NodeId): Pick<InferencePorts, 'onIntent' | 'onSend' | 'onRecord'> {
  const lineOf = entryOf(node)
  return {
    onIntent: ({ intent, members }) => spool.intend(intent, lineOf(members)),
    onSend: () => spool.writeIntents(),
    onRecord: ({ intent, members }, written) => spool.append(intent, lineOf(members), written),
  }
}

type NodeParts = Readonly<{
  holder: SnapshotHolder
  health: Health
  pools: Pools
  counters: Counters
  statuses: Map<number, number>
  limiter: Limiter
  onIntent: InferencePorts['onIntent']
  onSend: InferencePorts['onSend']
  budgets: Budgets
  onRecord: InferencePorts['onRecord']
}>

function inferencePorts(config: DataPlaneConfig, ports: DataPlanePorts, parts: NodeParts): InferencePorts {
  const { holder, health, pools, counters, statuses, limiter, budgets, onIntent, onSend, onRecord } = parts
  const { sessions, notes, clock, logger, random, context, contents } = ports
  const sealer = createSealer(config.masterKey.carriers)
  return {
    holder,
    authenticator: new Authenticator(config.masterKey.pepper),
    limiter,
    budgets,
    health,
    pools,
    sessions,
    notes,
    sealer,
    context,
    recorder: new Recorder({ contexts: context, contents, sealer, holder, now: () => clock.now() }),
    clock,
    logger,
    seed: () => Math.floor(random() * 4_294_967_296),
    newRequestId: requestIds(),
    bodyLimit: config.bodyLimit,
    countStreams: config.countStreams,
    corsOrigins: config.corsOrigins,
    requestTimeoutMs: config.requestTimeoutMs,
    onFirst: (lane, firstMs, slowness) => counters.recordFirst(lane.slot, 'sse', firstMs, slowness),
    onAttempt: ({ lane, outcome, firstMs, slowness, totalMs, habit }, stream) =>
      counters.record(lane.slot, stream ? 'sse' : 'json', {
        outcome: outcomeIndex(outcome),
        firstMs: firstMs ?? -1,
        slowness,
        totalMs: outcome === 'cancelled' ? -1 : totalMs,
        habit,
      }),
    onIntent,
    onSend,
    onRecord,
    onSettled: (status) => statuses.set(status, (statuses.get(status) ?? 0) + 1),
  }
}

/** While stopping: how often connections that have become idle are closed, in milliseconds. */
const SWEEP_MS = 50

/** Stops accepting, lets answers under way finish, and cuts what is not done in time. */
async function drain(server: FastifyInstance, drainMs: number): Promise<void> {
  const deadline = setTimeout(() => server.server.closeAllConnections(), drainMs)
  // A connection whose answer has ended since is kept open by its client, and would be waited for.
  const sweep = setInterval(() => server.server.closeIdleConnections(), SWEEP_MS)
  await server.close()
  clearTimeout(deadline)
  clearInterval(sweep)
}

type TidyParts = Readonly<{ follower: CatalogFollower; health: Health; pools: Pools; counters: Counters }>

/** Lets go of connections and counters that no configuration names any more. */
function tidying(holder: SnapshotHolder, { follower, health, pools, counters }: TidyParts): Disposable {
  let tidied: RoutingSnapshot | null = null
  const timer = setInterval(() => {
    health.setNodes(follower.readout().fleetNodes)
    const snapshot = holder.current
    if (snapshot === null || snapshot === tidied) return
    tidied = snapshot
    const deployments = deploymentsOf(snapshot)
    pools.keepOnly(deployments)
    counters.keepOnly(new Set(deployments.flatMap(({ lanes }) => lanes.map(({ slot }) => slot))))
  }, TIDY_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** Every deployment a request could be sent to, with one of each provider's unlisted ones. */
const deploymentsOf = (snapshot: RoutingSnapshot): Deployment[] =>
  [...snapshot.providers.values()].flatMap((provider) => [...provider.deployments.values(), provider.pin('')])
