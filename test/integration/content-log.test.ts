/**
 * Contents of requests: of keys that let them be logged alone, the same for every way of asking, after the answer.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { Content, ContentStore } from '#contracts/content/content.ts'
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import { eventually } from '../eventually.ts'
import { behaviours } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { asking, CLIENTS } from './conversation.ts'
import { Gateway, issued, KEY } from './gateway.ts'

const LOGGED = 'sk-logged'
const ANSWER = 'Hello from the fake provider.'

const logging = (ttlSeconds: number | null): CatalogEvent => ({
  type: 'ClientKeyContentLogSet',
  stream: clientKeyStream(keyId('key_logged')),
  body: { contentLog: ttlSeconds === null ? null : { ttlSeconds } },
})

/** Keeps everything for ever, in sight. */
class Kept implements ContentStore {
  readonly failures = 0
  readonly all: Content[] = []
  keep(content: Content): void {
    this.all.push(content)
  }
  async read(id: string): Promise<Content | null> {
    return this.all.find((one) => one.id === id) ?? null
  }
  async has(id: string): Promise<boolean> {
    return (await this.read(id)) !== null
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

let stack: AsyncDisposableStack
let provider: FakeProvider
let gateway: Gateway
let kept: Kept

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  provider = stack.use(await FakeProvider.start())
  kept = new Kept()
  gateway = stack.use(
    await Gateway.start({
      providers: { a: { baseUrl: provider.baseUrl } },
      models: { m: ['a/m'] },
      bodyLimit: 5_000_000,
      keys: [issued('key_logged', LOGGED), logging(3_600)],
      contents: kept,
    }),
  )
})
afterEach(() => stack.disposeAsync())

async function send(path: string, body: object, token = LOGGED): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const url = `http://127.0.0.1:${gateway.port}${path}`
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  await answer.text().catch(String)
  return answer
}
const say = (text: string) => ({ model: 'm', messages: [{ role: 'user', content: text }] })
const chat = (text: string, token = LOGGED): Promise<Response> =>
  send('/v1/chat/completions', say(text), token)

async function contentOf(answer: Response): Promise<Content> {
  const id = answer.headers.get('x-request-id') ?? ''
  await eventually(() => kept.has(id))
  const content = await kept.read(id)
  if (content === null) throw new Error(`nothing of ${id}`)
  return content
}

const ways = CLIENTS.flatMap((client) => [false, true].map((stream) => [client, stream] as const))

