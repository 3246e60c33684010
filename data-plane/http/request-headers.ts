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
    const values = this.#valuesOf(name)
    return values.length > 1 ? values.join(', ') : values[0]
  }

  isRepeated(name: string): boolean {
    return this.#valuesOf(name).length > 1
  }

  #valuesOf(name: string): readonly string[] {
    const values: string[] = []
    for (let at = 0; at + 1 < this.#list.length; at += 2) {
      const one = this.#list[at] ?? ''
      if (one.length === name.length && one.toLowerCase() === name) values.push(this.#list[at + 1] ?? '')
    }
    return values
  }
}
