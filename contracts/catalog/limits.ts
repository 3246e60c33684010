/**
 * How much a client key, or a logical model, may be used. Counted over the whole fleet.
 *
 * Pure.
 */
import { z } from 'zod'

/** Absent: no limit. Minutes slide: what counts is the last 60 seconds. */
export const Limits = z.strictObject({
  requestsPerMinute: z.int().positive().max(10_000_000).optional(),
  /** Of requests and answers together. */
  tokensPerMinute: z.int().positive().max(100_000_000_000).optional(),
  /** Requests under way at once. */
  concurrency: z.int().positive().max(1_000_000).optional(),
})
export type Limits = Readonly<z.infer<typeof Limits>>
