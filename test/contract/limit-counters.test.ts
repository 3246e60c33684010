import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import { MemoryLimitCounters } from '#data-plane/admission/counters-memory.ts'
import { RedisLimitCounters } from '#data-plane/admission/counters-redis.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { isDoneAtOnce, isDoneBefore, PATIENT_MS } from '../order.ts'
import { freshRedis, startRedis, uniqueName } from '../services/services.ts'
import { another, anEntry, limitCountersContract } from './limit-counters.ts'

limitCountersContract('in memory', async () => {
  const counters = new MemoryLimitCounters(new ManualClock())
  return { counters, [Symbol.asyncDispose]: () => counters[Symbol.asyncDispose]() }
})

limitCountersContract('on Redis', async () => {
  const { url, prefix } = await freshRedis()
  const clock = new ManualClock()
  const counters = new RedisLimitCounters({ url, prefix, clock, answerMs: PATIENT_MS })
  await answers(counters, clock)
  return { counters, [Symbol.asyncDispose]: () => counters[Symbol.asyncDispose]() }
})

/** Waits until it does: after a failure it is asked again on the side. */
function answers(counters: RedisLimitCounters, clock: ManualClock): Promise<void> {
  return eventually(async () => {
    clock.advance(1_000)
    return (await counters.enter(anEntry({ requestsPerMinute: 1 }))) !== null
  })
}

describe('counters in memory', () => {
  test('let in again when the minute is over', async () => {
    const clock = new ManualClock(1_000_000)
    await using counters = new MemoryLimitCounters(clock)
    const first = anEntry({ requestsPerMinute: 1 })
    expect((await counters.enter(first)).kind).toBe('in')
    const refused = await counters.enter(another(first))
    if (refused.kind !== 'out') throw new Error('was let in')
    clock.advance(refused.waitMs - 1)
    expect((await counters.enter(another(first))).kind).toBe('out')
    clock.advance(1)
    expect((await counters.enter(another(first))).kind).toBe('in')
  })
})

describe('counters on Redis', () => {
  let stack: AsyncDisposableStack
  let clock: ManualClock

  beforeEach(() => {
    stack = new AsyncDisposableStack()
    clock = new ManualClock()
  })
  afterEach(() => stack.disposeAsync())

  const join = async (url: string, prefix: string, answerMs = PATIENT_MS): Promise<RedisLimitCounters> => {
    const counters = stack.use(new RedisLimitCounters({ url, prefix, clock, answerMs }))
    await answers(counters, clock)
    return counters
  }

  test('are those of all nodes, and of no other fleet', async () => {
    const { url, prefix } = await freshRedis()
    const [one, other] = [await join(url, prefix), await join(url, prefix)]
    const stranger = await join(url, uniqueName())
    const first = anEntry({ requestsPerMinute: 2, concurrency: 2 })
    expect((await one.enter(first))?.kind).toBe('in')
    expect((await other.enter(another(first)))?.kind).toBe('in')
    expect((await one.enter(another(first)))?.kind).toBe('out')
    expect((await other.enter(another(first)))?.kind).toBe('out')
    expect((await stranger.enter(another(first)))?.kind).toBe('in')
  })

  test('hold nothing that outlives its minute, and no name that can be read', async () => {
    const { url, prefix } = await freshRedis()
    const counters = await join(url, prefix)
    const entry = anEntry(
      { requestsPerMinute: 5, tokensPerMinute: 5, concurrency: 5 },
      1,
      'key\nname@example.com',
    )
    await counters.enter(entry)
    const redis = new Redis(url)
    stack.defer(() => redis.disconnect())
    const keys = await redis.keys(`${prefix}:limit:*`)
    expect(keys.length).toBeGreaterThanOrEqual(3)
    for (const key of keys) {
      expect(key).toMatch(/^[^:]+:limit:(requests|tokens|concurrency):[0-9a-f]{40}$/)
      expect(await redis.pttl(key)).toBeGreaterThan(0)
    }
  })

  test('take requests of a node that died for over when their lease is', async () => {
    const { url, prefix } = await freshRedis()
    const counters = await join(url, prefix)
    const [dead, alive] = [anEntry({ concurrency: 1 }), anEntry({ concurrency: 1 })]
    await counters.enter(dead)
    await counters.enter(alive)
    const redis = new Redis(url)
    stack.defer(() => redis.disconnect())
    // As if a minute had gone by.
    for (const key of await redis.keys(`${prefix}:limit:concurrency:*`))
      for (const id of await redis.zrange(key, '0', '-1')) await redis.zadd(key, '1', id)
    counters.renew([alive])
    expect((await counters.enter(another(alive)))?.kind).toBe('out')
    expect((await counters.enter(another(dead)))?.kind).toBe('in')
  })

  test('cost the requests under way 30 ms when Redis falls silent, and then nobody anything', async () => {
    const { url, prefix } = await freshRedis()
    const proxy = stack.use(await FaultProxy.start(url))
    const counters = await join(proxy.via(url), prefix, 30)
    proxy.blackHole()
    const first = anEntry({ requestsPerMinute: 1_000 })
    const asked = counters.enter(first)
    expect(await isDoneBefore(100, asked)).toBe(true)
    expect(await asked).toBeNull()
    // Seconds later, too: whether it is back is asked on the side.
    for (let second = 0; second < 20; second++) {
      clock.advance(1_000)
      const verdicts = Promise.all(Array.from({ length: 50 }, () => counters.enter(another(first))))
      expect(await isDoneAtOnce(verdicts)).toBe(true)
      expect(new Set(await verdicts)).toEqual(new Set([null]))
    }
    proxy.heal()
    await answers(counters, clock)
  })

  test('survive a Redis that is killed and comes back, without its scripts', async () => {
    const server = stack.use(await startRedis())
    const counters = await join(server.url, uniqueName())
    await server.kill('SIGKILL')
    expect(await counters.enter(anEntry({ requestsPerMinute: 1 }))).toBeNull()
    await server.restart()
    await answers(counters, clock)
  })
})
