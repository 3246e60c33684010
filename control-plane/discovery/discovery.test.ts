import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { openModelList, signModelList } from '#contracts/fleet/model-lists.ts'
import { providerId, providerStream, secretId, type SecretId } from '#contracts/ids.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import { Secret } from '#contracts/security/secret.ts'
import { eventually } from '#test/eventually.ts'
import { FakeProvider } from '#test/fakes/provider.ts'
import { credentialAdded, providerRegistered, TEST_KEYS, TestLog } from '#test/model/log-builder.ts'
import { MemoryModelListCache } from './cache-memory.ts'
import { Discovery, type DiscoveryPorts } from './discovery.ts'

const TTL_MS = 300_000

let stack: AsyncDisposableStack
let provider: FakeProvider
let log: TestLog
let clock: ManualClock
let cache: MemoryModelListCache
let published: string[]
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  provider = stack.use(await FakeProvider.start())
  log = new TestLog()
  clock = new ManualClock()
  cache = stack.use(new MemoryModelListCache())
  published = []
})
afterEach(() => stack.disposeAsync())

function discovery(over: Partial<DiscoveryPorts> = {}): Discovery {
  let known: Readonly<{ head: number; catalog: Catalog }> = { head: -1, catalog: log.catalog() }
  const catalog = (): Catalog => {
    if (known.head !== log.head) known = { head: log.head, catalog: log.catalog() }
    return known.catalog
  }
  const vault = new Map(
    ['one', 'two'].map((id) => [id, sealSecret(TEST_KEYS.vault, secretId(id), new Secret(`sk-${id}`))]),
  )
  return stack.use(
    new Discovery({
      catalog,
      secrets: async (ids: readonly SecretId[]) =>
        new Map([...vault].filter(([id]) => ids.includes(secretId(id)))),
      cache,
      bus: { publish: (_subject, text) => published.push(text) > 0 },
      subjects: { modelLists: 'lists' },
      vaultKey: TEST_KEYS.vault,
      listKey: TEST_KEYS.models,
      ttlMs: TTL_MS,
      clock,
      random: () => 0.5,
      logger: silentLogger,
      ...over,
    }),
  )
}

const register = (id: string, over: Partial<ProviderDefinitionInput> = {}): number =>
  log.append([
    providerRegistered(id, {
      baseUrl: provider.baseUrl,
      allowPrivate: true,
      models: { static: [] },
      ...over,
    }),
  ])
const change = (id: string, type: 'ProviderDisabled' | 'ProviderRemoved' | 'ProviderEnabled'): number =>
  log.append([{ type, stream: providerStream(providerId(id)), body: {} }])

/** Ids of a provider's list; `problem` when it cannot say. */
const known = (one: Discovery, id: string) => {
  const standing = one.standing(providerId(id))
  return standing === null
    ? 'not asked'
    : (standing.list?.models.map((model) => model.id) ?? standing.problem)
}
const knows = (one: Discovery, id: string, ids: readonly string[]): Promise<void> =>
  eventually(() => JSON.stringify(known(one, id)) === JSON.stringify(ids))
const asked = (): number => provider.stats.requests
/** Until nothing is asked any more. */
const settled = async (one: Discovery, questions: number): Promise<void> =>
  eventually(() => one.fetches.ok + one.fetches.failed === questions)

