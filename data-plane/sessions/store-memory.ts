/**
 * Sessions in this process, for embedded mode: the most recently used, up to a fixed number.
 */
import { LRUCache } from 'lru-cache'
import { SESSION_TTL_MS, sessionKey, type SessionScope, type SessionStore } from './store.ts'

/** About 300 bytes each. */
const SESSIONS = 100_000

export class MemorySessionStore implements SessionStore {
  readonly failures = 0
  readonly #bound = new LRUCache<string, string>({ max: SESSIONS, ttl: SESSION_TTL_MS, updateAgeOnGet: true })

  async find(scope: SessionScope): Promise<string | null> {
    return this.#bound.get(sessionKey(scope)) ?? null
  }

  bind(scope: SessionScope, deployment: string): void {
    this.#bound.set(sessionKey(scope), deployment)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bound.clear()
  }
}
