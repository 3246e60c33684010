/**
 * One simulated data-plane node: the product's choice, health, counters and reports, called in the order in
 * which the processes call them.
 */
import { keyId } from '#contracts/ids.ts'
import { outcomeIndex } from '#contracts/telemetry/outcome.ts'
import type { TelemetryEdge, TelemetryReport } from '#contracts/telemetry/report.ts'
import type { WeightTable } from '#contracts/weights/table.ts'
import { preferenceOf, settle, type Session } from '#data-plane/api/session.ts'
import { diceOf, type Dice } from '#contracts/routing/dice.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import { MOST_TRIES, type Pick } from '#contracts/routing/pick.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { CompiledStrategy } from '#contracts/routing/strategies.ts'
import type { Deployment } from '#data-plane/routing/snapshot.ts'
import { decodeBinding, encodeBinding } from '#data-plane/sessions/binding.ts'
import { toReports, toShortReports } from '#data-plane/telemetry/batch.ts'
import { Counters } from '#data-plane/telemetry/counters.ts'
import { WHOLE_EVERY } from '#data-plane/telemetry/emit.ts'
import {
  choose,
  firstLimitMs,
  isCapacity,
  mayRepeat,
  waitMs,
  warmthOf,
  type Choice,
} from '#data-plane/upstream/choose.ts'
import { Health } from '#data-plane/upstream/health/health.ts'
import type { Ticket } from '#data-plane/upstream/health/ticket.ts'
import {
  failureOf,
  FIRST_TOKEN_MS,
  limitsOf,
  MODEL,
  OUTCOME_OF,
  worldOf,
  type Env,
  type SimAttempt,
  type SimOutcome,
  type SimRequest,
  type World,
} from './world.ts'

type Routed = {
  readonly choice: Choice
  readonly session: Session | null
  readonly tried: Set<Deployment>
  first: Pick<Deployment> | null
  /** Made when the attempt before it failed. */
  next: Pick<Deployment> | null
  spent: number
  repeats: number
}

export class SimNode {
  readonly #world: World
  readonly #dice: Dice
  readonly #taste: CompiledStrategy
  readonly #counters: Counters
  readonly #factors: WeightFactors
  readonly #health: Health
  readonly #routed = new WeakMap<SimRequest, Routed>()
  readonly #tickets = new WeakMap<SimAttempt, Ticket>()
  readonly #name: string
  readonly #boot: string
  #edges: TelemetryEdge[] = []
  #seq = 0
  #told = 0
  #sent = 0
  #beats = 0

