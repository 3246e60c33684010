/**
 * Many clients, three providers that fail at random, and what must hold for every single answer.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { diceOf } from '#contracts/routing/dice.ts'
import { behaviours, type Behaviour } from '../fakes/behaviour.ts'
import { eventually } from '../eventually.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { Gateway, KEY } from './gateway.ts'

let stack: AsyncDisposableStack
let a: FakeProvider
let b: FakeProvider
let c: FakeProvider

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  ;[a, b, c] = [
    stack.use(await FakeProvider.start()),
    stack.use(await FakeProvider.start()),
    stack.use(await FakeProvider.start()),
  ]
})
afterEach(() => stack.disposeAsync())

const HEADERS = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
const ask = (gateway: Gateway, body: object): Promise<Response> =>
  fetch(`${gateway.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: HEADERS,
    body: JSON.stringify({ messages: [], ...body }),
  })

/** Words that nobody else says. */
const wordsOf = (name: string): readonly string[] => Array.from({ length: 8 }, (_word, at) => `${name}${at} `)

/** What may happen to a request, with the words of the provider it happens at. */
const MISHAPS: readonly Behaviour[] = [
  behaviours.serverError,
  behaviours.overloaded,
  behaviours.throttled('0'),
  behaviours.html,
  behaviours.errorAsFirstEvent,
  behaviours.noSuchModel,
  behaviours.cutBeforeHeaders,
  behaviours.resetBeforeHeaders,
  ...[1, 100, 300, 500, 700, 900, 1_200].flatMap((bytes) => [
    behaviours.cutAfterBytes(bytes),
    behaviours.resetAfterBytes(bytes),
  ]),
  behaviours.slowFirstToken(30),
  behaviours.slowStream(5, []),
]

