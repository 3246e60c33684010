/**
 * No key reaches what is another's: client keys at every route of the control plane, whatever it is and however
 * they are sent, and one client's ids under another client's key at every route of a node. Routes and procedures
 * are those the servers have, not those this test knows.
 */
import * as fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import { Metrics } from '#contracts/process/metrics.ts'
import { AUTHORITY } from '#control-plane/admin/authority.ts'
import { adminRouter } from '#control-plane/admin/router.ts'
import { NodeLink } from '#control-plane/nodes/link.ts'
import { consoleFiles } from '#control-plane/console/serve.ts'
import { buildServer } from '#control-plane/server.ts'
import { ADMIN_TOKEN, openAdminPlane, type AdminPlane } from '../control-plane/admin-plane.ts'
import { entry, usageRecord } from '../control-plane/usage-record.ts'
import { eventually } from '../eventually.ts'
import { behaviours } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { Gateway, issued, KEY } from './gateway.ts'
import { routesOf, type ListedRoute } from './routes-of.ts'

const CANARY = 'canary-7f3a9c'
const PROCEDURES = Object.keys(adminRouter._def.procedures)
const METHOD = { query: 'GET', subscription: 'GET', mutation: 'POST' } as const

/** Of the router itself, by its path. */
function typeOf(name: string): keyof typeof METHOD {
  const procedure: unknown = Object.entries(adminRouter._def.procedures).find(([path]) => path === name)?.[1]
  const type: unknown = Object(Object(procedure)._def).type
  if (type !== 'query' && type !== 'subscription' && type !== 'mutation')
    throw new Error(`${name} is of no known type`)
  return type
}

type Answer = Readonly<{ statusCode: number; headers: Record<string, unknown>; body: string }>

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** A subscription's answer has begun before it is refused: the status stands in its only event. */
function statusOf({ statusCode, headers, body }: Answer): number {
  if (!String(headers['content-type']).startsWith('text/event-stream')) return statusCode
  const events = body.split('\n\n').filter((event) => event.includes('event: '))
  const names = events.map((event) => /event: (.*)/.exec(event)?.[1])
  expect(names).toEqual(['connected', 'serialized-error'])
  return Number(/"httpStatus":(\d+)/.exec(events[1] ?? '')?.[1])
}

