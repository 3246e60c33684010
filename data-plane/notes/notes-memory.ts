/**
 * Notes in this process, for embedded mode and single nodes: the most recently used, up to a fixed size.
 */
import { LRUCache } from 'lru-cache'
import { LONGEST_NOTE, type Notes } from './notes.ts'

/** Over all of them, in UTF-16 code units. */
const MOST = 32 * 1024 * 1024

export class MemoryNotes implements Notes {
  readonly failures = 0
  readonly #kept = new LRUCache<string, string>({
    maxSize: MOST,
    sizeCalculation: (text, key) => text.length + key.length + 1,
  })

  async find(keys: readonly string[]): Promise<readonly (string | null)[]> {
    return keys.map((key) => this.#kept.get(key) ?? null)
  }

  keep(key: string, text: string, ttlMs: number): void {
    if (text.length <= LONGEST_NOTE) this.#kept.set(key, text, { ttl: ttlMs })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kept.clear()
  }
}
