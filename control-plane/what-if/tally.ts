/**
 * Counts what became of requests, by model and by who got them.
 *
 * Pure.
 */
import type { Fate } from './replay.ts'

export type Times = Readonly<{ p50: number; p95: number }>

/** Of one model, or of all, under one configuration. */
export type Outlook = Readonly<{
  /** To the first content, in milliseconds; null: nothing is known. */
  firstMs: Times | null
  /** Part of the requests that were not answered, clients' own mistakes left out; null: nothing is known. */
  errors: number | null
  /** Requests of which nobody was asked. */
  refused: number
  /** Part of the requests of which it is not known how they would have ended. */
  unknown: number
  /** US dollars for a thousand requests, as far as prices are known; null: none is. */
  costPer1000: number | null
  /** US dollars of the window, as far as prices are known. */
  cost: number | null
  /** Requests with tokens for which no price is known, or which would have been answered only now. */
  unpriced: number
}>

type Place = { first: number; served: number }

export class Tally {
  readonly #places = new Map<string, Place>()
  readonly #firstMs: number[] = []
  #requests = 0
  #answered = 0
  #failed = 0
  #unknown = 0
  #refused = 0
  #cost = 0
  #priced = 0
  #unpriced = 0

  /** @param cost US dollars; null: not known. */
  add({ first, served, end, firstMs }: Fate, cost: number | null): void {
    this.#requests += 1
    if (first === null) this.#refused += 1
    else this.#at(first).first += 1
    if (end === 'answered') this.#answered += 1
    if (end === 'failed') this.#failed += 1
    if (end === 'unknown') this.#unknown += 1
    if (served !== null && end !== 'failed' && end !== 'own') this.#at(served).served += 1
    if (firstMs !== null && end !== 'own') this.#firstMs.push(firstMs)
    if (cost === null) this.#unpriced += 1
    else {
      this.#cost += cost
      this.#priced += 1
    }
  }

  get requests(): number {
    return this.#requests
  }

  get deployments(): Iterable<string> {
    return this.#places.keys()
  }

  /** Part of all requests that were sent there first. */
  share(deployment: string): number {
    return partOf(this.#places.get(deployment)?.first ?? 0, this.#requests)
  }

  /** Part of the answered requests that it answered. */
  answered(deployment: string): number {
    return partOf(this.#places.get(deployment)?.served ?? 0, this.#answered + this.#unknown)
  }

  /** @param times each request stands for so many. */
  outlook(times: number): Outlook {
    const known = this.#answered + this.#failed
    return {
      firstMs: timesOf(this.#firstMs),
      errors: known === 0 ? null : this.#failed / known,
      refused: this.#refused * times,
      unknown: partOf(this.#unknown, this.#requests),
      costPer1000: this.#priced === 0 ? null : (this.#cost / this.#priced) * 1_000,
      cost: this.#priced === 0 ? null : this.#cost * times,
      unpriced: this.#unpriced * times,
    }
  }

  #at(deployment: string): Place {
    const known = this.#places.get(deployment) ?? { first: 0, served: 0 }
    this.#places.set(deployment, known)
    return known
  }
}

const partOf = (some: number, all: number): number => (all === 0 ? 0 : some / all)

export function timesOf(values: readonly number[]): Times | null {
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  const at = (part: number): number => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0
  return { p50: at(0.5), p95: at(0.95) }
}

/** Of a standard normal, for 19 cases of 20. */
const Z = 1.96

/**
 * How far a share may be from the true one, by chance (Wilson's interval, half of it).
 *
 * @param units requests that were decided by themselves: all of a session's count once.
 */
export function marginOf(share: number, units: number): number {
  if (units === 0) return 1
  const spread = (share * (1 - share)) / units + (Z * Z) / (4 * units * units)
  return (Z * Math.sqrt(spread)) / (1 + (Z * Z) / units)
}
