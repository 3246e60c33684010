import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN_TOKEN,
  listenAdmin,
  openAdminPlane,
  type AdminPlane,
  type Listener,
} from '#test/control-plane/admin-plane.ts'
import { ApiFailure, createApi, requestOf, type Api } from './api.ts'

let plane: AdminPlane
let listener: Listener
beforeAll(async () => {
  plane = await openAdminPlane()
  listener = await listenAdmin(plane.ports)
})
afterAll(async () => {
  await listener[Symbol.asyncDispose]()
  await plane[Symbol.asyncDispose]()
})

const apiWith = (token: string, base = `${listener.url}/trpc/`): Api => createApi({ base, token, fetch })
const api = (): Api => apiWith(ADMIN_TOKEN)

async function failureOf(work: Promise<unknown>): Promise<ApiFailure> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error instanceof ApiFailure) return error
  throw new Error(`not refused: ${String(error)}`)
}

const definition = { name: 'A', kind: 'openai', baseUrl: 'https://api.example/v1' } as const

describe('the API of a browser', () => {
  test('asks and changes as the client of programs does', async () => {
    const registered = await api().providers.register.mutate({ id: 'a', definition, credentials: [] })
    expect(registered).toMatchObject({ events: ['ProviderRegistered'], version: 1 })
    const { provider } = await api().providers.get.query({ id: 'a' })
    expect(provider.definition.baseUrl).toBe(definition.baseUrl)
    expect((await api().system.status.query()).head).toBe(registered.commitNo)
  })

  test('reaches procedures within procedures', async () => {
    const added = await api().providers.credentials.add.mutate({
      id: 'a',
      apiKey: 'sk-1',
      expectedVersion: 1,
    })
    expect(added.events).toEqual(['CredentialAdded'])
  })

  test('tells why it was refused: the version it is at, and each problem by its path', async () => {
    const conflict = await failureOf(api().providers.disable.mutate({ id: 'a', expectedVersion: 1 }))
    expect(conflict.known).toMatchObject({ code: 'CONFLICT', refusal: 'conflict', current: 2 })
    const invalid = await failureOf(
      api().providers.register.mutate({
        id: 'b',
        definition: { ...definition, baseUrl: 'nowhere' },
        credentials: [],
      }),
    )
    expect(invalid.known.issues).toEqual([{ path: 'definition.baseUrl', message: 'is not a URL' }])
    expect(invalid.isOpen).toBe(false)
  })

  test('is not let in with another token', async () => {
    const { known } = await failureOf(apiWith('wrong').system.status.query())
    expect(known.code).toBe('UNAUTHORIZED')
  })

  test('says that nobody was there, and that the change may have been made', async () => {
    const failure = await failureOf(apiWith(ADMIN_TOKEN, 'http://127.0.0.1:1/trpc/').system.status.query())
    expect([failure.message, failure.isOpen]).toEqual(['The control plane cannot be reached.', true])
  })

  test('follows the fleet until it leaves, and is told when it was turned away', async () => {
    const first = Promise.withResolvers<unknown>()
    const subscription = api().fleet.watch.subscribe({}, { onData: first.resolve, onError: first.reject })
    expect(await first.promise).toMatchObject({ nodes: [], gone: [] })
    subscription.unsubscribe()
    const refused = Promise.withResolvers<unknown>()
    apiWith('wrong').fleet.watch.subscribe({}, { onError: refused.resolve })
    expect(await refused.promise).toMatchObject({ known: { code: 'UNAUTHORIZED' } })
  })

  test('is told when a stream ends that has no end', async () => {
    const ended = Promise.withResolvers<unknown>()
    const told: unknown[] = []
    api().fleet.watch.subscribe({ changes: 1 }, { onData: (data) => told.push(data), onError: ended.resolve })
    expect(String(await ended.promise)).toContain('ended the stream')
    expect(told).toHaveLength(1)
  })

  test('sends the token in one header, and nothing that a browser adds by itself', () => {
    const [url, init] = requestOf({ base: 'http://x/trpc/', token: 't' }, 'a.b', {
      input: { c: 'ü&?' },
      isChange: false,
    })
    expect(JSON.parse(new URL(url).searchParams.get('input') ?? '')).toEqual({ c: 'ü&?' })
    expect(init).toEqual({
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
      headers: { authorization: 'Bearer t' },
    })
    expect(url).not.toContain('Bearer')
  })
})
