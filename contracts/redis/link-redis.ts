/**
 * The one way to Redis. Whatever is kept there may be lost, so nobody ever waits for it for long: a dead or
 * silent Redis costs one question its time, and then nothing for a second.
 */
import { Redis } from 'ioredis'
import { keepStringsFast } from './fast-strings.ts'

// The client has a class that extends `String`.
keepStringsFast()

/** For an answer that somebody waits for, in milliseconds. The client's own default waits for ever. */
const ANSWER_MS = 30
/** For a command in the background, which may carry a megabyte, in milliseconds. */
const COMMAND_MS = 2_000
/**
 * A connection that owes an answer for this long is dead, and another is made, in milliseconds. Without it a
 * connection that was lost in silence is kept, with all that was sent on it, until TCP gives up: a quarter of
 * an hour.
 */
const SILENCE_MS = 2_000
/** What a Redis that is slower than it is told may leave in our hands, in bytes. */
const MOST_UNTAKEN_BYTES = 16 * 1024 * 1024
/** What a command takes beside what it carries, about, in bytes. */
const COMMAND_BYTES = 500
/** Pause after a failure, in milliseconds. */
const REST_MS = 1_000

type LinkOptions = Readonly<{
  url: string
  clock: Readonly<{ monotonic(): number }>
  /** For an answer that a request waits for, in milliseconds: 30 unless a test has to wait for a busy machine. */
  answerMs?: number
}>

/** What everybody who keeps something in Redis is given. `prefix` keeps installations on one server apart. */
export type RedisOptions = LinkOptions & Readonly<{ prefix: string }>

export class RedisLink implements AsyncDisposable {
  readonly #redis: Redis
  readonly #clock: LinkOptions['clock']
  readonly #answerMs: number
  #restUntil = -Infinity
  #failures = 0
  /** Of commands in the background without an answer; the client sends them one batch after the other. */
  #untakenBytes = 0

  /** Connects in the background; never waits and never fails. */
  constructor({ url, clock, answerMs = ANSWER_MS }: LinkOptions) {
    this.#clock = clock
    this.#answerMs = answerMs
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

  /** Commands that failed or were not sent, since the start. */
  get failures(): number {
    return this.#failures
  }

  /**
   * Asks, and waits for 30 ms at most, or for as long as is said where no request waits.
   * @returns null when there is no answer.
   */
  ask<Answer>(command: (redis: Redis) => Promise<Answer>, ms = this.#answerMs): Promise<Answer | null> {
    return this.#guard(() => within(ms, command(this.#redis)))
  }

  /**
   * Tells, in the background; a failure is counted, not told.
   * @param length of what the command carries, in bytes.
   */
  tell(command: (redis: Redis) => Promise<unknown>, length: number): void {
    const bytes = length + COMMAND_BYTES
    // A command that timed out is no more awaited, but may lie in the socket.
    if (this.#untakenBytes + (this.#redis.stream?.writableLength ?? 0) + bytes > MOST_UNTAKEN_BYTES) {
      this.#failures += 1
      return
    }
    this.#untakenBytes += bytes
    void this.#guard(() => command(this.#redis)).finally(() => (this.#untakenBytes -= bytes))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
  }

  async #guard<Answer>(command: () => Promise<Answer>): Promise<Answer | null> {
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
