/**
 * A sum that fades by e in so many milliseconds.
 *
 * Mutable, because there are several for each deployment and each attempt moves them; time is an argument.
 */
export class Decay {
  readonly #tauMs: number
  #sum = 0
  #at = 0

  constructor(tauMs: number) {
    this.#tauMs = tauMs
  }

  add(amount: number, now: number): void {
    this.#sum = this.at(now) + amount
    this.#at = Math.max(this.#at, now)
  }

  /** @returns what is left of it. */
  at(now: number): number {
    return this.#sum === 0 || now <= this.#at
      ? this.#sum
      : this.#sum * Math.exp((this.#at - now) / this.#tauMs)
  }

  /** @returns how much of it comes in a second, lately. */
  perSecond(now: number): number {
    return this.at(now) / (this.#tauMs / 1_000)
  }

  clear(): void {
    this.#sum = 0
  }
}
