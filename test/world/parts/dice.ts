/**
 * The dice of a world: one stream of chance by seed, from which others are split, so that what one part draws
 * does not change what another one draws.
 */

import { diceOf } from '#contracts/routing/dice.ts'

export class Dice {
  /** Uniform in [0, 1). */
  readonly next: () => number

  constructor(seed: number) {
    this.next = diceOf(seed)
  }

  split(): Dice {
    return new Dice(this.next() * 4_294_967_296)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number from 0 to `below - 1`. */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.next()
  }

  /** @throws when there is nothing to choose from. */
  of<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('nothing to choose from')
    return item
  }

  /** One of the names, each as likely as its weight. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][]
    let at = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) if ((at -= weight) < 0) return name
    const last = entries.at(-1)
    if (last === undefined) throw new Error('nothing to choose from')
    return last[0]
  }
}
