/**
 * What a prober leaves to the next one, beside the weight table: what is usual, and what it saw last.
 *
 * Pure. Not signed: whoever can write it can also send telemetry, which decides the same things.
 */
import { z } from 'zod'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Mode } from '#contracts/telemetry/report.ts'
import type { Baseline, Estimate, LineHabit } from './estimate.ts'

export type Remembered = Readonly<{
  provider: string
  /** Upstream model. */
  model: string
  errors: Estimate
  slowness: Estimate
  usual: Readonly<Record<Mode, LineHabit>>
  usualProbe: Baseline
}>
export type Memory = Readonly<{
  /** Epoch milliseconds, so that the reader knows how old it is. */
  writtenAt: number
  entries: readonly Remembered[]
}>

/** Times of one process mean nothing to another: what is read counts as of the writing. */
const sinceNow = { at: z.number().catch(0) }
const EstimateText = z.object({
  value: z.number().min(-10).max(10),
  count: z.number().min(0).max(1_000),
  ...sinceNow,
})
const BaselineText = z.object({ logMs: z.number().min(-10).max(20), weight: z.number().min(0), ...sinceNow })

const sum = z.number().nonnegative()
const LineText = z.object({
  sums: z.tuple([sum, sum, sum, sum, sum]),
  count: sum,
  spanMs: sum,
  line: z.object({ t0: z.number().positive(), perK: sum }).nullable(),
  ...sinceNow,
})

/** 1 knew one habit for every size of request; it is learned anew. */
const MemoryText = z.object({
  v: z.literal(2),
  writtenAt: z.number(),
  entries: z
    .array(
      z.object({
        provider: z.string(),
        model: z.string(),
        errors: EstimateText,
        slowness: EstimateText,
        usual: z.object({ json: LineText, sse: LineText }),
        usualProbe: BaselineText,
      }),
    )
    .max(100_000),
})

export const encodeMemory = (memory: Memory): string => JSON.stringify({ v: 2, ...memory })

export function decodeMemory(text: string): Result<Memory, string> {
  try {
    const parsed = MemoryText.safeParse(JSON.parse(text))
    return parsed.success ? ok(parsed.data) : err(z.prettifyError(parsed.error))
  } catch {
    return err('not JSON')
  }
}
