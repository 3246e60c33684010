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
const BYTES_PER_CHARACTER = 3

export type ReportHeader = Readonly<Pick<TelemetryReport, 'node' | 'boot' | 'seq' | 'dropped'>>

/** @returns at least one report: an empty one says that the node lives. `seq` counts up from the header's. */
export const toReports = (
  header: ReportHeader,
  counted: Iterable<CountedSeries>,
): readonly TelemetryReport[] =>
  split(counted, toSeries).map((series, at) => ({ v: 1, ...header, seq: header.seq + at, series, edges: [] }))

/** The same without histograms. @returns nothing when there is nothing to tell. */
export const toShortReports = (
  header: ReportHeader,
  counted: Iterable<CountedSeries>,
): readonly TelemetryReport[] =>
  split(counted, toShort)
    .filter((series) => series.length > 0)
    .map((series, at) => ({ v: 2, ...header, seq: header.seq + at, series, edges: [] }))

function split<Series extends ShortSeries>(
  counted: Iterable<CountedSeries>,
  told: (counted: CountedSeries) => Series,
): Series[][] {
  const parts: Series[][] = [[]]
  let bytes = ENVELOPE_BYTES
  for (const one of counted) {
    const series = told(one)
    const size = sizeOf(series)
    if (bytes + size > REPORT_BYTES) {
      parts.push([])
      bytes = ENVELOPE_BYTES
    }
    parts.at(-1)?.push(series)
    bytes += size
  }
  return parts
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

/** An upper bound of the series' JSON in bytes. Only the names can hold more than one byte a character. */
function sizeOf(series: ShortSeries): number {
  const names = series.provider.length + series.model.length + series.credential.length
  return JSON.stringify(series).length + names * (BYTES_PER_CHARACTER - 1)
}
