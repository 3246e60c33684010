/**
 * Tries the candidates of a plan in order until one has answered or none is left.
 *
 * Every failure before the commit point moves on: to another credential of the same provider when the
 * credential was at fault, else to the next candidate. Attempts come back as data, so nothing here knows
 * who counts them.
 */
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import type { Candidate, Deployment, Lane } from '../routing/snapshot.ts'
import type { Result } from '#contracts/result.ts'
import { attempt, type AttemptResult, type Prepared, type Refused } from './attempt.ts'
import type { Failure } from './classify.ts'
import type { Downstream } from './downstream.ts'
import type { Health } from './health.ts'
import type { Pools } from './pools.ts'

export type PlanInput = Readonly<{
  plan: readonly Candidate[]
  stream: boolean
  /** The request as one upstream wants it, or why it cannot be sent there. */
  prepare: (deployment: Deployment) => Result<Prepared, Failure>
  /** Leaves out the opaque state of earlier answers. @returns false when that changes nothing. */
  dropState: () => boolean
  /** For the whole request, in milliseconds from now. */
  timeoutMs: number
  client: Downstream
  /** Told when a stream's first content has come, in milliseconds from sending. */
  onFirst: (lane: Lane, firstMs: number) => void
  /** Told of each attempt as it ends. */
  onAttempt: (record: AttemptRecord) => void
}>

export type FailoverPorts = Readonly<{
  pools: Pools
  health: Health
  clock: Readonly<{ now(): number; monotonic(): number }>
}>

export type AttemptRecord = Readonly<{
  deployment: Deployment
  lane: Lane
  outcome: OutcomeClass
  /** Of a JSON answer; null for streams, whose `onFirst` was told, and for failures. */
  firstMs: number | null
  totalMs: number
}>

export type PlanResult =
  /** An answer reached the client, whole or (as it was told) broken off. */
  | Readonly<{ kind: 'answered'; attempts: number; failure: Failure | null }>
  /** The caller's own mistake, in the upstream's words. */
  | Readonly<{
      kind: 'refused'
      attempts: number
      deployment: Deployment
      refused: Refused | null
      failure: Failure
    }>
  /** Nobody could answer; nothing has been told yet. `failures` is empty when nobody could be asked. */
  | Readonly<{ kind: 'exhausted'; attempts: number; failures: readonly Failure[]; paced: boolean }>
  | Readonly<{ kind: 'cancelled'; attempts: number }>

export async function runPlan(ports: FailoverPorts, input: PlanInput): Promise<PlanResult> {
  const startedAt = ports.clock.monotonic()
  const failures: Failure[] = []
  let attempts = 0
  let paced = false
  for (const { deployment } of input.plan) {
    const tried = new Set<Lane>()
    let again: Lane | null = null
    for (;;) {
      const now = ports.clock.monotonic()
      const remainingMs = input.timeoutMs - (now - startedAt)
      if (remainingMs <= 0) return { kind: 'exhausted', attempts, failures, paced }
      const lane: Lane | null = again ?? ports.health.pickLane(deployment, tried, now, tried.size === 0)
      if (lane === null) break
      if (!ports.health.takePace(deployment, now)) {
        paced = true
        break
      }
      const prepared = input.prepare(deployment)
      if (!prepared.ok) {
        if (prepared.error.scope === 'request')
          return { kind: 'refused', attempts, deployment, refused: null, failure: prepared.error }
        failures.push(prepared.error)
        break
      }
      attempts += 1
      const result = await attempt({
        dispatcher: ports.pools.for(deployment),
        deployment,
        lane,
        attempt: attempts,
        prepared: prepared.value,
        stream: input.stream,
        remainingMs,
        client: input.client,
        onFirst: (firstMs) => input.onFirst(lane, firstMs),
        clock: ports.clock,
      })
      // A connection that the upstream closed while we wrote to it says nothing about the upstream: once.
      if (result.unanswered && again === null && tried.size === 0) {
        again = lane
        continue
      }
      settle(ports, input, deployment, lane, result)
      const { failure } = result
      // Nobody takes state back that its own maker refuses: once more without it.
      if (failure?.isCarrier === true && !result.committed && input.dropState()) {
        again = lane
        continue
      }
      if (result.committed || failure === null) return { kind: 'answered', attempts, failure }
      if (failure.outcome === 'cancelled') return { kind: 'cancelled', attempts }
      if (failure.scope === 'request')
        return { kind: 'refused', attempts, deployment, refused: result.refused, failure }
      failures.push(failure)
      again = null
      tried.add(lane)
      if (failure.scope !== 'key') break
    }
  }
  return { kind: 'exhausted', attempts, failures, paced }
}

function settle(
  ports: FailoverPorts,
  input: PlanInput,
  deployment: Deployment,
  lane: Lane,
  { failure, firstMs, totalMs }: AttemptResult,
): void {
  const now = ports.clock.monotonic()
  if (failure === null) ports.health.succeeded(deployment, lane, now - totalMs)
  else ports.health.failed(deployment, lane, failure, now)
  input.onAttempt({ deployment, lane, outcome: failure?.outcome ?? 'success', firstMs, totalMs })
}
