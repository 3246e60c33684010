/**
 * Lists in Redis, shared by all control planes. A dead or silent Redis costs one question 30 ms and then
 * nothing: after a failure it is not asked again for a second.
 */
import { Redis } from 'ioredis'
import type { Clock } from '#contracts/process/clock.ts'
import { KEEP_MS, type ModelListCache } from './cache.ts'

/** For an answer somebody waits for, in milliseconds. */
const ANSWER_MS = 30
/** For a list put in the background, which may be a megabyte, in milliseconds. The client's own default is for ever. */
const COMMAND_MS = 2_000
/** A connection that owes an answer for this long is dead, and another is made, in milliseconds. */
const SILENCE_MS = 3_000
/** Pause after a failure, in milliseconds. */
const REST_MS = 1_000

export type RedisCacheOptions = Readonly<{ url: string; prefix: string; clock: Clock }>

export class RedisModelListCache implements ModelListCache {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #clock: Clock
  #restUntil = 0
  #failures = 0

  /** Connects in the background; never waits and never fails. */
  constructor({ url, prefix, clock }: RedisCacheOptions) {
    this.#prefix = prefix
    this.#clock = clock
    this.#redis = new Redis(url, {
      commandTimeout: COMMAND_MS,
      connectTimeout: 1_000,
      socketTimeout: SILENCE_MS,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: (times) => Math.min(1_000, 50 * times),
    })
    // Without a listener the client throws; each command reports its own failure.
    this.#redis.on('error', () => undefined)
  }

  get failures(): number {
    return this.#failures
  }

  get(key: string): Promise<string | null> {
    return this.#ask(() => within(ANSWER_MS, this.#redis.get(this.#key(key))))
  }

  put(key: string, text: string): void {
    void this.#ask(() => this.#redis.set(this.#key(key), text, 'PX', KEEP_MS))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
  }

  #key(key: string): string {
    return `${this.#prefix}:models:${key}`
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

/** Rejects after `ms`; what comes later is nobody's any more. */
async function within<Value>(ms: number, answer: Promise<Value>): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  answer.catch(() => undefined)
  try {
    return await Promise.race([answer, promise])
  } finally {
    clearTimeout(timer)
  }
}
