/**
 * What a node tells about its attempts: everything once a second, in between what the prober judges by, and
 * at once a sharp edge.
 *
 * Pure. Counters are cumulative since the node's boot; series that did not change are left out. Version 1
 * holds histograms, version 2 is the short report in between, which readers of version 1 skip without harm:
 * the next whole one holds the same counts. Carries no client, no prompt and no secret.
 */
import { z } from 'zod'
import { err, ok, type Result } from '../result.ts'
import { OUTCOMES } from './outcome.ts'

/** JSON and SSE answers have first bytes of different meaning, so they never share a histogram. */
export const MODES = ['json', 'sse'] as const
export type Mode = (typeof MODES)[number]

const count = z.number().nonnegative()

const shortSeries = {
  provider: z.string(),
  credential: z.string(),
  /** Upstream model. */
  model: z.string(),
  mode: z.enum(MODES),
  /** Attempts by outcome, in the order of `OUTCOMES`. */
  outcomes: z.array(count).max(OUTCOMES.length + 20),
  /** First contents held against what was expected: how many, and the sum of their `slownessOf`. */
  slow: z.tuple([count, z.number()]).optional(),
  /** Sums of first contents by size of the request; see `line.ts`. */
  line: z.tuple([count, count, count, count, count]).optional(),
  /** Not a counter: requests that now wait for more than four times what was expected. */
  waiting: count.optional(),
}

const ShortSeries = z.object(shortSeries)
const Series = z.object({
  ...shortSeries,
  /** Sparse histograms (see `histogram.ts`), milliseconds from sending the request. */
  firstMs: z.array(count).max(2_000),
  totalMs: z.array(count).max(2_000),
})

/** Something that should not wait for the next second. */
const Edge = z.object({
  kind: z.enum(['credential_refused', 'quota_gone', 'ejected', 'restored']),
  provider: z.string(),
  credential: z.string().optional(),
  model: z.string().optional(),
})

const header = {
  node: z.string(),
  /** Changes with every start of the node: the counters begin at zero again. */
  boot: z.string(),
  /** 1, 2, 3…; a gap is a lost report. */
  seq: z.int().min(1),
  edges: z.array(Edge).max(100),
  /** Reports and edges this node has dropped since its boot, because there was nowhere to send them. */
  dropped: count,
}

const Report = z.discriminatedUnion('v', [
  z.object({ v: z.literal(1), ...header, series: z.array(Series).max(10_000) }),
  z.object({ v: z.literal(2), ...header, series: z.array(ShortSeries).max(10_000) }),
])

export type TelemetryEdge = Readonly<z.infer<typeof Edge>>
export type TelemetrySeries = Readonly<z.infer<typeof Series>>
export type ShortSeries = Readonly<z.infer<typeof ShortSeries>>
export type TelemetryReport = Readonly<z.infer<typeof Report>>

export const encodeTelemetry = (report: TelemetryReport): string => JSON.stringify(report)

export function decodeTelemetry(text: string): Result<TelemetryReport, string> {
  try {
    const parsed = Report.safeParse(JSON.parse(text))
    return parsed.success ? ok(parsed.data) : err(z.prettifyError(parsed.error))
  } catch {
    return err('not JSON')
  }
}
