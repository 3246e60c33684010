/**
 * What this node itself knows about deployments, credentials and providers: the reaction in milliseconds,
 * beside the prober's in seconds.
 *
 * Arrays indexed by slot; nothing here grows with requests, and nothing looks at more than it is asked about.
 * Time and dice are arguments.
 */
import { expectedMs, type Line } from '#contracts/telemetry/line.ts'
import { deploymentId } from '#contracts/ids.ts'
import type { TelemetryEdge } from '#contracts/telemetry/report.ts'
import type { TableInForce } from '#contracts/weights/table.ts'
import type { WeightFactors } from '../../routing/factors.ts'
import type { Out, Standing } from '#contracts/routing/standing.ts'
import { rendezvous } from '#contracts/routing/rendezvous.ts'
import type { Deployment, Lane } from '../../routing/snapshot.ts'
import type { Failure } from '../classify.ts'
import type { RateLimits } from '../rate-limits.ts'
import { CredentialStanding } from './credentials.ts'
import { Decay } from './decay.ts'
import { DeploymentHealth, isFailure, type Reference } from './deployment-health.ts'
import { ProviderPace } from './provider-pace.ts'
import { RetryBudget } from './retry-budget.ts'
import type { HabitSample, Ticket, Warmth } from './ticket.ts'

/** What a request is, as far as it matters here. */
export type Ask = Readonly<{
  mode: Ticket['mode']
  /** Thousands of prompt tokens, about. */
  size: number
}>

export type HealthPorts = Readonly<{
  factors: WeightFactors
  random: () => number
  /** Told at once when a deployment is put aside or comes back, or a credential is refused. */
  onEdge: (edge: TelemetryEdge) => void
}>

/** A prompt whose beginning the upstream holds in its cache counts as so much of its length. */
const WARM_SHARE = 0.15
/** What a bad deployment keeps when no prober says how much. */
const FLOOR = 0.03
const ALONE: Reference = { errorsOfBest: 0, slownessOfAll: 1, floor: FLOOR }
/** Waiting is measured against this where nothing usual is known, in milliseconds. */
const UNKNOWN_PATIENCE_MS = 1_000
/** Waiting so many times longer than expected is told to the prober. */
const OVERDUE_TIMES = 4
/** A deployment that does not know the model is asked again after so long, in milliseconds. */
const MISSING_MS = 60_000
/** Longest time an overloaded upstream can ask to be left alone, in milliseconds. */
const LONGEST_ASIDE_MS = 60_000
const TOKENS_TAU_MS = 30_000
const OF_MAX_QPS = 0.97

export class Health {
  readonly budget = new RetryBudget()
  readonly #deployments: (DeploymentHealth | undefined)[] = []
  readonly #credentials: (CredentialStanding | undefined)[] = []
  readonly #providers = new ProviderPace()
  readonly #tokens = new Decay(TOKENS_TAU_MS)
  readonly #requests = new Decay(TOKENS_TAU_MS)
  readonly #factors: WeightFactors
  readonly #random: () => number
  readonly #onEdge: (edge: TelemetryEdge) => void
  #nodes = 1

  constructor({ factors, random, onEdge }: HealthPorts) {
    this.#factors = factors
    this.#random = random
    this.#onEdge = onEdge
  }

  /** Nodes in the fleet: each takes its share of what a provider may be asked. */
  setNodes(nodes: number): void {
    this.#nodes = Math.max(1, nodes)
    this.#providers.setNodes(this.#nodes)
  }

  /** A request has come, whatever becomes of it. */
  arrived(ask: Ask, now: number): void {
    this.budget.earn(now)
    this.#tokens.add(ask.size * 1_000, now)
    this.#requests.add(1, now)
  }

