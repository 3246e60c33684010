/**
 * What is put into the books about one request, gathered while it is served.
 *
 * Pure in effect: told what happens, makes one record at the end. Requests of unknown callers leave none:
 * nobody could be billed for them, and anybody could write them.
 */
import { hash } from 'node:crypto'
import type { RecordedAttempt, RecordedCandidate, UsageRecord } from '#contracts/usage/record.ts'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import type { Pick } from '#contracts/routing/pick.ts'
import type { Principal } from '../routing/snapshot.ts'
import type { AttemptRecord } from '../upstream/failover.ts'
import type { Spent } from '../upstream/spent.ts'

/** All of a record but what is the same for every request of a node at that time. */
export type RequestRecord = Omit<UsageRecord, 'node' | 'weights'>

/** Names come from clients and can be megabytes long. */
const NAME_LENGTH = 200
/** Of one choice: the rest is cut, the first are the best. */
const MOST_CANDIDATES = 32
const MOST_WARNINGS = 50

const cut = (text: string): string => text.slice(0, NAME_LENGTH).toWellFormed()

export class Account {
  readonly id: string
  readonly #at: number
  readonly #startedAt: number
  #caller: Readonly<{ key: string; commit: number }> | null = null
  #asked: Readonly<{ model: string; stream: boolean }> = { model: '', stream: false }
  #route = ''
  #session: string | null = null
  #seed = 0
  #candidates: RecordedCandidate[] | null = null
  readonly #attempts: RecordedAttempt[] = []
  #last: AttemptRecord | null = null
  #spent: Spent | null = null

  /** @param at epoch milliseconds. @param startedAt monotonic milliseconds. */
  constructor(id: string, at: number, startedAt: number) {
    this.id = id
    this.#at = at
    this.#startedAt = startedAt
  }

  calledBy({ keyId }: Principal, commit: number): void {
    this.#caller = { key: keyId, commit }
  }

  askedFor(model: string, stream: boolean): void {
    this.#asked = { model, stream }
  }

  /** @param session as the client names it; null: none. */
  routed(model: string, session: string | null, seed: number): void {
    this.#route = model
    this.#seed = seed
    if (session !== null)
      this.#session = hash('sha256', `${this.#caller?.key ?? ''}\n${session}`, 'base64url').slice(0, 22)
  }

  /** The first choice is the one that is explained: what came after follows from the attempts. */
  picked({ scored }: Pick): void {
    this.#candidates ??= scored
      .slice(0, MOST_CANDIDATES)
      .map(({ candidate, tier, factor, share, standing }) => ({
        deployment: cut(candidate.deployment.id),
        tier,
        weight: candidate.weight,
        factor: rounded(factor),
        share: rounded(share),
        out: standing.out,
      }))
  }

  /** @param firstMs of a stream, where it was told apart from the attempt's end. */
  attempted(attempt: AttemptRecord, firstMs: number | null): void {
    const { deployment, lane, why, outcome, status, totalMs, spent } = attempt
    this.#attempts.push({
      provider: deployment.provider,
      model: cut(deployment.model),
      credential: lane.credential ?? '',
      why,
      outcome,
      status,
      firstMs: orNull(attempt.firstMs ?? firstMs),
      totalMs: rounded(totalMs),
    })
    this.#last = attempt
    if (spent !== null) this.#spent = spent
  }

  /** @param status told to the client; 499: it had left. @returns null when there is nobody to name. */
  close(status: number, now: number): RequestRecord | null {
    if (this.#caller === null) return null
    const last = this.#last
    const isAnswered = last !== null && (last.outcome === 'success' || last.spent !== null)
    return {
      v: 1,
      id: this.id,
      at: this.#at,
      key: this.#caller.key,
      asked: cut(this.#asked.model),
      model: cut(this.#route),
      session: this.#session,
      stream: this.#asked.stream,
      status,
      totalMs: rounded(now - this.#startedAt),
      attempts: this.#attempts,
      provider: isAnswered ? last.deployment.provider : '',
      upstream: isAnswered ? cut(last.deployment.model) : '',
      tokens: this.#spent?.tokens ?? NO_TOKENS,
      isEstimated: this.#spent?.isEstimated ?? false,
      commit: this.#caller.commit,
      seed: this.#seed,
      candidates: this.#candidates ?? [],
      warnings: (last?.warnings ?? []).slice(0, MOST_WARNINGS).map(cut),
    }
  }
}

/** Three decimals are enough for people and for recomputing; they keep records short. */
const rounded = (value: number): number => Math.max(0, Math.round(value * 1_000) / 1_000)
const orNull = (value: number | null): number | null => (value === null ? null : rounded(value))
