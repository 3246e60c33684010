/**
 * Names in the books, as JSON strings.
 *
 * Pure in effect: they are remembered, and spelled the same again.
 */
/** Names come from clients and can be megabytes long. */
export const NAME_LENGTH = 200
/** Names that are remembered; then all are forgotten. */
const MOST_WORDS = 2_000

const words = new Map<string, string>()

export const cut = (text: string): string => text.slice(0, NAME_LENGTH).toWellFormed()

/**
 * For what is remembered. A name is a piece of the body or the address it came in, with a key in it maybe, and would
 * keep all of that; a text that was put together stays in its pieces, and each use of it would gather them again.
 * @returns the same in one piece of its own.
 */
export const copyOf = (text: string): string => Buffer.from(text).toString()

/** @returns a name, cut, as a JSON string. */
export function word(name: string): string {
  const known = words.get(name)
  if (known !== undefined) return known
  const text = JSON.stringify(cut(name))
  // What is longer would be kept whole only to be found again.
  if (name.length > NAME_LENGTH) return text
  if (words.size === MOST_WORDS) words.clear()
  words.set(copyOf(name), text)
  return text
}
