/**
 * Counts every attempt of this node by credential, model, kind of answer and outcome.
 *
 * Memory only, cumulative since the node's boot, indexed by lane slot: recording an attempt is a few
 * increments of typed arrays. `emit.ts` reads what changed five times a second, the metrics page when somebody
 * asks.
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
  /** First contents held against what was expected: how many, and the sum of their logarithms. */
  slow: Float64Array
  /** Sums for the line of what is usual, as `LineSums`. */
  line: Float64Array
  /** Who waits for unusually long now: not a counter. */
  waiting: Float64Array
}>

/** One attempt as it ended. */
export type Ended = Readonly<{
  /** Index into `OUTCOMES`. */
  outcome: number
  /**
   * From sending to the first content, or -1: no answer began, or `recordFirst` has been told. A refusal is no
   * answer: a quick 503 must not pass for a quick first token.
   */
  firstMs: number
  /** ln(time / expected) of that first content; null: not known, or told before. */
  slowness: number | null
  /** From sending to the end, or -1 when it says nothing (the client left). */
  totalMs: number
  /** What it adds to what is usual; null: nothing. */
  habit: Readonly<{ size: number; ms: number }> | null
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
  recordFirst(lane: number, mode: Mode, firstMs: number, slowness: number | null): void {
    const at = indexOf(lane, mode)
    const series = this.#series[at] ?? this.#open(lane, mode, at)
    record(series.view.firstMs, firstMs)
    if (slowness !== null) add(series.view.slow, 1, slowness)
    series.changedIn = this.#generation
  }

  /** On the hot path, at the end of each attempt. Allocates only for the first attempt of a series. */
  record(lane: number, mode: Mode, { outcome, firstMs, slowness, totalMs, habit }: Ended): void {
    const at = indexOf(lane, mode)
    const series = this.#series[at] ?? this.#open(lane, mode, at)
    const { outcomes, firstMs: first, totalMs: total, slow, line } = series.view
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    if (firstMs >= 0) record(first, firstMs)
    if (slowness !== null) add(slow, 1, slowness)
    if (totalMs >= 0) record(total, totalMs)
    if (habit !== null) {
      const { size, ms } = habit
      add(line, 1, size, size * size, ms, size * ms)
    }
    series.changedIn = this.#generation
  }

  /** Takes down who waits now; `each` tells lane and kind of answer, once for everyone who waits. */
  countWaiting(each: (waits: (lane: number, mode: Mode) => void) => void): void {
    for (const series of this.#series) {
      if (series === null || series.view.waiting[0] === 0) continue
      series.view.waiting[0] = 0
      series.changedIn = this.#generation
    }
    each((lane, mode) => {
      const at = indexOf(lane, mode)
      const series = this.#series[at] ?? this.#open(lane, mode, at)
      series.view.waiting[0] = (series.view.waiting[0] ?? 0) + 1
      series.changedIn = this.#generation
    })
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
    const view = {
      provider,
      model,
      credential,
      mode,
      outcomes,
      firstMs: newCounts(),
      totalMs: newCounts(),
      slow: new Float64Array(2),
      line: new Float64Array(5),
      waiting: new Float64Array(1),
    }
    const series: Series = { view, changedIn: this.#generation }
    this.#series[at] = series
    return series
  }
}

function add(sums: Float64Array, ...amounts: readonly number[]): void {
  for (let at = 0; at < amounts.length; at++) sums[at] = (sums[at] ?? 0) + (amounts[at] ?? 0)
}

const indexOf = (lane: number, mode: Mode): number => lane * MODES.length + (mode === 'sse' ? 1 : 0)
