import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN_TOKEN,
  listenAdmin,
  openAdminPlane,
  type AdminPlane,
  type Listener,
} from '#test/control-plane/admin-plane.ts'
import { createAdminClient, failureOf, type AdminClient, type AdminFailure } from './client.ts'

const failure = async (call: Promise<unknown>): Promise<AdminFailure> => {
  try {
    await call
  } catch (error) {
    return failureOf(error)
  }
  throw new Error('it succeeded')
}

describe('a client', () => {
  let plane: AdminPlane
  let listener: Listener
  let client: AdminClient
  beforeAll(async () => {
    plane = await openAdminPlane()
    listener = await listenAdmin(plane.ports)
    client = createAdminClient({ url: `${listener.url}/`, token: ADMIN_TOKEN })
  })
  afterAll(async () => {
    await listener[Symbol.asyncDispose]()
    await plane[Symbol.asyncDispose]()
  })

  test('asks and changes with types of the router', async () => {
    const definition = { name: 'A', kind: 'openai', baseUrl: 'https://api.example/v1' } as const
    const { commitNo, version } = await client.providers.register.mutate({ id: 'a', definition })
    const { provider } = await client.providers.get.query({ id: 'a', atLeastCommit: commitNo })
    expect([provider.version, provider.definition.timeouts.connectMs]).toEqual([version, 5_000])
    expect((await client.providers.list.query()).providers.map(({ id }) => id)).toEqual(['a'])
    expect(await client.fleet.wait.query({ commitNo, timeoutMs: 0 })).toEqual({
      served: true,
      live: 0,
      behind: [],
      blockers: [],
    })
  })

  test('means the same change by the same object, and another by another', async () => {
    const input = { name: 'laptop' }
    const first = await client.keys.issue.mutate(input)
    const again = await client.keys.issue.mutate(input)
    expect(again).toMatchObject({ replayed: true, commandId: first.commandId, ids: first.ids, key: null })
    expect(input).toEqual({ name: 'laptop' })
    const other = await client.keys.issue.mutate({ name: 'laptop' })
    expect(other).toMatchObject({ replayed: false, key: expect.stringMatching(/^sk-ap-/) })
  })

  test('keeps a command id it is given', async () => {
    const commandId = '018f0000-0000-7000-8000-00000000000a'
    expect(await client.keys.issue.mutate({ name: 'own id', commandId })).toMatchObject({
      commandId,
      replayed: false,
    })
    expect(await client.keys.issue.mutate({ name: 'own id', commandId })).toMatchObject({
      commandId,
      replayed: true,
    })
  })

  test('tells failures as data', async () => {
    expect(await failure(client.providers.get.query({ id: 'nobody' }))).toEqual({
      code: 'NOT_FOUND',
      message: 'provider nobody does not exist',
      issues: [],
      current: null,
    })
    expect(await failure(client.models.resolve.query({ name: '' }))).toMatchObject({
      code: 'BAD_REQUEST',
      issues: [{ path: 'name', message: expect.stringContaining('1-200 characters') }],
    })
    expect(await failure(client.providers.remove.mutate({ id: 'a', expectedVersion: 99 }))).toMatchObject({
      current: 1,
    })
    const stranger = createAdminClient({ url: listener.url, token: 'not-it' })
    expect(await failure(stranger.system.status.query())).toMatchObject({ code: 'UNAUTHORIZED' })
  })
})

describe('a client of a control plane that does not answer', () => {
  let silent: Server
  let url: string
  beforeAll(async () => {
    silent = createServer(() => undefined)
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve)
    })
    const address = silent.address()
    url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  })
  afterAll(() => {
    silent.closeAllConnections()
    silent.close()
  })

  test('waits no longer than it was told', async () => {
    const client = createAdminClient({ url, token: 't', timeoutMs: 50 })
    expect(await failure(client.system.status.query())).toEqual({
      code: null,
      message: 'no answer in 50 ms',
      issues: [],
      current: null,
    })
    expect(await failure(client.keys.issue.mutate({ name: 'k' }))).toMatchObject({
      message: 'no answer in 50 ms',
    })
  })

  test('adds the time the control plane was asked to take', async () => {
    const client = createAdminClient({ url, token: 't', timeoutMs: 50 })
    expect(await failure(client.fleet.wait.query({ commitNo: 1, timeoutMs: 100 }))).toMatchObject({
      message: 'no answer in 150 ms',
    })
  })

  test('stops when the caller does', async () => {
    const controller = new AbortController()
    const client = createAdminClient({ url, token: 't' })
    const waiting = failure(client.system.status.query(undefined, { signal: controller.signal }))
    controller.abort()
    expect(await waiting).toMatchObject({ code: null, message: expect.stringContaining('aborted') })
  })

  test('says so when nobody is there', async () => {
    const client = createAdminClient({ url: 'http://127.0.0.1:1', token: 't' })
    expect(await failure(client.system.status.query())).toMatchObject({
      code: null,
      message: expect.stringMatching(/ECONNREFUSED|bad port/),
    })
  })
})
