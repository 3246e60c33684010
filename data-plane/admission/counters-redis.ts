/**
 * Limits in Redis, shared by all nodes, by Redis' own clock. One round trip for all limits of a request.
 */
import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import { sha256Hex } from '#contracts/commit/hash.ts'
import { RedisLink, type RedisOptions } from '#contracts/redis/link-redis.ts'
import {
  BUSY_WAIT_MS,
  limitsOf,
  RENEW_MS,
  verdictOf,
  type Entry,
  type LimitCounters,
  type LimitKind,
  type Verdict,
} from './counters.ts'

/** A request of a node that died is under way no more after this, in milliseconds. */
const LEASE_MS = 3 * RENEW_MS
/** How often a Redis that did not answer is asked whether it is back, in milliseconds. */
const ASK_AGAIN_MS = 250

const CLOCK = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local piece = math.floor(now / 1000)
`

/** KEYS: a limit each. ARGV: id, lease, tokens, then kind and limit of each. The arithmetic is `limits.ts`. */
const ENTER = `${CLOCK}
local id, lease, tokens = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local answer, isIn = { piece }, true
for i, key in ipairs(KEYS) do
  local kind, limit = ARGV[2 + 2 * i], tonumber(ARGV[3 + 2 * i])
  local used, wait, newest = 0, 0, -1
  if kind == 'concurrency' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    used = redis.call('ZCARD', key)
    if used >= limit then wait = ${BUSY_WAIT_MS} end
  else
    local amount = 1
    if kind == 'tokens' then amount = math.min(tokens, limit) end
    local pieces, all = {}, redis.call('HGETALL', key)
    for j = 1, #all, 2 do
      local at, n = tonumber(all[j]), tonumber(all[j + 1])
      if at < piece - 60 then redis.call('HDEL', key, all[j])
      else
        used = used + n
        pieces[#pieces + 1] = { at, n }
        if n > 0 and at > newest then newest = at end
      end
    end
    if used + amount > limit then
      table.sort(pieces, function(a, b) return a[1] < b[1] end)
      local left = used
      for _, one in ipairs(pieces) do
        left = left - one[2]
        if left + amount <= limit then
          wait = (one[1] + 61) * 1000 - now
          break
        end
      end
    end
  end
  if wait > 0 then isIn = false end
  answer[#answer + 1] = used
  answer[#answer + 1] = wait
  answer[#answer + 1] = newest >= 0 and (newest + 61) * 1000 - now or 0
end
if isIn then
  for i, key in ipairs(KEYS) do
    local kind = ARGV[2 + 2 * i]
    if kind == 'concurrency' then
      redis.call('ZADD', key, now + lease, id)
      redis.call('PEXPIRE', key, lease * 2)
    else
      redis.call('HINCRBY', key, piece, kind == 'requests' and 1 or tokens)
      redis.call('PEXPIRE', key, 62000)
    end
  end
end
return answer
`

/** KEYS: a limit each. ARGV: id, the piece it was counted in, tokens more or less, then the kind of each. */
const LEAVE = `${CLOCK}
local id, at, by = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
for i, key in ipairs(KEYS) do
  if ARGV[3 + i] == 'concurrency' then redis.call('ZREM', key, id)
  elseif by ~= 0 then
    if at < piece - 60 then at = piece end
    if at ~= tonumber(ARGV[2]) and by < 0 then return end
    if redis.call('HINCRBY', key, at, by) < 0 then redis.call('HSET', key, at, 0) end
    redis.call('PEXPIRE', key, 62000)
  end
end
`

/** KEYS: where each request is under way. ARGV: lease, then the id of each. */
const RENEW = `${CLOCK}
local lease = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + lease, ARGV[1 + i])
  redis.call('PEXPIRE', key, lease * 2)
end
`

type Script = Readonly<{ text: string; sha: string }>

/** Redis names scripts by SHA-1. */
const script = (text: string): Script => ({ text, sha: createHash('sha1').update(text).digest('hex') })
const SCRIPTS = { enter: script(ENTER), leave: script(LEAVE) }

export class RedisLimitCounters implements LimitCounters {
  readonly #link: RedisLink
  readonly #prefix: string
  readonly #clock: RedisOptions['clock']
  /** Nobody waits for a Redis that did not answer: it is asked on the side until it does. */
  #isDown = false
  #askAt = 0
  #failures = 0

  constructor({ prefix, ...options }: RedisOptions) {
    this.#link = new RedisLink(options)
    this.#prefix = prefix
    this.#clock = options.clock
  }

  get failures(): number {
    return this.#failures
  }

  async enter(entry: Entry): Promise<Verdict | null> {
    const answer = this.#isDown ? null : await this.#enter(entry)
    if (answer !== null) return answer
    this.#failures += 1
    this.#isDown = true
    this.#askWhetherBack()
    return null
  }

  leave(entry: Entry, piece: number, tokens: number): void {
    const limits = limitsOf(entry).filter(({ kind }) => kind !== 'requests')
    if (limits.length === 0 || this.#isDown) return
    const keys = limits.map(({ meter, kind }) => this.#key(meter, kind))
    const args = [entry.id, piece, Math.round(tokens), ...limits.map(({ kind }) => kind)]
    this.#link.tell((redis) => run(redis, SCRIPTS.leave, keys, args), 0)
  }

  renew(entries: readonly Entry[]): void {
    const leases = entries.flatMap((entry) =>
      limitsOf(entry)
        .filter(({ kind }) => kind === 'concurrency')
        .map(({ meter, kind }) => [this.#key(meter, kind), entry.id] as const),
    )
    if (leases.length === 0 || this.#isDown) return
    const keys = leases.map(([key]) => key)
    const args = [LEASE_MS, ...leases.map(([, id]) => id)]
    // With its text: sent a second time it could overtake the end of a request.
    this.#link.tell(
      (redis) => redis.eval(RENEW, keys.length, ...keys, ...args),
      RENEW.length + 100 * keys.length,
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#link[Symbol.asyncDispose]()
  }

  async #enter(entry: Entry): Promise<Verdict | null> {
    const limits = limitsOf(entry)
    const keys = limits.map(({ meter, kind }) => this.#key(meter, kind))
    const args = [
      entry.id,
      LEASE_MS,
      Math.round(entry.tokens),
      ...limits.flatMap(({ kind, limit }) => [kind, limit]),
    ]
    const answer = await this.#link.ask((redis) => run(redis, SCRIPTS.enter, keys, args))
    if (!Array.isArray(answer)) return null
    const [piece = 0, ...numbers] = answer.map(Number)
    const waits = limits.map((_limit, at) => numbers[3 * at + 1] ?? 0)
    const isIn = waits.every((wait) => wait === 0)
    const own = { requests: 1, tokens: entry.tokens, concurrency: 1 }
    const levels = limits.map((limit, at) => ({
      ...limit,
      used: (numbers[3 * at] ?? 0) + (isIn ? own[limit.kind] : 0),
      resetMs: isIn && limit.kind !== 'concurrency' ? MINUTE_MS : (numbers[3 * at + 2] ?? 0),
    }))
    return verdictOf(levels, waits, piece)
  }

  #askWhetherBack(): void {
    const now = this.#clock.monotonic()
    if (now < this.#askAt) return
    this.#askAt = now + ASK_AGAIN_MS
    void this.#link
      .ask((redis) => redis.ping())
      .then((answer) => {
        if (answer !== null) this.#isDown = false
      })
  }

  /** Hashed: names are the operator's and may hold anything. */
  #key(meter: string, kind: LimitKind): string {
    return `${this.#prefix}:limit:${kind}:${sha256Hex(meter).slice(0, 40)}`
  }
}

const MINUTE_MS = 60_000

async function run(
  redis: Redis,
  { text, sha }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args)
  } catch (error) {
    // It has started anew since, or never heard of it.
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return redis.eval(text, keys.length, ...keys, ...args)
  }
}
