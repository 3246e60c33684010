/**
 * Turns counted series into reports no larger than one message should be.
 *
 * Pure. Called once a second.
 */
import { toSparse } from '#contracts/telemetry/histogram.ts'
import type { TelemetryReport, TelemetrySeries } from '#contracts/telemetry/report.ts'
import type { CountedSeries } from './counters.ts'

/** Well below the megabyte a NATS server takes by default, so that one report never holds up the others. */
export const REPORT_BYTES = 64 * 1024
/** Room for the members of a report beside its series. */
const ENVELOPE_BYTES = 512
const BYTES_PER_CHARACTER = 3

export type ReportHeader = Readonly<Pick<TelemetryReport, 'node' | 'boot' | 'seq' | 'dropped'>>

/** @returns at least one report: an empty one says that the node lives. `seq` counts up from the header's. */
export function toReports(
  header: ReportHeader,
  counted: Iterable<CountedSeries>,
): readonly TelemetryReport[] {
  const parts: TelemetrySeries[][] = [[]]
  let bytes = ENVELOPE_BYTES
  for (const one of counted) {
    const series = toSeries(one)
    const size = sizeOf(series)
    if (bytes + size > REPORT_BYTES) {
      parts.push([])
      bytes = ENVELOPE_BYTES
    }
    parts.at(-1)?.push(series)
    bytes += size
  }
  return parts.map((series, at) => ({ v: 1, ...header, seq: header.seq + at, series, edges: [] }))
}

function toSeries({
  provider,
  model,
  credential,
  mode,
  outcomes,
  firstMs,
  totalMs,
}: CountedSeries): TelemetrySeries {
  return {
    provider,
    model,
    credential,
    mode,
    outcomes: [...outcomes],
    firstMs: toSparse(firstMs),
    totalMs: toSparse(totalMs),
  }
}

/** An upper bound of the series' JSON in bytes. Only the names can hold more than one byte a character. */
function sizeOf(series: TelemetrySeries): number {
  const names = series.provider.length + series.model.length + series.credential.length
  return JSON.stringify(series).length + names * (BYTES_PER_CHARACTER - 1)
}
