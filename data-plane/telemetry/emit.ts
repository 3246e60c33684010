/**
 * Sends what the node counted: in full once a second, what the prober judges by five times a second, and at
 * once when something sharp happened.
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
/** Every so many reports is a whole one. */
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
  /** Called before each report, to bring counts up to date that are not counted as things happen. */
  beforeReport: () => void
  clock: Clock
}>

export class Emitter implements AsyncDisposable {
  readonly #ports: EmitterPorts
  #timer: NodeJS.Timeout | undefined
  #seq = 0
  #dropped = 0
  #sent = 0
  /** Series changed since this generation have not been sent in full, … */
  #unsentSince = 0
  /** …and not even in short. */
  #untoldSince = 0
  #ticks = 0
  /** Edges of the current second, so that each is told once. */
  readonly #edges = new Set<string>()
  #edgesSince = 0

  constructor(ports: EmitterPorts) {
    this.#ports = ports
    this.#edgesSince = ports.clock.monotonic()
  }

  /** Begins to send. */
  start(): this {
    this.#timer = setInterval(() => {
      this.#ticks += 1
      if (this.#ticks % WHOLE_EVERY === 0) this.flush()
      else this.pulse()
    }, EMIT_INTERVAL_MS).unref()
    return this
  }

  /** Sends the series that changed since they were last sent in full. */
  flush(): void {
    const { bus, counters, beforeReport } = this.#ports
    if (!bus.connected) {
      this.#dropped += 1
      return
    }
    beforeReport()
    const reports = toReports(this.#header(), counters.series(this.#unsentSince))
    if (!reports.every((report) => this.#send(report))) return
    this.#unsentSince = counters.nextGeneration()
    this.#untoldSince = this.#unsentSince
  }

  /** Sends what changed since the last report, in short. Nothing, when nothing did. */
  pulse(): void {
    const { bus, counters, beforeReport } = this.#ports
    if (!bus.connected) return // the next whole report counts as dropped
    beforeReport()
    const reports = toShortReports(this.#header(), counters.series(this.#untoldSince))
    if (reports.every((report) => this.#send(report))) this.#untoldSince = counters.nextGeneration()
  }

  #header(): ReportHeader {
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
    const { node, boot } = this.#ports
    this.#send({ v: 1, node, boot, seq: this.#seq + 1, series: [], edges: [edge], dropped: this.#dropped })
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
    clearInterval(this.#timer)
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
