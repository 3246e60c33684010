/**
 * What every cache of model lists must do, in memory and on Redis; and what only Redis can do wrong.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import { MemoryModelListCache } from '#control-plane/discovery/cache-memory.ts'
import { RedisModelListCache } from '#control-plane/discovery/cache-redis.ts'
import type { ModelListCache } from '#control-plane/discovery/cache.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { freePort } from '../services/server.ts'
import { freshRedis, uniqueName } from '../services/services.ts'

type Host = AsyncDisposable & Readonly<{ cache: ModelListCache }>

const isKept = (cache: ModelListCache, key: string, text: string): Promise<void> =>
  eventually(async () => (await cache.get(key)) === text)

async function onRedis(url: string, prefix: string): Promise<Host & { clock: ManualClock }> {
  const clock = new ManualClock()
  const cache = new RedisModelListCache({ url, prefix, clock })
  await eventually(async () => {
    clock.advance(1_000)
    const before = cache.failures
    await cache.get('ready?')
    return cache.failures === before
  })
  return { cache, clock, [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose]() }
}

const HOSTS: readonly (readonly [string, () => Promise<Host>])[] = [
  [
    'in memory',
    async () => {
      const cache = new MemoryModelListCache()
      return { cache, [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose]() }
    },
  ],
  [
    'on Redis',
    async () => {
      const { url, prefix } = await freshRedis()
      return onRedis(url, prefix)
    },
  ],
]

describe.each(HOSTS)('the cache of model lists, %s', (_name, start) => {
  let host: Host
  let cache: ModelListCache
  beforeAll(async () => {
    host = await start()
    cache = host.cache
  })
  afterAll(() => host[Symbol.asyncDispose]())

  test('knows nothing of what was never put', async () => {
    expect(await cache.get('never')).toBeNull()
  })

  test('gives what was put last, each under its own key', async () => {
    cache.put('a', 'one')
    cache.put('b', 'other')
    cache.put('a', 'two')
    await isKept(cache, 'a', 'two')
    await isKept(cache, 'b', 'other')
  })

  test('takes large lists in any writing', async () => {
    const text = 'modèle-☃,'.repeat(50_000)
    cache.put('large', text)
    await isKept(cache, 'large', text)
  })
})

describe('a cache on Redis', () => {
  test('is shared by the control planes of one installation, and by no other', async () => {
    const { url, prefix } = await freshRedis()
    await using one = await onRedis(url, prefix)
    await using other = await onRedis(url, prefix)
    await using stranger = await onRedis(url, uniqueName())
    one.cache.put('a', 'text')
    await isKept(other.cache, 'a', 'text')
    expect(await stranger.cache.get('a')).toBeNull()
  })

  test('that falls silent costs one question its time, and the next ones nothing until it is asked again', async () => {
    const { url, prefix } = await freshRedis()
    await using proxy = await FaultProxy.start(url)
    await using host = await onRedis(proxy.via(url), prefix)
    host.cache.put('a', 'text')
    await isKept(host.cache, 'a', 'text')
    proxy.blackHole()
    expect(await host.cache.get('a')).toBeNull()
    const failures = host.cache.failures
    expect(await Promise.all(Array.from({ length: 100 }, () => host.cache.get('a')))).toEqual(
      Array.from({ length: 100 }, () => null),
    )
    expect(host.cache.failures).toBe(failures + 100)
    proxy.heal()
    await eventually(async () => {
      host.clock.advance(1_000)
      return (await host.cache.get('a')) === 'text'
    })
  })

  test('that is not there is like an empty one', async () => {
    const clock = new ManualClock()
    const url = `redis://127.0.0.1:${await freePort()}`
    await using cache = new RedisModelListCache({ url, prefix: uniqueName(), clock })
    cache.put('a', 'text')
    expect(await cache.get('a')).toBeNull()
  })
})