  /** Everything a choice needs to know of one deployment. */
  standing(deployment: Deployment, ask: Ask, now: number): Standing {
    const health = this.#of(deployment)
    const view = this.#factors.view(deployment.slot)
    const detail = view !== null && this.#factors.isFresh(now) ? view.detail : null
    const { breaker } = health
    if (!breaker.isClosed && view?.detail?.state === 'recovering') breaker.letTry(now, view.at)
    const state = breaker.stateAt(now)
    const fleet = this.#factors.of(deployment.slot, now)
    const line = this.#line(deployment, health, ask.mode)
    const resting = this.#resting(deployment, now)
    const aside = health.isAside(now)
    const out: Out | null =
      state === 'open'
        ? 'open'
        : state === 'trying'
          ? 'trial'
          : (aside ?? resting?.why ?? this.#providers.blocks(deployment, now) ?? (fleet > 0 ? null : 'down'))
    return {
      out,
      fleet,
      local: health.factor(detail ?? ALONE, now),
      isTrial: state === 'half-open',
      isFull: health.concurrency.isFull(now),
      expectedMs: line === null ? null : expectedMs(line, ask.size),
      rate: detail === null ? health.rate(now) * this.#nodes : detail.rate,
      allowed: Math.min(this.#allowed(deployment, detail?.cap, now), OF_MAX_QPS * deployment.maxQps),
      waitMs: out === null ? null : waitOf(out, health, resting, now),
    }
  }

  /** The weight table that standings are made by. */
  table(now: number): TableInForce | null {
    const { table } = this.#factors
    return table === null ? null : { epoch: table.epoch, seq: table.seq, say: this.#factors.say(now) }
  }

  futility(deployment: Deployment, now: number): number {
    const health = this.#of(deployment)
    const futility = health.futility(now)
    if (futility > 0) health.spared(now)
    return futility
  }

  /**
   * Picks a credential among those that do not rest and were not tried.
   * @param session keeps its credential as it keeps its deployment: prompt caches belong to one.
   * @param bound credential it had; null: none is remembered.
   * @param lastResort take a resting one rather than none.
   */
  pickLane(
    deployment: Deployment,
    tried: ReadonlySet<Lane>,
    now: number,
    { session = null, bound = null, lastResort = false }: LaneWish,
  ): Lane | null {
    const { lanes } = deployment
    const only = lanes[0]
    if (lanes.length === 1 && only !== undefined) {
      return !tried.has(only) && (lastResort || !this.#isResting(only, now)) ? only : null
    }
    const untried = lanes.filter((lane) => !tried.has(lane))
    const rested = untried.filter((lane) => !this.#isResting(lane, now))
    const choice = rested.length > 0 || !lastResort ? rested : untried
    const kept = bound === null ? undefined : choice.find(({ credential }) => credential === bound)
    if (kept !== undefined) return kept
    if (session !== null) return rendezvous(choice, nameOf, ({ weight }) => weight, session)
    let draw = this.#random() * choice.reduce((sum, lane) => sum + lane.weight, 0)
    return choice.find((lane) => (draw -= lane.weight) < 0) ?? choice.at(-1) ?? null
  }

  /** Begins an attempt. Every ticket must be ended. */
  begin(deployment: Deployment, lane: Lane, ask: Ask, warmth: Warmth, now: number): Ticket {
    const health = this.#of(deployment)
    const line = this.#line(deployment, health, ask.mode)
    const size = warmth === 'unsure' ? null : ask.size * (warmth === 'warm' ? WARM_SHARE : 1)
    const ticket: Ticket = {
      deployment,
      lane,
      mode: ask.mode,
      startedAt: now,
      size,
      expectedMs: line === null || size === null ? null : expectedMs(line, size),
      patienceMs: line === null ? UNKNOWN_PATIENCE_MS : expectedMs(line, ask.size),
      trial: health.breaker.stateAt(now) === 'half-open' ? health.breaker.begin() : 0,
      firstMs: null,
      isWaiting: false,
      before: null,
      after: null,
    }
    health.begin(ticket, now)
    this.#providers.begin(deployment)
    return ticket
  }

  /** The first content has come. @returns how slow it was against what is usual; null: nobody can say. */
  first(ticket: Ticket, ms: number, now: number): number | null {
    const health = this.#of(ticket.deployment)
    const wasClosed = health.breaker.isClosed
    const slowness = health.first(ticket, ms, now)
    this.#tellRestored(ticket, wasClosed)
    return slowness
  }

  /**
   * @param failure null: an answer, to its end.
   * @param limits what its headers said; null: nothing.
   * @returns what it adds to what is usual; null: nothing.
   */
  end(ticket: Ticket, failure: Failure | null, limits: RateLimits | null, now: number): HabitSample | null {
    const { deployment, lane } = ticket
    const health = this.#of(deployment)
    this.#providers.end(deployment)
    const credential = this.#credential(lane)
    if (limits !== null) credential.told(limits, now)
    const wasClosed = health.breaker.isClosed
    const outcome = failure === null ? 'success' : judged(failure)
    if (outcome === 'success') credential.succeeded(ticket.startedAt)
    if (outcome === 'success' || outcome === 'invalid') health.served(ticket, outcome === 'success', now)
    else if (outcome === 'throttled') {
      credential.throttled(failure?.retryAfterMs ?? null, now, this.#random)
      health.throttled(ticket, now)
    } else if (isFailure(outcome)) {
      if (health.failed(ticket, outcome, now, this.#random)) this.#tell('ejected', ticket)
      const asked = failure?.retryAfterMs ?? null
      if (outcome === 'overloaded' && asked !== null)
        health.setAside('throttled', Math.min(asked, LONGEST_ASIDE_MS) * (0.5 + 0.5 * this.#random()), now)
    } else {
      health.left(ticket)
      // A model that nobody listed and a client made up is nobody's fault, and others' models share its slot.
      if (outcome === 'missing' && isListed(deployment)) health.setAside('missing', MISSING_MS, now)
      if (credential.refused(outcome, failure?.retryAfterMs ?? null, now))
        this.#tell(outcome === 'exhausted' ? 'quota_gone' : 'credential_refused', ticket)
    }
    this.#tellRestored(ticket, wasClosed)
    return failure === null ? health.learn(ticket, now) : null
  }

  /** Takes one request from the provider's pace. @returns false when this node's share is used up. */
  takePace(deployment: Deployment, now: number): boolean {
    return this.#providers.take(deployment, now)
  }

  /** Tells every lane and kind of answer that somebody waits for unusually long, once for each who waits. */
  overdue(now: number, tell: (ticket: Ticket) => void): void {
    for (const health of this.#deployments) health?.waiting.overdue(OVERDUE_TIMES, now, tell)
  }

  #of({ slot }: Deployment): DeploymentHealth {
    // Dense, without holes: a hole would make every read of the array slower.
    while (this.#deployments.length <= slot) this.#deployments.push(undefined)
    return (this.#deployments[slot] ??= new DeploymentHealth())
  }

  #credential({ slot }: Lane): CredentialStanding {
    while (this.#credentials.length <= slot) this.#credentials.push(undefined)
    return (this.#credentials[slot] ??= new CredentialStanding())
  }

  #isResting({ slot }: Lane, now: number): boolean {
    return this.#credentials[slot]?.isResting(now) ?? false
  }

  /** @returns of credentials that all rest the one that is back first; null: one does not rest. */
  #resting({ lanes }: Deployment, now: number): CredentialStanding | null {
    let soonest: CredentialStanding | null = null
    for (const lane of lanes) {
      const credential = this.#credentials[lane.slot]
      if (credential === undefined || !credential.isResting(now)) return null
      if (soonest === null || credential.restUntil < soonest.restUntil) soonest = credential
    }
    return soonest
  }

  #line({ slot }: Deployment, { habits }: DeploymentHealth, mode: Ask['mode']): Line | null {
    return this.#factors.usual(slot, mode) ?? habits[mode].line
  }

  /** What the upstream's headers leave, over all credentials; without headers what the fleet has learned. */
  #allowed({ lanes }: Deployment, cap: number | undefined, now: number): number {
    let sum = 0
    for (const lane of lanes) {
      const credential = this.#credentials[lane.slot]
      if (credential?.isResting(now) === true) continue
      if (credential?.hasLimits(now) !== true) return cap ?? Infinity
      sum += credential.allowed(this.#tokensPerRequest(now), now)
    }
    return sum < Infinity ? sum : (cap ?? Infinity)
  }

  #tokensPerRequest(now: number): number {
    return this.#tokens.at(now) / Math.max(1e-9, this.#requests.at(now))
  }

  #tellRestored(ticket: Ticket, wasClosed: boolean): void {
    if (!wasClosed && this.#of(ticket.deployment).breaker.isClosed) this.#tell('restored', ticket)
  }

  #tell(
    kind: TelemetryEdge['kind'],
    { deployment: { provider, model }, lane: { credential } }: Ticket,
  ): void {
    if (kind === 'ejected' || kind === 'restored') this.#onEdge({ kind, provider, model })
    else if (credential !== null) this.#onEdge({ kind, provider, credential, model })
  }
}

export type LaneWish = Readonly<{ session?: string | null; bound?: string | null; lastResort?: boolean }>

/** A 503 that names no time to come back is what broken servers say, too. */
const judged = ({ outcome, status, retryAfterMs }: Failure): Failure['outcome'] =>
  outcome === 'overloaded' && status === 503 && retryAfterMs === null ? 'fault' : outcome

const isListed = ({ id, provider, model }: Deployment): boolean => id === deploymentId(provider, model)

const nameOf = ({ credential }: Lane): string => credential ?? ''

function waitOf(
  out: Out,
  health: DeploymentHealth,
  resting: CredentialStanding | null,
  now: number,
): number | null {
  if (out === 'open') return health.breaker.waitMs(now)
  const asideMs = health.asideMs(now)
  if (asideMs > 0) return asideMs
  return resting === null ? null : resting.restUntil - now
}
