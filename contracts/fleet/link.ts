/**
 * What a node asks of the control plane directly, beside the bus: everything it needs when the bus is down.
 *
 * Over HTTP between processes, a plain object in embedded mode.
 */
import { z } from 'zod'
import type { SecretId } from '../ids.ts'
import type { LeaseAnswer, LeaseAsk } from './leases.ts'
import type { NodeReport } from './report.ts'

export interface ControlLink {
  /** @returns an encoded catalog snapshot. Rejects when no control plane answers. */
  snapshot(signal: AbortSignal): Promise<string>
  /**
   * Commits after a number, encoded, in order; waits up to `waitMs` for the first one.
   * Empty means: none in that time.
   */
  commits(after: number, waitMs: number, signal: AbortSignal): Promise<readonly string[]>
  /** Vault texts by id; ids that are unknown or destroyed are absent. */
  secrets(ids: readonly SecretId[], signal: AbortSignal): Promise<ReadonlyMap<SecretId, string>>
  report(report: NodeReport, signal: AbortSignal): Promise<void>
  /** What each provider was seen to serve, signed: one text a provider (`model-lists.ts`). */
  modelLists(signal: AbortSignal): Promise<readonly string[]>
  /** Money to spend of budgets. Rejects when no control plane, or not its database, answers. */
  leases(ask: LeaseAsk, signal: AbortSignal): Promise<LeaseAnswer>
}

/** At most this many ids in one request for secrets. */
export const SECRETS_PER_REQUEST = 500
/** At most this many commits in one answer. */
export const COMMITS_PER_ANSWER = 1_000

export const SecretsRequest = z.strictObject({
  ids: z.array(z.string().min(1).max(64)).max(SECRETS_PER_REQUEST),
})
export const SecretsAnswer = z.object({ secrets: z.record(z.string(), z.string()) })
export const ModelListsAnswer = z.object({ lists: z.array(z.string()) })
export const CommitsAnswer = z.object({ commits: z.array(z.string()) })

/** Said by the control plane on the bus every two seconds: how far the log is and who listens. */
export const Head = z.object({
  v: z.literal(1),
  epoch: z.int().min(1),
  commit: z.int().min(0),
  chain: z.string().length(64),
  /** State digest at the commit, and the fold it is of: nodes of another fold cannot compare. */
  digest: z.string().length(64).optional(),
  foldVersion: z.int().optional(),
  /** Nodes heard of lately; local shares of fleet-wide limits are divided by it. */
  nodes: z.int().min(0),
})
export type Head = Readonly<z.infer<typeof Head>>
export const HEAD_INTERVAL_MS = 2_000
