/**
 * What is put into the books about one request, gathered while it is served.
 *
 * Pure in effect: told what happens, makes one record at the end. Requests of unknown callers leave none:
 * nobody could be billed for them, and anybody could write them.
 */
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { ProviderId } from '#contracts/ids.ts'
import type { Pick } from '#contracts/routing/pick.ts'
import type { Preference } from '#contracts/routing/session.ts'
import type { Scored } from '#contracts/routing/standing.ts'
import { STRATEGIES, type CompiledStrategy } from '#contracts/routing/strategies.ts'
import { costFor, recordChoice, type RecordedChoice } from '#contracts/usage/choice.ts'
import {
  membersOf,
  MOST_CANDIDATES,
  type RecordedAttempt,
  type RecordedBinding,
  type RecordedCandidate,
  type UsageRecord,
} from '#contracts/usage/record.ts'
import { NO_TOKENS, type Tokens } from '#contracts/usage/tokens.ts'
import type { TableInForce } from '#contracts/weights/table.ts'
import { glanceRequest } from '../dialects/native/meter.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'
import type { AttemptRecord, BegunAttempt } from '../upstream/failover.ts'
import { piecesOf, type RequestBody } from '../upstream/request-body.ts'
import type { Spent } from '../upstream/spent.ts'

type Caller = Readonly<{ key: string; commit: number; endpoint: ClientEndpoint }>

/** All of a record but what is the same for every request of a node. */
export type RequestRecord = Readonly<{
  id: string
  /** What its other records say as well, encoded once: see `membersOf`. */
  known: string
  rest: Partial<UsageRecord>
}>

/** Names come from clients and can be megabytes long. */
const NAME_LENGTH = 200
const MOST_CHOICES = 64
const MOST_HELD = 20
const MOST_WARNINGS = 50

/** Of every intent. Candidates and choices would be most of its line. */
const UNHEARD_OF = membersOf({
  status: 500,
  totalMs: 0,
  isEstimated: true,
  candidates: [],
  choices: [],
  warnings: [],
})

const cut = (text: string): string => text.slice(0, NAME_LENGTH).toWellFormed()

export class Account {
  readonly id: string
  /** When it arrived, in epoch milliseconds. */
  readonly at: number
  readonly #startedAt: number
  #caller: Caller | null = null
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
  #underWay: RecordedAttempt | null = null
  #last: AttemptRecord | null = null
  #spent: Spent | null = null
  #leases: readonly string[] = []
  /** What is so from the request's first attempt on, as its intents and its record say it; empty: not yet. */
  #known = ''

  /** @param at epoch milliseconds. @param startedAt monotonic milliseconds. */
  constructor(id: string, at: number, startedAt: number) {
    this.id = id
    this.at = at
    this.#startedAt = startedAt
  }

  calledBy({ keyId }: Principal, commit: number, endpoint: ClientEndpoint): void {
    this.#caller = { key: keyId, commit, endpoint }
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
      dialect: attempt.dialect,
      why,
      outcome,
      status,
      firstMs: orNull(attempt.firstMs ?? firstMs),
      totalMs: rounded(totalMs),
    })
    this.#underWay = null
    this.#last = attempt
    if (spent !== null) this.#spent = spent
  }

  /**
   * What is recorded if nothing more is heard of the request, because this process dies: that it was sent, and
   * what went in by the size of its body. Nobody knows what came out.
   *
   * @returns null when there is nobody to name.
   */
  intend({ deployment, lane, why, prepared }: BegunAttempt): RequestRecord | null {
    const caller = this.#caller
    if (caller === null) return null
    // Sent, never heard of, and sent again: it may have arrived all the same.
    if (this.#underWay !== null) this.#attempts.push(this.#underWay)
    const { dialect, body } = prepared
    const isFree = caller.endpoint === 'count_tokens' || body === null
    const underWay: RecordedAttempt = {
      provider: deployment.provider,
      model: cut(deployment.model),
      credential: lane.credential ?? '',
      dialect,
      why,
      outcome: 'lost',
      status: 0,
      firstMs: null,
      totalMs: 0,
    }
    this.#underWay = underWay
    const rest: RequestRecord['rest'] = {
      attempts: [...this.#attempts, underWay],
      provider: underWay.provider,
      upstream: underWay.model,
      tokens: isFree ? NO_TOKENS : { ...NO_TOKENS, input: glanceAt(body) },
    }
    return { id: this.id, known: `${this.#toldOf(caller)},${UNHEARD_OF}`, rest }
  }

  /** @param leases of the budgets it is paid from. */
  paidBy(leases: readonly string[]): void {
    this.#leases = leases
  }

  /** Who answered, and what that used up, as the record will say; null: nobody. */
  get used(): Readonly<{ provider: ProviderId; upstream: string; tokens: Tokens }> | null {
    const last = this.#last
    if (last === null || (last.outcome !== 'success' && last.spent === null)) return null
    const { provider, model } = last.deployment
    return { provider, upstream: cut(model), tokens: this.#spent?.tokens ?? NO_TOKENS }
  }

  /** @param status told to the client; 499: it had left. @returns null when there is nobody to name. */
  close(status: number, now: number): RequestRecord | null {
    const caller = this.#caller
    if (caller === null) return null
    const { used } = this
    const rest: RequestRecord['rest'] = {
      status,
      totalMs: rounded(now - this.#startedAt),
      attempts: this.#attempts,
      provider: used?.provider ?? '',
      upstream: used?.upstream ?? '',
      tokens: this.#spent?.tokens ?? NO_TOKENS,
      isEstimated: this.#spent?.isEstimated ?? false,
      candidates: this.#candidates ?? [],
      choices: this.#choices,
      uncut: this.#uncut > MOST_CANDIDATES ? this.#uncut : undefined,
      binding: this.#preference === null ? undefined : bindingOf(this.#preference),
      held: this.#held.length === 0 ? undefined : this.#held,
      warnings: (this.#last?.warnings ?? []).slice(0, MOST_WARNINGS).map(cut),
    }
    return { id: this.id, known: this.#toldOf(caller), rest }
  }

  #toldOf({ key, commit, endpoint }: Caller): string {
    return (this.#known ||= membersOf({
      v: 1,
      id: this.id,
      at: this.at,
      key,
      endpoint,
      asked: cut(this.#asked.model),
      model: cut(this.#route),
      session: this.#session,
      stream: this.#asked.stream,
      commit,
      weights: this.#choices[0]?.table?.seq ?? 0,
      seed: this.#seed,
      leases: this.#leases.length === 0 ? undefined : [...this.#leases],
    }))
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
    cost: cost ?? undefined,
  }
}

const bindingOf = ({ bound, home, isRequired }: Preference): RecordedBinding => ({ bound, home, isRequired })

/** Three decimals are enough for people; they keep records short. */
const rounded = (value: number): number => Math.max(0, Math.round(value * 1_000) / 1_000)
const orNull = (value: number | null): number | null => (value === null ? null : rounded(value))

const glanceAt = (body: RequestBody): number =>
  piecesOf(body).reduce((sum, piece) => sum + glanceRequest(piece), 0)
