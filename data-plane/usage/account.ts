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
import { recordChoice } from '#contracts/usage/choice.ts'
import { MOST_CANDIDATES } from '#contracts/usage/record.ts'
import { NO_TOKENS, type Tokens } from '#contracts/usage/tokens.ts'
import type { TableInForce } from '#contracts/weights/table.ts'
import { glanceRequest } from '../dialects/native/meter.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'
import type { AttemptRecord, BegunAttempt } from '../upstream/failover.ts'
import { piecesOf, type RequestBody } from '../upstream/request-body.ts'
import type { Spent } from '../upstream/spent.ts'
import {
  attemptsText,
  intentText,
  NO_ATTEMPTS,
  NOBODY,
  placeText,
  withLost,
  type PlaceText,
} from './attempt-text.ts'
import { rounded, whole } from './digits.ts'
import { noIntent, type Intent } from './intent.ts'
import { knownText } from './known-text.ts'
import { cut } from './names.ts'
import { candidatesText, choiceText, spentText } from './text.ts'

/** What is written down of a request: its intent or its record, all but what a node's have in common. */
export type RequestEntry = Readonly<{
  /** Of the request. */
  intent: Intent
  /** What follows the front that all of a node have in common (`entryOf`). */
  members: string
}>

const MOST_CHOICES = 64
const MOST_HELD = 20
const MOST_WARNINGS = 50
const NO_CANDIDATES: readonly Scored[] = []
const NOTHING: readonly string[] = []
const NOTHING_SPENT: Spent = { tokens: NO_TOKENS, isEstimated: false }
/** Most requests end like this. */
const WELL = ',"status":200,"totalMs":'
/** Of most records, what follows the choices: no warnings, and nothing that few have. */
const END = '],"warnings":[]}'

export class Account {
  readonly id: string
  readonly #intent = noIntent()
  /** When it arrived, in epoch milliseconds. */
  readonly at: number
  readonly #startedAt: number
  #principal: Principal | null = null
  #commit = 0
  #endpoint: ClientEndpoint = 'chat'
  #asked = ''
  #isStream = false
  #route = ''
  #session: string | null = null
  #seed = 0
  #taste: CompiledStrategy = STRATEGIES.balanced
  #preference: Preference | null = null
  #held = NOTHING
  /** As the first choice saw them. */
  #scored: readonly Scored[] | null = null
  /** Of the weight table of the first choice; 0: there was none. */
  #weights = 0
  /** As text, with commas between them. */
  #choices = ''
  #choiceCount = 0
  /** As text: see `attemptsText`. */
  #attempts = ''
  /** Sent, and not heard of yet: as if it never were. */
  #underWay: PlaceText | null = null
  #last: AttemptRecord | null = null
  /** Of the last. */
  #place: PlaceText | null = null
  #spent: Spent | null = null
  #leases = NOTHING
  /** What is so from the request's first attempt on, as its intents and its record say it; empty: not yet. */
  #known = ''

  /** @param at epoch milliseconds. @param startedAt monotonic milliseconds. */
  constructor(id: string, at: number, startedAt: number) {
    this.id = id
    this.at = at
    this.#startedAt = startedAt
  }

  calledBy(principal: Principal, commit: number, endpoint: ClientEndpoint): void {
    this.#principal = principal
    this.#commit = commit
    this.#endpoint = endpoint
  }

