/**
 * Notes in Redis, shared by all nodes. A dead or silent Redis costs one request 30 ms and then nothing: after
 * a failure it is not asked again for a second.
 */
import { Redis } from 'ioredis'
import type { Clock } from '#contracts/process/clock.ts'
import { sha256Hex } from '#contracts/commit/hash.ts'
import { LONGEST_NOTE, type Notes } from './notes.ts'

/** For one command, in milliseconds. The client's own default waits for ever. */
const COMMAND_MS = 30
/** A connection that owes an answer for this long is dead, and another is made, in milliseconds. */
const SILENCE_MS = 2_000
/** Pause after a failure, in milliseconds. */
const REST_MS = 1_000

export type RedisNotesOptions = Readonly<{ url: string; prefix: string; clock: Clock }>

export class RedisNotes implements Notes {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #clock: Clock
  #restUntil = 0
  #failures = 0

  /** Connects in the background; never waits and never fails. */
  constructor({ url, prefix, clock }: RedisNotesOptions) {
    this.#prefix = prefix
    this.#clock = clock
    this.#redis = new Redis(url, {
      commandTimeout: COMMAND_MS,
      connectTimeout: 1_000,
      socketTimeout: SILENCE_MS,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      retryStrategy: (times) => Math.min(1_000, 50 * times),
    })
    // Without a listener the client throws; each command reports its own failure.
    this.#redis.on('error', () => undefined)
  }

  get failures(): number {
    return this.#failures
  }

  async find(keys: readonly string[]): Promise<readonly (string | null)[]> {
    const found = await this.#ask(() => this.#redis.mget(keys.map((key) => this.#key(key))))
    return found ?? keys.map(() => null)
  }

  keep(key: string, text: string, ttlMs: number): void {
    if (text.length <= LONGEST_NOTE) void this.#ask(() => this.#redis.set(this.#key(key), text, 'PX', ttlMs))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
  }

  /** Hashed: keys hold what clients wrote, of any length. */
  #key(key: string): string {
    return `${this.#prefix}:note:${sha256Hex(key).slice(0, 40)}`
  }

  async #ask<Answer>(command: () => Promise<Answer>): Promise<Answer | null> {
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
