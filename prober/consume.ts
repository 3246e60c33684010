/**
 * Telemetry reports → what each node saw since its report before.
 *
 * Counters in reports are cumulative since the node's boot, so a lost report only makes the next difference
 * larger. Everything that is not understood is counted and left out. No clock of its own.
 */
import { NO_SUMS, type LineSums } from '#contracts/telemetry/line.ts'
import { OUTCOMES } from '#contracts/telemetry/outcome.ts'
import {
  decodeTelemetry,
  type TelemetryEdge,
  type ShortSeries,
  type TelemetryReport,
} from '#contracts/telemetry/report.ts'
import type { Sample } from './judgement/window.ts'

/** What was counted before a node fell silent for this long is too old to be judged now. */
const SILENT_MS = 5_000
export const FORGET_NODE_MS = 60_000
const MOST_NODES = 2_000
/** Over all nodes, some 500 bytes each. */
const MOST_SERIES = 20_000
/** Names are at most 63, 200 and 64 characters. */
const LONGEST_NAME = 400
/** No node does this much in a second; more is damage. */
const MOST_COUNTS = 1_000_000
const MOST_SLOW = Math.log(10)
/** Of a sum over as many samples, some of them large and slow. */
const MOST_SUM = 1e15

type Node = {
  readonly boot: string
  seq: number
  heardAt: number
  /** All counters since the node's boot are known, so a series not seen before began at zero. */
  readonly isWhole: boolean
  readonly series: Map<string, Counted>
}

type Counted = Readonly<{ outcomes: readonly number[]; slow: readonly [number, number]; line: LineSums }>

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
    if (decoded.ok) return this.hear(decoded.value, now)
    this.#garbage += 1
    return NOTHING
  }

  hear(report: TelemetryReport, now: number): Heard {
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

  #differ(nodeId: string, node: Node, series: ShortSeries): Sample | null {
    const { provider, model, credential, mode, waiting = 0 } = series
    const name = `${provider}\n${model}\n${credential}\n${mode}`
    const before = node.series.get(name)
    if (name.length > LONGEST_NAME || (before === undefined && this.#seriesHeld >= MOST_SERIES)) {
      this.#ignored += 1
      return null
    }
    const outcomes = OUTCOMES.map((_, at) => series.outcomes[at] ?? 0)
    const { slow = NO_SLOW, line = NO_SUMS } = series
    node.series.set(name, { outcomes, slow, line })
    if (before === undefined) this.#seriesHeld += 1
    if (before === undefined && !node.isWhole) return null
    return {
      node: nodeId,
      provider,
      model,
      credential,
      mode,
      outcomes: outcomes.map((count, at) => added(count, before?.outcomes[at] ?? 0)),
      slow: slowAdded(slow, before?.slow ?? NO_SLOW),
      line: lineAdded(line, before?.line ?? NO_SUMS),
      waiting,
    }
  }

  #drop(id: string, node: Node): void {
    this.#nodes.delete(id)
    this.#seriesHeld -= node.series.size
  }
}

const NO_SLOW = [0, 0] as const

/** A count smaller than before began at zero again. */
const added = (now: number, before: number): number =>
  Math.min(MOST_COUNTS, now >= before ? now - before : now)

/** Sums belong to their count: if that began again, so did they. */
function slowAdded(now: readonly [number, number], before: readonly [number, number]): Sample['slow'] {
  const since = now[0] >= before[0] ? before : NO_SLOW
  const count = Math.min(MOST_COUNTS, now[0] - since[0])
  // No sample counts for more than ten times; a sum beyond that is damage.
  return { count, sum: Math.min(MOST_SLOW * count, Math.max(-MOST_SLOW * count, now[1] - since[1])) }
}

function lineAdded(now: LineSums, before: LineSums): LineSums {
  const since = now[0] >= before[0] ? before : NO_SUMS
  const at = (index: 1 | 2 | 3 | 4): number => Math.min(MOST_SUM, Math.max(0, now[index] - since[index]))
  return [Math.min(MOST_COUNTS, now[0] - since[0]), at(1), at(2), at(3), at(4)]
}
