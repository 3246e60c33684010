import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MOST_LISTED_MODELS } from '#contracts/catalog/facts/listed-model.ts'
import { ProviderDefinition, type ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { guardedConnector } from '#contracts/security/guarded-connector.ts'
import { Secret } from '#contracts/security/secret.ts'
import { FakeProvider } from '#test/fakes/provider.ts'
import { fetchList } from './fetch-list.ts'

let stack: AsyncDisposableStack
let agent: Agent
beforeEach(() => {
  stack = new AsyncDisposableStack()
  agent = stack.adopt(new Agent(), (opened) => opened.destroy())
})
afterEach(() => stack.disposeAsync())

type Asked = Readonly<{ url: URL; headers: IncomingHttpHeaders }>

/** A provider that answers each question for its list by a function. */
async function lister(answer: (query: URLSearchParams) => unknown) {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://host')
    asked.push({ url, headers: request.headers })
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer(url.searchParams)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { asked, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const ask = (
  definition: Partial<ProviderDefinitionInput> & Pick<ProviderDefinitionInput, 'baseUrl'>,
  over: Partial<Parameters<typeof fetchList>[0]> = {},
) =>
  fetchList({
    definition: ProviderDefinition.parse({ name: 'a', kind: 'openai', ...definition }),
    secret: new Secret('sk-1'),
    dispatcher: agent,
    signal: AbortSignal.timeout(5_000),
    ...over,
  })
const idsOf = (result: Awaited<ReturnType<typeof fetchList>>) =>
  result.ok ? result.value.map(({ id }) => id) : result.error.reason

describe('a list', () => {
  test('of an OpenAI-compatible provider is asked for with its credential, at the path it was said to be', async () => {
    const { asked, origin } = await lister(() => ({ data: [{ id: 'm' }] }))
    expect(idsOf(await ask({ baseUrl: `${origin}/x/v1?v=1`, models: { path: '/all' } }))).toEqual(['m'])
    expect([asked[0]?.url.pathname, asked[0]?.url.search]).toEqual(['/x/v1/all', '?v=1'])
    expect(asked[0]?.headers).toMatchObject({ authorization: 'Bearer sk-1', 'accept-encoding': 'identity' })
  })

  test('of Anthropic is read to its end, in large pages', async () => {
    const pages: Readonly<Record<string, unknown>> = {
      '': { data: [{ id: 'a' }, { id: 'b' }], has_more: true, last_id: 'b' },
      b: { data: [{ id: 'b' }, { id: 'c' }], has_more: false, last_id: 'c' },
    }
    const { asked, origin } = await lister((query) => pages[query.get('after_id') ?? ''])
    expect(idsOf(await ask({ kind: 'anthropic', baseUrl: origin }))).toEqual(['a', 'b', 'c'])
    expect(asked.map(({ url }) => url.pathname + url.search)).toEqual([
      '/v1/models?limit=1000',
      '/v1/models?limit=1000&after_id=b',
    ])
    expect(asked[0]?.headers).toMatchObject({ 'x-api-key': 'sk-1', 'anthropic-version': '2023-06-01' })
  })

  test('of Gemini is read to its end by its tokens', async () => {
    const { asked, origin } = await lister((query) =>
      query.has('pageToken')
        ? { models: [{ name: 'models/b' }] }
        : { models: [{ name: 'models/a' }], nextPageToken: 't/1' },
    )
    expect(idsOf(await ask({ kind: 'gemini', baseUrl: origin }))).toEqual(['a', 'b'])
    expect(asked.map(({ url }) => url.pathname + url.search)).toEqual([
      '/v1beta/models?pageSize=1000',
      '/v1beta/models?pageSize=1000&pageToken=t%2F1',
    ])
    expect(asked[0]?.headers['x-goog-api-key']).toBe('sk-1')
  })

  test('that never ends is given up', async () => {
    const same = await lister(() => ({ data: [{ id: 'a' }], has_more: true, last_id: 'a' }))
    expect(idsOf(await ask({ baseUrl: same.origin }))).toBe('the list does not end')
    expect(same.asked.length).toBe(2)
    let page = 0
    const endless = await lister(() => ({ data: [{ id: `m${(page += 1)}` }], has_more: true }))
    expect(idsOf(await ask({ baseUrl: endless.origin }))).toBe('the list does not end')
    expect(endless.asked.length).toBe(100)
  })

  test('is taken as far as it may go', async () => {
    const { origin } = await lister(() => Array.from({ length: 6_000 }, (_, at) => `m${at}`))
    expect(idsOf(await ask({ baseUrl: origin })).length).toBe(MOST_LISTED_MODELS)
  })

  test('that is larger than any is given up', async () => {
    const { origin } = await lister(() => ({ data: [], padding: 'x'.repeat(9 * 1024 * 1024) }))
    expect(idsOf(await ask({ baseUrl: origin }))).toBe('the list is too large')
  })
})

describe('a provider that does not say', () => {
  let provider: FakeProvider
  beforeEach(async () => {
    provider = stack.use(await FakeProvider.start())
  })
  const told = async (over: Partial<Parameters<typeof fetchList>[0]> = {}) => {
    const result = await ask({ baseUrl: provider.baseUrl }, over)
    return result.ok ? 'a list' : result.error
  }

  test.each([
    [401, true],
    [403, true],
    [404, false],
    [500, false],
  ])('and answers %i is told so', async (status, isRefused) => {
    provider.when({ path: '/models' }, { status })
    expect(await told()).toEqual({ reason: `answered ${status}`, isRefused })
  })

  test.each([
    ['with a page for people', '<html>hello</html>', 'the answer is not JSON'],
    ['with something else', '{"secret":"sk-x"}', 'the answer is not a list of models'],
  ])('and answers %s is told so, without its words', async (_how, body, reason) => {
    provider.when({ path: '/models' }, { body })
    expect(await told()).toEqual({ reason, isRefused: false })
  })

  test('in time is given up, before its answer and in the middle of it', async () => {
    const signal = () => AbortSignal.timeout(50)
    provider.when({ path: '/models' }, { hang: 'before-headers' })
    expect(await told({ signal: signal() })).toMatchObject({ reason: 'did not answer in time' })
    provider.reset().when({ path: '/models' }, { hang: 'after-headers' })
    expect(await told({ signal: signal() })).toMatchObject({ reason: 'did not answer in time' })
  })

  test('because it is not there is told by the network’s code', async () => {
    await provider.stopListening()
    expect(await told()).toMatchObject({ reason: 'failed: ECONNREFUSED' })
  })

  test('because it may not be asked there is not asked', async () => {
    const guarded = stack.adopt(new Agent({ connect: guardedConnector(false, 1_000) }), (opened) =>
      opened.destroy(),
    )
    expect(await told({ dispatcher: guarded })).toEqual({
      reason: 'the provider’s host is not on the public internet',
      isRefused: false,
    })
    expect(provider.connections).toBe(0)
  })

  test('here sends nobody’s credential elsewhere', async () => {
    const thief = stack.use(await FakeProvider.start())
    provider.when({ path: '/models' }, { status: 302, headers: { location: `${thief.baseUrl}/models` } })
    expect(await told()).toMatchObject({ reason: 'answered 302' })
    expect(thief.stats.requests).toBe(0)
  })
})
