/**
 * The request path of a data-plane node on a real port, with the configuration a test gives it: everything
 * but the following of the log.
 */
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import type { ContentStore } from '#contracts/content/content.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import { clientKeyStream, keyId, modelName, modelStream, nodeId } from '#contracts/ids.ts'
import { MemoryContentStore } from '#contracts/content/content-memory.ts'
import { systemClock, type Clock } from '#contracts/process/clock.ts'
import { listeningPort } from '#contracts/process/health.ts'
import { silentLogger, type LogFields, type Logger } from '#contracts/process/logger.ts'
import { clientKeyDigest } from '#contracts/security/master-key.ts'
import { decodeRecord, type UsageRecord } from '#contracts/usage/record.ts'
import { MemoryLimitCounters } from '#data-plane/admission/counters-memory.ts'
import type { LimitCounters } from '#data-plane/admission/counters.ts'
import { Limiter } from '#data-plane/admission/limiter.ts'
import { Authenticator } from '#data-plane/admission/principal.ts'
import { requestIds } from '#data-plane/api/request-id.ts'
import { Budgets } from '#data-plane/budgets/budgets.ts'
import { createSealer } from '#data-plane/carriers/sealer.ts'
import { MemoryNotes } from '#data-plane/notes/notes-memory.ts'
import type { Notes } from '#data-plane/notes/notes.ts'
import { compileSnapshot, type NodeSlots } from '#data-plane/routing/compile.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import { buildServer } from '#data-plane/server.ts'
import { MemoryContextStore } from '#data-plane/sessions/context-memory.ts'
import type { ContextStore } from '#data-plane/sessions/context.ts'
import { MemorySessionStore } from '#data-plane/sessions/store-memory.ts'
import { Recorder } from '#data-plane/sessions/recorder.ts'
import type { SessionStore } from '#data-plane/sessions/store.ts'
import { SnapshotHolder } from '#data-plane/sync/holder.ts'
import type { RequestEntry } from '#data-plane/usage/account.ts'
import { entryOf } from '#data-plane/usage/text.ts'
import type { AttemptRecord } from '#data-plane/upstream/failover.ts'
import { Health } from '#data-plane/upstream/health/health.ts'
import { Pools } from '#data-plane/upstream/pools.ts'
import { credentialAdded, providerRegistered, TestLog } from '../model/log-builder.ts'

/** A client key that is always known. */
export const KEY = 'sk-client'
/** What is kept of sessions. */
export const CONTEXT = { turns: 5, ttlMs: 60_000, textLength: 200 } as const
const PEPPER = 'pepper'
const SEALING_KEY = Buffer.alloc(32, 7)

export type GatewayProvider = Readonly<{
  baseUrl: string
  /** Absent: one. Ids of secrets; the secret itself is `sk-<id>`. */
  credentials?: readonly string[]
  definition?: Partial<ProviderDefinitionInput>
}>

/** `provider/upstream model`, in tiers: the first is tried first. */
export type GatewayModels = Readonly<Record<string, readonly string[]>>

export type GatewayOptions = Readonly<{
  providers: Readonly<Record<string, GatewayProvider>>
  models?: GatewayModels
  /** Beside `KEY`. */
  keys?: readonly CatalogEvent[]
  /** What a secret is; absent: `sk-<id>`. */
  secret?: (id: string) => string
  bodyLimit?: number
  /** As `APIPROXY_STREAM_USAGE=ask`. */
  countStreams?: boolean
  requestTimeoutMs?: number
  sessions?: SessionStore
  notes?: Notes
  limits?: LimitCounters
  context?: ContextStore
  contents?: ContentStore
  /** Who gives money of budgets; absent: nobody answers. */
  leases?: ControlLink['leases']
  /** Of the fleet this one is of. */
  nodes?: number
  clock?: Clock
}>

/** Deadlines that a test can wait for. */
const SHORT_TIMEOUTS = { connectMs: 500, answerMs: 1_000, firstTokenMs: 1_000, idleMs: 1_000 } as const

export class Gateway implements AsyncDisposable {
  /** As a client's SDK takes it. */
  readonly baseUrl: string
  readonly port: number
  readonly server: ReturnType<typeof buildServer>
  /** Exchanged by `forgive`. */
  health: Health
  readonly holder = new SnapshotHolder()
  readonly limiter: Limiter
  readonly budgets: Budgets
  readonly contents: ContentStore
  /** Attempts in the order they ended. */
  readonly attempts: AttemptRecord[] = []
  /** Status told to each client, in the order the requests ended; 499: it had left. */
  readonly settled: number[] = []
  /** What would have been put into the books if the node had died, as it was told before anything was sent. */
  readonly intents: UsageRecord[] = []
  readonly #intended: UsageRecord[] = []
  /** What was put into the books, in the order the requests ended. */
  readonly records: UsageRecord[] = []
  readonly warnings: LogFields[] = []
  readonly errors: LogFields[] = []
  /** Every deployment and credential is as good as new. */
  readonly forgive: () => void
  readonly #stack: AsyncDisposableStack
  readonly #log = new TestLog()
  readonly #slots: NodeSlots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
  readonly #secret: (id: string) => string