describe('discovery', () => {
  test('asks every enabled provider once, keeps what it says, and tells the nodes', async () => {
    provider.models = ['m', 'vendor/n']
    register('a')
    const one = discovery()
    one.tick()
    await knows(one, 'a', ['m', 'vendor/n'])
    for (let time = 0; time < 10; time++) one.tick()
    expect(asked()).toBe(1)
    expect(one.signedLists()).toEqual(published)
    expect(openModelList(published[0] ?? '', TEST_KEYS.models)).toMatchObject({
      value: { provider: 'a', list: { at: clock.now(), models: [{ id: 'm' }, { id: 'vendor/n' }] } },
    })
  })

  test('asks nobody whose models the operator named, and nobody who is off', async () => {
    register('named', { models: { static: ['m'] } })
    register('off')
    change('off', 'ProviderDisabled')
    register('on')
    const one = discovery()
    one.tick()
    await settled(one, 1)
    expect([known(one, 'named'), known(one, 'off')]).toEqual(['not asked', 'not asked'])
    expect(one.counts()).toEqual({ fresh: 1, stale: 0, unknown: 0 })
  })

  test('asks again when the list has become old, with some spread', async () => {
    register('a')
    const one = discovery()
    one.tick()
    await knows(one, 'a', ['fake-model'])
    provider.models = ['newer']
    clock.advance(TTL_MS - 1)
    one.tick()
    expect(asked()).toBe(1)
    clock.advance(1)
    one.tick()
    await knows(one, 'a', ['newer'])
    expect(published.length).toBe(2)
  })

  test('keeps a list while its provider is down, and asks less and less often', async () => {
    register('a')
    const one = discovery()
    one.tick()
    await knows(one, 'a', ['fake-model'])
    provider.when({ path: '/models' }, { status: 500 })
    clock.advance(TTL_MS)
    one.tick()
    await settled(one, 2)
    for (const [at, waitMs] of [5_000, 10_000, 20_000, 40_000].entries()) {
      const questions = asked()
      clock.advance(waitMs - 1)
      one.tick()
      clock.advance(1)
      expect(asked()).toBe(questions)
      one.tick()
      await settled(one, 3 + at)
    }
    expect(known(one, 'a')).toEqual(['fake-model'])
    expect(one.standing(providerId('a'))?.problem).toBe('answered 500')
    expect(one.counts()).toEqual({ fresh: 0, stale: 1, unknown: 0 })
  })

  test('asks at once when a provider has another address, and keeps the old list until it answers', async () => {
    register('a')
    const one = discovery()
    one.tick()
    await knows(one, 'a', ['fake-model'])
    const other = stack.use(await FakeProvider.start())
    other.models = ['elsewhere']
    const endpoint = { kind: 'openai' as const, baseUrl: other.baseUrl }
    log.append([{ type: 'ProviderEndpointChanged', stream: providerStream(providerId('a')), body: endpoint }])
    expect(known(one, 'a')).toEqual(['fake-model'])
    one.tick()
    await knows(one, 'a', ['elsewhere'])
  })

  test('forgets a provider that was removed', async () => {
    register('a')
    const one = discovery()
    one.tick()
    await knows(one, 'a', ['fake-model'])
    change('a', 'ProviderRemoved')
    one.tick()
    expect([known(one, 'a'), one.signedLists()]).toEqual(['not asked', []])
  })

  test('delays nobody for a provider that hangs', async () => {
    const hanging = stack.use(await FakeProvider.start())
    hanging.when({ path: '/models' }, { hang: 'before-headers' })
    register('a', { baseUrl: hanging.baseUrl })
    register('b')
    const one = discovery()
    one.tick()
    await knows(one, 'b', ['fake-model'])
    expect([known(one, 'a'), hanging.stats.open]).toEqual([null, 1])
    clock.advance(TTL_MS * 2)
    provider.models = ['newer']
    one.tick()
    await knows(one, 'b', ['newer'])
    expect(hanging.stats.requests).toBe(1)
  })

  test('asks in the name of another credential when one is refused', async () => {
    register('a')
    log.append([credentialAdded('a', 'one'), credentialAdded('a', 'two')])
    provider.when({ path: '/models', authorization: 'Bearer sk-one' }, { status: 401 })
    const one = discovery()
    one.tick()
    await knows(one, 'a', ['fake-model'])
    expect(provider.last.headers.authorization).toBe('Bearer sk-two')
  })

  test('says so when no credential can be read', async () => {
    register('a')
    log.append([credentialAdded('a', 'lost')])
    const one = discovery()
    one.tick()
    await settled(one, 1)
    expect([known(one, 'a'), asked()]).toEqual(['no credential can be read', 0])
    const dark = discovery({ secrets: () => Promise.reject(new Error('database away')) })
    dark.tick()
    await settled(dark, 1)
    expect(known(dark, 'a')).toBe('the control plane could not read its vault')
  })
})

describe('several control planes', () => {
  test('ask a provider once between them', async () => {
    register('a')
    const one = discovery()
    one.tick()
    await knows(one, 'a', ['fake-model'])
    const other = discovery()
    other.tick()
    await knows(other, 'a', ['fake-model'])
    expect([asked(), other.fetches.ok]).toEqual([1, 0])
    // And both ask again only when it is old, whoever fetched it.
    clock.advance(TTL_MS / 2)
    other.tick()
    expect(asked()).toBe(1)
  })

  test('take a list that has become old rather than none, and fetch a new one', async () => {
    register('a')
    const one = discovery()
    one.tick()
    await knows(one, 'a', ['fake-model'])
    clock.advance(TTL_MS * 10)
    provider.when({ path: '/models' }, { status: 500 })
    const other = discovery()
    other.tick()
    await knows(other, 'a', ['fake-model'])
    await settled(other, 1)
    expect(other.standing(providerId('a'))?.problem).toBe('answered 500')
  })

  test('believe nothing in the cache that they did not sign, or that is about another', async () => {
    register('a')
    const forging = {
      ...cache,
      failures: 0,
      put: () => undefined,
      get: async () => forged,
      [Symbol.asyncDispose]: async () => undefined,
    }
    const list = { at: clock.now() + 1, models: [{ id: 'evil' }] }
    let forged = signModelList({ provider: providerId('a'), list }, Buffer.alloc(32, 9))
    const one = discovery({ cache: forging })
    one.tick()
    await knows(one, 'a', ['fake-model'])
    forged = signModelList({ provider: providerId('b'), list }, TEST_KEYS.models)
    clock.advance(TTL_MS * 2)
    one.tick()
    await settled(one, 2)
    expect(known(one, 'a')).toEqual(['fake-model'])
  })
})

describe('a list', () => {
  test('is newer than the one before it, even when the clock was set back', async () => {
    register('a')
    let today = 1_700_000_000_000
    const one = discovery({ clock: { now: () => today, monotonic: () => clock.monotonic() } })
    const at = (): number | undefined => one.standing(providerId('a'))?.list?.at
    one.tick()
    await knows(one, 'a', ['fake-model'])
    expect(at()).toBe(today)
    provider.models = ['newer']
    today -= 86_400_000
    clock.advance(TTL_MS)
    one.tick()
    await knows(one, 'a', ['newer'])
    expect(at()).toBe(1_700_000_000_001)
  })
})
