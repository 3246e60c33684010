import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ListStanding } from '#control-plane/discovery/discovery.ts'
import { err, ok } from '#contracts/result.ts'
import { adminApi, openAdminPlane, type AdminApi, type AdminPlane } from '#test/control-plane/admin-plane.ts'

let plane: AdminPlane
let api: AdminApi
let standing: ListStanding | null
let isThere: boolean
beforeAll(async () => {
  plane = await openAdminPlane()
  api = adminApi({
    ...plane.ports,
    discovery: {
      standing: () => standing,
      ask: async () => {
        plane.clock.advance(42)
        return isThere ? ok([{ id: 'm' }, { id: 'n' }]) : err({ reason: 'answered 401', isRefused: true })
      },
    },
    weights: { of: () => ({ factor: 0.5, reason: 'errors 12 %' }), current: () => null },
  })
  const definition = { name: 'A', kind: 'openai', baseUrl: 'https://a.example/v1' } as const
  await api.providers.register({ id: 'a', definition })
  await api.providers.register({ id: 'b', definition: { ...definition, models: { static: ['x'] } } })
})
afterAll(() => plane[Symbol.asyncDispose]())

describe('what a provider serves', () => {
  test('is told as it was last seen, with why nothing newer is known', async () => {
    standing = { list: { at: 7, models: [{ id: 'm', contextWindow: 9 }] }, problem: 'answered 500' }
    expect(await api.providers.models({ id: 'a' })).toEqual({
      source: 'seen',
      at: 7,
      problem: 'answered 500',
      models: [{ id: 'm', contextWindow: 9 }],
    })
    standing = null
    expect(await api.providers.models({ id: 'a' })).toEqual({
      source: 'seen',
      at: null,
      problem: null,
      models: [],
    })
  })

  test('is what its operator named, where he did', async () => {
    expect(await api.providers.models({ id: 'b' })).toMatchObject({ source: 'named', models: [{ id: 'x' }] })
  })

  test('decides who would serve a name, with the prober’s word on each', async () => {
    standing = { list: { at: 7, models: [{ id: 'v/m' }] }, problem: null }
    expect(await api.models.resolve({ name: 'v/m' })).toMatchObject({
      kind: 'listed',
      candidates: [{ provider: 'a', factor: 0.5, reason: 'errors 12 %', share: 1 }],
      others: [{ provider: 'b', why: 'does not list v/m' }],
    })
  })
})

describe('the test of a provider', () => {
  test('says how long it took to answer and how much it lists, or why it did not', async () => {
    isThere = true
    expect(await api.providers.test({ id: 'a' })).toEqual({ ok: true, ms: 42, problem: null, models: 2 })
    isThere = false
    expect(await api.providers.test({ id: 'a' })).toEqual({
      ok: false,
      ms: 42,
      problem: 'answered 401',
      models: null,
    })
  })

  test('needs one that exists', async () => {
    await expect(api.providers.test({ id: 'nobody' })).rejects.toThrow('provider nobody does not exist')
    await expect(api.providers.models({ id: 'nobody' })).rejects.toThrow('provider nobody does not exist')
  })
})

describe('the policy of a model', () => {
  test('is set by commands of its own', async () => {
    const name = 'fast'
    await api.models.create({ name, targets: [{ provider: 'a', model: 'm' }], strategy: 'cost' })
    expect((await api.models.setStrategy({ name, strategy: 'latency', expectedVersion: 1 })).events).toEqual([
      'RoutingStrategySet',
    ])
    expect((await api.models.setRegion({ name, region: 'eu', expectedVersion: 2 })).events).toEqual([
      'RegionPreferenceSet',
    ])
    expect((await api.models.setRegion({ name, region: 'eu', expectedVersion: 3 })).events).toEqual([])
    expect((await api.models.get({ name })).model).toMatchObject({
      strategy: 'latency',
      region: 'eu',
      version: 3,
    })
  })
})
