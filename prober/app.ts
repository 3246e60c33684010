/**
 * The prober, put together: telemetry in, weight tables out, one of several at a time.
 *
 * Every prober listens and learns. Only the holder of the lease probes and publishes; the others follow the
 * tables it publishes, so that whoever takes over goes on from where it was.
 */
import { randomUUID } from 'node:crypto'
import type { Bus } from '#contracts/bus/bus.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import type { Clock, Random } from '#contracts/process/clock.ts'
import { startOpsServer, type Readiness } from '#contracts/process/health.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { MasterKey } from '#contracts/security/master-key.ts'
import { isNewer, openTable, type WeightTable } from '#contracts/weights/table.ts'
import { Consumer } from './consume.ts'
import { Judgement } from './judgement.ts'
import { Lease, LEASE_STEP_MS } from './lease.ts'
import { proberMetrics } from './metrics.ts'
import type { Roster } from './probe/plan.ts'
import { ProbeRound } from './probe/round.ts'
import type { SendProbe } from './probe/send.ts'
import { Publisher, PUBLISH_INTERVAL_MS, readLast } from './publish.ts'

export type ProberConfig = Readonly<{
  host: string
  /** 0 picks a free one. */
  port: number
  /** Of subjects and buckets on the bus. */
  prefix: string
  masterKey: Readonly<Pick<MasterKey, 'weights'>>
}>

export type ProberPorts = Readonly<{
  /** Stays open when the prober stops. */
  bus: Bus
  roster: Roster
  send: SendProbe
  clock: Clock
  random: Random
  logger: Logger
}>

const STEP_MS = 250
const FORGET_MS = 10_000

export type RunningProber = AsyncDisposable & Readonly<{ port: number }>

