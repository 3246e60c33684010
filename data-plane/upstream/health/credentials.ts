/**
 * The standing of one credential at one deployment: until when it rests and why, and what the upstream said
 * about its limits.
 *
 * Time and dice are arguments.
 */
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import type { RateLimits } from '../rate-limits.ts'

/** When a throttling upstream did not say how long: doubled by each further refusal, up to the longest. */
const THROTTLED_MS = 1_000
const LONGEST_UNSAID_MS = 8_000
/** Longest rest a throttling upstream can impose… */
const LONGEST_THROTTLED_MS = 60_000
/** …and longest while its own headers say that there is something left. */
const LONGEST_WITH_REST_MS = 5_000
/** A credential that is refused or without money is asked again after so long, in milliseconds. */
const REFUSED_MS: Readonly<Partial<Record<OutcomeClass, number>>> = {
  unauthorised: 60_000,
  exhausted: 300_000,
}
/** Headers older than this say nothing about now. */
const HEADERS_MS = 20_000
/** Of a limit a little is left alone: other nodes count at the same time. */
const OF_LIMIT = 0.97
/** What remains may be used up in this time, in seconds. */
const SPEND_REST_S = 10
const MINUTE_S = 60

export class CredentialStanding {
  #restUntil = 0
  #restSince = -Infinity
  #why: 'throttled' | 'keys' = 'throttled'
  #refusals = 0
  #limits: RateLimits | null = null
  #limitsAt = 0

  isResting(now: number): boolean {
    return this.#restUntil > now
  }

  get why(): 'throttled' | 'keys' {
    return this.#why
  }

  get restUntil(): number {
    return this.#restUntil
  }

  /** @param startedAt of the attempt: many that were under way when it was refused still succeed, and say nothing. */
  succeeded(startedAt: number): void {
    if (startedAt < this.#restSince) return
    this.#restUntil = 0
    this.#refusals = 0
  }

  /** Told to wait. */
  throttled(retryAfterMs: number | null, now: number, random: () => number): void {
    const unsaid = Math.min(LONGEST_UNSAID_MS, THROTTLED_MS * 2 ** this.#refusals)
    const longest = this.#hasRest(now) ? LONGEST_WITH_REST_MS : LONGEST_THROTTLED_MS
    const ms = Math.min(retryAfterMs ?? unsaid, longest)
    // Refusals that come together are one.
    if (!this.isResting(now)) this.#refusals = Math.min(10, this.#refusals + 1)
    // Not all nodes come back at the same moment.
    this.#rest(now + ms * (0.5 + 0.5 * random()), now, 'throttled')
  }

  /** @returns whether the outcome was one of the credential's. */
  refused(outcome: OutcomeClass, retryAfterMs: number | null, now: number): boolean {
    const ms = REFUSED_MS[outcome]
    if (ms === undefined) return false
    this.#rest(now + Math.max(ms, retryAfterMs ?? 0), now, 'keys')
    return true
  }

  told(limits: RateLimits, now: number): void {
    this.#limits = limits
    this.#limitsAt = now
  }

  /** Do its headers say something about now? */
  hasLimits(now: number): boolean {
    return this.#limits !== null && now - this.#limitsAt <= HEADERS_MS
  }

  /** @param tokensPerRequest as they are counted by this node. @returns requests a second; Infinity: no limit is known. */
  allowed(tokensPerRequest: number, now: number): number {
    const limits = this.#limits
    if (limits === null || !this.hasLimits(now)) return Infinity
    const requests = rateOf(limits.limitRequests, limits.remainingRequests)
    const tokens = rateOf(limits.limitTokens, limits.remainingTokens)
    return Math.min(requests, tokens / Math.max(1, tokensPerRequest))
  }

  #hasRest(now: number): boolean {
    return this.hasLimits(now) && (this.#limits?.remainingTokens ?? 0) > 0
  }

  #rest(until: number, now: number, why: 'throttled' | 'keys'): void {
    this.#why = this.isResting(now) && this.#why === 'keys' ? 'keys' : why
    this.#restUntil = Math.max(this.#restUntil, until)
    this.#restSince = now
  }
}

/** A second's part of a limit by the minute, and of what is left beyond the little that is left alone. */
function rateOf(limit: number | null, remaining: number | null): number {
  if (limit === null || !(limit > 0)) return Infinity
  const rest = remaining === null ? 0 : Math.max(0, remaining - (1 - OF_LIMIT) * limit)
  return (OF_LIMIT * limit) / MINUTE_S + rest / SPEND_REST_S
}
