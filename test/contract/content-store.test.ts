/**
 * What every store of contents must do, in memory and on Redis.
 */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MemoryContentStore } from '#contracts/content/content-memory.ts'
import { RedisContentStore } from '#contracts/content/content-redis.ts'
import { ContentUnavailable, type Content, type ContentStore } from '#contracts/content/content.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { freshRedis } from '../services/services.ts'

const SEAL = Buffer.alloc(32, 9)
const HOUR_MS = 3_600_000

let count = 0
function aContent(over: Partial<Content> = {}): Content {
  count += 1
  const at = Date.now()
  return {
    v: 1,
    id: `req_${count}`,
    key: 'key_1',
    at,
    until: at + HOUR_MS,
    model: 'm',
    provider: 'a',
    status: 200,
    complete: true,
    request: [{ role: 'user', text: 'canary-91 é "\n', truncated: false }],
    answer: [{ role: 'assistant', text: '🎉', truncated: true }],
    leftOut: { request: 1, answer: 0 },
    ...over,
  }
}

const isKept = (store: ContentStore, { id }: Content): Promise<void> =>
  eventually(async () => (await store.has(id)) === true)

async function onRedis(): Promise<RedisContentStore> {
  const { url, prefix } = await freshRedis()
  const store = new RedisContentStore({ url, prefix, clock: systemClock, seal: SEAL })
  await eventually(async () => (await store.has('any')) !== null)
  return store
}

describe.each<[string, () => Promise<ContentStore>]>([
  ['in memory', async () => new MemoryContentStore(systemClock)],
  ['on Redis', onRedis],
])('the store of contents, %s', (_where, start) => {
  let store: ContentStore
  beforeAll(async () => {
    store = await start()
  })
  afterAll(() => store[Symbol.asyncDispose]())

  test('tells what was kept, whole', async () => {
    const [one, other] = [aContent(), aContent({ provider: null, request: [], answer: [] })]
    for (const content of [one, other]) store.keep(content)
    for (const content of [one, other]) {
      await isKept(store, content)
      expect(await store.read(content.id)).toEqual(content)
    }
  })

  test('knows nothing of other requests, whatever their ids', async () => {
    for (const id of ['req_none', '', '__proto__', '*', 'req_1\n', 'x'.repeat(10_000)])
      expect([await store.has(id), await store.read(id)], id).toEqual([false, null])
  })

  test('lets go of it when its time is over, and takes none whose time is over', async () => {
    const [short, late] = [aContent({ until: Date.now() + 300 }), aContent({ until: Date.now() - 1 })]
    for (const content of [late, short]) store.keep(content)
    await isKept(store, short)
    expect(await store.has(late.id)).toBe(false)
    await eventually(async () => (await store.has(short.id)) === false)
    expect(await store.read(short.id)).toBeNull()
  })
})

describe('contents on Redis', () => {
  test('are sealed and bound to their request, and go by themselves', async () => {
    const { url, prefix } = await freshRedis()
    await using store = new RedisContentStore({ url, prefix, clock: systemClock, seal: SEAL })
    await eventually(async () => (await store.has('any')) !== null)
    const [mine, other] = [aContent(), aContent()]
    for (const content of [mine, other]) {
      store.keep(content)
      await isKept(store, content)
    }
    const redis = new Redis(url)
    try {
      const keys = await redis.keys(`${prefix}:*`)
      expect(keys).toHaveLength(2)
      const [texts, ttls] = await Promise.all([
        redis.mget(keys),
        Promise.all(keys.map((key) => redis.pttl(key))),
      ])
      for (const [at, key] of keys.entries()) {
        expect(key).toMatch(/^[^:]+:content:[0-9a-f]{40}$/)
        expect(Buffer.from(texts[at] ?? '', 'base64').toString()).not.toContain('canary')
        expect(ttls[at]).toBeGreaterThan(HOUR_MS / 2)
        expect(ttls[at]).toBeLessThanOrEqual(HOUR_MS)
      }
      // Whoever moves one to another request has moved nothing that can be read there.
      for (const [at, key] of keys.entries()) await redis.set(key, texts[1 - at] ?? '', 'KEEPTTL')
      expect([await store.read(mine.id), await store.read(other.id)]).toEqual([null, null])
    } finally {
      redis.disconnect()
    }
  })

  test('that nobody can be asked for are not called none, and what is to be kept is counted', async () => {
    const { url, prefix } = await freshRedis()
    await using proxy = await FaultProxy.start(url)
    await using store = new RedisContentStore({
      url: proxy.via(url),
      prefix,
      clock: systemClock,
      seal: SEAL,
    })
    const content = aContent()
    await eventually(async () => (await store.has('any')) !== null)
    store.keep(content)
    await isKept(store, content)
    proxy.refuse()
    proxy.resetAll()
    await eventually(async () => (await store.has(content.id)) === null)
    await expect(store.read(content.id)).rejects.toThrow(ContentUnavailable)
    const before = store.failures
    store.keep(aContent())
    await eventually(() => store.failures === before + 1)
    proxy.heal()
    await isKept(store, content)
    expect(await store.read(content.id)).toEqual(content)
  })
})
