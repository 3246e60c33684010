/**
 * Usage on its way to the books, in process: what embedded mode and tests have instead of a broker.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BusUnavailable, type Delivery, type UsageStream } from './bus.ts'

/** As on a broker, a writer is refused before the memory is full; what it keeps is its own business. */
const MOST_BYTES = 64 * 1024 * 1024
/** Ids remembered, so that a message sent twice is kept once. */
const IDS_KEPT = 10_000
const AGAIN_MS = 30_000

type Kept = { readonly bytes: Uint8Array; taken: NodeJS.Timeout | null }

/** Everything the members of one bus share. */
export class UsageShelf {
  readonly #kept = new Map<number, Kept>()
  readonly #ids = new Set<string>()
  #next = 0
  #bytes = 0
  #wake = Promise.withResolvers<void>()

  /** Keeps a copy. @returns false when there is no room. */
  put(id: string, bytes: Uint8Array): boolean {
    if (this.#ids.has(id)) return true
    if (this.#bytes + bytes.length > MOST_BYTES) return false
    this.#ids.add(id)
    for (const oldest of this.#ids) {
      if (this.#ids.size <= IDS_KEPT) break
      this.#ids.delete(oldest)
    }
    this.#kept.set((this.#next += 1), { bytes: new Uint8Array(bytes), taken: null })
    this.#bytes += bytes.length
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
    return true
  }

  take(limit: number): readonly (readonly [number, Uint8Array])[] {
    const taken: (readonly [number, Uint8Array])[] = []
    for (const [number, kept] of this.#kept) {
      if (taken.length >= limit) break
      if (kept.taken !== null) continue
      kept.taken = setTimeout(() => (kept.taken = null), AGAIN_MS).unref()
      taken.push([number, kept.bytes])
    }
    return taken
  }

  remove(number: number): void {
    const kept = this.#kept.get(number)
    if (kept === undefined) return
    if (kept.taken !== null) clearTimeout(kept.taken)
    this.#bytes -= kept.bytes.length
    this.#kept.delete(number)
  }

  /** For a member that leaves: others may deal with what it had taken. */
  release(number: number): void {
    const kept = this.#kept.get(number)
    if (kept === undefined || kept.taken === null) return
    clearTimeout(kept.taken)
    kept.taken = null
  }

  /** Resolves when something is put. */
  get added(): Promise<void> {
    return this.#wake.promise
  }
}

export class MemoryUsage implements UsageStream {
  readonly #shelf: UsageShelf
  readonly #connected: () => boolean
  readonly #taken = new Set<number>()

  constructor(shelf: UsageShelf, connected: () => boolean) {
    this.#shelf = shelf
    this.#connected = connected
  }

  async publish(id: string, bytes: Uint8Array): Promise<void> {
    await this.#hop()
    if (!this.#shelf.put(id, bytes)) throw new BusUnavailable('the in-process bus is full of usage')
  }

  async take(limit: number, waitMs: number): Promise<readonly Delivery[]> {
    await this.#hop()
    const { added } = this.#shelf
    let taken = this.#shelf.take(limit)
    if (taken.length === 0) {
      const waiting = new AbortController()
      await Promise.race([added, sleep(waitMs, null, { signal: waiting.signal }).catch(() => null)])
      waiting.abort()
      await this.#hop()
      taken = this.#shelf.take(limit)
    }
    return taken.map(([number, bytes]) => {
      this.#taken.add(number)
      return { bytes, done: () => this.#done(number) }
    })
  }

  /** What was taken and is not done is somebody else's. */
  leave(): void {
    for (const number of this.#taken) this.#shelf.release(number)
    this.#taken.clear()
  }

  async #done(number: number): Promise<void> {
    await this.#hop()
    this.#taken.delete(number)
    this.#shelf.remove(number)
  }

  async #hop(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (!this.#connected()) throw new BusUnavailable('the in-process bus is cut off')
  }
}
