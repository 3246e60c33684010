import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import { MemorySessionStore } from '#data-plane/sessions/store-memory.ts'
import { RedisSessionStore } from '#data-plane/sessions/store-redis.ts'
import { SESSION_TTL_MS } from '#data-plane/sessions/store.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { isDoneAtOnce, isDoneBefore, PATIENT_MS } from '../order.ts'
import type { Server } from '../services/server.ts'
import { freePort } from '../services/server.ts'
import { freshRedis, startRedis, uniqueName } from '../services/services.ts'
import { aScope, isBound, sessionStoreContract } from './session-store.ts'

sessionStoreContract('in memory', async () => {
  const store = new MemorySessionStore()
  return { store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
})

sessionStoreContract('on Redis', async () => {
  const { url, prefix } = await freshRedis()
  const clock = new ManualClock()
  const store = new RedisSessionStore({ url, prefix, clock, answerMs: PATIENT_MS })
  await answers(store, clock)
  return { store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
})

/** Waits until it does, asking anew each time, as after a rest. */
function answers(store: RedisSessionStore, clock: ManualClock, scope = aScope()): Promise<void> {
  return eventually(async () => {
    clock.advance(1_000)
    const before = store.failures
    await store.find(scope)
    return store.failures === before
  })
}

/** Above the 30 ms that are promised, and far below what the client does by itself: wait for ever. */
const MOST_MS = 100

describe('sessions in memory', () => {
  test('are the most recently used ones, up to a fixed number', async () => {
    await using store = new MemorySessionStore()
    const scopes = Array.from({ length: 100_001 }, () => aScope())
    for (const scope of scopes.slice(0, -1)) store.bind(scope, 'a/m')
    expect(await store.find(scopes[0]!)).toBe('a/m')
    store.bind(scopes.at(-1)!, 'a/m')
    expect([await store.find(scopes[0]!), await store.find(scopes[1]!)]).toEqual(['a/m', null])
  })
})

describe('sessions on Redis', () => {
  let stack: AsyncDisposableStack
  let clock: ManualClock

  beforeEach(() => {
    stack = new AsyncDisposableStack()
    clock = new ManualClock()
  })
  afterEach(() => stack.disposeAsync())

  const join = (url: string, prefix: string, answerMs = PATIENT_MS): RedisSessionStore =>
    stack.use(new RedisSessionStore({ url, prefix, clock, answerMs }))

  test('are shared by all nodes of a fleet, and by no other', async () => {
    const { url, prefix } = await freshRedis()
    const [one, other, stranger] = [join(url, prefix), join(url, prefix), join(url, uniqueName())]
    for (const store of [one, other, stranger]) await answers(store, clock)
    const scope = aScope()
    one.bind(scope, 'a/m')
    await isBound(other, scope, 'a/m')
    expect(await stranger.find(scope)).toBeNull()
  })

  test('are forgotten two hours after their last use, and their ids are nobody’s to read', async () => {
    const { url, prefix } = await freshRedis()
    const store = join(url, prefix)
    await answers(store, clock)
    const scope = aScope({ session: 'name@example.com' })
    store.bind(scope, 'a/m')
    await isBound(store, scope, 'a/m')
    const redis = new Redis(url)
    stack.defer(() => redis.disconnect())
    const keys = await redis.keys(`${prefix}:session:*`)
    expect(keys).toEqual([expect.stringMatching(/^[^:]+:session:[0-9a-f]{40}$/)])
    await redis.pexpire(keys[0]!, 1_000)
    expect(await store.find(scope)).toBe('a/m')
    expect(await redis.pttl(keys[0]!)).toBeGreaterThan(SESSION_TTL_MS - 10_000)
  })

  test('cost one request 30 ms when Redis falls silent, and then nothing for a second', async () => {
    const { url, prefix } = await freshRedis()
    const proxy = stack.use(await FaultProxy.start(url))
    const store = join(proxy.via(url), prefix, 30)
    const scope = aScope()
    await answers(store, clock)
    store.bind(scope, 'a/m')
    await isBound(store, scope, 'a/m')

    proxy.blackHole()
    const lost = store.find(scope)
    expect(await isDoneBefore(20, lost)).toBe(false)
    expect(await isDoneBefore(MOST_MS, lost)).toBe(true)
    expect(await lost).toBeNull()

    const failures = store.failures
    const silent = Promise.all(Array.from({ length: 500 }, () => store.find(scope)))
    expect(await isDoneAtOnce(silent)).toBe(true)
    expect((await silent).every((value) => value === null)).toBe(true)
    store.bind(scope, 'b/m')
    expect(store.failures).toBe(failures + 501)

    // After the second one may ask again; those that ask together wait together.
    clock.advance(1_000)
    const together = Promise.all(Array.from({ length: 100 }, () => store.find(scope)))
    expect(await isDoneBefore(MOST_MS, together)).toBe(true)

    proxy.heal()
    await answers(store, clock, scope)
    expect(await store.find(scope)).toBe('a/m')
  })

  test('leave a connection that was lost in silence', async () => {
    const { url, prefix } = await freshRedis()
    const proxy = stack.use(await FaultProxy.start(url))
    const store = join(proxy.via(url), prefix, 30)
    await answers(store, clock)
    const accepted = proxy.accepted
    proxy.blackHole()
    await store.find(aScope())
    await eventually(() => proxy.accepted > accepted, 5_000, 'another connection')
    // On one that is not ready nobody waits.
    clock.advance(1_000)
    expect(await isDoneBefore(MOST_MS, store.find(aScope()))).toBe(true)
    proxy.heal()
    await answers(store, clock)
  })

  test('survive a Redis that is killed and comes back', async () => {
    const server: Server = stack.use(await startRedis())
    const prefix = uniqueName()
    const store = join(server.url, prefix, 30)
    await answers(store, clock)
    await server.kill('SIGKILL')
    for (let second = 0; second < 20; second++) {
      clock.advance(1_000)
      const asked = store.find(aScope())
      expect(await isDoneBefore(MOST_MS, asked)).toBe(true)
      expect(await asked).toBeNull()
      store.bind(aScope(), 'a/m')
    }
    expect(store.failures).toBeGreaterThanOrEqual(40)
    await server.restart()
    await answers(store, clock)
    const scope = aScope()
    store.bind(scope, 'a/m')
    await isBound(store, scope, 'a/m')
  })

  test('do not need a Redis to begin with', async () => {
    const port = await freePort()
    const store = join(`redis://127.0.0.1:${port}`, uniqueName())
    const asked = store.find(aScope())
    expect(await isDoneBefore(MOST_MS, asked)).toBe(true)
    expect(await asked).toBeNull()
    stack.use(await startRedis({ port }))
    await answers(store, clock)
  })
})
