/**
 * Tries one candidate after the other until one has answered or nothing more makes sense.
 *
 * Before every attempt it is chosen anew, so that what was learned meanwhile counts. Every failure before the
 * commit point moves on: to another credential of the same provider when the credential was at fault, else to
 * a candidate not tried yet, at once; to the same one only when nobody else is left, after a wait. Attempts
 * come back as data, so nothing here knows who counts them.
 */
import type { CredentialId } from '#contracts/ids.ts'
import type { Result } from '#contracts/result.ts'
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import { MOST_TRIES, type Pick, type Refusal, type Why } from '#contracts/routing/pick.ts'
import type { Deployment, Lane } from '../routing/snapshot.ts'
import type { DialectName } from '../dialects/canonical/request.ts'
import { attempt, type AttemptResult, type Prepared, type Refused } from './attempt.ts'
import { choose, firstLimitMs, isCapacity, mayRepeat, waitMs, warmthOf, type Choice } from './choose.ts'
import { failure as failureOf, type Failure } from './classify.ts'
import type { Downstream } from './downstream.ts'
import type { Health } from './health/health.ts'
import type { HabitSample } from './health/ticket.ts'
import type { Pools } from './pools.ts'
import type { Spent } from './spent.ts'

export type PlanInput = Choice &
  Readonly<{
    /** Credential the session was last served with; null: none is remembered. */
    credential: CredentialId | null
    stream: boolean
    /** The request as one upstream wants it, or why it cannot be sent there. */
    prepare: (deployment: Deployment) => Result<Prepared, Failure>
    /** Leaves out the opaque state of earlier answers. @returns false when that changes nothing. */
    dropState: () => boolean
    /** For the whole request, in milliseconds from now. */
    timeoutMs: number
    client: Downstream
    /** Told of each choice, with all that it was made from. */
    onPick?: (pick: Pick, moment: PickMoment) => void
    /** Told of each attempt before anything is sent: what has to be known of it whatever happens next. */
    onBegin?: (begun: BegunAttempt) => void
    /** Told right before the first byte of an attempt goes out: what `onBegin` said must be safe by then. */
    onSend?: () => void
    /** Told when a stream's first content has come, in milliseconds from sending. */
    onFirst: (lane: Lane, firstMs: number, slowness: number | null) => void
    /** Told of each attempt as it ends. */
    onAttempt: (record: AttemptRecord) => void
  }>

/** When a choice was made. */
export type PickMoment = Readonly<{
  /** Monotonic milliseconds. */
  now: number
  /** Numbers that the request had drawn from its dice before. */
  drawn: number
}>

export type FailoverPorts = Readonly<{
  pools: Pools
  health: Health
  clock: Readonly<{ now(): number; monotonic(): number }>
}>

export type BegunAttempt = Readonly<{
  deployment: Deployment
  lane: Lane
  /** Why it is made there: what chose it, another credential, or a further try at the same place. */
  why: Why | 'key' | 'again'
  prepared: Prepared
}>

