/**
 * Numbers as JSON text, put together from digits that are there already.
 *
 * Pure. An engine spells a number that has decimals, or is over two thousand million, with a search for the shortest
 * text that means it. Ours are times and seeds, and are spelled by their thousands.
 */
const GROUP = 1_000
/** Times a thousand this has all its digits still. */
const MOST_WHOLE = 1e12
/** Thousandths up to here are put together from two whole numbers; more, a million milliseconds, is rare. */
const MOST_UNITS = 1e9

const plain = Array.from({ length: GROUP }, (_, at) => `${at}`)
const padded = plain.map((text) => text.padStart(3, '0'))
const decimals = padded.map((text, at) => (at === 0 ? '' : `.${text}`))

const of = (texts: readonly string[], at: number): string => texts[at | 0] ?? ''

/** @returns the number, whatever it is, as it is always spelled; whole ones in less time. */
export function whole(value: number): string {
  if (!(value >= 0 && value < MOST_WHOLE) || Math.floor(value) !== value) return `${value}`
  if (value < GROUP) return of(plain, value)
  const groups = Math.floor(value / GROUP)
  return whole(groups) + of(padded, value - groups * GROUP)
}

/** @param value a whole number. @returns its last three digits. */
export const lastDigits = (value: number): string => of(padded, value - Math.floor(value / GROUP) * GROUP)

/** @returns the number with three decimals, enough for people; 0 for what is less. */
export function rounded(value: number): string {
  const units = Math.round(value * GROUP)
  if (!(units > 0)) return '0'
  if (units > MOST_UNITS) return JSON.stringify(units / GROUP)
  const groups = Math.floor(units / GROUP)
  return whole(groups) + of(decimals, units - groups * GROUP)
}
