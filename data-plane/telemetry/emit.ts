/**
 * Sends what the node counted: in full once a second, what the prober judges by five times a second, and at
 * once when something sharp happened. Of the reports that are due together each is made in a turn of the event loop
 * of its own: all those of a large node take tens of milliseconds, and every request would wait for them.
 *
 * Keeps no reports for later. Counters are cumulative, so whatever was missed while the bus was away stands
 * in the first report after it; what is lost is resolution, and the count of reports not sent tells how much.
 */
import type { Bus } from '#contracts/bus/bus.ts'
import { encodeTelemetry, type TelemetryEdge, type TelemetryReport } from '#contracts/telemetry/report.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { toReports, toShortReports, type ReportHeader } from './batch.ts'
import type { Counters } from './counters.ts'

/** The prober sees trouble a fifth of a second after it began; more often would cost more than it tells. */
const EMIT_INTERVAL_MS = 200
const HALF_INTERVAL_MS = EMIT_INTERVAL_MS / 2
/** Every so many rounds is a whole one. */
export const WHOLE_EVERY = 5
/** More edges than this in one second are a storm, which the counters describe better. */
const EDGES_PER_SECOND = 20

export type EmitterPorts = Readonly<{
  bus: Pick<Bus, 'connected' | 'publish'>
  /** `subjects.telemetry(node)`. */
  subject: string
  node: string
  /** New with every start of the process. */
  boot: string
  counters: Counters
  /** Called before each round of reports, to bring counts up to date that are not counted as things happen. */
  beforeReport: () => void
  clock: Clock
}>

export class Emitter implements AsyncDisposable {
  readonly #ports: EmitterPorts
  #timer: NodeJS.Timeout | undefined
  #turn: NodeJS.Immediate | undefined
  /** Sends one report a step, of those that are due together. */
  #round: Generator<void> | null = null
  #seq = 0
  #dropped = 0
  #sent = 0
  /** Series changed since this generation have not been sent in full, … */
  #unsentSince = 0
  /** …and not even in short. */
  #untoldSince = 0
  #rounds = 0
  /** Edges of the current second, so that each is told once. */
  readonly #edges = new Set<string>()
  #edgesSince = 0

  constructor(ports: EmitterPorts) {
    this.#ports = ports
    this.#edgesSince = ports.clock.monotonic()
  }

  /** Begins to send. */
  start(): this {
    const now = this.#ports.clock.monotonic()
    this.#timer = setTimeout(() => {
      this.start()
      this.#beginRound()
    }, untilDue(now)).unref()
    return this
  }

  /** Sends the series that changed since they were last sent in full. */
  flush(): void {
    toEnd(this.#sendWhole())
  }

  /** Sends what changed since the last report, in short. Nothing, when nothing did. */
  pulse(): void {
    toEnd(this.#sendShort())
  }

  /** Not before the round before it is over: the counts it has still to send are those of then. */
  #beginRound(): void {
    if (this.#round !== null) return
    this.#rounds += 1
    this.#round = this.#rounds % WHOLE_EVERY === 0 ? this.#sendWhole() : this.#sendShort()
    this.#step()
  }

  *#sendWhole(): Generator<void> {
    if (!this.#ports.bus.connected) {
      this.#dropped += 1
      return
    }
    const since = this.#unsentSince
    const next = this.#nextGeneration()
    if (!(yield* this.#sendEach(toReports(this.#header, this.#ports.counters.series(since))))) return
    this.#unsentSince = next
    this.#untoldSince = next
  }

  *#sendShort(): Generator<void> {
    if (!this.#ports.bus.connected) return // the next whole report counts as dropped
    const since = this.#untoldSince
    const next = this.#nextGeneration()
    if (yield* this.#sendEach(toShortReports(this.#header, this.#ports.counters.series(since))))
      this.#untoldSince = next
  }

  /** One a step. @returns false when one could not be sent: all are told again. */
  *#sendEach(reports: Iterable<TelemetryReport>): Generator<void, boolean> {
    for (const report of reports) {
      if (!this.#send(report)) return false
      yield
    }
    return true
  }

  /** Before anything is read: what is counted while a round is sent is told by the next one, again if need be. */
  #nextGeneration(): number {
    this.#ports.beforeReport()
    return this.#ports.counters.nextGeneration()
  }

  readonly #step = (): void => {
    if (this.#round?.next().done === true) this.#round = null
    else this.#turn = setImmediate(this.#step)
  }

  readonly #header = (): ReportHeader => {
    const { node, boot } = this.#ports
    return { node, boot, seq: this.#seq + 1, dropped: this.#dropped }
  }

  /** Tells the prober now. Within a second no edge is told twice, and no more than 20 are told. */
  edge(edge: TelemetryEdge): void {
    const now = this.#ports.clock.monotonic()
    if (now - this.#edgesSince >= 1_000) {
      this.#edges.clear()
      this.#edgesSince = now
    }
    const name = `${edge.kind}\n${edge.provider}\n${edge.model ?? ''}\n${edge.credential ?? ''}`
    if (this.#edges.has(name)) return
    if (this.#edges.size >= EDGES_PER_SECOND) {
      this.#dropped += 1
      return
    }
    this.#edges.add(name)
    this.#send({ v: 1, ...this.#header(), series: [], edges: [edge] })
  }

  /** Reports and edges not sent since boot: there was nowhere to send them, or too many. */
  get dropped(): number {
    return this.#dropped
  }

  /** Reports sent since boot. */
  get sent(): number {
    return this.#sent
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    clearImmediate(this.#turn)
    this.flush()
  }

  #send(report: TelemetryReport): boolean {
    if (!this.#ports.bus.publish(this.#ports.subject, encodeTelemetry(report))) {
      this.#dropped += 1
      return false
    }
    // A report that was never sent leaves no gap in the numbers: it is counted as dropped instead.
    this.#seq = report.seq
    this.#sent += 1
    return true
  }
}

/**
 * In milliseconds, to the middle between two whole multiples of the interval: the usage spool's rounds are at those.
 * Kept by the clock: beats that are counted from timer to timer fall into one turn of the event loop when one of them
 * is late, and never part again.
 */
const untilDue = (now: number): number => EMIT_INTERVAL_MS + HALF_INTERVAL_MS - (now % EMIT_INTERVAL_MS)

function toEnd(round: Generator<void>): void {
  while (round.next().done !== true);
}
