/**
 * What the simulator gives and takes, and what is outside of the processes of one simulated fleet.
 */
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import type { WeightTable } from '#contracts/weights/table.ts'
import type { Candidate } from '#data-plane/routing/snapshot.ts'
import { failure, type Failure } from '#data-plane/upstream/classify.ts'
import type { RateLimits } from '#data-plane/upstream/rate-limits.ts'
import type { Remembered } from '#prober/judgement/memory.ts'
import { deployment as deploymentOf, lane as laneOf } from '../fakes/deployment.ts'

/** What the simulator gives and takes; its README has the whole of it. */
export type SimProvider = Readonly<{
  id: string
  weight: number
  tier: number
  costIn: number
  costOut: number
}>
export type Env = Readonly<{
  nodeId?: number
  nodes: number
  providers: readonly SimProvider[]
  rng: { next(): number }
}>
export type SimRequest = { session: string | null; promptTok: number; attempts: number }
export type SimAttempt = { p: number; req: SimRequest; no: number }
type SimLimits = Readonly<{
  limitReq: number
  remainingReq: number
  limitTok: number
  remainingTok: number
}>
export type SimOutcome = Readonly<{
  kind: keyof typeof OUTCOME_OF
  ttft?: number
  elapsed?: number
  retryAfterS?: number
  hdr?: SimLimits | null
}>

export const OUTCOME_OF = {
  ok: 'success',
  http5xx: 'fault',
  overloaded: 'overloaded',
  rate_limited: 'throttled',
  timeout: 'timeout',
  midstream: 'cut',
  client_error: 'invalid',
  cancelled: 'cancelled',
} as const satisfies Readonly<Record<string, OutcomeClass>>

/** The product's default for a first token. */
export const FIRST_TOKEN_MS = 60_000
export const MODEL = 'm'
export const KEY = new Uint8Array(32)

/** What is outside of the processes of one simulated fleet: Redis, the registers, and the configuration. */
export type World = {
  readonly sessions: Map<string, string>
  readonly candidates: readonly Candidate[]
  epoch: number
  left: { table: WeightTable; memory: readonly Remembered[]; at: number } | null
}
const worlds = new WeakMap<readonly SimProvider[], World>()

export function worldOf({ providers }: Env): World {
  const known = worlds.get(providers)
  if (known !== undefined) return known
  const timeouts = { connectMs: 5_000, answerMs: 300_000, firstTokenMs: FIRST_TOKEN_MS, idleMs: 60_000 }
  const world: World = {
    sessions: new Map(),
    candidates: providers.map(({ id, weight, tier, costIn, costOut }, slot) => ({
      tier,
      weight,
      deployment: deploymentOf(id.toLowerCase(), {
        slot,
        providerSlot: slot,
        timeouts,
        lanes: [{ ...laneOf(), slot }],
        // Prices are by the thousand tokens there.
        cost: { input: costIn * 1_000, output: costOut * 1_000 },
      }),
    })),
    epoch: 0,
    left: null,
  }
  worlds.set(providers, world)
  return world
}

export function failureOf({ kind, retryAfterS }: SimOutcome): Failure | null {
  const outcome = OUTCOME_OF[kind]
  if (outcome === 'success') return null
  const scope = outcome === 'throttled' ? 'key' : outcome === 'invalid' ? 'request' : 'provider'
  const retryAfterMs = retryAfterS === undefined ? null : retryAfterS * 1_000
  return { ...failure(outcome), scope, retryAfterMs }
}

export function limitsOf(hdr: SimLimits | null): RateLimits | null {
  if (hdr === null) return null
  return {
    limitRequests: hdr.limitReq > 0 ? hdr.limitReq : null,
    remainingRequests: hdr.limitReq > 0 ? hdr.remainingReq : null,
    resetRequestsMs: null,
    limitTokens: hdr.limitTok > 0 ? hdr.limitTok : null,
    remainingTokens: hdr.limitTok > 0 ? hdr.remainingTok : null,
    resetTokensMs: null,
  }
}
