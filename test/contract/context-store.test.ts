/**
 * What every store of session context must do, in memory and on Redis.
 */
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { keyId } from '#contracts/ids.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { MemoryContextStore } from '#data-plane/sessions/context-memory.ts'
import { RedisContextStore } from '#data-plane/sessions/context-redis.ts'
import type { ContextScope, ContextStore } from '#data-plane/sessions/context.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { PATIENT_MS } from '../order.ts'
import { freshRedis } from '../services/services.ts'

const LIMITS = { turns: 5, ttlMs: 60_000, textLength: 100 }
const SEAL = Buffer.alloc(32, 9)

let count = 0
const aScope = (over: Partial<ContextScope> = {}): ContextScope => {
  count += 1
  return { key: keyId('key_1'), session: `session-${count}`, ...over }
}

async function onRedis(): Promise<RedisContextStore> {
  const { url, prefix } = await freshRedis()
  const clock = new ManualClock()
  const store = new RedisContextStore({ url, prefix, clock, limits: LIMITS, key: SEAL, answerMs: PATIENT_MS })
  await answers(store, clock)
  return store
}
const answers = (store: ContextStore, clock: ManualClock): Promise<void> =>
  eventually(async () => {
    clock.advance(1_000)
    return (await store.read(aScope())) !== null
  })

const holds = (store: ContextStore, scope: ContextScope, turns: readonly string[]): Promise<void> =>
  eventually(async () => JSON.stringify(await store.read(scope)) === JSON.stringify(turns))

describe.each([
  ['in memory', async () => new MemoryContextStore(LIMITS)],
  ['on Redis', onRedis],
] as const)('the store of session context, %s', (_where, start) => {
  let store: ContextStore
  beforeAll(async () => {
    store = await start()
  })
  afterAll(() => store[Symbol.asyncDispose]())

  test('knows nothing of a session that was never held', async () => {
    const scope = aScope()
    expect([await store.read(scope), await store.forget(scope)]).toEqual([[], false])
  })

  test('holds the newest turns, oldest first', async () => {
    const scope = aScope()
    for (let at = 0; at < 8; at++) store.add(scope, `turn ${at} é "\n`)
    await holds(
      store,
      scope,
      [3, 4, 5, 6, 7].map((at) => `turn ${at} é "\n`),
    )
  })

  test('forgets when it is told to', async () => {
    const scope = aScope()
    store.add(scope, 'turn')
    await holds(store, scope, ['turn'])
    expect(await store.forget(scope)).toBe(true)
    expect([await store.read(scope), await store.forget(scope)]).toEqual([[], false])
  })

  test('keeps keys and sessions apart, and where one ends and the other begins', async () => {
    const scopes = [
      { key: keyId('key_a'), session: 's' },
      { key: keyId('key_b'), session: 's' },
      { key: keyId('key_a'), session: 's2' },
      { key: keyId('key'), session: '_a\ns' },
      { key: keyId('key_a'), session: '__proto__' },
    ]
    for (const [at, scope] of scopes.entries()) store.add(scope, `turn ${at}`)
    for (const [at, scope] of scopes.entries()) await holds(store, scope, [`turn ${at}`])
  })
})

describe('session context on Redis', () => {
  let stack: AsyncDisposableStack
  beforeEach(() => {
    stack = new AsyncDisposableStack()
  })
  afterEach(() => stack.disposeAsync())

  test('is sealed and bound to its session, and goes by itself', async () => {
    const { url, prefix } = await freshRedis()
    const clock = new ManualClock()
    const store = stack.use(
      new RedisContextStore({ url, prefix, clock, limits: LIMITS, key: SEAL, answerMs: PATIENT_MS }),
    )
    await answers(store, clock)
    const [mine, theirs] = [aScope({ session: 'name@example.com' }), aScope({ key: keyId('key_2') })]
    store.add(mine, 'canary-91')
    store.add(theirs, 'other')
    await holds(store, mine, ['canary-91'])
    await holds(store, theirs, ['other'])
    const redis = new Redis(url)
    stack.defer(() => redis.disconnect())
    const keys = await redis.keys(`${prefix}:*`)
    expect(keys).toHaveLength(2)
    for (const key of keys) {
      expect(key).toMatch(/^[^:]+:context:[0-9a-f]{40}$/)
      expect((await redis.lrange(key, '0', '-1')).join('')).not.toContain('canary')
      const ttl = await redis.pttl(key)
      expect(ttl).toBeGreaterThan(0)
      expect(ttl).toBeLessThanOrEqual(LIMITS.ttlMs)
    }
    // Whoever moves an entry into another session has moved nothing that can be read there.
    const entries = await Promise.all(keys.map((key) => redis.lrange(key, '0', '-1')))
    for (const key of keys) await redis.rpush(key, ...entries.flat())
    const read = [await store.read(mine), await store.read(theirs)]
    expect(read.map((turns) => new Set(turns))).toEqual([new Set(['canary-91']), new Set(['other'])])
  })

  test('is read though that takes longer than a request would wait, and costs nobody a turn', async () => {
    const { url, prefix } = await freshRedis()
    const proxy = stack.use(await FaultProxy.start(url))
    const clock = new ManualClock()
    const options = { url: proxy.via(url), prefix, clock, limits: LIMITS, key: SEAL }
    const store = stack.use(new RedisContextStore(options))
    await answers(store, clock)
    const [mine, theirs] = [aScope(), aScope({ key: keyId('key_2') })]
    store.add(mine, 'turn')
    await holds(store, mine, ['turn'])
    const before = store.failures
    proxy.set({ down: { latencyMs: 200 } })
    expect(await store.read(mine)).toEqual(['turn'])
    store.add(theirs, 'turn')
    await holds(store, theirs, ['turn'])
    expect([await store.forget(mine), store.failures]).toEqual([true, before])
  })
})