  constructor(env: Env, taste: CompiledStrategy) {
    this.#world = worldOf(env)
    this.#taste = taste
    this.#dice = () => env.rng.next()
    const deployments = new Slots()
    const lanes = new Slots()
    for (const { deployment } of this.#world.candidates) {
      deployments.of(deployment.id)
      lanes.of(`${deployment.provider}\n${deployment.model}\n`)
    }
    this.#counters = new Counters(lanes)
    this.#factors = new WeightFactors(deployments)
    this.#health = new Health({
      factors: this.#factors,
      random: this.#dice,
      onEdge: (edge) => void this.#edges.push(edge),
    })
    this.#health.setNodes(env.nodes)
    this.#name = `node-${env.nodeId ?? 0}`
    this.#boot = String(env.rng.next())
  }

  onSnapshot(table: WeightTable, now: number): void {
    this.#factors.accept(table, now)
  }

  /** What the node sends five times a second. */
  heartbeat(now: number): readonly TelemetryReport[] {
    this.#counters.countWaiting((waits) =>
      this.#health.overdue(now, ({ lane, mode }) => waits(lane.slot, mode)),
    )
    const header = () => ({ node: this.#name, boot: this.#boot, seq: (this.#seq += 1), dropped: 0 })
    this.#beats += 1
    const isWhole = this.#beats % WHOLE_EVERY === 0
    const reports = isWhole
      ? [...toReports(header, this.#counters.series(this.#sent))]
      : [...toShortReports(header, this.#counters.series(this.#told))]
    this.#told = this.#counters.nextGeneration()
    if (isWhole) this.#sent = this.#told
    if (this.#edges.length > 0) {
      reports.push({ ...header(), v: 2, series: [], edges: this.#edges })
      this.#edges = []
    }
    return reports
  }

  pick(req: SimRequest, now: number) {
    const routed = this.#routed.get(req) ?? this.#arrive(req, now)
    const picked = routed.next ?? choose(this.#health, routed.choice, routed.tried, now)
    routed.next = null
    routed.first ??= picked
    if (picked.kind === 'refused') return null
    const { candidate, standing } = picked.chosen
    routed.tried.add(candidate.deployment)
    return {
      p: candidate.deployment.slot,
      why: picked.why,
      timeoutMs: firstLimitMs(standing.expectedMs, FIRST_TOKEN_MS, picked.hasOther),
    }
  }

  retry(req: SimRequest, _attempt: SimAttempt, outcome: SimOutcome, now: number) {
    const routed = this.#routed.get(req)
    const failed = failureOf(outcome)
    if (routed === undefined || failed === null || req.attempts >= MOST_TRIES) return null
    const cost = this.#health.budget.spend(isCapacity(failed), now)
    routed.spent += cost
    if (cost === 0) return null
    const next = choose(this.#health, routed.choice, routed.tried, now)
    if (next.kind === 'chosen') {
      routed.next = next
      return { delayMs: 0 }
    }
    if (next.why === 'busy' || next.why === 'shed' || !mayRepeat(failed)) return null
    const delayMs = waitMs(failed, next.waitMs, routed.repeats, routed.choice.dice)
    if (delayMs === null) return null
    routed.repeats += 1
    routed.tried.clear()
    return { delayMs: Math.max(1, delayMs) }
  }

  onStart(attempt: SimAttempt, now: number): void {
    const routed = this.#routed.get(attempt.req)
    const { deployment } = this.#world.candidates[attempt.p]!
    const warmth = warmthOf(routed?.choice.session ?? null, deployment)
    const ask = routed!.choice.ask
    this.#tickets.set(attempt, this.#health.begin(deployment, deployment.lanes[0]!, ask, warmth, now))
  }

  onFirstByte(attempt: SimAttempt, ttft: number, now: number): void {
    const ticket = this.#tickets.get(attempt)!
    this.#counters.recordFirst(ticket.lane.slot, 'sse', ttft, this.#health.first(ticket, ttft, now))
    const { session, first } = this.#routed.get(attempt.req)!
    if (session === null) return
    const answered = { deployment: ticket.deployment.id, credential: null, attempt: attempt.no + 1 }
    const { binding } = settle(session.binding, first, answered)
    this.#world.sessions.set(session.scope.session, encodeBinding(binding))
  }

  onEnd(attempt: SimAttempt, outcome: SimOutcome, now: number): void {
    const ticket = this.#tickets.get(attempt)!
    const failed = failureOf(outcome)
    const habit = this.#health.end(ticket, failed, limitsOf(outcome.hdr ?? null), now)
    this.#counters.record(ticket.lane.slot, 'sse', {
      outcome: outcomeIndex(OUTCOME_OF[outcome.kind]),
      firstMs: -1,
      slowness: null,
      totalMs: now - ticket.startedAt,
      habit,
    })
    const routed = this.#routed.get(attempt.req)!
    if (failed === null && routed.spent > 0) this.#health.budget.refund(routed.spent)
  }

  #arrive(req: SimRequest, now: number): Routed {
    const ask = { mode: 'sse' as const, size: req.promptTok / 1_000 }
    this.#health.arrived(ask, now)
    const session = this.#session(req)
    const choice: Choice = {
      candidates: this.#world.candidates,
      taste: this.#taste,
      region: null,
      session: session === null ? null : preferenceOf(session),
      ask,
      dice: diceOf(Math.floor(this.#dice() * 4_294_967_296)),
    }
    const routed: Routed = {
      choice,
      session,
      tried: new Set(),
      first: null,
      next: null,
      spent: 0,
      repeats: 0,
    }
    this.#routed.set(req, routed)
    return routed
  }

  #session({ session }: SimRequest): Session | null {
    if (session === null) return null
    const text = this.#world.sessions.get(session)
    return {
      scope: { key: keyId('key_sim'), model: MODEL, session },
      name: session,
      binding: text === undefined ? null : decodeBinding(text),
      isRequired: false,
    }
  }
}