describe('client keys on the control plane', () => {
  /** What may be asked without any credential. A route that is not here must refuse. */
  const PUBLIC = ['/livez', '/readyz', '/health', '/metrics', ...consoleFiles().map(({ path }) => path)]
  let plane: AdminPlane
  let server: FastifyInstance
  let keys: readonly string[]
  /** `refusal`: what anybody without the right credential is told who sends something well-formed. */
  let addresses: readonly Readonly<{ method: 'GET' | 'POST'; url: string; refusal: number }>[]

  beforeAll(async () => {
    plane = await openAdminPlane()
    const { ports, api, desk: budgets } = plane
    const { ledger, log, fleet, masterKey } = ports
    const link = new NodeLink({ ledger, log, fleet, key: masterKey.commits, lists: () => [CANARY], budgets })
    server = buildServer({
      health: { readiness: () => ({ ready: true, detail: {} }), metrics: new Metrics() },
      nodes: { link, token: masterKey.nodeToken },
      admin: ports,
    })
    const made = await Promise.all(['a', 'b', 'c'].map((name) => api.keys.issue({ name, owner: CANARY })))
    keys = made.map(({ key }) => key ?? '')
    await ports.books.enter([entry(usageRecord(CANARY, { key: made[0]?.ids['key'] ?? '' }))])
    const routes = await routesOf(server)
    const rest = routes.filter(({ path }) => !PUBLIC.includes(path) && path !== '/trpc/:path')
    addresses = [
      ...rest.flatMap(({ path, methods }) =>
        (['GET', 'POST'] as const)
          .filter((one) => methods.includes(one))
          .map((method) => ({ method, url: path, refusal: 401 })),
      ),
      ...PROCEDURES.flatMap((name) =>
        // A procedure that is asked for by the wrong method is not asked for at all.
        (['GET', 'POST'] as const).map((method) => ({
          method,
          url: `/trpc/${name}`,
          refusal: method === METHOD[typeOf(name)] ? 401 : 405,
        })),
      ),
    ]
  })
  afterAll(async () => {
    await server.close()
    await plane[Symbol.asyncDispose]()
  })

  /** Ways a client may send a key, or what it hopes to be taken for one. */
  const placements: readonly ((
    key: string,
  ) => Readonly<{ headers?: Record<string, string>; query?: string }>)[] = [
    (key) => ({ headers: { authorization: `Bearer ${key}` } }),
    (key) => ({ headers: { authorization: `bearer ${key}` } }),
    (key) => ({ headers: { authorization: key } }),
    (key) => ({ headers: { authorization: `Basic ${Buffer.from(`admin:${key}`).toString('base64')}` } }),
    (key) => ({ headers: { authorization: `Bearer ${key} ${ADMIN_TOKEN.slice(0, 8)}` } }),
    (key) => ({
      headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': '127.0.0.1', 'x-admin': 'true' },
    }),
    (key) => ({ headers: { 'x-api-key': key, 'api-key': key, 'x-goog-api-key': key } }),
    (key) => ({ headers: { cookie: `token=${key}; authorization=Bearer ${key}` } }),
    (key) => ({ query: `key=${key}&token=${key}&authorization=Bearer%20${key}` }),
    () => ({}),
  ]
  const inputs = fc.oneof(
    fc.constantFrom('{}', '{"json":{}}', 'null', '[]', '{', '', '{"after":0}', `{"id":"${CANARY}"}`),
    fc.json({ maxDepth: 2 }),
  )

  test('are found by their routes: the API, and what nodes ask', () => {
    expect(PROCEDURES.length).toBeGreaterThan(50)
    expect(PROCEDURES.toSorted()).toEqual([...AUTHORITY.keys()].toSorted())
    const urls = new Set(addresses.map(({ url }) => url))
    for (const url of [
      '/snapshot',
      '/commits',
      '/secrets',
      '/report',
      '/leases',
      '/model-lists',
      '/trpc/keys.issue',
    ])
      expect(urls).toContain(url)
  })

  async function refused(
    { method, url, refusal }: (typeof addresses)[number],
    { headers = {}, query = '' }: ReturnType<(typeof placements)[number]>,
    input: string,
  ): Promise<void> {
    const asked = method === 'GET' ? `input=${encodeURIComponent(input)}` : ''
    const answer = await server.inject({
      method,
      url: `${url}?${[query, asked, 'after=0'].filter((part) => part !== '').join('&')}`,
      headers: { ...headers, ...(method === 'POST' ? { 'content-type': 'application/json' } : {}) },
      ...(method === 'POST' ? { payload: input } : {}),
    })
    // What is malformed is looked at no further either.
    const statuses = isJson(input) ? [refusal] : [refusal, 400]
    expect(statuses, `${method} ${url} ${input}`).toContain(statusOf(answer))
    expect(answer.body).not.toContain(CANARY)
    for (const key of keys) expect(answer.body).not.toContain(key)
  }

  test('are refused at every one of them, however they are sent', async () => {
    const before = plane.ports.ledger.catalog
    for (const address of addresses)
      for (const [at, place] of placements.entries())
        await refused(address, place(keys[at % keys.length] ?? ''), '{}')
    expect(plane.ports.ledger.catalog).toBe(before)
  })

  test('are refused whatever is asked with them, and change nothing', async () => {
    const before = plane.ports.ledger.catalog
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.constantFrom(...placements),
        fc.nat(2),
        inputs,
        async (at, place, which, input) => {
          const address = addresses[at % addresses.length]
          if (address !== undefined) await refused(address, place(keys[which] ?? ''), input)
        },
      ),
      { numRuns: 1_000 },
    )
    expect(plane.ports.ledger.catalog).toBe(before)
  })

  test('would be answered there if they were the admin’s', async () => {
    const answer = await server.inject({
      url: '/trpc/keys.list',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    })
    expect([answer.statusCode, answer.body.includes(CANARY)]).toEqual([200, true])
  })
})

