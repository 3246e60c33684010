/**
 * Sessions in Redis, shared by all nodes. A dead or silent Redis costs one request 30 ms and then nothing:
 * after a failure it is not asked again for a second.
 */
import { Redis } from 'ioredis'
import type { Clock } from '#contracts/process/clock.ts'
import { sha256Hex } from '#contracts/commit/hash.ts'
import { SESSION_TTL_MS, sessionKey, type SessionScope, type SessionStore } from './store.ts'

/** For one command, in milliseconds. The client's own default waits for ever. */
const COMMAND_MS = 30
/** A connection that owes an answer for this long is dead, and another is made, in milliseconds. */
const SILENCE_MS = 2_000
/** Pause after a failure, in milliseconds. */
const REST_MS = 1_000

export type RedisSessionOptions = Readonly<{ url: string; prefix: string; clock: Clock }>

export class RedisSessionStore implements SessionStore {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #clock: Clock
  #restUntil = 0
  #failures = 0

  /** Connects in the background; never waits and never fails. */
  constructor({ url, prefix, clock }: RedisSessionOptions) {
    this.#prefix = prefix
    this.#clock = clock
    this.#redis = new Redis(url, {
      commandTimeout: COMMAND_MS,
      connectTimeout: 1_000,
      // Without it a connection that was lost in silence is kept, with all that was sent on it, until TCP
      // gives up: a quarter of an hour.
      socketTimeout: SILENCE_MS,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      retryStrategy: (times) => Math.min(1_000, 50 * times),
    })
    // Without a listener the client throws; each command reports its own failure.
    this.#redis.on('error', () => undefined)
  }

  /** Commands that failed or were not sent, since the start. */
  get failures(): number {
    return this.#failures
  }

  async find(scope: SessionScope): Promise<string | null> {
    return this.#ask(() => this.#redis.getex(this.#key(scope), 'PX', SESSION_TTL_MS))
  }

  bind(scope: SessionScope, deployment: string): void {
    void this.#ask(() => this.#redis.set(this.#key(scope), deployment, 'PX', SESSION_TTL_MS))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
  }

  /** Hashed: a session id is the client's, of any length and maybe not for others to read. */
  #key(scope: SessionScope): string {
    return `${this.#prefix}:session:${sha256Hex(sessionKey(scope)).slice(0, 40)}`
  }

  async #ask(command: () => Promise<string | null>): Promise<string | null> {
    if (this.#clock.monotonic() < this.#restUntil) {
      this.#failures += 1
      return null
    }
    try {
      return await command()
    } catch {
      this.#failures += 1
      this.#restUntil = this.#clock.monotonic() + REST_MS
      return null
    }
  }
}
