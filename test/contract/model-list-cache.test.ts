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

type Host = AsyncDisposable &
  Readonly<{
    cache: ModelListCache
    /** Ends the rest after a failure: a busy machine may well need more than 30 ms. */
    rested: () => void
  }>

/** Puts a text until it is there. */
const keep = ({ cache, rested }: Host, key: string, text: string): Promise<void> =>
  eventually(async () => {
    rested()
    cache.put(key, text)
    return (await cache.get(key)) === text
  })
const isKept = ({ cache, rested }: Host, key: string, text: string | null): Promise<void> =>
  eventually(async () => {
    rested()
    const before = cache.failures
    return (await cache.get(key)) === text && cache.failures === before
  })

async function onRedis(url: string, prefix: string): Promise<Host> {
  const clock = new ManualClock()
  const cache = new RedisModelListCache({ url, prefix, clock })
  await eventually(async () => {
    clock.advance(1_000)
    const before = cache.failures
    await cache.get('ready?')
    return cache.failures === before
  })
  return {
    cache,
    rested: () => clock.advance(1_000),
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  }
}

const HOSTS: readonly (readonly [string, () => Promise<Host>])[] = [
  [
    'in memory',
    async () => {
      const cache = new MemoryModelListCache()
      return { cache, rested: () => undefined, [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose]() }
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
  beforeAll(async () => {
    host = await start()
  })
  afterAll(() => host[Symbol.asyncDispose]())

  test('knows nothing of what was never put', async () => {
    await isKept(host, 'never', null)
  })

  test('gives what was put last, each under its own key', async () => {
    await keep(host, 'a', 'one')
    await keep(host, 'b', 'other')
    await keep(host, 'a', 'two')
    await isKept(host, 'a', 'two')
    await isKept(host, 'b', 'other')
  })

  test('takes large lists in any writing', async () => {
    await keep(host, 'large', 'modèle-☃,'.repeat(50_000))
  })
})

describe('a cache on Redis', () => {
  test('is shared by the control planes of one installation, and by no other', async () => {
    const { url, prefix } = await freshRedis()
    await using one = await onRedis(url, prefix)
    await using other = await onRedis(url, prefix)
    await using stranger = await onRedis(url, uniqueName())
    await keep(one, 'a', 'text')
    await isKept(other, 'a', 'text')
    await isKept(stranger, 'a', null)
  })

  test('that falls silent costs one question its time, and the next ones nothing until it is asked again', async () => {
    const { url, prefix } = await freshRedis()
    await using proxy = await FaultProxy.start(url)
    await using host = await onRedis(proxy.via(url), prefix)
    await keep(host, 'a', 'text')
    proxy.blackHole()
    expect(await host.cache.get('a')).toBeNull()
    const failures = host.cache.failures
    expect(await Promise.all(Array.from({ length: 100 }, () => host.cache.get('a')))).toEqual(
      Array.from({ length: 100 }, () => null),
    )
    expect(host.cache.failures).toBe(failures + 100)
    proxy.heal()
    await isKept(host, 'a', 'text')
  })

  test('that is not there is like an empty one', async () => {
    const clock = new ManualClock()
    const url = `redis://127.0.0.1:${await freePort()}`
    await using cache = new RedisModelListCache({ url, prefix: uniqueName(), clock })
    cache.put('a', 'text')
    expect(await cache.get('a')).toBeNull()
  })
})
