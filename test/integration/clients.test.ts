/**
 * Clients that leave, that are slow, that are old, and that hold a conversation.
 */
import { connect } from 'node:net'
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#contracts/process/clock.ts'
import { RedisSessionStore } from '#data-plane/sessions/store-redis.ts'
import { behaviours, type Behaviour } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { eventually } from '../eventually.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { freshRedis } from '../services/services.ts'
import { Gateway, KEY, type GatewayOptions } from './gateway.ts'
import { exchange, requestText } from './raw-http.ts'

let stack: AsyncDisposableStack
let a: FakeProvider
let b: FakeProvider
/** Patient enough for what these tests do. */
const PATIENT = { connectMs: 500, answerMs: 5_000, firstTokenMs: 5_000, idleMs: 5_000 }

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  ;[a, b] = [stack.use(await FakeProvider.start()), stack.use(await FakeProvider.start())]
})
afterEach(() => stack.disposeAsync())

async function start(over: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const definition = { timeouts: PATIENT }
  const providers = { a: { baseUrl: a.baseUrl, definition }, b: { baseUrl: b.baseUrl, definition } }
  return stack.use(await Gateway.start({ providers, models: { m: ['a/m', 'b/m'] }, ...over }))
}

const AUTH = { authorization: `Bearer ${KEY}` }
const bodyOf = (stream: boolean): string => JSON.stringify({ model: 'm', messages: [], stream })
const ask = (gateway: Gateway, init: RequestInit & { stream?: boolean } = {}): Promise<Response> =>
  fetch(`${gateway.baseUrl}/chat/completions`, {
    method: 'POST',
    body: bodyOf(init.stream === true),
    ...init,
    headers: { ...AUTH, ...init.headers },
  })

