/**
 * Session context in this process: the most recently used sessions, up to a fixed size.
 */
import { LRUCache } from 'lru-cache'
import type { ContextLimits } from '../config.ts'
import { contextKey, type ContextScope, type ContextStore } from './context.ts'

/** Over all sessions, in UTF-16 code units. */
const MOST = 32 * 1024 * 1024

export class MemoryContextStore implements ContextStore {
  readonly failures = 0
  readonly limits: ContextLimits
  readonly #sessions: LRUCache<string, readonly string[]>

  constructor(limits: ContextLimits) {
    this.limits = limits
    this.#sessions = new LRUCache({
      maxSize: MOST,
      ttl: limits.ttlMs,
      sizeCalculation: (turns, key) => turns.reduce((sum, turn) => sum + turn.length, key.length + 1),
    })
  }

  add(scope: ContextScope, turn: string): void {
    const key = contextKey(scope)
    const turns = [...(this.#sessions.get(key) ?? []), turn].slice(-this.limits.turns)
    this.#sessions.set(key, turns)
  }

  async read(scope: ContextScope): Promise<readonly string[]> {
    return this.#sessions.get(contextKey(scope)) ?? []
  }

  async forget(scope: ContextScope): Promise<boolean> {
    return this.#sessions.delete(contextKey(scope))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sessions.clear()
  }
}
