/**
 * What a node's usage is made of and where it goes, for tests of what brings it there.
 */
import { BusUnavailable } from '#contracts/bus/bus.ts'
import { noIntent } from '#data-plane/usage/intent.ts'
import type { Spool } from '#data-plane/usage/spool.ts'

/** A request whose lines begin with its id. */
export class Told {
  readonly id: string
  readonly #intent = noIntent()
  readonly #record: string
  #line: string

  constructor(id: string, record = `${id} recorded`) {
    this.id = id
    this.#line = `${id} intended`
    this.#record = record
  }

  /** It is tried once more. */
  again(): this {
    this.#line += ' again'
    return this
  }

  begin(spool: Spool): void {
    spool.intend(this.#intent, this.#line)
  }

  end(spool: Spool): void {
    spool.append(this.#intent, this.#record)
  }
}

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
