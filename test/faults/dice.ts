/**
 * Choices made with dice. With `diceOf` they fall the same way for the same seed, so that a failed run can be
 * repeated.
 */
import type { Random } from '#contracts/process/clock.ts'

/** @returns a whole number from `least` to `most`, both included. */
export const wholeBetween = (random: Random, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1))

export function oneOf<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error('nothing to choose from')
  return item
}

/** @returns the same items in another order; every order is as likely. */
export function shuffled<Item>(items: readonly Item[], random: Random): readonly Item[] {
  const left = [...items]
  return items.flatMap(() => left.splice(Math.floor(random() * left.length), 1))
}
