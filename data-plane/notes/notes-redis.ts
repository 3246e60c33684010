/**
 * Notes in Redis, shared by all nodes.
 */
import { sha256Hex } from '#contracts/commit/hash.ts'
import { RedisLink, type RedisOptions } from '#contracts/redis/link-redis.ts'
import { LONGEST_NOTE, type Notes } from './notes.ts'

export class RedisNotes implements Notes {
  readonly #link: RedisLink
  readonly #prefix: string

  constructor({ prefix, ...options }: RedisOptions) {
    this.#link = new RedisLink(options)
    this.#prefix = prefix
  }

  get failures(): number {
    return this.#link.failures
  }

  async find(keys: readonly string[]): Promise<readonly (string | null)[]> {
    const found = await this.#link.ask((redis) => redis.mget(keys.map((key) => this.#key(key))))
    return found ?? keys.map(() => null)
  }

  keep(key: string, text: string, ttlMs: number): void {
    if (text.length <= LONGEST_NOTE) this.#link.tell((redis) => redis.set(this.#key(key), text, 'PX', ttlMs))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#link[Symbol.asyncDispose]()
  }

  /** Hashed: keys hold what clients wrote, of any length. */
  #key(key: string): string {
    return `${this.#prefix}:note:${sha256Hex(key).slice(0, 40)}`
  }
}