test.each([1, 2, 3])('no answer is made of two, and none ends without saying how (seed %i)', async (seed) => {
  const dice = diceOf(seed)
  const fakes = { a, b, c }
  const gateway = stack.use(
    await Gateway.start({
      providers: Object.fromEntries(
        Object.entries(fakes).map(([name, fake]) => [name, { baseUrl: fake.baseUrl }]),
      ),
      models: { m: ['a/m', 'b/m', 'c/m'] },
    }),
  )
  for (const [name, fake] of Object.entries(fakes)) {
    const words = wordsOf(name)
    fake.byDefault({ words })
    const script = Array.from({ length: 200 }, (): Behaviour =>
      dice() < 0.5 ? { words } : { ...MISHAPS[Math.floor(dice() * MISHAPS.length)], words },
    )
    fake.next(...script)
  }
  const counts = { whole: 0, broken: 0, refused: 0 }
  const client = async (): Promise<void> => {
    for (let time = 0; time < 15; time++) {
      const stream = dice() < 0.6
      // Everybody is asked all the time, however it behaves: more answers, more seams to look at.
      gateway.forgive()
      const answer = await ask(gateway, { model: 'm', stream })
      const text = await answer.text()
      const said = [...text.matchAll(/"content":"([^"]*)"/g)].map((match) => match[1]).join('')
      const provider = answer.headers.get('x-apiproxy-provider') ?? ''
      const whole = wordsOf(provider).join('')
      if (answer.status !== 200) {
        counts.refused += 1
        expect(JSON.parse(text)).toHaveProperty('error.code')
        expect(said).toBe('')
      } else if (text.includes('"error"')) {
        counts.broken += 1
        expect(stream).toBe(true)
        expect(whole.startsWith(said) && said !== '').toBe(true)
        expect(text).not.toContain('[DONE]')
      } else {
        counts.whole += 1
        expect(said).toBe(whole)
        if (stream) expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
      }
      expect(new Set(text.match(/chatcmpl-fake-\d+/g)).size).toBeLessThanOrEqual(1)
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
  expect(counts.whole).toBeGreaterThan(150)
  expect(counts.broken).toBeGreaterThan(0)
  expect(gateway.settled).toHaveLength(240)
  expect(gateway.errors).toEqual([])
})

describe('a provider that fails and recovers', () => {
  test('gets its traffic back by itself, also when it is the only one', async () => {
    const gateway = stack.use(
      await Gateway.start({ providers: { a: { baseUrl: a.baseUrl } }, models: { m: ['a/m'] } }),
    )
    a.byDefault(behaviours.serverError)
    const seen = new Set<number>()
    for (let time = 0; time < 40; time++) seen.add((await ask(gateway, { model: 'm' })).status)
    // Asked in vain, and spared when asking had been in vain often enough.
    expect(seen).toEqual(new Set([502, 503]))
    expect(a.stats.requests).toBeLessThan(40)
    a.byDefault({})
    await eventually(async () => (await ask(gateway, { model: 'm' })).status === 200)
    for (let time = 0; time < 20; time++) expect((await ask(gateway, { model: 'm' })).status).toBe(200)
  })

  test('loses its traffic after five faults at most, and is tried again when its time has come', async () => {
    const gateway = stack.use(
      await Gateway.start({
        providers: { a: { baseUrl: a.baseUrl }, b: { baseUrl: b.baseUrl } },
        models: { m: ['a/m', 'b/m'] },
      }),
    )
    a.byDefault(behaviours.serverError)
    for (let time = 0; time < 20; time++) expect((await ask(gateway, { model: 'm' })).status).toBe(200)
    const tried = a.stats.requests
    expect(tried).toBeLessThanOrEqual(5)
    expect(b.stats.requests).toBe(20)
    a.byDefault({})
    gateway.forgive()
    await ask(gateway, { model: 'm' })
    expect(a.stats.requests).toBe(tried + 1)
  })

  test('is not blamed for what its clients do', async () => {
    const gateway = stack.use(
      await Gateway.start({
        providers: { a: { baseUrl: a.baseUrl }, b: { baseUrl: b.baseUrl } },
        models: { m: ['a/m', 'b/m'] },
      }),
    )
    const big = 'x'.repeat(9_000)
    a.next(...Array.from({ length: 10 }, () => behaviours.badRequest))
    for (let time = 0; time < 10; time++) expect((await ask(gateway, { model: 'm' })).status).toBe(400)
    // A form of answer that we cannot see being asked for, in the middle of a large body.
    const hidden = `{"model":"m","messages":["${big}"],"\\u0073tream":true,"tools":["${big}"]}`
    for (let time = 0; time < 10; time++) {
      await fetch(`${gateway.baseUrl}/chat/completions`, { method: 'POST', headers: HEADERS, body: hidden })
    }
    expect(gateway.outcomes).toContain('a:invalid')
    a.reset()
    expect((await ask(gateway, { model: 'm' })).headers.get('x-apiproxy-provider')).toBe('a')
    expect(a.stats.requests).toBe(1)
  })
})

describe('an address', () => {
  test.each([
    ['', '/chat/completions'],
    ['/', '/chat/completions'],
    ['/v1', '/v1/chat/completions'],
    ['/proxy/openai/v1/', '/proxy/openai/v1/chat/completions'],
    ['/openai/v1?api-version=2024-10-21&x=%2F', '/openai/v1/chat/completions?api-version=2024-10-21&x=%2F'],
  ])('ending in %j is called at %s, the first time and on failover', async (suffix, path) => {
    const root = (fake: FakeProvider): string => fake.baseUrl.replace(/\/v1$/, suffix)
    const gateway = stack.use(
      await Gateway.start({
        providers: { a: { baseUrl: root(a) }, b: { baseUrl: root(b) } },
        models: { m: ['a/m', 'b/m'] },
      }),
    )
    a.next(behaviours.serverError)
    expect((await ask(gateway, { model: 'm' })).status).toBe(200)
    expect([a.last.path, b.last.path]).toEqual([path, path])
    expect([a.last.headers.host, b.last.headers.host]).toEqual([`127.0.0.1:${a.port}`, `127.0.0.1:${b.port}`])
  })
})

describe('what an upstream gets to see', () => {
  test('is the headers we decided on, and nothing of the client’s', async () => {
    const gateway = stack.use(
      await Gateway.start({ providers: { a: { baseUrl: a.baseUrl } }, models: { m: ['a/m'] } }),
    )
    const headers = {
      ...HEADERS,
      cookie: 'secret=1',
      'x-forwarded-for': '1.2.3.4',
      'user-agent': 'client',
      'x-api-key': KEY,
      'openai-organization': 'org',
      'x-apiproxy-model': 'other',
      'x-session-id': 's',
      'accept-language': 'de',
    }
    await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: 'POST',
      headers,
      body: '{"model":"m","messages":[]}',
    })
    const { host, 'content-length': length, connection, ...rest } = a.last.headers
    expect([host, length, connection]).toEqual([`127.0.0.1:${a.port}`, '27', 'keep-alive'])
    expect(rest).toEqual({
      authorization: 'Bearer sk-a-1',
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'apiproxy',
    })
  })
})
