/**
 * What a node tells the control plane about itself: every 5 seconds, and at once when it has moved.
 *
 * Pure. Four watermarks, because they fail apart: received (transport), applied (fold), persisted (would
 * survive a restart), served (swapped in).
 */
import { z } from 'zod'
import { err, ok, type Result } from '../result.ts'

export const REPORT_INTERVAL_MS = 5_000
/** A node not heard of for this long is stale. */
export const STALE_AFTER_MS = 15_000

const Nack = z.object({
  commit: z.int().min(0),
  /** Stream of the entity that stays as it was. */
  stream: z.string(),
  reason: z.string().max(500),
})

const Report = z.object({
  v: z.literal(1),
  node: z.string().min(1).max(64),
  boot: z.string().min(1).max(64),
  build: z.string().max(64),
  foldVersion: z.int(),
  epoch: z.int().min(0),
  received: z.int().min(0),
  applied: z.int().min(0),
  persisted: z.int().min(0),
  served: z.int().min(0),
  /** State digest at `applied`. */
  digest: z.string().length(64),
  /** How commits reach the node now. */
  link: z.enum(['bus', 'http', 'none']),
  nacks: z.array(Nack).max(10),
  /** Is the node taking traffic? False while it drains. */
  accepting: z.boolean(),
})

export type Nack = Readonly<z.infer<typeof Nack>>
export type NodeReport = Readonly<z.infer<typeof Report>>

export const encodeNodeReport = (report: NodeReport): string => JSON.stringify(report)

export function decodeNodeReport(text: string): Result<NodeReport, string> {
  try {
    const parsed = Report.safeParse(JSON.parse(text))
    return parsed.success ? ok(parsed.data) : err(z.prettifyError(parsed.error))
  } catch {
    return err('not JSON')
  }
}
