/**
 * How many requests at once a deployment takes, learned from its refusals, and what the operator allows.
 *
 * The learned limit grows back and is forgotten; it keeps nobody from being asked while others have room, it
 * only tells that all are full. The operator's is kept.
 */
/** What an overload leaves of the number that was under way. */
const CUT = 0.8
/** One refusal in this time cuts; the others of the same moment say the same. */
const CUT_GAP_MS = 500
/** A second. */
const GROWTH = 0.02
const GROWTH_MORE = 0.05
const FORGET_MS = 60_000

export class Concurrency {
  #underWay = 0
  #limit = Infinity
  #cutAt = -Infinity
  #grownAt = 0

  get underWay(): number {
    return this.#underWay
  }

  begin(): void {
    this.#underWay += 1
  }

  end(): void {
    this.#underWay -= 1
  }

  /** "Out of capacity": told after `end` of the attempt. */
  refuse(now: number): void {
    if (now - this.#cutAt <= CUT_GAP_MS) return
    this.#limit = Math.max(1, CUT * Math.min(this.#limitAt(now), this.#underWay + 1))
    this.#cutAt = now
    this.#grownAt = now
  }

  isFull(now: number): boolean {
    return this.#limit < Infinity && this.#underWay >= this.#limitAt(now)
  }

  #limitAt(now: number): number {
    if (this.#limit === Infinity) return this.#limit
    if (now - this.#cutAt > FORGET_MS) this.#limit = Infinity
    else if (now > this.#grownAt) {
      this.#limit += ((now - this.#grownAt) / 1_000) * (GROWTH * this.#limit + GROWTH_MORE)
      this.#grownAt = now
    }
    return this.#limit
  }
}
