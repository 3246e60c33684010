/**
 * Lists in this process, for embedded mode and for a control plane without Redis.
 */
import { LRUCache } from 'lru-cache'
import { KEEP_MS, type ModelListCache } from './cache.ts'

/** In characters: about 200 large lists. */
const MOST_CHARS = 64 * 1024 * 1024

export class MemoryModelListCache implements ModelListCache {
  readonly failures = 0
  readonly #texts = new LRUCache<string, string>({
    maxSize: MOST_CHARS,
    sizeCalculation: (text) => Math.max(1, text.length),
    ttl: KEEP_MS,
  })

  async get(key: string): Promise<string | null> {
    return this.#texts.get(key) ?? null
  }

  put(key: string, text: string): void {
    this.#texts.set(key, text)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#texts.clear()
  }
}