describe('one client’s ids under another client’s key', () => {
  const OTHER = 'sk-other'
  let stack: AsyncDisposableStack
  let provider: FakeProvider
  let gateway: Gateway
  let routes: readonly ListedRoute[]
  /** Ids that are the first client's: of its session, its requests and its answers. */
  const ids = new Set<string>(['session-of-one', 'key_client'])

  beforeAll(async () => {
    stack = new AsyncDisposableStack()
    provider = stack.use(await FakeProvider.start())
    provider.byDefault(behaviours.says('the', ' answer', ` ${CANARY}`))
    gateway = stack.use(
      await Gateway.start({
        providers: { a: { baseUrl: provider.baseUrl } },
        models: { m: ['a/m'] },
        keys: [
          issued('key_other', OTHER),
          {
            type: 'ClientKeyOwnerSet',
            stream: clientKeyStream(keyId('key_client')),
            body: { owner: CANARY, tags: [] },
          },
        ],
      }),
    )
    routes = await routesOf(gateway.server)
    for (const path of ['/v1/chat/completions', '/v1/responses', '/v1/messages']) {
      const body = { model: 'm', max_tokens: 9, input: CANARY, messages: [{ role: 'user', content: CANARY }] }
      const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}`, 'x-session-id': 'session-of-one' },
        body: JSON.stringify(body),
      })
      const text = await answer.text()
      expect(text).toContain(CANARY)
      ids.add(answer.headers.get('x-request-id') ?? '')
      for (const [, id = ''] of text.matchAll(/"id":\s*"([^"]+)"/g)) ids.add(id)
    }
    await eventually(async () => (await own()).split(CANARY).length > 3, 5_000, 'the session')
    // From now on a provider says nothing of the first client's.
    provider.byDefault(behaviours.says('nothing'))
  })
  afterAll(() => stack.disposeAsync())

  const send = async (method: string, url: string, headers: Record<string, string>, body?: string) => {
    const given = body === undefined || method === 'GET' ? {} : { body }
    return fetch(`http://127.0.0.1:${gateway.port}${url}`, { method, headers, ...given })
  }
  const own = async (): Promise<string> =>
    (await send('GET', '/v1/sessions/session-of-one', { authorization: `Bearer ${KEY}` })).text()

  test('lead to nothing of the first client’s at any route, and delete nothing of it', async () => {
    const before = await own()
    const seen = new Set<string>()
    for (const { path, methods } of routes) {
      for (const method of methods.filter((one) => ['GET', 'POST', 'DELETE'].includes(one))) {
        for (const id of ids) {
          const url = path.replace(/:id|\*/, encodeURIComponent(id))
          for (const query of ['', `?key_id=key_client&session=${id}&user=key_client`]) {
            const headers = { authorization: `Bearer ${OTHER}`, 'x-session-id': id, 'x-key-id': 'key_client' }
            const body = JSON.stringify({
              model: 'm',
              max_tokens: 9,
              previous_response_id: id,
              conversation: id,
              user: 'key_client',
              messages: [{ role: 'user', content: 'Hi' }],
            })
            const answer = await send(method, `${url}${query}`, headers, body)
            seen.add(`${method} ${path}`)
            expect(await answer.text(), `${method} ${url}${query}`).not.toContain(CANARY)
          }
        }
      }
    }
    expect([...seen]).toEqual(
      expect.arrayContaining(['GET /v1/sessions/:id', 'DELETE /context/:id', 'GET /v1/models/*']),
    )
    expect(await own()).toBe(before)
  })

  test('reach no usage and no request records: a node tells them to nobody', async () => {
    for (const path of [
      'usage',
      'requests',
      'budgets',
      'keys',
      'trpc/usage.summary',
      'trpc/requests.list',
      'snapshot',
    ]) {
      for (const prefix of ['', 'v1/', 'v1beta/', 'admin/']) {
        const answer = await send('GET', `/${prefix}${path}`, { authorization: `Bearer ${KEY}` })
        expect([404, 405], `/${prefix}${path}`).toContain(answer.status)
        expect(await answer.text()).not.toContain(CANARY)
      }
    }
  })
})
