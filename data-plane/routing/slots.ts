/**
 * Small whole numbers for names, so that the hot path indexes arrays instead of looking up strings.
 *
 * A slot is given once and kept as long as the process lives: counters and health outlive snapshots.
 * The table grows with the configurations ever seen, a few bytes each; never with requests.
 */
export class Slots {
  readonly #slots = new Map<string, number>()
  readonly #names: string[] = []

  /** @returns the slot of a name, a new one the first time. */
  of(name: string): number {
    const known = this.#slots.get(name)
    if (known !== undefined) return known
    const slot = this.#names.length
    this.#slots.set(name, slot)
    this.#names.push(name)
    return slot
  }

  find(name: string): number | undefined {
    return this.#slots.get(name)
  }

  name(slot: number): string | undefined {
    return this.#names[slot]
  }

  get size(): number {
    return this.#names.length
  }
}