export async function startProber(config: ProberConfig, ports: ProberPorts): Promise<RunningProber> {
  const prober = new Prober(config, ports)
  await using stack = new AsyncDisposableStack()
  stack.use(prober)
  prober.start()
  const { readiness, metrics } = prober
  const server = stack.use(await startOpsServer(config.host, config.port, { readiness, metrics }))
  ports.logger.info({ port: server.port }, 'prober started')
  const running = stack.move()
  return { port: server.port, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Without its listener. */
export class Prober implements AsyncDisposable {
  readonly readiness = (): Readiness => this.#readiness()
  readonly metrics
  readonly #config: ProberConfig
  readonly #ports: ProberPorts
  readonly #consumer = new Consumer()
  readonly #judgement: Judgement
  readonly #probes: ProbeRound
  readonly #publisher: Publisher
  readonly #lease: Lease
  readonly #stops: (() => void)[] = []
  /** Newest table anybody published, this prober or another. */
  #newest: Pick<WeightTable, 'epoch' | 'seq'> | null = null
  /** What the last prober left has been read; until then this one says nothing. */
  #hasRecalled = false
  #wasLeading = false
  #leaseStep: Promise<void> | null = null

  constructor(config: ProberConfig, ports: ProberPorts) {
    const { bus, clock, random, logger, send } = ports
    this.#config = config
    this.#ports = ports
    const judgement = new Judgement(random)
    this.#judgement = judgement
    this.#probes = new ProbeRound({ judgement, send, clock, logger })
    const subject = subjectsOf(config.prefix).weights
    this.#publisher = new Publisher({ bus, subject, key: config.masterKey.weights, clock, logger })
    const lastEpoch = (): number => this.#newest?.epoch ?? 0
    this.#lease = new Lease({ registers: bus.registers, clock, random, holder: randomUUID(), lastEpoch })
    this.metrics = proberMetrics({
      consumer: this.#consumer,
      judgement,
      probes: this.#probes,
      publisher: this.#publisher,
      isLeading: () => this.#lease.epoch !== null,
      entries: () => judgement.entries(clock.monotonic()),
    })
  }

  start(): void {
    const { bus } = this.#ports
    const { everyTelemetry, weights } = subjectsOf(this.#config.prefix)
    this.#stops.push(
      bus.subscribe(everyTelemetry, (text) => this.#hear(text)),
      bus.subscribe(weights, (text) => this.#follow(text)),
      every(STEP_MS, () => this.#step()),
      every(PUBLISH_INTERVAL_MS, () => this.#publish()),
      every(LEASE_STEP_MS, () => this.#keepLease()),
      every(FORGET_MS, () => this.#forget()),
    )
    this.#keepLease()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops) stop()
    await this.#leaseStep
    const epoch = this.#lease.epoch
    if (epoch === null) return
    try {
      const entries = this.#judgement.entries(this.#ports.clock.monotonic())
      await this.#publisher.leave(epoch, entries, () => this.#judgement.memory())
      await this.#lease.release()
    } catch (error) {
      this.#ports.logger.warn({ error }, 'could not hand over; a standby takes over in ten seconds')
    }
  }

  #hear(text: string): void {
    const now = this.#ports.clock.monotonic()
    const { samples, edges } = this.#consumer.accept(text, now)
    for (const sample of samples) this.#judgement.observe(sample, now)
    for (const { kind, provider, model, credential } of edges) {
      if (kind === 'ejected' && model !== undefined) this.#judgement.suspect(provider, model)
      else if (kind !== 'restored')
        this.#ports.logger.warn({ kind, provider, model, credential }, 'a node reports')
    }
  }

  /** Another prober's table, or our own coming back. */
  #follow(text: string): void {
    const opened = openTable(text, this.#config.masterKey.weights)
    if (!opened.ok || !isNewer(opened.value, this.#newest)) return
    this.#newest = { epoch: opened.value.epoch, seq: opened.value.seq }
    if (this.#lease.epoch === null) this.#judgement.adopt(opened.value, 0, this.#ports.clock.monotonic())
  }

  #step(): void {
    if (this.#lease.epoch === null) return
    this.#judgement.know(this.#ports.roster.list())
    this.#judgement.step(this.#ports.clock.monotonic())
    this.#probes.begin()
  }

  #publish(): void {
    const epoch = this.#lease.epoch
    if (epoch === null) return
    this.#publisher.publish(epoch, this.#judgement.entries(this.#ports.clock.monotonic()), () =>
      this.#judgement.memory(),
    )
  }

  #keepLease(): void {
    // One question at a time: a slow broker must not pile them up.
    this.#leaseStep ??= this.#recallAndStep()
      .catch((error: unknown) => this.#ports.logger.debug({ error }, 'the lease could not be seen to'))
      .finally(() => {
        this.#leaseStep = null
      })
  }

  async #recallAndStep(): Promise<void> {
    const { bus, clock, logger } = this.#ports
    if (!bus.connected) return
    if (!this.#hasRecalled) {
      const { table, memory } = await readLast(bus, this.#config.masterKey.weights, logger)
      const now = clock.monotonic()
      // Two machines' clocks are compared here; a wrong one makes what is read count for more or less.
      if (memory !== null) this.#judgement.recall(memory.entries, clock.now() - memory.writtenAt, now)
      if (table !== null && isNewer(table, this.#newest)) {
        this.#newest = { epoch: table.epoch, seq: table.seq }
        this.#judgement.adopt(table, clock.now() - table.at, now)
      }
      this.#hasRecalled = true
    }
    await this.#lease.step()
    const epoch = this.#lease.epoch
    if ((epoch !== null) !== this.#wasLeading)
      logger.info({ epoch }, epoch === null ? 'standing by' : 'leading')
    this.#wasLeading = epoch !== null
  }

  #forget(): void {
    const now = this.#ports.clock.monotonic()
    this.#consumer.forget(now)
    this.#judgement.forget(now)
  }

  #readiness(): Readiness {
    const detail = {
      leading: this.#lease.epoch !== null,
      nodes: this.#consumer.nodes,
      deployments: this.#judgement.size,
    }
    if (!this.#ports.bus.connected) return { ready: false, reason: 'the bus is not connected', detail }
    if (!this.#hasRecalled)
      return { ready: false, reason: 'the last weight table has not been read yet', detail }
    return { ready: true, detail }
  }
}

function every(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms)
  return () => clearInterval(timer)
}