describe('the content of a request', () => {
  test.each(ways)('is told alike however it was asked: %s, stream %s', async (client, stream) => {
    const { path, body } = asking(client, 'm', stream, 'Hi there')
    const answer = await send(path, body)
    expect(answer.status).toBe(200)
    const content = await contentOf(answer)
    expect(content).toEqual({
      v: 1,
      id: answer.headers.get('x-request-id'),
      key: 'key_logged',
      at: content.at,
      until: content.at + 3_600_000,
      model: 'm',
      provider: 'a',
      status: 200,
      complete: true,
      request: [{ role: 'user', text: 'Hi there', truncated: false }],
      answer: [{ role: 'assistant', text: ANSWER, truncated: false }],
      leftOut: { request: 0, answer: 0 },
    })
  })

  test('is not kept of a key that did not ask for it, named session or not', async () => {
    await chat('plain', KEY)
    const headers = { authorization: `Bearer ${KEY}`, 'x-session-id': 's' }
    const body = JSON.stringify(say('in a session'))
    await (await fetch(`${gateway.baseUrl}/chat/completions`, { method: 'POST', headers, body })).text()
    await contentOf(await chat('logged'))
    expect(kept.all.map(({ key }) => key)).toEqual(['key_logged'])
  })

  test('is not kept of a request under way when its key stops asking for it, and no longer than it asks for', async () => {
    for (const [ttlSeconds, until] of [
      [60, 60_000],
      [86_400, 60_000],
      [null, null],
    ] as const) {
      kept.all.length = 0
      gateway.apply([logging(ttlSeconds === 86_400 ? 60 : 3_600)])
      provider.next(behaviours.slowStream(20, ['one', ' two', ' three']))
      const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${LOGGED}` },
        body: JSON.stringify({ ...say('under way'), stream: true }),
      })
      gateway.apply([logging(ttlSeconds)])
      await answer.text()
      await chat('plain', KEY)
      if (until === null) {
        gateway.apply([logging(60)])
        await contentOf(await chat('later'))
        expect(kept.all.map(({ request }) => request[0]?.text)).toEqual(['later'])
      } else {
        const content = await contentOf(answer)
        expect(content.until - content.at).toBe(until)
      }
    }
  })

  test('says of an answer and of a request too long to be read in passing that they were cut', async () => {
    const long = 'x '.repeat(550_000)
    const cut = [{ text: expect.stringMatching(/^x x /), truncated: true }]
    for (const stream of [false, true]) {
      provider.next(behaviours.says(long))
      const answered = await contentOf(await send('/v1/chat/completions', { ...say('at length'), stream }))
      expect(answered).toMatchObject({ complete: false, request: [{ text: 'at length' }] })
      // A stream of one event beyond the bound has none that is whole.
      expect(answered.answer).toMatchObject(stream ? [{ text: '', truncated: true }] : cut)
    }
    const asked = await contentOf(await chat('x '.repeat(2_100_000)))
    expect(asked).toMatchObject({ request: cut, answer: [{ text: ANSWER, truncated: false }] })
  })

  test('is counted as lost where it cannot be read, and the node lives on', async () => {
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const call = `{"type":"tool_use","id":"t","name":"f","input":${deep}}`
    const result = '{"type":"tool_result","tool_use_id":"t","content":"x"}'
    const turns = `{"role":"assistant","content":[${call}]},{"role":"user","content":[${result}]}`
    const answer = await fetch(`http://127.0.0.1:${gateway.port}/v1/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${LOGGED}` },
      body: `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"Hi"},${turns}]}`,
    })
    expect(answer.status).toBe(400)
    await answer.text()
    await contentOf(await chat('later'))
    expect(kept.all.at(-1)?.request[0]?.text).toBe('later')
  })

  test('has all of the request: instructions, what was said before, calls and results', async () => {
    const call = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":"it"}' } }
    const messages = [
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: 'seen' },
    ]
    const content = await contentOf(await send('/v1/chat/completions', { model: 'm', messages }))
    expect(content.request.map(({ role, text }) => `${role}: ${text}`)).toEqual([
      'system: Be brief',
      'user: [image]',
      'assistant: [call look] {"at":"it"}',
      'user: [result] seen',
    ])
  })

  test('holds no secret, though a stream tells it in pieces', async () => {
    const secret = `sk-${'k7'.repeat(20)}`
    provider.byDefault(behaviours.says('Yours is ', secret.slice(0, 9), secret.slice(9), ', mind it.'))
    for (const stream of [false, true]) {
      const content = await contentOf(
        await send('/v1/chat/completions', { ...say(`My key is ${secret}.`), stream }),
      )
      expect(content.request[0]?.text).toBe('My key is [redacted].')
      expect(content.answer[0]?.text).toBe('Yours is [redacted], mind it.')
    }
  })

  test('is bounded: the newest of the request, the first of the answer, and what was left out is told', async () => {
    const long = 'long '.repeat(10_000)
    const texts = Array.from({ length: 200 }, (_, at) => `turn ${at}`)
    const turns = [long, ...texts].map((content) => ({ role: 'user', content }))
    const many = await contentOf(await send('/v1/chat/completions', { model: 'm', messages: turns }))
    expect([many.request.length, many.request.at(-1)?.text]).toEqual([100, 'turn 199'])
    expect(many.leftOut).toEqual({ request: 101, answer: 0 })
    const big = await contentOf(
      await send('/v1/chat/completions', {
        model: 'm',
        messages: Array.from({ length: 9 }, () => ({ role: 'user', content: long })),
      }),
    )
    const lengths = big.request.map(({ text }) => text.length)
    expect([lengths, big.leftOut.request]).toEqual([[16_000, 16_000, 16_000, 16_000], 5])
    expect(big.request.every(({ truncated }) => truncated)).toBe(true)
  })

  test('is told of what was refused and of what broke off, as far as it came', async () => {
    provider.next(behaviours.badRequest)
    const refused = await contentOf(await chat('bad'))
    expect(refused).toMatchObject({ status: 400, provider: null, answer: [], request: [{ text: 'bad' }] })
    provider.next({ cut: { at: 4_000 }, words: Array.from({ length: 50 }, () => 'word ') })
    const broken = await contentOf(await send('/v1/chat/completions', { ...say('cut'), stream: true }))
    expect(broken).toMatchObject({ status: 200, complete: false, provider: 'a' })
    expect(broken.answer[0]?.text).toMatch(/^word /)
  })
})
