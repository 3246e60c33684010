/**
 * Turns counted series into reports no larger than one message should be.
 *
 * Pure. Called a few times a second: mostly for short reports, once a second for whole ones.
 */
import { toSparse } from '#contracts/telemetry/histogram.ts'
import type { ShortSeries, TelemetryReport, TelemetrySeries } from '#contracts/telemetry/report.ts'
import type { CountedSeries } from './counters.ts'

/** Well below the megabyte a NATS server takes by default, so that one report never holds up the others. */
export const REPORT_BYTES = 64 * 1024
/** Room for the members of a report beside its series. */
const ENVELOPE_BYTES = 512
/** Bounds of the parts of a series' JSON, in bytes: names of members; a letter of a name, which may be escaped; … */
const MEMBERS_BYTES = 192
const LETTER_BYTES = 6
/** … any number, with its comma; and one of a histogram: a bucket has three digits, its count has ten. */
const NUMBER_BYTES = 26
const SPARSE_BYTES = 8
/** Of `slow`, `line` and `waiting`. */
const SUMS = 8

export type ReportHeader = Readonly<Pick<TelemetryReport, 'node' | 'boot' | 'seq' | 'dropped'>>

/**
 * Makes each report when it is asked for, from the counts of that moment. @param header asked for each of them.
 * @returns at least one report: an empty one says that the node lives.
 */
export function* toReports(
  header: () => ReportHeader,
  counted: Iterable<CountedSeries>,
): Generator<TelemetryReport> {
  for (const series of split(counted, toSeries)) yield { v: 1, ...header(), series, edges: [] }
}

/** The same without histograms. @returns nothing when there is nothing to tell. */
export function* toShortReports(
  header: () => ReportHeader,
  counted: Iterable<CountedSeries>,
): Generator<TelemetryReport> {
  for (const series of split(counted, toShort))
    if (series.length > 0) yield { v: 2, ...header(), series, edges: [] }
}

function* split<Series extends ShortSeries>(
  counted: Iterable<CountedSeries>,
  told: (counted: CountedSeries) => Series,
): Generator<Series[]> {
  let part: Series[] = []
  let bytes = ENVELOPE_BYTES
  for (const one of counted) {
    const series = told(one)
    const size = sizeOf(series)
    if (bytes + size > REPORT_BYTES) {
      yield part
      part = []
      bytes = ENVELOPE_BYTES
    }
    part.push(series)
    bytes += size
  }
  yield part
}

const toSeries = (counted: CountedSeries): TelemetrySeries => ({
  ...toShort(counted),
  firstMs: toSparse(counted.firstMs),
  totalMs: toSparse(counted.totalMs),
})

function toShort(counted: CountedSeries): ShortSeries {
  const { provider, model, credential, mode, outcomes, slow, line, waiting } = counted
  const [slowCount = 0, slowSum = 0] = slow
  const [count = 0, x = 0, xx = 0, y = 0, xy = 0] = line
  return {
    provider,
    model,
    credential,
    mode,
    outcomes: [...outcomes],
    slow: [slowCount, slowSum],
    line: [count, x, xx, y, xy],
    waiting: waiting[0] ?? 0,
  }
}

/** An upper bound of the series' JSON in bytes: to make that twice would take as long as all the rest. */
function sizeOf({
  provider,
  model,
  credential,
  outcomes,
  ...rest
}: ShortSeries & Partial<TelemetrySeries>): number {
  const letters = provider.length + model.length + credential.length
  const sparse = (rest.firstMs?.length ?? 0) + (rest.totalMs?.length ?? 0)
  const numbers = outcomes.length + SUMS
  return MEMBERS_BYTES + letters * LETTER_BYTES + numbers * NUMBER_BYTES + sparse * SPARSE_BYTES
}
