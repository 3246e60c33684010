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
import type { HabitSample, Ticket } from './health/ticket.ts'
import type { Pools } from './pools.ts'
import type { Spent } from './spent.ts'

export type PlanInput = Choice &
  Readonly<{
    /** Credential the session was last served with; null: none is remembered. */
    credential: CredentialId | null
    stream: boolean
    /** For the whole request, in milliseconds from now. */
    timeoutMs: number
    client: Downstream
    /** The request as one upstream wants it, or why it cannot be sent there. */
    prepare(deployment: Deployment): Result<Prepared, Failure>
    /** Leaves out the opaque state of earlier answers. @returns false when that changes nothing. */
    dropState(): boolean
    /** Told of each choice, with all that it was made from. */
    onPick?(pick: Pick, moment: PickMoment): void
    /** Told of each attempt before anything is sent: what has to be known of it whatever happens next. */
    onBegin?(begun: BegunAttempt): void
    /** Told right before the first byte of an attempt goes out: what `onBegin` said must be safe by then. */
    onSend?: () => void
    /** Told when a stream's first content has come, in milliseconds from sending. */
    onFirst(lane: Lane, firstMs: number, slowness: number | null): void
    /** Told of each attempt as it ends. */
    onAttempt(record: AttemptRecord): void
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

/** The deployment that is tried now. */
type Place = {
  readonly pick: Chosen
  why: AttemptRecord['why']
  /** Credentials that were at fault there. */
  lanes: ReadonlySet<Lane>
  /** The same credential once more: the connection was stale, or the state it was sent was refused. */
  same: Lane | null
  /** Others that were idle may be closed, too. */
  isStale: boolean
  /** It has failed: nothing more is tried there. */
  isOver: boolean
}

/** An attempt to be made. */
type Next = BegunAttempt & Readonly<{ kind: 'attempt'; place: Place }>
/** Whoever has failed may be asked once more after so many milliseconds. */
type Wait = Readonly<{ kind: 'wait'; ms: number }>

const NOTHING: ReadonlySet<never> = new Set()

class Run {
  readonly #pools: Pools
  readonly #health: Health
  readonly #clock: FailoverPorts['clock']
  readonly #input: PlanInput
  /** What decides, with dice that are counted. */
  readonly #choice: Choice
  /** Monotonic milliseconds, as all times here. */
  readonly #begunAt: number
  readonly #endsAt: number
  readonly #failures: Failure[] = []
  #tried: ReadonlySet<Deployment> = NOTHING
  #place: Place | null = null
  /** Deployments tried, the same one again included. */
  #tries = 0
  #attempts = 0
  /** Budget spent on further tries: given back when one brings the answer. */
  #spent = 0
  #repeats = 0
  /** Numbers drawn from the request's dice. */
  #drawn = 0

  constructor({ pools, health, clock }: FailoverPorts, input: PlanInput) {
    // Taken once: what is begun must be ended where it was begun.
    this.#pools = pools
    this.#health = health
    this.#clock = clock
    const { candidates, taste, region, session, ask } = input
    const dice = (): number => {
      this.#drawn += 1
      return input.dice()
    }
    this.#input = input
    this.#choice = { candidates, taste, region, session, ask, dice }
    this.#begunAt = clock.monotonic()
    this.#endsAt = this.#begunAt + input.timeoutMs
  }

  /** The one place that waits: what is done next, and what came of it, is decided at once. */
  async run(): Promise<PlanResult> {
    let now = this.#begunAt
    this.#health.arrived(this.#input.ask, now)
    for (;;) {
      const next = this.#next(now)
      if (next.kind === 'attempt') {
        const ticket = this.#begin(next)
        const result = this.#ended(next, ticket, await this.#send(next, ticket))
        if (result !== null) return result
      } else if (next.kind === 'wait') {
        if (!(await this.#waited(next.ms))) return { kind: 'cancelled', attempts: this.#attempts }
        this.#repeats += 1
        this.#tried = NOTHING
      } else return next
      now = this.#clock.monotonic()
    }
  }

  #next(began: number): Next | Wait | PlanResult {
    let now = began
    for (;;) {
      const place = this.#place
      if (place !== null) {
        const next = place.isOver ? null : this.#nextAt(place, now)
        if (next !== null) return next
        // To find that it cannot be sent there may have taken time: a conversion.
        now = this.#clock.monotonic()
        this.#place = null
        this.#tried = new Set([...this.#tried, place.pick.chosen.candidate.deployment])
        if (!this.#mayGoOn(now)) return this.#exhausted(null)
      }
      const pick = this.#choose(now)
      if (pick.kind === 'refused') return this.#repeat(pick, now)
      this.#tries += 1
      const why = this.#repeats > 0 ? 'again' : pick.why
      this.#place = { pick, why, lanes: NOTHING, same: null, isStale: false, isOver: false }
    }
  }

  #choose(now: number): Pick<Deployment> {
    const drawn = this.#drawn
    const pick = choose(this.#health, this.#choice, this.#tried, now)
    this.#input.onPick?.(pick, { now, drawn })
    return pick
  }

  /** Nobody new can be asked. */
  #repeat({ why, waitMs: knownMs }: Extract<Pick, { kind: 'refused' }>, now: number): Wait | PlanResult {
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
    return ms === null || ms >= this.#endsAt - now ? this.#exhausted(refusal) : { kind: 'wait', ms }
  }

  /** @returns null: nothing more can be tried there, others may be. */
  #nextAt(place: Place, now: number): Next | PlanResult | null {
    const { deployment } = place.pick.chosen.candidate
    const lane = place.same ?? this.#lane(deployment, place.lanes, now)
    if (lane === null || !this.#mayAttempt(now)) return null
    if (!this.#health.takePace(deployment, now)) return null
    const prepared = this.#input.prepare(deployment)
    if (!prepared.ok) return this.#failed(deployment, null, prepared.error)
    return { kind: 'attempt', place, deployment, lane, why: place.why, prepared: prepared.value }
  }

  #lane(deployment: Deployment, tried: ReadonlySet<Lane>, now: number): Lane | null {
    const { session, credential } = this.#input
    return this.#health.pickLane(deployment, tried, now, {
      session: session?.session ?? null,
      bound: session !== null && session.bound === deployment.id ? credential : null,
      lastResort: tried.size === 0,
    })
  }

  #mayAttempt(now: number): boolean {
    return this.#attempts < MOST_ATTEMPTS && this.#endsAt - now >= LEAST_MS
  }

  /** May others be tried? */
  #mayGoOn(now: number): boolean {
    if (this.#tries >= MOST_TRIES || !this.#mayAttempt(now)) return false
    const failure = this.#failures.at(-1)
    return failure === undefined || !mayRepeat(failure) || this.#affords(failure, now)
  }

  #affords(failure: Failure, now: number): boolean {
    const cost = this.#health.budget.spend(isCapacity(failure), now)
    this.#spent += cost
    return cost > 0
  }

  #begin(next: Next): Ticket {
    const { ask, session } = this.#input
    this.#attempts += 1
    this.#input.onBegin?.(next)
    const warmth = warmthOf(session, next.deployment)
    return this.#health.begin(next.deployment, next.lane, ask, warmth, this.#clock.monotonic())
  }

  #send(
    { place: { pick, isStale }, deployment, lane, prepared }: Next,
    ticket: Ticket,
  ): Promise<AttemptResult> {
    const { stream, client, onSend } = this.#input
    const { firstTokenMs, answerMs } = deployment.timeouts
    const { startedAt } = ticket
    const configured = stream ? firstTokenMs : answerMs
    return attempt({
      origin: this.#pools.for(deployment),
      deployment,
      lane,
      attempt: this.#attempts,
      prepared,
      stream,
      isFresh: isStale,
      limitMs: firstLimitMs(pick.chosen.standing.expectedMs, configured, pick.hasOther),
      remainingMs: this.#endsAt - startedAt,
      startedAt,
      client,
      onSend,
      onFirst: (firstMs) =>
        this.#input.onFirst(lane, firstMs, this.#health.first(ticket, firstMs, startedAt + firstMs)),
      clock: this.#clock,
    })
  }

  /** @returns null: it failed; the same place or others may be tried. */
  #ended(next: Next, ticket: Ticket, result: AttemptResult): PlanResult | null {
    const { place, deployment, lane } = next
    const { failure, committed } = result
    // A connection that the upstream closed while we wrote to it says nothing about the upstream: once.
    const isStale = result.unanswered && place.same === null && place.lanes.size === 0
    const now = ticket.startedAt + result.totalMs
    if (isStale) this.#health.end(ticket, UNHEARD, null, now)
    else this.#tell(next, ticket, result, now)
    // Nobody takes state back that its own maker refuses: once more without it.
    if (isStale || (failure?.isCarrier === true && !committed && this.#input.dropState())) {
      place.same = lane
      place.isStale = isStale
      return null
    }
    if (failure === null && this.#spent > 0) this.#health.budget.refund(this.#spent)
    if (committed || failure === null) return { kind: 'answered', attempts: this.#attempts, failure }
    if (failure.scope === 'key') {
      place.lanes = new Set([...place.lanes, lane])
      place.same = null
      place.why = 'key'
    } else place.isOver = true
    return this.#failed(deployment, result.refused, failure)
  }

  #tell({ deployment, lane, why, prepared }: Next, ticket: Ticket, result: AttemptResult, now: number): void {
    const { failure, firstMs, totalMs } = result
    const isJson = !this.#input.stream
    const slowness = isJson && firstMs !== null ? this.#health.first(ticket, firstMs, now) : null
    const habit = this.#health.end(ticket, failure, result.limits, now)
    this.#input.onAttempt({
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
  }

  /** @returns null: others may be tried. */
  #failed(deployment: Deployment, refused: Refused | null, failure: Failure): PlanResult | null {
    const attempts = this.#attempts
    if (failure.outcome === 'cancelled') return { kind: 'cancelled', attempts }
    if (failure.scope === 'request') return { kind: 'refused', attempts, deployment, refused, failure }
    this.#failures.push(failure)
    return null
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

  #exhausted(refusal: Extract<PlanResult, { kind: 'exhausted' }>['refusal']): PlanResult {
    return { kind: 'exhausted', attempts: this.#attempts, failures: this.#failures, refusal }
  }
}

/** Nothing was heard, so nothing is known: it counts against nobody. */
const UNHEARD = failureOf('cancelled')
