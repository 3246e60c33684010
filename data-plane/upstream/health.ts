/**
 * What this node itself knows about deployments and credentials: the reaction in milliseconds, beside the
 * prober's in seconds.
 *
 * Holds the ejection state per deployment, the waiting time per credential and the pace per provider, in
 * arrays indexed by slot. Time and dice are arguments.
 */
import type { TelemetryEdge } from '#contracts/telemetry/report.ts'
import { isProviderFault, type OutcomeClass } from '#contracts/telemetry/outcome.ts'
import type { Deployment, Lane } from '../routing/snapshot.ts'
import type { Failure } from './classify.ts'

/** Faults in a row that put a deployment aside. */
const FAULTS_TO_EJECT = 5
/** First ejection, doubled for each further one, up to the longest; each times 0.5 to 1.5 by dice. */
const EJECT_MS = 2_000
const LONGEST_EJECT_MS = 15_000
/** How long a credential rests when the upstream did not say. */
const REST_MS: Readonly<Partial<Record<OutcomeClass, number>>> = {
  throttled: 5_000,
  unauthorised: 60_000,
  exhausted: 300_000,
}
/** Longest rest a throttling upstream can impose on a credential. */
const LONGEST_REST_MS = 60_000

/** `at`: when it was put aside. Monotonic milliseconds. */
type Ejection = { faults: number; times: number; at: number; until: number }
type Bucket = { tokens: number; filledAt: number }

export class Health {
  readonly #ejections: Ejection[] = []
  /** By lane slot: monotonic milliseconds until which the credential rests. */
  #restUntil = new Float64Array(64)
  /** And since when. */
  #restSince = new Float64Array(64)
  readonly #buckets: Bucket[] = []
  readonly #random: () => number
  readonly #onEdge: (edge: TelemetryEdge) => void
  #nodes = 1

  /** @param onEdge told at once when a deployment is put aside or comes back, or a credential is refused. */
  constructor(random: () => number, onEdge: (edge: TelemetryEdge) => void) {
    this.#random = random
    this.#onEdge = onEdge
  }

  /** Nodes in the fleet: each takes its share of a provider's `maxQps`. */
  setNodes(nodes: number): void {
    this.#nodes = Math.max(1, nodes)
  }

  isEjected(deployment: Deployment, now: number): boolean {
    const ejection = this.#ejections[deployment.slot]
    if (ejection !== undefined && ejection.until > now) return true
    return deployment.lanes.every((lane) => this.#isResting(lane, now))
  }

  /**
   * Picks a credential, weighted, among those that do not rest and were not tried.
   * @param lastResort take a resting one rather than none.
   */
  pickLane(deployment: Deployment, tried: ReadonlySet<Lane>, now: number, lastResort: boolean): Lane | null {
    const only = deployment.lanes[0]
    if (deployment.lanes.length === 1 && only !== undefined) {
      return !tried.has(only) && (lastResort || !this.#isResting(only, now)) ? only : null
    }
    const untried = deployment.lanes.filter((lane) => !tried.has(lane))
    const rested = untried.filter((lane) => !this.#isResting(lane, now))
    const choice = rested.length > 0 || !lastResort ? rested : untried
    let draw = this.#random() * choice.reduce((sum, lane) => sum + lane.weight, 0)
    return choice.find((lane) => (draw -= lane.weight) < 0) ?? choice.at(-1) ?? null
  }

  /** Takes one request from the provider's pace. @returns false when this node's share is used up. */
  takePace(deployment: Deployment, now: number): boolean {
    if (deployment.maxQps === Infinity) return true
    const rate = deployment.maxQps / this.#nodes
    // A burst of one second's worth, and never less than one request.
    const depth = Math.max(1, rate)
    const bucket = (this.#buckets[deployment.providerSlot] ??= { tokens: depth, filledAt: now })
    bucket.tokens = Math.min(depth, bucket.tokens + ((now - bucket.filledAt) / 1_000) * rate)
    bucket.filledAt = now
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  /**
   * @param startedAt when the attempt was made: of what was under way when a credential was throttled, or a
   *   deployment put aside, many still succeed, and say nothing about what comes next.
   */
  succeeded(deployment: Deployment, lane: Lane, startedAt: number): void {
    if ((this.#restUntil[lane.slot] ?? 0) > 0 && startedAt >= (this.#restSince[lane.slot] ?? 0))
      this.#restUntil[lane.slot] = 0
    const ejection = this.#ejections[deployment.slot]
    if (ejection === undefined || ejection.faults === 0 || startedAt < ejection.at) return
    if (ejection.times > 0)
      this.#onEdge({ kind: 'restored', provider: deployment.provider, model: deployment.model })
    ejection.faults = 0
    ejection.times = 0
    ejection.until = 0
  }

  failed(deployment: Deployment, lane: Lane, failure: Failure, now: number): void {
    const rest = REST_MS[failure.outcome]
    if (rest !== undefined) {
      const asked = failure.retryAfterMs === null ? rest : Math.min(failure.retryAfterMs, LONGEST_REST_MS)
      this.#setRest(lane, now, failure.outcome === 'throttled' ? asked : Math.max(rest, asked))
      this.#tellRefusal(deployment, lane, failure.outcome)
    }
    if (isProviderFault(failure.outcome)) this.#countFault(deployment, now)
  }

  #countFault(deployment: Deployment, now: number): void {
    const ejection = (this.#ejections[deployment.slot] ??= { faults: 0, times: 0, at: 0, until: 0 })
    ejection.faults += 1
    // Requests that were under way when it was ejected say nothing new.
    if (ejection.until > now) return
    // After an ejection one fault is enough: the first request let through was the trial.
    if (ejection.times === 0 && ejection.faults < FAULTS_TO_EJECT) return
    const base = Math.min(LONGEST_EJECT_MS, EJECT_MS * 2 ** ejection.times)
    ejection.times += 1
    ejection.at = now
    ejection.until = now + base * (0.5 + this.#random())
    this.#onEdge({ kind: 'ejected', provider: deployment.provider, model: deployment.model })
  }

  #tellRefusal(deployment: Deployment, lane: Lane, outcome: OutcomeClass): void {
    if (outcome === 'throttled' || lane.credential === null) return
    const kind = outcome === 'exhausted' ? 'quota_gone' : 'credential_refused'
    this.#onEdge({
      kind,
      provider: deployment.provider,
      credential: lane.credential,
      model: deployment.model,
    })
  }

  #isResting(lane: Lane, now: number): boolean {
    return (this.#restUntil[lane.slot] ?? 0) > now
  }

  #setRest({ slot }: Lane, now: number, ms: number): void {
    if (slot >= this.#restUntil.length) {
      const length = Math.max(slot + 1, this.#restUntil.length * 2)
      this.#restUntil = grown(this.#restUntil, length)
      this.#restSince = grown(this.#restSince, length)
    }
    this.#restUntil[slot] = now + ms
    this.#restSince[slot] = now
  }
}

function grown(numbers: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const more = new Float64Array(length)
  more.set(numbers)
  return more
}
