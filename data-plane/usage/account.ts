/**
 * What is put into the books about one request, gathered while it is served.
 *
 * Pure in effect: told what happens, makes one record at the end. Requests of unknown callers leave none:
 * nobody could be billed for them, and anybody could write them.
 */
import type { Pick } from '#contracts/routing/pick.ts'
import type { Preference } from '#contracts/routing/session.ts'
import type { Scored } from '#contracts/routing/standing.ts'
import { STRATEGIES, type CompiledStrategy } from '#contracts/routing/strategies.ts'
import { costFor, recordChoice, type RecordedChoice } from '#contracts/usage/choice.ts'
import {
  MOST_CANDIDATES,
  type RecordedAttempt,
  type RecordedBinding,
  type RecordedCandidate,
  type UsageRecord,
} from '#contracts/usage/record.ts'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import type { TableInForce } from '#contracts/weights/table.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'
import type { AttemptRecord } from '../upstream/failover.ts'
import type { Spent } from '../upstream/spent.ts'

/** All of a record but what is the same for every request of a node. */
export type RequestRecord = Omit<UsageRecord, 'node'>

/** Names come from clients and can be megabytes long. */
const NAME_LENGTH = 200
const MOST_CHOICES = 64
const MOST_HELD = 20
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
  #taste: CompiledStrategy = STRATEGIES.balanced
  #preference: Preference | null = null
  #held: string[] = []
  #candidates: RecordedCandidate[] | null = null
  #uncut = 0
  readonly #choices: RecordedChoice[] = []
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

  /** @param session by the name that stands for it; null: none. */
  routed(model: string, session: string | null, seed: number): void {
    this.#route = model
    this.#seed = seed
    this.#session = session
  }

  /** What all choices of the request are made by. */
  choosing(taste: CompiledStrategy, preference: Preference | null, { nacks }: RoutingSnapshot): void {
    this.#taste = taste
    this.#preference = preference
    if (nacks.length > 0) this.#held = [...new Set(nacks.map(({ stream }) => stream))].slice(0, MOST_HELD)
  }

  /** @param drawn numbers drawn from the dice before. @param table it was made by. */
  picked(pick: Pick, drawn: number, table: TableInForce | null): void {
    if (this.#candidates === null) {
      this.#uncut = pick.scored.length
      this.#candidates = pick.scored.slice(0, MOST_CANDIDATES).map((one) => candidateOf(one, this.#taste))
    }
    if (this.#choices.length === MOST_CHOICES) return
    this.#choices.push(recordChoice(pick, { taste: this.#taste, drawn, table }, MOST_CANDIDATES))
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
      weights: this.#choices[0]?.table?.seq ?? 0,
      seed: this.#seed,
      candidates: this.#candidates ?? [],
      choices: this.#choices,
      ...(this.#uncut > MOST_CANDIDATES ? { uncut: this.#uncut } : {}),
      ...(this.#preference === null ? {} : { binding: bindingOf(this.#preference) }),
      ...(this.#held.length === 0 ? {} : { held: this.#held }),
      warnings: (last?.warnings ?? []).slice(0, MOST_WARNINGS).map(cut),
    }
  }
}

function candidateOf(
  { candidate: { deployment, weight }, tier, factor, share, standing }: Scored,
  taste: CompiledStrategy,
): RecordedCandidate {
  const cost = costFor(taste, deployment)
  return {
    deployment: cut(deployment.id),
    tier,
    weight,
    factor: rounded(factor),
    share: rounded(share),
    out: standing.out,
    ...(cost === null ? {} : { cost }),
  }
}

const bindingOf = ({ bound, home, isRequired }: Preference): RecordedBinding => ({ bound, home, isRequired })

/** Three decimals are enough for people; they keep records short. */
const rounded = (value: number): number => Math.max(0, Math.round(value * 1_000) / 1_000)
const orNull = (value: number | null): number | null => (value === null ? null : rounded(value))