  askedFor(model: string, stream: boolean): void {
    this.#asked = model
    this.#isStream = stream
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
    if (this.#scored === null) {
      this.#scored = pick.scored
      this.#weights = table?.seq ?? 0
    }
    if (this.#choiceCount === MOST_CHOICES) return
    const text = choiceText(recordChoice(pick, { taste: this.#taste, drawn, table }, MOST_CANDIDATES))
    this.#choices = this.#choiceCount === 0 ? text : `${this.#choices},${text}`
    this.#choiceCount += 1
  }

  /** @param firstMs of a stream, where it was told apart from the attempt's end. */
  attempted(attempt: AttemptRecord, firstMs: number | null): void {
    const place = placeText(attempt, attempt.dialect)
    this.#attempts = attemptsText(this.#attempts, place, attempt, firstMs)
    this.#underWay = null
    this.#last = attempt
    this.#place = place
    if (attempt.spent !== null) this.#spent = attempt.spent
  }

  /**
   * What is recorded if nothing more is heard of the request, because this process dies: that it was sent, and
   * what went in by the size of its body. Nobody knows what came out.
   *
   * @returns null when there is nobody to name.
   */
  intend(begun: BegunAttempt): RequestEntry | null {
    const principal = this.#principal
    if (principal === null) return null
    // Sent, never heard of, and sent again: it may have arrived all the same.
    if (this.#underWay !== null) this.#attempts = withLost(this.#attempts, this.#underWay)
    const place = placeText(begun, begun.prepared.dialect)
    this.#underWay = place
    const { body } = begun.prepared
    const isFree = this.#endpoint === 'count_tokens' || body === null
    const input = isFree ? 0 : glanceAt(body)
    const members = intentText(this.#toldOf(principal), this.#attempts, place, input)
    return { intent: this.#intent, members }
  }

  /** @param leases of the budgets it is paid from. */
  paidBy(leases: readonly string[]): void {
    this.#leases = leases
  }

  /** Who answered, and what that used up, as the record will say; null: nobody. */
  get used(): Readonly<{ provider: ProviderId; upstream: string; tokens: Tokens }> | null {
    const last = this.#answered
    if (last === null) return null
    const { provider, model } = last.deployment
    return { provider, upstream: cut(model), tokens: this.#spent?.tokens ?? NO_TOKENS }
  }

  /** @param status told to the client; 499: it had left. @returns null when there is nobody to name. */
  close(status: number, now: number): RequestEntry | null {
    const principal = this.#principal
    if (principal === null) return null
    const ended = status === 200 ? WELL : `,"status":${whole(status)},"totalMs":`
    let text = this.#toldOf(principal) + ended + rounded(now - this.#startedAt)
    if (this.#attempts === '') text += NO_ATTEMPTS
    else text += this.#attempts + (this.#answered === null ? NOBODY : (this.#place?.answers ?? NOBODY))
    text = spentText(text, this.#spent ?? NOTHING_SPENT)
    text = candidatesText(text, this.#scored ?? NO_CANDIDATES, this.#taste)
    return { intent: this.#intent, members: text + this.#choices + this.#end() }
  }

  /** The attempt that was answered; null: there is none. */
  get #answered(): AttemptRecord | null {
    const last = this.#last
    return last === null || (last.outcome !== 'success' && last.spent === null) ? null : last
  }

  /** What follows the choices: members that few records have, or that say nothing. */
  #end(): string {
    const warnings = this.#last?.warnings ?? NOTHING
    const candidates = this.#scored?.length ?? 0
    const isUsual = warnings.length === 0 && candidates <= MOST_CANDIDATES && this.#held.length === 0
    if (isUsual && this.#preference === null) return END
    let text = `],"warnings":${JSON.stringify(warnings.slice(0, MOST_WARNINGS).map(cut))}`
    if (candidates > MOST_CANDIDATES) text += `,"uncut":${candidates}`
    if (this.#preference !== null) {
      const { bound, home, isRequired } = this.#preference
      text += `,"binding":${JSON.stringify({ bound, home, isRequired })}`
    }
    if (this.#held.length > 0) text += `,"held":${JSON.stringify(this.#held)}`
    return `${text}}`
  }

  #toldOf(principal: Principal): string {
    this.#known ||= knownText({
      id: this.id,
      at: this.at,
      principal,
      endpoint: this.#endpoint,
      asked: this.#asked,
      model: this.#route,
      session: this.#session,
      stream: this.#isStream,
      commit: this.#commit,
      weights: this.#weights,
      seed: this.#seed,
      leases: this.#leases,
    })
    return this.#known
  }
}

const glanceAt = (body: RequestBody): number =>
  piecesOf(body).reduce((sum, piece) => sum + glanceRequest(piece), 0)
