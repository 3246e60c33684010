import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Role } from '../faults/kill.ts'
import { behaviours, type Behaviour } from './behaviour.ts'
import { FakeProvider } from './provider.ts'

let provider: FakeProvider

beforeAll(async () => {
  provider = await FakeProvider.start()
})
afterEach(async () => {
  provider.reset().resetOnAccept(false)
  await provider.listen()
})
afterAll(() => provider[Symbol.asyncDispose]())

const ask = (body: object = {}, init: RequestInit = {}): Promise<Response> =>
  fetch(`${provider.baseUrl}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'gpt-fake', messages: [{ role: 'user', content: 'hi there' }], ...body }),
    ...init,
  })

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Everything a raw client sees until the connection ends, and how it ends. */
function rawExchange(stream: boolean): Promise<{ text: string; end: string }> {
  return new Promise((resolve) => {
    const body = JSON.stringify({ model: 'm', stream })
    const socket = connect(provider.port, '127.0.0.1')
    let text = ''
    let end = 'closed'
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.on('error', (error: NodeJS.ErrnoException) => (end = error.code ?? 'error'))
    socket.on('close', () => resolve({ text, end }))
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
  })
}

describe('a fake provider', () => {
  test('answers a chat request with JSON', async () => {
    const answer = await ask()
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await answer.json()).toMatchObject({
      object: 'chat.completion',
      model: 'gpt-fake',
      choices: [
        { message: { role: 'assistant', content: 'Hello from the fake provider.' }, finish_reason: 'stop' },
      ],
      usage: { completion_tokens: 6 },
    })
  })

  test('streams one event a word, usage only when asked for', async () => {
    provider.byDefault(behaviours.says('one', ' two'))
    const plain = await (await ask({ stream: true })).text()
    expect(plain.match(/^data: /gm)).toHaveLength(5)
    expect(plain.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(plain).not.toContain('usage')
    const counted = await (await ask({ stream: true, stream_options: { include_usage: true } })).text()
    expect(counted).toContain('"choices":[],"usage":{"prompt_tokens"')
  })

  test('lists its models', async () => {
    provider.models = ['a', 'vendor/b']
    const list = (await (await fetch(`${provider.baseUrl}/models`)).json()) as { data: { id: string }[] }
    expect(list.data.map(({ id }) => id)).toEqual(['a', 'vendor/b'])
  })

  test('records every request with its bytes', async () => {
    await ask({ odd: 1e21 }, { headers: { authorization: 'Bearer sk-1', 'X-Mixed': 'case' } })
    expect(provider.last.body.toString()).toContain('"odd":1e+21')
    expect(provider.last.headers.authorization).toBe('Bearer sk-1')
    expect(provider.last.model).toBe('gpt-fake')
    await eventually(() => provider.last.outcome() === 'answered')
  })

  test('takes the queue before rules, and rules before the default', async () => {
    provider.byDefault(behaviours.serverError)
    provider.when({ model: 'special' }, behaviours.overloaded)
    provider.when({ authorization: 'Bearer sk-bad' }, behaviours.badKey)
    provider.next(behaviours.ok, behaviours.noSuchModel)
    const statuses = [
      (await ask({ model: 'special' })).status,
      (await ask()).status,
      (await ask({ model: 'special' })).status,
      (await ask({}, { headers: { authorization: 'Bearer sk-bad' } })).status,
      (await ask()).status,
    ]
    expect(statuses).toEqual([200, 404, 503, 401, 500])
  })

  test('spoils its model list when told to', async () => {
    provider.when({ path: '/models' }, behaviours.badGateway)
    expect((await fetch(`${provider.baseUrl}/models`)).status).toBe(502)
    expect((await ask()).status).toBe(200)
  })

  test('says when to come back', async () => {
    provider.next(behaviours.throttled('7'))
    const answer = await ask()
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '7'])
  })

  test('answers 200 with what is not an answer', async () => {
    const bodies: Record<string, string> = {}
    for (const name of ['html', 'empty', 'truncatedJson', 'errorInside', 'nullChoices'] as const) {
      provider.next(behaviours[name])
      const answer = await ask()
      expect(answer.status).toBe(200)
      bodies[name] = await answer.text()
    }
    expect(bodies['html']).toMatch(/^<!doctype/)
    expect(bodies['empty']).toBe('')
    expect(() => JSON.parse(bodies['truncatedJson'] ?? '')).toThrow()
    expect(JSON.parse(bodies['errorInside'] ?? '')).toHaveProperty('error.message')
    expect(JSON.parse(bodies['nullChoices'] ?? '')).toHaveProperty('choices', null)
  })

  test('streams what is not content', async () => {
    const streams: string[] = []
    for (const name of [
      'errorAsFirstEvent',
      'noContentEvents',
      'onlyDone',
      'emptyStream',
      'malformedEvents',
    ] as const) {
      provider.next(behaviours[name])
      const answer = await ask({ stream: true })
      expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
      streams.push(await answer.text())
    }
    expect(streams.map((text) => text.slice(0, 20))).toEqual([
      'data: {"error":{"mes',
      'data: {"id":"chatcmp',
      'data: [DONE]\n\n',
      '',
      'data: {"choices":[{"',
    ])
  })

  test('waits where it is told to wait', async () => {
    const times = async (behaviour: Behaviour): Promise<readonly [number, number, number]> => {
      provider.next(behaviour)
      const start = performance.now()
      const answer = await ask({ stream: true })
      const headers = performance.now() - start
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
      await reader.read()
      const first = performance.now() - start
      while (!(await reader.read()).done);
      return [headers, first, performance.now() - start]
    }
    const [slowHeaders] = await times(behaviours.slowHeaders(80))
    expect(slowHeaders).toBeGreaterThan(78)
    const [, slowFirst] = await times(behaviours.slowFirstToken(80))
    expect(slowFirst).toBeGreaterThan(78)
    const [, , slowEnd] = await times(behaviours.slowStream(10, ['a', 'b', 'c', 'd', 'e']))
    expect(slowEnd).toBeGreaterThan(65)
  })

  test.each([
    ['before the headers', behaviours.hangBeforeHeaders, /^$/],
    ['after the headers', behaviours.hangAfterHeaders, /^HTTP\/1.1 200 OK[^]*\r\n\r\n$/],
    ['mid stream', behaviours.hangMidStream(2), /"content":"Hello"[^]*\n\n\r\n$/],
  ] as const)('falls silent %s and notices when the client leaves', async (_place, behaviour, seen) => {
    provider.next(behaviour)
    const body = JSON.stringify({ stream: true })
    const socket = connect(provider.port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await eventually(() => provider.requests.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(text).toMatch(seen)
    expect(provider.last.outcome()).toBe('open')
    socket.destroy()
    await eventually(() => provider.last.outcome() === 'aborted')
    expect(provider.stats).toMatchObject({ open: 0, aborted: 1 })
  })

  test('cuts an answer after exactly so many bytes', async () => {
    provider.next(behaviours.cutAfterBytes(25))
    const { text, end } = await rawExchange(false)
    const [head, body] = text.split('\r\n\r\n')
    expect(Number(/content-length: (\d+)/.exec(head ?? '')?.[1])).toBeGreaterThan(100)
    expect([body?.length, end]).toEqual([25, 'closed'])
    await eventually(() => provider.last.outcome() === 'cut')
  })

  test('resets a stream in the middle', async () => {
    provider.next(behaviours.resetAfterBytes(300))
    const { text, end } = await rawExchange(true)
    expect(end).toBe('ECONNRESET')
    expect(text).toContain('"role":"assistant"')
    expect(text).not.toContain('[DONE]')
  })

  test('breaks off before it has said anything', async () => {
    provider.next(behaviours.cutBeforeHeaders, behaviours.resetBeforeHeaders)
    expect(await rawExchange(false)).toEqual({ text: '', end: 'closed' })
    expect(await rawExchange(false)).toEqual({ text: '', end: 'ECONNRESET' })
  })

  test('trickles comments and nothing else', async () => {
    provider.next(behaviours.onlyComments(10))
    const leave = new AbortController()
    const answer = await ask({ stream: true }, { signal: leave.signal })
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    let text = ''
    for (let at = 0; at < 3; at++) text += Buffer.from((await reader.read()).value ?? []).toString()
    expect(text.replaceAll(': still thinking\n\n', '')).toBe('')
    leave.abort()
    await eventually(() => provider.last.outcome() === 'aborted')
  })

  test('refuses connections while it does not listen, and serves the same port again', async () => {
    await ask()
    await provider.stopListening()
    expect(await rawExchange(false)).toEqual({ text: '', end: 'ECONNREFUSED' })
    await provider.listen()
    expect((await ask()).status).toBe(200)
  })

  test('resets connections as soon as they are made', async () => {
    provider.resetOnAccept(true)
    expect(await rawExchange(false)).toEqual({ text: '', end: 'ECONNRESET' })
    expect(provider.stats.requests).toBe(0)
  })

  test('closes the connection after an answer when told to', async () => {
    provider.next({ closeAfter: true })
    expect((await rawExchange(false)).text).toMatch(/connection: close/i)
  })
})

describe('a fake provider in its own process', () => {
  test('is scripted and watched from outside', async () => {
    await using role = await Role.start({
      name: 'provider',
      main: new URL('./provider-main.ts', import.meta.url).pathname,
      ready: /^provider on \d+$/,
    })
    const port = (pattern: RegExp): string =>
      role.lines.map((line) => pattern.exec(line)?.[1]).find(Boolean) ?? ''
    const control = `http://127.0.0.1:${port(/^control on (\d+)$/)}`
    const chat = `http://127.0.0.1:${port(/^provider on (\d+)$/)}/v1/chat/completions`
    const post = (url: string, body: unknown) => fetch(url, { method: 'POST', body: JSON.stringify(body) })

    await post(`${control}/__script`, { default: behaviours.overloaded, next: [behaviours.says('scripted')] })
    expect(await (await post(chat, {})).text()).toContain('scripted')
    expect((await post(chat, {})).status).toBe(503)
    expect(await (await fetch(`${control}/__stats`)).json()).toMatchObject({ requests: 2, answered: 2 })

    await post(`${control}/__script`, { listening: false })
    await expect(post(chat, {})).rejects.toThrow()
    await post(`${control}/__script`, { listening: true, reset: true })
    expect((await post(chat, {})).status).toBe(200)
    expect((await fetch(`${control}/__script`, { method: 'POST', body: 'not JSON' })).status).toBe(400)
  })
})
