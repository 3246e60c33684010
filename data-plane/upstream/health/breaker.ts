/**
 * The breaker of one deployment at one node: closed, open for a while, then half-open for exactly one trial.
 *
 * Time and dice are arguments.
 *
 *     closed -> open        too many faults (`health.ts` says when), or the trial failed
 *     open -> half-open     its time is over, or the prober sees it recovering
 *     half-open -> closed   an answer began that was asked for after it opened; its share grows over ten seconds
 */
/** Of the first opening, doubled by each further one up to the longest; each times 0.5 to 1.5 by dice. */
const OPEN_MS = 2_000
const LONGEST_OPEN_MS = 15_000
const MOST_TRIPS = 6
/** After it closes its share grows from here to all over this time, in milliseconds. */
const RAMP_FROM = 0.1
const RAMP_MS = 10_000

export class Breaker {
  #trips = 0
  #openedAt = -Infinity
  /** 0: closed. */
  #openUntil = 0
  #closedAt = -Infinity
  /** Trials under way are told apart, so that only the present one says anything. */
  #trial = 0
  #isTrying = false

  stateAt(now: number): 'closed' | 'open' | 'half-open' | 'trying' {
    if (this.#openUntil === 0) return 'closed'
    if (now < this.#openUntil) return 'open'
    return this.#isTrying ? 'trying' : 'half-open'
  }

  get isClosed(): boolean {
    return this.#openUntil === 0
  }

  /** Was this begun before it opened? Then it says nothing about what comes next. */
  isEarlier(startedAt: number): boolean {
    return startedAt < this.#openedAt
  }

  open(now: number, random: () => number): void {
    const ms = Math.min(LONGEST_OPEN_MS, OPEN_MS * 2 ** this.#trips)
    this.#trips = Math.min(MOST_TRIPS, this.#trips + 1)
    this.#openedAt = now
    this.#openUntil = now + ms * (0.5 + random())
    this.#isTrying = false
  }

  /** Somebody who sees more says that it is coming back. */
  letTry(now: number, saidAt: number): void {
    if (this.#openUntil > now && saidAt > this.#openedAt + 1_000) this.#openUntil = now
  }

  /** @returns the number of the trial; pass it to `isTrial`. */
  begin(): number {
    this.#isTrying = true
    this.#trial += 1
    return this.#trial
  }

  isTrial(trial: number): boolean {
    return this.#isTrying && trial === this.#trial
  }

  /** The trial said nothing: its client left. */
  giveUp(): void {
    this.#isTrying = false
  }

  close(now: number): void {
    this.#openUntil = 0
    this.#isTrying = false
    this.#closedAt = now
    this.#trips = Math.max(0, this.#trips - 1)
  }

  /** Milliseconds until it may be tried. */
  waitMs(now: number): number {
    return Math.max(0, this.#openUntil - now)
  }

  /** Slow start: how much of its weight it may have. */
  rampAt(now: number): number {
    const sinceMs = now - this.#closedAt
    return sinceMs >= RAMP_MS ? 1 : RAMP_FROM + (1 - RAMP_FROM) * (sinceMs / RAMP_MS)
  }
}
