/**
 * The headers of a request or an answer, as they stand in its head.
 *
 * Pure. Most are never asked for: a value is made when it is.
 */

/** Without the blanks around it; a list when the header came several times. */
export type HeaderValue = string | string[]

/** Letters in lower case have this bit, and those in upper case do not. */
const LOWER_CASE = 0x20
const TAB = 0x09
const SPACE = 0x20

export class Headers {
  readonly #text: string
  readonly #places: readonly number[]

  /**
   * @param text of the head.
   * @param places of each header the length of its name, where in the text its colon is, and where it ends.
   */
  constructor(text: string, places: readonly number[]) {
    this.#text = text
    this.#places = places
  }

  /** @param name in lower case, of nothing but letters, digits, hyphens and underscores. */
  get(name: string): HeaderValue | undefined {
    const text = this.#text
    const places = this.#places
    const { length } = name
    let value: HeaderValue | undefined
    for (let place = 0; place < places.length; place += 3) {
      if (places[place] !== length) continue
      if (isNamed(text, (places[place + 1] ?? 0) - length, name)) value = joined(value, this.valueAt(place))
    }
    return value
  }

  /** @param place of a header among the places. @param name as `get` takes it, of the length that header's name has. */
  isAt(place: number, name: string): boolean {
    return isNamed(this.#text, (this.#places[place + 1] ?? 0) - name.length, name)
  }

  /** @param place of a header among the places. */
  valueAt(place: number): string {
    return valueOf(this.#text, (this.#places[place + 1] ?? 0) + 1, this.#places[place + 2] ?? 0)
  }

  /**
   * Each name in lower case with its value, in the order in which they came first. Nobody on the path of a request
   * asks for all: tests do, that compare what was read.
   */
  entries(): [string, HeaderValue][] {
    const text = this.#text
    const values = new Map<string, HeaderValue>()
    for (let place = 0; place < this.#places.length; place += 3) {
      const [length = 0, colon = 0] = this.#places.slice(place, place + 2)
      const name = text.slice(colon - length, colon).toLowerCase()
      values.set(name, joined(values.get(name), this.valueAt(place)))
    }
    return [...values]
  }
}

/** Before there is a head. */
export const NO_HEADERS = new Headers('', [])

function isNamed(text: string, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = text.charCodeAt(start + at)
    const wanted = name.charCodeAt(at)
    // No other byte of a name becomes a letter, a digit or a hyphen by it; an underscore becomes something else.
    if (code !== wanted && (code | LOWER_CASE) !== wanted) return false
  }
  return true
}

function valueOf(text: string, from: number, to: number): string {
  let [start, end] = [from, to]
  while (start < end && isBlank(text.charCodeAt(start))) start += 1
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1
  return text.slice(start, end)
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB

function joined(before: HeaderValue | undefined, value: string): HeaderValue {
  if (before === undefined) return value
  if (typeof before === 'string') return [before, value]
  before.push(value)
  return before
}
