/**
 * The headers of a client's request.
 *
 * Pure.
 */

export interface RequestHeaders {
  /**
   * @param name in lower case, of nothing but letters, digits, hyphens and underscores.
   * @returns without the blanks around it, joined by ', ' when it came several times.
   */
  get(name: string): string | undefined
  /** Did it come more than once? */
  isRepeated(name: string): boolean
}

/** As Node lists them: name, value, name, value… */
export class ListedHeaders implements RequestHeaders {
  readonly #list: readonly string[]

  constructor(list: readonly string[]) {
    this.#list = list
  }

  get(name: string): string | undefined {
    let found: string | undefined
    for (let at = 0; at + 1 < this.#list.length; at += 2)
      if (this.#isAt(at, name)) {
        const value = this.#list[at + 1] ?? ''
        found = found === undefined ? value : `${found}, ${value}`
      }
    return found
  }

  isRepeated(name: string): boolean {
    let count = 0
    for (let at = 0; at + 1 < this.#list.length; at += 2) if (this.#isAt(at, name)) count += 1
    return count > 1
  }

  #isAt(at: number, name: string): boolean {
    const one = this.#list[at] ?? ''
    // Lengths first: this runs over every header, again and again.
    return one.length === name.length && one.toLowerCase() === name
  }
}
