/**
 * What this node has seen of one deployment lately: its failures, how slow it is, who waits for it, and
 * whether its breaker lets anybody through.
 *
 * Time and dice are arguments.
 */
import { clippedMs, slownessOf } from '#contracts/telemetry/line.ts'
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import { keptShare } from '#contracts/weights/health.ts'
import type { WeightDetail } from '#contracts/weights/table.ts'
import { Breaker } from './breaker.ts'
import { Concurrency } from './concurrency.ts'
import { Decay } from './decay.ts'
import { Habit } from './habit.ts'
import type { HabitSample, Ticket } from './ticket.ts'
import { Waiting } from './waiting.ts'

const TAU_MS = 5_000
/** Samples without fault mixed in, so that the first failure of a quiet deployment is not "100 %". */
const ERRORS_PRIOR = 3
const SLOW_PRIOR = 4
/** Of an attempt: failed; out of capacity; cut off after it had begun, which cannot be tried elsewhere. */
const BADNESS = { fault: 1, timeout: 1, overloaded: 0.5, cut: 3 } as const
/** What opens the breaker: so many faults in a row, so many of them silence, or so many of the last ones. */
const FAULTS_IN_A_ROW = 5
const TIMEOUTS_IN_A_ROW = 2
const LEAST_ATTEMPTS = 8
const FAULTY_SHARE = 0.5
/** Up to so many times slower than usual, what it does now is usual. */
const WELL = 1.5
const RATE_TAU_MS = 10_000
/** For the question whether asking makes sense at all. */
const ASKED_TAU_MS = 30_000

/** What all of the deployment's peers have in common, and what it keeps however bad it is. */
export type Reference = Pick<WeightDetail, 'errorsOfBest' | 'slownessOfAll' | 'floor'>

export class DeploymentHealth {
  readonly breaker = new Breaker()
  readonly concurrency = new Concurrency()
  readonly waiting = new Waiting()
  readonly habits = { json: new Habit(), sse: new Habit() }
  readonly #attempts = new Decay(TAU_MS)
  readonly #badness = new Decay(TAU_MS)
  readonly #slowness = new Decay(TAU_MS)
  readonly #firsts = new Decay(TAU_MS)
  readonly #rate = new Decay(RATE_TAU_MS)
  readonly #asked = new Decay(ASKED_TAU_MS)
  readonly #accepted = new Decay(ASKED_TAU_MS)
  #faultsInARow = 0
  #timeoutsInARow = 0
  /** Told to be asked nothing until then: out of capacity, or it does not know the model. */
  #asideUntil = 0
  #asideFor: 'throttled' | 'missing' = 'throttled'