describe('a client that leaves', () => {
  test.each<[string, boolean, Behaviour]>([
    ['before a JSON answer', false, behaviours.hangBeforeHeaders],
    ['in the middle of a JSON answer', false, behaviours.hangAfterHeaders],
    ['before a stream', true, behaviours.hangBeforeHeaders],
    ['before the first word of a stream', true, behaviours.hangMidStream(1)],
    ['in the middle of a stream', true, behaviours.hangMidStream(3)],
    [
      'in the middle of a stream that goes on',
      true,
      behaviours.slowStream(
        20,
        Array.from({ length: 1_000 }, () => 'word '),
      ),
    ],
  ])('%s aborts what was asked of the provider', async (when, stream, behaviour) => {
    const gateway = await start()
    a.byDefault(behaviour)
    const leave = new AbortController()
    const asked = ask(gateway, { stream, signal: leave.signal }).then(
      (answer) => answer.text(),
      () => 'left',
    )
    asked.catch(() => undefined)
    await eventually(() => a.stats.open === 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    leave.abort()
    await eventually(() => a.stats.aborted === 1, 2_000)
    await eventually(() => gateway.settled.length === 1)
    expect(gateway.settled).toEqual([when.includes('middle of a stream') ? 200 : 499])
    expect(gateway.outcomes).toEqual(['a:cancelled'])
    expect(b.stats.requests).toBe(0)
    expect([gateway.errors, gateway.warnings]).toEqual([[], []])
  })

  test('through the official SDK aborts, too', async () => {
    const gateway = await start()
    a.byDefault(
      behaviours.slowStream(
        10,
        Array.from({ length: 1_000 }, () => 'word '),
      ),
    )
    const openai = new OpenAI({ apiKey: KEY, baseURL: gateway.baseUrl, maxRetries: 0 })
    const stream = await openai.chat.completions.create({ model: 'm', messages: [], stream: true })
    let words = 0
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content === 'word ' && ++words === 5) break
    await eventually(() => a.stats.aborted === 1, 2_000)
    expect(gateway.outcomes).toEqual(['a:cancelled'])
  })

  test('between two attempts is not asked for again', async () => {
    const gateway = await start()
    a.byDefault({ ...behaviours.serverError, beforeHeadersMs: 100 })
    const leave = new AbortController()
    const asked = ask(gateway, { signal: leave.signal })
    asked.catch(() => undefined)
    await eventually(() => a.stats.open === 1)
    leave.abort()
    await eventually(() => gateway.settled.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect([gateway.settled, b.stats.requests]).toEqual([[499], 0])
  })

  test('by the hundred leaves nothing behind', async () => {
    const gateway = await start()
    a.byDefault(behaviours.hangMidStream(3))
    const clients = Array.from({ length: 100 }, () => {
      const socket = connect(gateway.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(requestText('POST /v1/chat/completions', AUTH, bodyOf(true)))
      return socket
    })
    await eventually(() => a.stats.open === 100)
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (const [at, client] of clients.entries()) {
      if (at % 2 === 0) client.destroy()
      else client.resetAndDestroy()
    }
    await eventually(() => a.stats.aborted === 100, 5_000)
    await eventually(() => gateway.settled.length === 100)
    const connections = await new Promise<number>((resolve) =>
      gateway.server.server.getConnections((_error, count) => resolve(count)),
    )
    expect(connections).toBe(0)
    expect(gateway.errors).toEqual([])
  })

  test('by half, as some old ones do after their request, has left', async () => {
    const gateway = await start()
    a.byDefault(behaviours.hangBeforeHeaders)
    const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.end(requestText('POST /v1/chat/completions', AUTH, bodyOf(false)))
    await eventually(() => a.stats.aborted === 1, 2_000)
    socket.destroy()
  })
})

describe('a slow client', () => {
  test('holds up its own stream and nobody else’s, and gets every byte', async () => {
    const gateway = await start()
    const words = Array.from({ length: 800 }, (_word, at) => `${at} ${'x'.repeat(50_000)}`)
    a.next({ words })
    const slow = await ask(gateway, { stream: true })
    const reader = (slow.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    await new Promise((resolve) => setTimeout(resolve, 100))
    // 40 MB do not fit between the two: the provider has to wait as well.
    expect(a.stats.open).toBe(1)
    expect((await ask(gateway)).status).toBe(200)
    let bytes = 0
    for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length
    expect(bytes).toBeGreaterThan(words.join('').length)
    await eventually(() => a.stats.open === 0)
    expect(gateway.outcomes).toEqual(['a:success', 'a:success'])
  })
})

describe('an HTTP/1.0 client', () => {
  const request = (stream: boolean): string =>
    requestText('POST /v1/chat/completions', AUTH, bodyOf(stream)).replace('HTTP/1.1', 'HTTP/1.0')

  test('gets a JSON answer and the end of the connection', async () => {
    const answer = await exchange((await start()).port, [request(false)])
    expect([answer.status, answer.closed, answer.headers['connection']]).toEqual([200, true, 'close'])
    expect(JSON.parse(answer.body)).toHaveProperty('choices')
  })

  test('gets a stream without chunks, and an error in it when it breaks', async () => {
    const gateway = await start()
    const whole = await exchange(gateway.port, [request(true)])
    expect(whole.headers).not.toHaveProperty('transfer-encoding')
    expect([whole.closed, whole.body.startsWith('data: {'), whole.body.endsWith('data: [DONE]\n\n')]).toEqual(
      [true, true, true],
    )
    a.next(behaviours.cutAfterBytes(700))
    const broken = await exchange(gateway.port, [request(true)])
    expect(broken.body.split('\n\n').at(-2)).toContain('"code":"stream_broken"')
  })
})

describe('connections', () => {
  test('are kept for the next request, also after an error', async () => {
    const gateway = await start()
    const good = requestText('POST /v1/chat/completions', AUTH, bodyOf(false))
    const bad = requestText('POST /v1/chat/completions', AUTH, '{')
    const unread = requestText('POST /v1/nothing', AUTH, 'x'.repeat(100_000))
    const answer = await exchange(gateway.port, [bad, unread, good, unread, good], 5)
    expect(answer.closed).toBe(false)
    expect(answer.body.match(/HTTP\/1.1 \d+/g)).toEqual([
      'HTTP/1.1 404',
      'HTTP/1.1 200',
      'HTTP/1.1 404',
      'HTTP/1.1 200',
    ])
    expect(gateway.settled).toEqual([400, 404, 200, 404, 200])
  })

  test('take requests one after the other, however early they are sent', async () => {
    const gateway = await start()
    const one = requestText('POST /v1/chat/completions', AUTH, bodyOf(true))
    const answer = await exchange(gateway.port, [one + one + one], 3)
    expect(answer.body.match(/data: \[DONE\]/g)).toHaveLength(3)
  })

  test('with nothing to read are told to go on before they send a body', async () => {
    const head = requestText('POST /v1/chat/completions', {
      ...AUTH,
      expect: '100-continue',
      'content-length': String(bodyOf(false).length),
    })
    expect((await exchange((await start()).port, [head, bodyOf(false)], 2)).status).toBe(100)
  })

  test('to providers are shared: many requests in a row need one', async () => {
    const gateway = await start()
    for (let time = 0; time < 20; time++) await (await ask(gateway, { stream: time % 2 === 0 })).text()
    expect(a.connections).toBe(1)
  })
})

describe('a conversation', () => {
  const session = { 'x-session-id': 'conversation-1' }
  const told = ({ headers }: Response): readonly (string | null)[] => [
    headers.get('x-apiproxy-provider'),
    headers.get('x-apiproxy-session'),
  ]

  test('stays where it was, moves when it must, and says so', async () => {
    const gateway = await start({ models: { m: ['a/m'], both: ['a/m', 'b/m'] } })
    const talk = async (): Promise<readonly (string | null)[]> => {
      const answer = await ask(gateway, { headers: session, body: '{"model":"both"}' })
      await answer.text()
      return told(answer)
    }
    expect(await talk()).toEqual(['a', 'bound'])
    expect(await talk()).toEqual(['a', 'kept'])
    a.next(behaviours.serverError)
    expect(await talk()).toEqual(['b', 'moved:failed'])
    expect(await talk()).toEqual(['b', 'kept'])
    // It goes home once that is well again.
    gateway.forgive()
    expect(await talk()).toEqual(['a', 'moved:returned'])
    expect(await talk()).toEqual(['a', 'kept'])
    expect(told(await ask(gateway, { body: '{"model":"both"}' }))).toEqual(['a', null])
  })

  test('is answered all the same when Redis is silent', async () => {
    const { url, prefix } = await freshRedis()
    const proxy = stack.use(await FaultProxy.start(url))
    const sessions = stack.use(new RedisSessionStore({ url: proxy.via(url), prefix, clock: systemClock }))
    const gateway = await start({ sessions })
    await eventually(async () => told(await ask(gateway, { headers: session }))[1] === 'kept')
    proxy.blackHole()
    for (let time = 0; time < 10; time++) expect((await ask(gateway, { headers: session })).status).toBe(200)
  })
})
