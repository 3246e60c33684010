/**
 * Session context in Redis, shared by all nodes: a list a session. Sealed and bound to its session, so that
 * neither who reads Redis nor who moves its entries about learns what was said.
 */
import { sha256Hex } from '#contracts/commit/hash.ts'
import { RedisLink, type RedisOptions } from '#contracts/redis/link-redis.ts'
import { openBytes, sealBytes } from '#contracts/security/seal.ts'
import type { ContextLimits } from '../config.ts'
import { contextKey, type ContextScope, type ContextStore } from './context.ts'

export type RedisContextOptions = RedisOptions & Readonly<{ limits: ContextLimits; key: Uint8Array }>

/**
 * Whoever looks at a session waits longer than a request may, in milliseconds: it may be megabytes, and what took
 * too long would keep all turns of others out for a second.
 */
const PATIENCE_MS = 1_000

export class RedisContextStore implements ContextStore {
  readonly #link: RedisLink
  readonly #prefix: string
  readonly limits: ContextLimits
  readonly #key: Uint8Array

  constructor({ prefix, limits, key, ...options }: RedisContextOptions) {
    this.#link = new RedisLink(options)
    this.#prefix = prefix
    this.limits = limits
    this.#key = key
  }

  get failures(): number {
    return this.#link.failures
  }

  add(scope: ContextScope, turn: string): void {
    const place = this.#place(scope)
    const sealed = sealBytes(this.#key, Buffer.from(turn), contextKey(scope)).toString('base64')
    const { turns, ttlMs } = this.limits
    this.#link.tell(
      (redis) => redis.multi().rpush(place, sealed).ltrim(place, -turns, -1).pexpire(place, ttlMs).exec(),
      sealed.length,
    )
  }

  async read(scope: ContextScope): Promise<readonly string[] | null> {
    const kept = await this.#link.ask((redis) => redis.lrange(this.#place(scope), 0, -1), PATIENCE_MS)
    if (kept === null) return null
    return kept.flatMap((sealed) => {
      const opened = openBytes(this.#key, Buffer.from(sealed, 'base64'), contextKey(scope))
      return opened.ok ? [opened.value.toString()] : []
    })
  }

  async forget(scope: ContextScope): Promise<boolean | null> {
    const count = await this.#link.ask((redis) => redis.del(this.#place(scope)), PATIENCE_MS)
    return count === null ? null : count > 0
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#link[Symbol.asyncDispose]()
  }

  /** Hashed: a session id is the client's, of any length and maybe not for others to read. */
  #place(scope: ContextScope): string {
    return `${this.#prefix}:context:${sha256Hex(contextKey(scope)).slice(0, 40)}`
  }
}
