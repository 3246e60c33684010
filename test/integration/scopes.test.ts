/**
 * Client keys that may use some models, providers and endpoints only: what is out of their scope is refused in
 * the caller's own words, and not told of.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { KeyScopes } from '#contracts/catalog/client-key.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { Gateway, issued, KEY } from './gateway.ts'

const scoped = (name: string, scopes: KeyScopes): readonly CatalogEvent[] => [
  issued(`key_${name}`, `sk-${name}`),
  { type: 'ClientKeyScopesSet', stream: clientKeyStream(keyId(`key_${name}`)), body: { scopes } },
]

let a: FakeProvider
let b: FakeProvider
let gateway: Gateway

beforeAll(async () => {
  ;[a, b] = [await FakeProvider.start(), await FakeProvider.start()]
  gateway = await Gateway.start({
    providers: {
      a: { baseUrl: a.baseUrl, definition: { models: { static: ['large', 'small'] } } },
      b: { baseUrl: b.baseUrl, definition: { models: { static: ['large'] } } },
    },
    models: { fast: ['a/small', 'b/large'], secret: ['b/large'] },
    keys: [
      ...scoped('fast', { models: ['fast'] }),
      ...scoped('pins', { models: ['a/*', 'sm*'] }),
      ...scoped('b', { providers: ['b'] }),
      ...scoped('chat', { endpoints: ['chat'] }),
    ],
  })
})
beforeEach(() => {
  a.reset()
  b.reset()
  gateway.forgive()
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await a[Symbol.asyncDispose]()
  await b[Symbol.asyncDispose]()
})

const MESSAGES = [{ role: 'user', content: 'Hi' }]

async function send(token: string, path: string, body: object): Promise<readonly [number, unknown]> {
  const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  })
  return [answer.status, await answer.json()]
}
const chat = async (token: string, model: string): Promise<number> =>
  (await send(token, '/v1/chat/completions', { model, messages: MESSAGES }))[0]

describe('a key with a scope', () => {
  test.each([
    ['fast', 'fast', 200],
    ['fast', 'large', 403],
    ['fast', 'a/small', 403],
    ['fast', 'secret', 403],
    // Not even whether a name exists is told.
    ['fast', 'no-such-model', 403],
    ['pins', 'a/large', 200],
    ['pins', 'a/unlisted', 200],
    ['pins', 'small', 200],
    ['pins', 'large', 403],
    ['pins', 'b/large', 403],
    ['pins', 'small/../large', 404],
    ['b', 'large', 200],
    ['b', 'fast', 200],
    ['b', 'b/large', 200],
    ['b', 'a/large', 403],
    ['b', 'small', 403],
    ['b', 'no-such-model', 404],
    ['chat', 'secret', 200],
  ])('%s asks for %s: %i', async (name, model, status) => {
    expect(await chat(`sk-${name}`, model)).toBe(status)
  })

  test('is never served by a provider that is out of it, not even when all others fail', async () => {
    for (let time = 0; time < 20; time++) expect(await chat('sk-b', 'large')).toBe(200)
    b.byDefault({ status: 500 })
    expect(await chat('sk-b', 'fast')).toBe(502)
    expect(await chat(KEY, 'fast')).toBe(200)
    expect(a.requests.length).toBe(1)
  })

  test.each([
    ['/v1/responses', { model: 'fast', input: 'Hi' }, { error: { code: 'permission_denied' } }],
    [
      '/v1/messages',
      { model: 'fast', max_tokens: 9, messages: MESSAGES },
      { type: 'error', error: { type: 'permission_error' } },
    ],
    [
      '/v1beta/models/fast:generateContent',
      { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] },
      { error: { code: 403, status: 'PERMISSION_DENIED' } },
    ],
    ['/v1/embeddings', { model: 'fast', input: 'Hi' }, { error: { code: 'permission_denied' } }],
  ])('for chat alone is refused at %s, in the words of its clients', async (path, body, words) => {
    const [status, told] = await send('sk-chat', path, body)
    expect(status).toBe(403)
    expect(told).toMatchObject(words)
    expect(a.requests.length + b.requests.length).toBe(0)
  })

  test.each([
    [KEY, ['fast', 'large', 'secret', 'small']],
    ['sk-fast', ['fast']],
    ['sk-pins', ['small']],
    ['sk-b', ['fast', 'large', 'secret']],
    ['sk-chat', ['fast', 'large', 'secret', 'small']],
  ])('%s sees the models it may use: %j', async (token, ids) => {
    const headers = { authorization: `Bearer ${token}` }
    const ask = (path: string): Promise<Response> => fetch(gateway.baseUrl + path, { headers })
    const list = (await (await ask('/models')).json()) as { data: readonly { id: string }[] }
    expect(list.data.map(({ id }) => id)).toEqual(ids)
    for (const id of ['fast', 'large', 'secret', 'small'])
      expect((await ask(`/models/${id}`)).status).toBe(ids.includes(id) ? 200 : 404)
  })
})