  /** How much of its weight it keeps, by what this node has seen. */
  factor(reference: Reference, now: number): number {
    const errors = this.#shareOfErrors(now) - reference.errorsOfBest
    const slowness = Math.max(this.#meanSlowness(now), this.waiting.slowness(now)) / reference.slownessOfAll
    return Math.min(keptShare(errors, slowness, reference.floor), this.breaker.rampAt(now))
  }

  begin(ticket: Ticket, now: number): void {
    this.concurrency.begin()
    this.waiting.add(ticket)
    this.#rate.add(1, now)
    this.#asked.add(1, now)
  }

  /** The first content has come. @returns how slow it was against what is usual; null: nobody can say. */
  first(ticket: Ticket, ms: number, now: number): number | null {
    this.waiting.remove(ticket)
    ticket.firstMs = ms
    this.#faultsInARow = 0
    this.#timeoutsInARow = 0
    this.#answered(ticket, now)
    if (ticket.expectedMs === null) return null
    const slowness = slownessOf(ms, ticket.expectedMs)
    this.#slowness.add(slowness, now)
    this.#firsts.add(1, now)
    return slowness
  }

  /** Ended well, or with what was the caller's own mistake: somebody is there and answers. */
  served(ticket: Ticket, isSuccess: boolean, now: number): void {
    this.#end(ticket)
    this.#accepted.add(1, now)
    this.#faultsInARow = 0
    this.#timeoutsInARow = 0
    if (isSuccess) this.#attempts.add(1, now)
    this.#answered(ticket, now)
  }

  /**
   * Learns from a whole answer. Not from its first content at once: what turns slow is judged by what was
   * usual before anything of it becomes usual.
   * @returns null: nothing can be learned from it.
   */
  learn({ size, firstMs, expectedMs, mode }: Ticket, now: number): HabitSample | null {
    if (size === null || firstMs === null) return null
    const ms = clippedMs(firstMs, expectedMs)
    this.habits[mode].learn(size, ms, this.#meanSlowness(now) < WELL, now)
    return { size, ms }
  }

  /** Ended without saying anything about it. */
  left(ticket: Ticket): void {
    this.#end(ticket)
    if (this.breaker.isTrial(ticket.trial)) this.breaker.giveUp()
  }

  /** "Slow down": somebody is there, and keeps a limit. */
  throttled(ticket: Ticket, now: number): void {
    this.#end(ticket)
    this.#answered(ticket, now)
  }

  /** Is to be left alone for a while. */
  setAside(why: 'throttled' | 'missing', ms: number, now: number): void {
    this.#asideUntil = Math.max(this.#asideUntil, now + ms)
    this.#asideFor = why
  }

  isAside(now: number): 'throttled' | 'missing' | null {
    return now < this.#asideUntil ? this.#asideFor : null
  }

  asideMs(now: number): number {
    return Math.max(0, this.#asideUntil - now)
  }

  /** @returns whether the breaker opened. */
  failed(ticket: Ticket, outcome: keyof typeof BADNESS, now: number, random: () => number): boolean {
    this.#end(ticket)
    const badness = BADNESS[outcome]
    this.#attempts.add(outcome === 'overloaded' ? badness : 1, now)
    this.#badness.add(badness, now)
    if (outcome === 'overloaded') this.concurrency.refuse(now)
    else {
      this.#faultsInARow += 1
      this.#timeoutsInARow = outcome === 'timeout' ? this.#timeoutsInARow + 1 : 0
    }
    const isTrial = this.breaker.isTrial(ticket.trial)
    const opens = isTrial || (outcome !== 'overloaded' && this.breaker.isClosed && this.#isBroken(now))
    if (!opens) return false
    this.breaker.open(now, random)
    this.#faultsInARow = 0
    this.#timeoutsInARow = 0
    return true
  }

  /** A request that would have come here was not sent. */
  spared(now: number): void {
    this.#asked.add(1, now)
  }

  /** How likely one more try is in vain: what is asked beyond twice what is accepted. */
  futility(now: number): number {
    const asked = this.#asked.at(now)
    return Math.max(0, (asked - 2 * this.#accepted.at(now) - 2) / (asked + 1))
  }

  /** Attempts of this node a second. */
  rate(now: number): number {
    return this.#rate.perSecond(now)
  }

  #isBroken(now: number): boolean {
    if (this.#faultsInARow >= FAULTS_IN_A_ROW || this.#timeoutsInARow >= TIMEOUTS_IN_A_ROW) return true
    const attempts = this.#attempts.at(now)
    return attempts >= LEAST_ATTEMPTS && this.#badness.at(now) >= FAULTY_SHARE * attempts
  }

  /** An answer to what was asked after the breaker opened closes it: it was the trial, or nothing else was left. */
  #answered(ticket: Ticket, now: number): void {
    if (this.breaker.isClosed || this.breaker.isEarlier(ticket.startedAt)) return
    this.breaker.close(now)
    // How it failed says nothing about how it comes back.
    for (const sum of [this.#attempts, this.#badness, this.#slowness, this.#firsts]) sum.clear()
  }

  #end(ticket: Ticket): void {
    this.waiting.remove(ticket)
    this.concurrency.end()
  }

  #shareOfErrors(now: number): number {
    const badness = this.#badness.at(now)
    return badness === 0 ? 0 : badness / (this.#attempts.at(now) + ERRORS_PRIOR)
  }

  #meanSlowness(now: number): number {
    const firsts = this.#firsts.at(now)
    return firsts === 0 ? 1 : Math.exp(this.#slowness.at(now) / (firsts + SLOW_PRIOR))
  }
}

export const isFailure = (outcome: OutcomeClass): outcome is keyof typeof BADNESS => outcome in BADNESS