export type AttemptRecord = Omit<BegunAttempt, 'prepared'> &
  Readonly<{
    dialect: DialectName
    outcome: OutcomeClass
    /** Of a JSON answer; null for streams, whose `onFirst` was told, and for failures. */
    firstMs: number | null
    /** How slow that was against what is usual; null where `firstMs` is, or nobody can say. */
    slowness: number | null
    totalMs: number
    /** What it adds to what is usual; null: nothing. */
    habit: HabitSample | null
    /** Null: nothing that counts. */
    spent: Spent | null
    /** Status of a refusal; 0: none came, or an answer did. */
    status: number
    /** What the request lost on its way into another dialect. */
    warnings: readonly string[]
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
  /** Nobody could answer; nothing has been told yet. `refusal`: why nobody (else) was asked. */
  | Readonly<{
      kind: 'exhausted'
      attempts: number
      failures: readonly Failure[]
      refusal: Readonly<{ why: Refusal; waitMs: number | null }> | null
    }>
  | Readonly<{ kind: 'cancelled'; attempts: number }>

/** A client that left is no news. */
export function isWorthALine(result: PlanResult): boolean {
  if (result.kind === 'cancelled') return false
  return result.kind !== 'answered' || (result.failure !== null && result.failure.outcome !== 'cancelled')
}

/** However many credentials there are: no request costs its providers more than this many attempts. */
const MOST_ATTEMPTS = 8
/** Nobody answers in less, and timers of whole milliseconds leave a part of one; in milliseconds. */
const LEAST_MS = 5

export const runPlan = (ports: FailoverPorts, input: PlanInput): Promise<PlanResult> =>
  new Run(ports, input).run()

type Chosen = Extract<Pick<Deployment>, { kind: 'chosen' }>

class Run {
  readonly #ports: FailoverPorts
  readonly #input: PlanInput
  /** What decides, with dice that are counted. */
  readonly #choice: Choice
  readonly #endsAt: number
  readonly #failures: Failure[] = []
  readonly #tried = new Set<Deployment>()
  #attempts = 0
  /** Budget spent on further tries: given back when one brings the answer. */
  #spent = 0
  #repeats = 0
  /** Numbers drawn from the request's dice. */
  #drawn = 0

  constructor({ pools, health, clock }: FailoverPorts, input: PlanInput) {
    // Taken once: what is begun must be ended where it was begun.
    this.#ports = { pools, health, clock }
    const { candidates, taste, region, session, ask } = input
    const dice = (): number => {
      this.#drawn += 1
      return input.dice()
    }
    this.#input = input
    this.#choice = { candidates, taste, region, session, ask, dice }
    this.#endsAt = clock.monotonic() + input.timeoutMs
  }

  async run(): Promise<PlanResult> {
    this.#ports.health.arrived(this.#input.ask, this.#ports.clock.monotonic())
    for (let tries = 1; ; tries++) {
      const pick = this.#choose()
      if (pick.kind === 'refused') {
        const repeated = await this.#waitToRepeat(pick)
        if (repeated !== 'again') return repeated
        tries -= 1
        continue
      }
      const result = await this.#tryDeployment(pick)
      if (result !== null) return result
      const failure = this.#failures.at(-1)
      if (tries >= MOST_TRIES || this.#attempts >= MOST_ATTEMPTS || this.#remainingMs() < LEAST_MS)
        return this.#exhausted(null)
      if (failure !== undefined && mayRepeat(failure) && !this.#affords(failure)) return this.#exhausted(null)
    }
  }

  #choose(): Pick<Deployment> {
    const { health, clock } = this.#ports
    const [now, drawn] = [clock.monotonic(), this.#drawn]
    const pick = choose(health, this.#choice, this.#tried, now)
    this.#input.onPick?.(pick, { now, drawn })
    return pick
  }

  /** Nobody new can be asked. @returns `again`: whoever has failed may be asked once more now. */
  async #waitToRepeat({
    why,
    waitMs: knownMs,
  }: Extract<Pick, { kind: 'refused' }>): Promise<PlanResult | 'again'> {
    const failure = this.#failures.at(-1)
    const refusal = { why, waitMs: knownMs }
    if (
      failure === undefined ||
      this.#tried.size === 0 ||
      why === 'busy' ||
      why === 'shed' ||
      !mayRepeat(failure)
    )
      return this.#exhausted(refusal)
    const ms = waitMs(failure, knownMs, this.#repeats, this.#choice.dice)
    if (ms === null || ms >= this.#remainingMs()) return this.#exhausted(refusal)
    if (!(await this.#waited(ms))) return { kind: 'cancelled', attempts: this.#attempts }
    this.#repeats += 1
    this.#tried.clear()
    return 'again'
  }

  /** @returns null: it failed, others may be tried. */
  async #tryDeployment(pick: Chosen): Promise<PlanResult | null> {
    const { health, clock } = this.#ports
    const { deployment } = pick.chosen.candidate
    this.#tried.add(deployment)
    const lanes = new Set<Lane>()
    let why: AttemptRecord['why'] = this.#repeats > 0 ? 'again' : pick.why
    /** The same credential once more: the connection was stale, or the state it was sent was refused. */
    let same: Lane | null = null
    for (;;) {
      const now = clock.monotonic()
      const lane: Lane | null = same ?? this.#lane(deployment, lanes, now)
      if (lane === null || this.#attempts >= MOST_ATTEMPTS || this.#remainingMs() < LEAST_MS) return null
      if (!health.takePace(deployment, now)) return null
      const prepared = this.#input.prepare(deployment)
      if (!prepared.ok) return this.#failed(deployment, null, prepared.error)
      const isFirst = same === null && lanes.size === 0
      const result: AttemptResult = await this.#attempt(pick, lane, why, prepared.value, isFirst)
      const { failure, committed } = result
      // A connection that the upstream closed while we wrote to it says nothing about the upstream: once.
      const isStale = result.unanswered && isFirst
      // Nobody takes state back that its own maker refuses: once more without it.
      if (isStale || (failure?.isCarrier === true && !committed && this.#input.dropState())) {
        same = lane
        continue
      }
      if (failure === null && this.#spent > 0) health.budget.refund(this.#spent)
      if (committed || failure === null) return { kind: 'answered', attempts: this.#attempts, failure }
      const ended = this.#failed(deployment, result.refused, failure)
      if (ended !== null || failure.scope !== 'key') return ended
      lanes.add(lane)
      same = null
      why = 'key'
    }
  }

  /** @returns null: others may be tried. */
  #failed(deployment: Deployment, refused: Refused | null, failure: Failure): PlanResult | null {
    const attempts = this.#attempts
    if (failure.outcome === 'cancelled') return { kind: 'cancelled', attempts }
    if (failure.scope === 'request') return { kind: 'refused', attempts, deployment, refused, failure }
    this.#failures.push(failure)
    return null
  }

  #lane(deployment: Deployment, tried: ReadonlySet<Lane>, now: number): Lane | null {
    const { session, credential } = this.#input
    return this.#ports.health.pickLane(deployment, tried, now, {
      session: session?.session ?? null,
      bound: session !== null && session.bound === deployment.id ? credential : null,
      lastResort: tried.size === 0,
    })
  }

  async #attempt(
    { chosen, hasOther }: Chosen,
    lane: Lane,
    why: AttemptRecord['why'],
    prepared: Prepared,
    isFirst: boolean,
  ): Promise<AttemptResult> {
    const { health, pools, clock } = this.#ports
    const { deployment } = chosen.candidate
    const { ask, session, stream, client, onBegin, onSend, onFirst, onAttempt } = this.#input
    const { firstTokenMs, answerMs } = deployment.timeouts
    this.#attempts += 1
    onBegin?.({ deployment, lane, why, prepared })
    const startedAt = clock.monotonic()
    const ticket = health.begin(deployment, lane, ask, warmthOf(session, deployment), startedAt)
    const result = await attempt({
      dispatcher: pools.for(deployment),
      deployment,
      lane,
      attempt: this.#attempts,
      prepared,
      stream,
      limitMs: firstLimitMs(chosen.standing.expectedMs, stream ? firstTokenMs : answerMs, hasOther),
      remainingMs: this.#endsAt - startedAt,
      startedAt,
      client,
      onSend,
      onFirst: (firstMs) => onFirst(lane, firstMs, health.first(ticket, firstMs, clock.monotonic())),
      clock,
    })
    const now = clock.monotonic()
    if (result.unanswered && isFirst) {
      health.end(ticket, UNHEARD, null, now)
      return result
    }
    const { failure, firstMs, totalMs } = result
    const slowness = firstMs === null || stream ? null : health.first(ticket, firstMs, now)
    const habit = health.end(ticket, failure, result.limits, now)
    onAttempt({
      deployment,
      lane,
      why,
      dialect: prepared.dialect,
      outcome: failure?.outcome ?? 'success',
      firstMs,
      slowness,
      totalMs,
      habit,
      spent: result.spent,
      status: failure?.status ?? 0,
      warnings: prepared.warnings,
    })
    return result
  }

  #affords(failure: Failure): boolean {
    const cost = this.#ports.health.budget.spend(isCapacity(failure), this.#ports.clock.monotonic())
    this.#spent += cost
    return cost > 0
  }

  /** @returns false when the client left meanwhile. */
  #waited(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(true), ms)
      this.#input.client.onGone(() => {
        clearTimeout(timer)
        resolve(false)
      })
    })
  }

  #remainingMs(): number {
    return this.#endsAt - this.#ports.clock.monotonic()
  }

  #exhausted(refusal: Extract<PlanResult, { kind: 'exhausted' }>['refusal']): PlanResult {
    return { kind: 'exhausted', attempts: this.#attempts, failures: this.#failures, refusal }
  }
}

/** Nothing was heard, so nothing is known: it counts against nobody. */
const UNHEARD = failureOf('cancelled')
