/**
 * How many further tries this node allows itself: a share of its requests, so that trouble everywhere is not
 * doubled by asking everywhere again.
 *
 * A try that brought the answer gives its tokens back: while trying again works, it is not what has to be
 * saved.
 */
const PER_REQUEST = 0.2
const PER_SECOND = 0.5
const MOST = 30
/** Where somebody said "too much", a further try costs more. */
const COST = 1
const COST_OF_CAPACITY = 1.5

export class RetryBudget {
  #tokens = MOST
  #at = 0

  /** A request has come. */
  earn(now: number): void {
    this.#fill(now)
    this.#tokens = Math.min(MOST, this.#tokens + PER_REQUEST)
  }

  /** @returns what the try costs, to be given back when it succeeds; 0: it cannot be afforded. */
  spend(isCapacity: boolean, now: number): number {
    this.#fill(now)
    const cost = isCapacity ? COST_OF_CAPACITY : COST
    if (this.#tokens < cost) return 0
    this.#tokens -= cost
    return cost
  }

  refund(cost: number): void {
    this.#tokens = Math.min(MOST, this.#tokens + cost)
  }

  #fill(now: number): void {
    this.#tokens = Math.min(MOST, this.#tokens + (PER_SECOND * Math.max(0, now - this.#at)) / 1_000)
    this.#at = now
  }
}
