/**
 * A recorded request, as much of it as asking "what if" needs: small, because a window holds many.
 *
 * Pure.
 */
import type { Standing } from '#contracts/routing/standing.ts'
import { standingsOf } from '#contracts/usage/choice.ts'
import type { RecordedAttempt, RecordedBinding, UsageRecord } from '#contracts/usage/record.ts'

export type PastCandidate = Readonly<{
  deployment: string
  /** US dollars per million tokens, where the record has it. */
  cost: Readonly<{ input: number; output: number }> | null
}>

export type PastChoice = Readonly<{
  /** Deployment; null: nobody could be asked. */
  chosen: string | null
  drawn: number
  futility: number
  /** By index of the candidate; who is not there was sound. */
  standings: ReadonlyMap<number, Standing>
}>

export type PastAttempt = Readonly<{
  /** As it was called there: of a pinned model nobody listed the real name, too. */
  deployment: string
  outcome: RecordedAttempt['outcome']
  firstMs: number | null
  totalMs: number
}>

export type PastRequest = Readonly<{
  /** Epoch milliseconds. */
  at: number
  asked: string
  /** Of the route it took. */
  model: string
  key: string
  mode: 'sse' | 'json'
  session: string | null
  /** Names the place where it is remembered where the session is; null: it has none that could be another. */
  bond: string | null
  seed: number
  binding: RecordedBinding | null
  /** One list for all requests that had the same. */
  candidates: readonly PastCandidate[]
  choices: readonly PastChoice[]
  attempts: readonly PastAttempt[]
  /** Who answered, or was to be paid all the same; null: nobody. */
  served: string | null
  tokens: Readonly<{ input: number; output: number; cacheRead: number; cacheWrite: number }>
  /** US dollars as they were booked; null: no price was known. */
  cost: number | null
  /** The commit it was served by. */
  commit: number
}>

const NONE: PastChoice['standings'] = new Map()

/** Turns records into requests; the same texts and lists become the same objects. */
export class PastReader {
  readonly #texts = new Map<string, string>()
  readonly #lists = new Map<string, readonly PastCandidate[]>()

  /** @param cost US dollars, as it was booked. */
  read(record: UsageRecord, cost: number | null): PastRequest {
    const { at, seed, tokens, binding, candidates, choices = [], attempts, provider, upstream } = record
    const list = this.#listOf(candidates)
    const { input, output, cacheRead, cacheWrite } = tokens
    return {
      at,
      asked: this.#one(record.asked),
      model: this.#one(record.model),
      key: this.#one(record.key),
      mode: record.stream ? 'sse' : 'json',
      session: record.session,
      bond: record.session === null || hasNoChoice(record) ? null : `${record.session} ${record.model}`,
      seed,
      binding: binding ?? null,
      candidates: list,
      choices: choices.map((choice): PastChoice => ({
        chosen: choice.chosen === null ? null : (list[choice.chosen]?.deployment ?? null),
        drawn: choice.drawn ?? 0,
        futility: choice.futility ?? 0,
        standings: choice.known === undefined ? NONE : standingsOf(choice),
      })),
      attempts: attempts.map((one) => ({
        deployment: this.#one(`${one.provider}/${one.model}`),
        outcome: one.outcome,
        firstMs: one.firstMs,
        totalMs: one.totalMs,
      })),
      served: provider === '' ? null : this.#one(`${provider}/${upstream}`),
      tokens: { input, output, cacheRead, cacheWrite },
      cost,
      commit: record.commit,
    }
  }

  #one(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    this.#texts.set(text, text)
    return text
  }

  #listOf(candidates: UsageRecord['candidates']): readonly PastCandidate[] {
    const name = candidates
      .map(({ deployment, cost }) => `${deployment} ${cost?.input ?? ''} ${cost?.output ?? ''}`)
      .join('\n')
    const known = this.#lists.get(name)
    if (known !== undefined) return known
    const list = candidates.map(({ deployment, cost = null }) => ({
      deployment: this.#one(deployment),
      cost,
    }))
    this.#lists.set(name, list)
    return list
  }
}

/** A session whose state is kept in one place is there, whatever is remembered. */
const hasNoChoice = ({ binding }: UsageRecord): boolean => binding === undefined || binding.isRequired

/** Why a record cannot be asked; null: it can. */
export function unusable({ choices, uncut }: UsageRecord): string | null {
  if (choices === undefined) return 'recorded by a release that did not record choices'
  if (choices.length === 0) return 'ended before it came to a choice'
  return uncut === undefined ? null : 'had more candidates than a record has room for'
}

/** The client's own doing: it would have been the same anywhere. */
const OWN_DOING: ReadonlySet<string> = new Set(['invalid', 'cancelled'])

export const isOwnDoing = ({ attempts }: PastRequest): boolean =>
  OWN_DOING.has(attempts.at(-1)?.outcome ?? '')

export const isAnswered = ({ attempts }: PastRequest): boolean => attempts.at(-1)?.outcome === 'success'

/** Says nothing of who was asked. */
export const saysNothing = ({ outcome }: PastAttempt): boolean => OWN_DOING.has(outcome) || outcome === 'lost'

/** @returns milliseconds from the first attempt to the first content; null: there was none. */
export function firstMsOf({ attempts }: PastRequest): number | null {
  const last = attempts.at(-1)
  if (last === undefined || last.firstMs === null) return null
  return attempts.slice(0, -1).reduce((sum, { totalMs }) => sum + totalMs, last.firstMs)
}

/** Does an attempt belong to a candidate? Pinned models that nobody listed share one, `provider/*`. */
export const isAt = (attempt: string, candidate: string): boolean =>
  attempt === candidate || (candidate.endsWith('/*') && attempt.startsWith(candidate.slice(0, -1)))
