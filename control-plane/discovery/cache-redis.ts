/**
 * Lists in Redis, shared by all control planes.
 */
import { RedisLink, type RedisOptions } from '#contracts/redis/link-redis.ts'
import { KEEP_MS, type ModelListCache } from './cache.ts'

export class RedisModelListCache implements ModelListCache {
  readonly #link: RedisLink
  readonly #prefix: string

  constructor({ prefix, ...options }: RedisOptions) {
    this.#link = new RedisLink(options)
    this.#prefix = prefix
  }

  get failures(): number {
    return this.#link.failures
  }

  get(key: string): Promise<string | null> {
    return this.#link.ask((redis) => redis.get(this.#key(key)))
  }

  put(key: string, text: string): void {
    this.#link.tell((redis) => redis.set(this.#key(key), text, 'PX', KEEP_MS), text.length)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#link[Symbol.asyncDispose]()
  }

  #key(key: string): string {
    return `${this.#prefix}:models:${key}`
  }
}
