/**
 * Where a node's usage goes, for tests of what brings it there.
 */
import { BusUnavailable } from '#contracts/bus/bus.ts'

/** A bus that keeps what it is told once by its id, and can be away. */
export class Shelf {
  readonly messages = new Map<string, string>()
  isAway = false
  /** Stores, and loses the answer. */
  isDeaf = false

  async publish(id: string, bytes: Uint8Array): Promise<void> {
    if (this.isAway) throw new BusUnavailable('away')
    this.messages.set(id, this.messages.get(id) ?? new TextDecoder().decode(bytes))
    if (this.isDeaf) throw new BusUnavailable('no answer')
  }

  get lines(): readonly string[] {
    return [...this.messages.values()].flatMap((text) => text.split('\n'))
  }
}

/** One process's way to the shelf: of a process that was killed nothing more arrives. */
export class Line {
  isCut = false
  readonly #shelf: Shelf

  constructor(shelf: Shelf) {
    this.#shelf = shelf
  }

  async publish(id: string, bytes: Uint8Array): Promise<void> {
    if (this.isCut) throw new BusUnavailable('killed')
    await this.#shelf.publish(id, bytes)
  }
}
