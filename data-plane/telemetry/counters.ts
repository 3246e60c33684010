/**
 * Counts every attempt of this node by credential, model, kind of answer and outcome.
 *
 * Memory only, cumulative since the node's boot, indexed by lane slot: recording an attempt is a few
 * increments of typed arrays. `emit.ts` reads it once a second, the metrics page when somebody asks.
 */
import { newCounts, record, type Counts } from '#contracts/telemetry/histogram.ts'
import { OUTCOMES } from '#contracts/telemetry/outcome.ts'
import { MODES, type Mode } from '#contracts/telemetry/report.ts'
import type { Slots } from '../routing/slots.ts'

/** One lane in one mode, as it stands. Not a copy: read it before the next attempt ends. */
export type CountedSeries = Readonly<{
  provider: string
  /** Upstream model. */
  model: string
  /** Empty: the provider wants no credential. */
  credential: string
  mode: Mode
  /** Attempts by outcome, in the order of `OUTCOMES`. */
  outcomes: Float64Array
  firstMs: Counts
  totalMs: Counts
}>

type Series = {
  readonly view: CountedSeries
  /** Generation of the last attempt counted. */
  changedIn: number
}

export class Counters {
  readonly #lanes: Slots
  /** Two entries a lane, by mode; null until an attempt of that kind has ended. */
  #series: (Series | null)[] = []
  #generation = 1

  /** @param lanes names are `laneName` of `routing/compile.ts`. */
  constructor(lanes: Slots) {
    this.#lanes = lanes
  }

  /**
   * On the hot path, when a stream's first content arrives: long before its end, and just when the prober can
   * still do something about a slow provider. Pass -1 as `firstMs` to `record` then.
   */
  recordFirst(lane: number, mode: Mode, firstMs: number): void {
    const at = indexOf(lane, mode)
    const series = this.#series[at] ?? this.#open(lane, mode, at)
    record(series.view.firstMs, firstMs)
    series.changedIn = this.#generation
  }

  /**
   * On the hot path, at the end of each attempt. Allocates only for the first attempt of a series.
   * @param outcome index into `OUTCOMES`.
   * @param firstMs from sending to the first content, or -1: no answer began, or `recordFirst` has been told.
   *   A refusal is no answer: a quick 503 must not pass for a quick first token.
   * @param totalMs from sending to the end, or -1 when it says nothing (the client left).
   */
  record(lane: number, mode: Mode, outcome: number, firstMs: number, totalMs: number): void {
    const at = indexOf(lane, mode)
    const series = this.#series[at] ?? this.#open(lane, mode, at)
    const { outcomes, firstMs: first, totalMs: total } = series.view
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    if (firstMs >= 0) record(first, firstMs)
    if (totalMs >= 0) record(total, totalMs)
    series.changedIn = this.#generation
  }

  /** Begins a new generation. @returns its number: attempts from now on count as changed since it. */
  nextGeneration(): number {
    this.#generation += 1
    return this.#generation
  }

  /** Series with an attempt counted in this generation or later; all of them without one. */
  *series(since = 0): Generator<CountedSeries> {
    for (const series of this.#series) if (series !== null && series.changedIn >= since) yield series.view
  }

  /** Forgets lanes the configuration no longer has, so that years of rotated credentials cost nothing. */
  keepOnly(lanes: ReadonlySet<number>): void {
    this.#series = this.#series.map((series, at) =>
      lanes.has(Math.floor(at / MODES.length)) ? series : null,
    )
  }

  #open(lane: number, mode: Mode, at: number): Series {
    // Dense, without holes: a hole would make every read of the array slower.
    while (this.#series.length <= at) this.#series.push(null)
    const [provider = '', model = '', credential = ''] = (this.#lanes.name(lane) ?? '').split('\n')
    const outcomes = new Float64Array(OUTCOMES.length)
    const view = { provider, model, credential, mode, outcomes, firstMs: newCounts(), totalMs: newCounts() }
    const series: Series = { view, changedIn: this.#generation }
    this.#series[at] = series
    return series
  }
}

const indexOf = (lane: number, mode: Mode): number => lane * MODES.length + (mode === 'sse' ? 1 : 0)
