/**
 * Contents in this process, for embedded mode: the newest, up to a fixed size. Gone with the process.
 */
import { LRUCache } from 'lru-cache'
import { decodeContent, encodeContent, type Content, type ContentStore } from './content.ts'

/** Over all of them, in UTF-16 code units. */
const MOST = 32 * 1024 * 1024

export class MemoryContentStore implements ContentStore {
  readonly failures = 0
  readonly #clock: Readonly<{ now(): number }>
  readonly #kept = new LRUCache<string, string>({
    maxSize: MOST,
    sizeCalculation: (text, id) => text.length + id.length + 1,
  })

  constructor(clock: Readonly<{ now(): number }>) {
    this.#clock = clock
  }

  keep(content: Content): void {
    const ttl = content.until - this.#clock.now()
    if (ttl > 0) this.#kept.set(content.id, encodeContent(content), { ttl })
  }

  async read(id: string): Promise<Content | null> {
    const read = decodeContent(this.#kept.get(id) ?? '')
    return read.ok ? read.value : null
  }

  async has(id: string): Promise<boolean> {
    return this.#kept.has(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kept.clear()
  }
}