  static async start(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options)
    await gateway.server.listen({ host: '127.0.0.1', port: 0 })
    Object.assign(gateway, { port: listeningPort(gateway.server) })
    Object.assign(gateway, { baseUrl: `http://127.0.0.1:${gateway.port}/v1` })
    return gateway
  }

  private constructor(options: GatewayOptions) {
    this.baseUrl = ''
    this.port = 0
    this.#stack = new AsyncDisposableStack()
    const { bodyLimit = 1024 * 1024, requestTimeoutMs = 10_000, clock = systemClock } = options
    const factors = new WeightFactors(this.#slots.deployments)
    const newHealth = (): Health => new Health({ factors, random: () => 0.5, onEdge: () => undefined })
    const present = (): Health => this.health
    this.health = newHealth()
    this.forgive = () => {
      this.health = newHealth()
    }
    this.#secret = options.secret ?? ((id) => `sk-${id}`)
    this.#configure(options)
    const counters = options.limits ?? this.#stack.use(new MemoryLimitCounters(clock))
    const sealer = createSealer(SEALING_KEY)
    const context = options.context ?? this.#stack.use(new MemoryContextStore(CONTEXT))
    this.contents = options.contents ?? this.#stack.use(new MemoryContentStore(clock))
    this.limiter = this.#stack.use(new Limiter({ counters, clock, nodes: () => options.nodes ?? 1 }))
    const link = { leases: options.leases ?? (() => Promise.reject(new Error('nobody there'))) }
    const node = nodeId('node-1')
    this.budgets = this.#stack.use(new Budgets({ link, node, boot: 'boot-1', isDrained: () => false, clock }))
    let seed = 0
    this.server = buildServer({
      holder: this.holder,
      authenticator: new Authenticator(PEPPER),
      limiter: this.limiter,
      budgets: this.budgets,
      get health() {
        return present()
      },
      pools: this.#stack.use(new Pools((error) => void this.errors.push({ error }))),
      notes: options.notes ?? this.#stack.use(new MemoryNotes()),
      sealer,
      context,
      recorder: new Recorder({
        contexts: context,
        contents: this.contents,
        sealer,
        holder: this.holder,
        now: () => clock.now(),
      }),
      sessions: options.sessions ?? this.#stack.use(new MemorySessionStore()),
      clock,
      logger: this.#logger(),
      seed: () => (seed += 1),
      newRequestId: requestIds(),
      bodyLimit,
      countStreams: options.countStreams ?? false,
      corsOrigins: ['*'],
      requestTimeoutMs,
      onFirst: () => undefined,
      onAttempt: (record) => void this.attempts.push(record),
      onIntent: (record) => void this.#intended.push(asBooked(record)),
      onSend: () => void this.intents.push(...this.#intended.splice(0)),
      onRecord: (record, written) => {
        this.records.push(asBooked(record))
        written()
      },
      onSettled: (status) => void this.settled.push(status),
    })
    this.#stack.defer(async () => {
      this.server.server.closeAllConnections()
      await this.server.close()
    })
  }

  /** `provider:outcome` of each attempt so far. */
  get outcomes(): readonly string[] {
    return this.attempts.map(({ deployment, outcome }) => `${deployment.provider}:${outcome}`)
  }

  /** Forgets what was recorded. What was learned about providers stays; see `forgive`. */
  forget(): void {
    for (const list of [this.attempts, this.settled, this.intents, this.records, this.warnings, this.errors])
      list.length = 0
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }

  /** A commit reaches the node. */
  apply(events: readonly CatalogEvent[]): void {
    this.#log.append([...events])
    this.#swap()
  }

  #configure(options: GatewayOptions): void {
    const log = this.#log
    for (const [id, { baseUrl, credentials = [`${id}-1`], definition = {} }] of Object.entries(
      options.providers,
    )) {
      const own = { baseUrl, allowPrivate: true, timeouts: SHORT_TIMEOUTS, ...definition }
      log.append([providerRegistered(id, own), ...credentials.map((name) => credentialAdded(id, name))])
    }
    for (const [name, targets] of Object.entries(options.models ?? {}))
      log.append([modelCreated(name, targets)])
    log.append([issued('key_client', KEY), ...(options.keys ?? [])])
    this.#swap()
  }

  #swap(): void {
    const [log, slots, secret] = [this.#log, this.#slots, this.#secret]
    const parts = { slots, secret, discovered: new Map(), previous: this.holder.current }
    this.holder.swap(compileSnapshot({ ...parts, catalog: log.catalog(), digest: log.digest() }))
  }

  #logger(): Logger {
    return {
      ...silentLogger,
      warn: (fields) => void this.warnings.push(fields),
      error: (fields) => void this.errors.push(fields),
    }
  }
}

const lineOf = entryOf(nodeId('node'))

/** As the books read it. */
function asBooked({ members }: RequestEntry): UsageRecord {
  const read = decodeRecord(lineOf(members))
  if (!read.ok) throw new Error(read.error)
  return read.value
}

function modelCreated(name: string, targets: readonly string[]): CatalogEvent {
  const body = targets.map((target, tier) => {
    const slash = target.indexOf('/')
    return { provider: target.slice(0, slash), model: target.slice(slash + 1), weight: 1, tier }
  })
  return {
    type: 'LogicalModelCreated',
    stream: modelStream(modelName(name)),
    body: { name, origin: 'api', targets: body, aliases: [] },
  }
}

/** @param expiresAt epoch milliseconds; null: never. */
export function issued(id: string, token: string, expiresAt: number | null = null): CatalogEvent {
  const body = {
    origin: 'api' as const,
    name: id,
    digest: clientKeyDigest(PEPPER, token),
    prefix: 'sk',
    expiresAt,
  }
  return { type: 'ClientKeyIssued', stream: clientKeyStream(keyId(id)), body }
}
