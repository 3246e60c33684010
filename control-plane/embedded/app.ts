/**
 * All three planes in one process: the same `start…` functions as in production, given other adapters.
 *
 * The only place that sees more than one plane. The node starts first, from its own disk, so that traffic
 * does not wait for the database.
 */
import { join } from 'node:path'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { MemoryContentStore } from '#contracts/content/content-memory.ts'
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import { providerId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { startDataPlane, type DataPlanePorts, type RunningDataPlane } from '#data-plane/app.ts'
import type { DataPlaneConfig } from '#data-plane/config.ts'
import { MemoryLimitCounters } from '#data-plane/admission/counters-memory.ts'
import { MemoryNotes } from '#data-plane/notes/notes-memory.ts'
import { MemoryContextStore } from '#data-plane/sessions/context-memory.ts'
import { MemorySessionStore } from '#data-plane/sessions/store-memory.ts'
import { startProber } from '#prober/app.ts'
import { ProbeSender } from '#prober/probe/send.ts'
import { CatalogRoster } from '#prober/roster.ts'
import { startControlPlane, type RunningControlPlane } from '../app.ts'
import type { Declaration } from '../bootstrap/declaration.ts'
import type { ControlPlaneConfig } from '../config.ts'
import { MemoryModelListCache } from '../discovery/cache-memory.ts'
import { LateLink } from './late-link.ts'
import { embeddedPool } from './postgres.ts'
import { SIMULATED_MODEL, SIMULATED_PROVIDER, startSimulatedProvider } from './simulated-provider.ts'

export type EmbeddedConfig = Readonly<{
  dataPlane: DataPlaneConfig
  controlPlane: ControlPlaneConfig
  prober: Readonly<{ host: string; port: number }>
  /** Where the simulated provider listens, if it can. */
  simulatedPort: number
  /** From the environment and the file. */
  declaration: Declaration
}>

export type RunningEmbedded = AsyncDisposable &
  Readonly<{
    controlPlane: RunningControlPlane
    dataPlane: RunningDataPlane
    /** No real provider is configured, so the simulated one answers. */
    isSimulated: boolean
  }>

export async function startEmbedded(config: EmbeddedConfig, logger: Logger): Promise<RunningEmbedded> {
  await using stack = new AsyncDisposableStack()
  const clock = systemClock
  const random = Math.random
  const broker = new MemoryBroker()
  const { masterKey, prefix } = config.controlPlane
  const link = new LateLink()
  // Written by the node, read by the control plane.
  const contents = stack.use(new MemoryContentStore(clock))
  // Before the node, so that it ends after it: answers under way come from it.
  const simulated =
    config.declaration.providers.length > 0
      ? null
      : stack.use(await startSimulatedProvider(config.simulatedPort))
  const dataPlane = stack.use(
    await startDataPlane(config.dataPlane, {
      bus: stack.use(broker.connect()),
      link,
      ...memoryStores(stack, config.dataPlane),
      contents,
      clock,
      random,
      logger: logger.child({ plane: 'data' }),
    }),
  )

  const pool = await embeddedPool(join(config.dataPlane.dataDir, 'postgres'))
  const declare = (catalog: Catalog): Declaration =>
    simulated === null || hasOwnProvider(catalog)
      ? config.declaration
      : withSimulated(config.declaration, simulated.baseUrl)
  const controlPlane = stack.use(
    await startControlPlane(withGateway(config, dataPlane.port), {
      pool,
      bus: stack.use(broker.connect()),
      modelLists: stack.use(new MemoryModelListCache()),
      contents,
      clock,
      random,
      logger: logger.child({ plane: 'control' }),
      declare,
    }),
  )
  link.attach(controlPlane.link)

  const proberLogger = logger.child({ plane: 'prober' })
  const roster = stack.use(
    new CatalogRoster({ link: controlPlane.link, vaultKey: masterKey.vault, logger: proberLogger }),
  )
  const sender = stack.use(new ProbeSender(clock))
  const send: ProbeSender['send'] = (entry, timeoutMs) => sender.send(entry, timeoutMs)
  const proberBus = stack.use(broker.connect())
  stack.use(
    await startProber(
      { ...config.prober, prefix, masterKey },
      { bus: proberBus, roster, send, clock, random, logger: proberLogger },
    ),
  )
  const isSimulated = controlPlane.ledger.catalog.providers.has(providerId(SIMULATED_PROVIDER))
  const running = stack.move()
  return { controlPlane, dataPlane, isSimulated, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Here it is known where clients go, unless something is in front of us. */
function withGateway({ controlPlane, dataPlane }: EmbeddedConfig, port: number): ControlPlaneConfig {
  const gatewayUrl = controlPlane.gatewayUrl ?? `http://${reachable(dataPlane.host)}:${port}`
  return { ...controlPlane, gatewayUrl }
}

/** An address to listen on everywhere is none to connect to. */
export const reachable = (host: string): string => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host)

/** What nodes share, where there is one of them. */
function memoryStores(
  stack: AsyncDisposableStack,
  { context }: DataPlaneConfig,
): Pick<DataPlanePorts, 'sessions' | 'notes' | 'limits' | 'context'> {
  return {
    sessions: stack.use(new MemorySessionStore()),
    notes: stack.use(new MemoryNotes()),
    limits: stack.use(new MemoryLimitCounters(systemClock)),
    context: context === null ? null : stack.use(new MemoryContextStore(context)),
  }
}

/** Providers made through the API: whoever has one needs no simulation. */
const hasOwnProvider = (catalog: Catalog): boolean =>
  [...catalog.providers.values()].some(({ origin }) => origin === 'api')

function withSimulated(declaration: Declaration, baseUrl: string): Declaration {
  const definition = ProviderDefinition.parse({
    name: 'Simulated provider (no model behind it)',
    kind: 'openai',
    baseUrl,
    allowPrivate: true,
    models: { static: [SIMULATED_MODEL] },
    probe: { enabled: false },
  })
  return { ...declaration, providers: [{ id: providerId(SIMULATED_PROVIDER), definition, credentials: [] }] }
}
