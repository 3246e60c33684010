/**
 * No key reaches what is another's: one client's ids under another client's key, at every route of a node. Routes
 * are those the server has, not those this test knows.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import { eventually } from '../eventually.ts'
import { behaviours } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { Gateway, issued, KEY } from './gateway.ts'
import { routesOf, type ListedRoute } from './routes-of.ts'

const CANARY = 'canary-7f3a9c'

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
