/**
 * Lets requests of budgeted keys in as far as their leases go, from memory. Leases are asked for beside the
 * traffic, ahead of need; only where one is used up a request waits for the answer, for a second at most.
 * Requests of keys without budgets cost nothing and are never touched.
 */
import { periodAt } from '#contracts/catalog/money/budget.ts'
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { ModelPrice } from '#contracts/catalog/facts/known-models.ts'
import { costOf, priceAt } from '#contracts/catalog/price.ts'
import type { Problem } from '#contracts/errors.ts'
import type { LeaseAnswer, LeaseAsk } from '#contracts/fleet/leases.ts'
import { leaseId, LEASES_PER_ASK } from '#contracts/fleet/leases.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import type { NodeId, ProviderId } from '#contracts/ids.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Tokens } from '#contracts/usage/tokens.ts'
import type { Candidate, CompiledBudget, Principal, Route, RoutingSnapshot } from '../routing/snapshot.ts'
import { reservationFor } from './estimate.ts'
import {
  ask,
  fits,
  isDue,
  isRefused,
  mayComeBack,
  newPurse,
  reserve,
  settle,
  take,
  type Purse,
} from './purse.ts'

export type BudgetPorts = Readonly<{
  link: Pick<ControlLink, 'leases'>
  node: NodeId
  /** Of this run. */
  boot: string
  /** Are the usage records of all earlier runs on the bus? */
  isDrained: () => boolean
  clock: Pick<Clock, 'now' | 'monotonic'>
}>

export type Payable = Readonly<{
  snapshot: RoutingSnapshot
  principal: Principal
  route: Route
  endpoint: ClientEndpoint
  body: Buffer
  /** When the request arrived, as its record says, in epoch milliseconds: that decides the period. */
  at: number
}>

/** What a request that is over used up; null: nobody answered. */
export type Settled = Readonly<{ provider: ProviderId; upstream: string; tokens: Tokens }> | null

/** A request that was let in. */
export type Paid = Readonly<{
  /** Without candidates whose price nobody knows, where a budget does not want them. */
  route: Route
  /** What its record must name. */
  leases: readonly string[]
  /** Once, whatever became of it. */
  settle: (spent: Settled) => void
}>

export type Admission = Result<Paid, Problem>

export type BudgetRefusal = 'spent' | 'leased' | 'unreachable' | 'unpriced'

/** For a lease that is used up, in milliseconds. */
const WAIT_MS = 1_000
/** What was said so lately need not be asked again; after a failure as long. */
const FRESH_MS = 1_000
/** For an answer of the control plane. */
const ANSWER_MS = 2_000
/** Between two questions, in milliseconds. */
const GAP_MS = 20
const TICK_MS = 1_000
/** When stopping: for giving back what is left. */
const LAST_MS = 1_500
/** Other leases come back, or requests end, by then, in milliseconds. */
const COME_BACK_MS = 2_000

type Claim = Readonly<{ budget: CompiledBudget; purse: Purse }>

export class Budgets implements AsyncDisposable {
  readonly refused: Record<BudgetRefusal, number> = { spent: 0, leased: 0, unreachable: 0, unpriced: 0 }
  readonly #ports: BudgetPorts
  readonly #purses = new Map<string, Purse>()
  readonly #timer: NodeJS.Timeout
  #waiters = new Set<() => void>()
  #asking: Promise<void> | null = null
  #isRung = false
  #isStopped = false
  #isDrainTold = false
  #seq = 0
  #failedAt = -Infinity
  #answeredAt = -Infinity
  #waited = 0
  #overrun = 0

  constructor(ports: BudgetPorts) {
    this.#ports = ports
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref()
  }

  /** Requests that waited for a lease, since the start. */
  get waited(): number {
    return this.#waited
  }

  /** What requests cost beyond what was reserved for them, in billionths of a US dollar, since the start. */
  get overrun(): number {
    return this.#overrun
  }

