/**
 * Sessions in Redis, shared by all nodes.
 */
import { sha256Hex } from '#contracts/commit/hash.ts'
import { RedisLink, type RedisOptions } from '#contracts/redis/link-redis.ts'
import { SESSION_TTL_MS, sessionKey, type SessionScope, type SessionStore } from './store.ts'

export class RedisSessionStore implements SessionStore {
  readonly #link: RedisLink
  readonly #prefix: string

  constructor({ prefix, ...options }: RedisOptions) {
    this.#link = new RedisLink(options)
    this.#prefix = prefix
  }

  get failures(): number {
    return this.#link.failures
  }

  find(scope: SessionScope): Promise<string | null> {
    return this.#link.ask((redis) => redis.getex(this.#key(scope), 'PX', SESSION_TTL_MS))
  }

  bind(scope: SessionScope, deployment: string): void {
    this.#link.tell(
      (redis) => redis.set(this.#key(scope), deployment, 'PX', SESSION_TTL_MS),
      deployment.length,
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#link[Symbol.asyncDispose]()
  }

  /** Hashed: a session id is the client's, of any length and maybe not for others to read. */
  #key(scope: SessionScope): string {
    return `${this.#prefix}:session:${sha256Hex(sessionKey(scope)).slice(0, 40)}`
  }
}
