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