  /** What this node holds of budgets and has not spent, in billionths of a US dollar. */
  get held(): number {
    let held = 0
    for (const { granted, spent } of this.#purses.values()) held += Math.max(0, granted - spent)
    return held
  }

  /** @returns null when the request is paid from no budget. */
  admit(payable: Payable): Admission | Promise<Admission> | null {
    const { principal, endpoint, body, at, snapshot, route } = payable
    const { budgets } = principal
    // Counting tokens, and asking for what is kept, costs nothing.
    if (budgets === null || endpoint === 'count_tokens' || body.length === 0) return null
    const mustBePriced = budgets.some(({ unpriced }) => unpriced === 'refuse')
    const { candidates, prices } = pricesOf(snapshot, route.candidates, at)
    if (mustBePriced && candidates.length === 0) {
      this.refused.unpriced += 1
      return err({ code: 'permission_denied', param: 'model', message: UNPRICED })
    }
    const usable = mustBePriced ? { ...route, candidates } : route
    const estimate = Math.max(1, reservationFor(body, endpoint, prices))
    const claims = budgets.map((budget) => ({ budget, purse: this.#purseOf(budget, at) }))
    const begunAt = this.#now()
    const judged = this.#judge(claims, estimate, begunAt, { asOf: begunAt - FRESH_MS, mayWait: true })
    if (judged !== 'wait') return judged.ok ? ok(this.#pay(judged.value, estimate, payable, usable)) : judged
    return this.#wait(claims, estimate, payable, usable)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#isStopped = true
    const last = Promise.withResolvers<void>()
    const timer = setTimeout(last.resolve, LAST_MS)
    await Promise.race([this.#giveBack(), last.promise])
    clearTimeout(timer)
    this.#wake()
  }

  /** @param asOf answers from before are not believed. @returns the claims to reserve from, or why not. */
  #judge(
    claims: readonly Claim[],
    estimate: number,
    now: number,
    { asOf, mayWait }: Readonly<{ asOf: number; mayWait: boolean }>,
  ): Result<Claim[], Problem> | 'wait' {
    const paying: Claim[] = []
    for (const claim of claims) {
      const { budget, purse } = claim
      if (fits(purse, estimate, now)) {
        paying.push(claim)
        continue
      }
      if (isRefused(purse, estimate, asOf, now)) return err(this.#refusal(claim, estimate))
      if (mayWait && Math.max(this.#failedAt, purse.unknownAt) < asOf) return 'wait'
      if (budget.onUnreachable === 'refuse') {
        this.refused.unreachable += 1
        return err({ code: 'budget_unavailable', retryAfterMs: FRESH_MS })
      }
    }
    return ok(paying)
  }

  #pay(claims: readonly Claim[], estimate: number, payable: Payable, route: Route): Paid {
    const now = this.#now()
    for (const { purse } of claims) reserve(purse, estimate, now)
    if (claims.some(({ purse }) => isDue(purse, now))) this.#ring()
    const { boot } = this.#ports
    return {
      route,
      leases: claims.map(({ purse }) => leaseId(purse.account, purse.start, boot)),
      settle: (spent) => {
        const cost = spent === null ? 0 : costIn(payable, spent)
        if (claims.length > 0) this.#overrun += Math.max(0, cost - estimate)
        for (const { purse } of claims) settle(purse, estimate, cost, this.#now())
      },
    }
  }

  async #wait(
    claims: readonly Claim[],
    estimate: number,
    payable: Payable,
    route: Route,
  ): Promise<Admission> {
    const begunAt = this.#now()
    this.#waited += 1
    for (const { purse } of claims) purse.waiting.push(estimate)
    try {
      for (;;) {
        this.#ring()
        const left = begunAt + WAIT_MS - this.#now()
        if (left > 0) await this.#answered(left)
        // Not where it answers: others need not do without it because this one was not given enough.
        else if (this.#answeredAt < begunAt) this.#failedAt = this.#now()
        const judged = this.#judge(claims, estimate, this.#now(), { asOf: begunAt, mayWait: left > 0 })
        if (judged === 'wait') continue
        return judged.ok ? ok(this.#pay(judged.value, estimate, payable, route)) : judged
      }
    } finally {
      for (const { purse } of claims) purse.waiting.splice(purse.waiting.indexOf(estimate), 1)
    }
  }

  #refusal({ budget, purse }: Claim, estimate: number): Problem {
    const whose = budget.isOwn ? 'this API key' : 'a tag of this API key'
    if (mayComeBack(purse, estimate)) {
      this.refused.leased += 1
      const message = `What is left of the budget of ${whose} is set aside for requests under way.`
      return { code: 'rate_limit_exceeded', message, retryAfterMs: COME_BACK_MS }
    }
    this.refused.spent += 1
    const until = purse.end === null ? {} : { retryAfterMs: Math.max(0, purse.end - this.#ports.clock.now()) }
    const message = `The budget of ${whose} is spent${PERIOD[budget.period]}.`
    return {
      code: 'insufficient_quota',
      status: budget.whenSpent,
      message,
      ...(budget.whenSpent === 429 ? until : {}),
    }
  }

  #purseOf({ account, period }: CompiledBudget, at: number): Purse {
    const { start, end } = periodAt(period, at)
    const name = `${account}/${start}`
    const known = this.#purses.get(name)
    if (known !== undefined) return known
    const purse = newPurse(account, start, end)
    this.#purses.set(name, purse)
    return purse
  }

  /** Asks now, or as soon as what was asked is answered. */
  #ring(): void {
    if (this.#isStopped) return
    this.#isRung = true
    this.#asking ??= this.#askOn().finally(() => (this.#asking = null))
  }

  async #askOn(): Promise<void> {
    while (this.#isRung && !this.#isStopped) {
      this.#isRung = false
      const now = this.#now()
      const due = [...this.#purses.values()].filter((purse) => purse.waiting.length > 0 || isDue(purse, now))
      // Who waits comes first.
      due.sort((one, other) => Number(other.waiting.length > 0) - Number(one.waiting.length > 0))
      if (due.length > 0 || !this.#isDrainTold) await this.#ask(due.slice(0, LEASES_PER_ASK))
      if (this.#isRung) await new Promise((resolve) => setTimeout(resolve, GAP_MS))
    }
  }

  async #ask(purses: readonly Purse[]): Promise<void> {
    const { link, node, boot, isDrained } = this.#ports
    const sentAt = this.#now()
    const drained = !this.#isDrainTold && isDrained()
    if (purses.length === 0 && !drained) return
    this.#seq += 1
    const holdings = purses.map((purse) => ask(purse, sentAt))
    const question: LeaseAsk = { node, boot, seq: this.#seq, isDrained: drained, holdings }
    try {
      const answer = await this.#within(ANSWER_MS, (signal) => link.leases(question, signal))
      this.#answeredAt = this.#now()
      if (drained) this.#isDrainTold = true
      this.#take(purses, answer, sentAt)
    } catch {
      this.#failedAt = this.#now()
    }
    this.#wake()
  }

  #take(purses: readonly Purse[], { grants, ttlMs }: LeaseAnswer, sentAt: number): void {
    const byName = new Map(grants.map((grant) => [`${grant.account}/${grant.start}`, grant]))
    for (const purse of purses) {
      const grant = byName.get(`${purse.account}/${purse.start}`)
      if (grant !== undefined) take(purse, grant, sentAt, ttlMs)
      // It does not know this budget yet, or no longer: nobody can say what is left of it.
      else purse.unknownAt = this.#now()
    }
  }

  /** Not longer than `ms`, whether or not whoever is asked listens to the signal. */
  async #within<Answer>(ms: number, question: (signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    const controller = new AbortController()
    const never = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      never.reject(new Error(`no answer within ${ms} ms`))
      controller.abort()
    }, ms)
    try {
      return await Promise.race([question(controller.signal), never.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  #tick(): void {
    const now = this.#now()
    for (const [name, purse] of this.#purses)
      if (isForgotten(purse, this.#ports.clock.now())) this.#purses.delete(name)
    const isTelling = !this.#isDrainTold && this.#ports.isDrained()
    if (isTelling || [...this.#purses.values()].some((purse) => isDue(purse, now))) this.#ring()
  }

  /** What is held and not spent: nobody could use it until its lease is known to be over. */
  async #giveBack(): Promise<void> {
    await this.#asking
    const held = [...this.#purses.values()].filter(({ granted, spent }) => granted > spent)
    for (const purse of held) purse.usedAt = -Infinity
    for (let at = 0; at < held.length; at += LEASES_PER_ASK)
      await this.#ask(held.slice(at, at + LEASES_PER_ASK))
  }

  #answered(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(), ms)
      const done = (): void => {
        clearTimeout(timer)
        this.#waiters.delete(done)
        resolve()
      }
      this.#waiters.add(done)
    })
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = new Set()
    for (const wake of waiters) wake()
  }

  #now(): number {
    return this.#ports.clock.monotonic()
  }
}

const UNPRICED = 'The budget of this API key takes no model whose price is not known.'

const PERIOD: Readonly<Record<CompiledBudget['period'], string>> = {
  day: ' for today',
  week: ' for this week',
  month: ' for this month',
  total: '',
}

/** Long over, and nothing held: its records name it by what is in them. */
const isForgotten = ({ end, granted, spent, reserved, waiting }: Purse, now: number): boolean =>
  end !== null && now > end + 3_600_000 && granted <= spent && reserved === 0 && waiting.length === 0

/** Those candidates whose price is known, and the prices. */
function pricesOf(
  { providers }: RoutingSnapshot,
  candidates: readonly Candidate[],
  at: number,
): Readonly<{ candidates: readonly Candidate[]; prices: readonly ModelPrice[] }> {
  const prices: ModelPrice[] = []
  const priced = candidates.filter(({ deployment: { provider, model } }) => {
    const source = providers.get(provider)?.source
    const price = source === undefined ? null : priceAt(source, model, at)
    if (price !== null) prices.push(price)
    return price !== null
  })
  return { candidates: priced, prices }
}

/** As the books will have it. */
function costIn({ snapshot, at }: Payable, { provider, upstream, tokens }: NonNullable<Settled>): number {
  const source = snapshot.providers.get(provider)?.source
  const price = source === undefined ? null : priceAt(source, upstream, at)
  return price === null ? 0 : costOf(price, tokens)
}
