/**
 * Telemetry reports → what each node saw since its report before.
 *
 * Counters in reports are cumulative since the node's boot, so a lost report only makes the next difference
 * larger. Everything that is not understood is counted and left out. No clock of its own.
 */
import { difference, fromSparse, newCounts, type Counts } from '#contracts/telemetry/histogram.ts'
import { OUTCOMES } from '#contracts/telemetry/outcome.ts'
import {
  decodeTelemetry,
  type TelemetryEdge,
  type TelemetryReport,
  type TelemetrySeries,
} from '#contracts/telemetry/report.ts'
import type { Sample } from './judgement/window.ts'

/** What was counted before a node fell silent for this long is too old to be judged now. */
const SILENT_MS = 5_000
export const FORGET_NODE_MS = 60_000
const MOST_NODES = 2_000
/** Over all nodes, some 4 KiB each. */
const MOST_SERIES = 20_000
/** Names are at most 63, 200 and 64 characters. */
const LONGEST_NAME = 400
/** No node does this much in a second; more is damage. */
const MOST_COUNTS = 1_000_000

type Node = {
  readonly boot: string
  seq: number
  heardAt: number
  /** All counters since the node's boot are known, so a series not seen before began at zero. */
  readonly isWhole: boolean
  readonly series: Map<string, { outcomes: readonly number[]; firstMs: Counts }>
}

export type Heard = Readonly<{ samples: readonly Sample[]; edges: readonly TelemetryEdge[] }>

const NOTHING: Heard = { samples: [], edges: [] }

export class Consumer {
  readonly #nodes = new Map<string, Node>()
  #seriesHeld = 0
  #reports = 0
  #lost = 0
  #garbage = 0
  #ignored = 0

  /** @param now monotonic milliseconds. */
  accept(text: string, now: number): Heard {
    const decoded = decodeTelemetry(text)
    if (!decoded.ok) {
      this.#garbage += 1
      return NOTHING
    }
    const report = decoded.value
    const node = this.#meet(report, now)
    if (node === null) return NOTHING
    // Twice the same, or late: what it says is known.
    if (report.seq <= node.seq) return NOTHING
    this.#reports += 1
    this.#lost += report.seq - node.seq - 1
    node.seq = report.seq
    node.heardAt = now
    const samples = report.series.flatMap((series) => this.#differ(report.node, node, series) ?? [])
    return { samples, edges: report.edges }
  }

  /** Frees what belongs to nodes that are gone. Call now and then. */
  forget(now: number): void {
    for (const [id, node] of this.#nodes) if (now - node.heardAt > FORGET_NODE_MS) this.#drop(id, node)
  }

  /** Nodes heard of in the last minute. */
  get nodes(): number {
    return this.#nodes.size
  }
  get reports(): number {
    return this.#reports
  }
  /** Reports that never came, by the gaps in their numbers. */
  get lost(): number {
    return this.#lost
  }
  /** Messages that are no reports. */
  get garbage(): number {
    return this.#garbage
  }
  /** Reports and series not looked at, because there are too many nodes or series already. */
  get ignored(): number {
    return this.#ignored
  }

  #meet(report: TelemetryReport, now: number): Node | null {
    const known = this.#nodes.get(report.node)
    if (known !== undefined && known.boot === report.boot && now - known.heardAt <= SILENT_MS) return known
    if (known !== undefined) this.#drop(report.node, known)
    if (this.#nodes.size >= MOST_NODES) {
      this.#ignored += 1
      return null
    }
    // Of a node met in the middle of its life, the first reading of a series only tells where it stands.
    const seq = known?.boot === report.boot ? known.seq : report.seq - 1
    const node: Node = { boot: report.boot, seq, heardAt: now, isWhole: report.seq === 1, series: new Map() }
    this.#nodes.set(report.node, node)
    return node
  }

  #differ(nodeId: string, node: Node, series: TelemetrySeries): Sample | null {
    const { provider, model, credential, mode } = series
    const name = `${provider}\n${model}\n${credential}\n${mode}`
    const before = node.series.get(name)
    if (name.length > LONGEST_NAME || (before === undefined && this.#seriesHeld >= MOST_SERIES)) {
      this.#ignored += 1
      return null
    }
    const firstMs = fromSparse(series.firstMs)
    const outcomes = OUTCOMES.map((_, at) => series.outcomes[at] ?? 0)
    node.series.set(name, { outcomes, firstMs })
    if (before === undefined) this.#seriesHeld += 1
    if (before === undefined && !node.isWhole) return null
    const sample: Sample = {
      node: nodeId,
      provider,
      model,
      mode,
      outcomes: outcomes.map((count, at) => added(count, before?.outcomes[at] ?? 0)),
      firstMs: difference(firstMs, before?.firstMs ?? newCounts()),
    }
    return sample.outcomes.some(isAdded) || sample.firstMs.some(isAdded) ? sample : null
  }

  #drop(id: string, node: Node): void {
    this.#nodes.delete(id)
    this.#seriesHeld -= node.series.size
  }
}

const isAdded = (count: number): boolean => count > 0

/** A count smaller than before began at zero again, as in `difference`. */
const added = (now: number, before: number): number =>
  Math.min(MOST_COUNTS, now >= before ? now - before : now)
