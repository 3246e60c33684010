/**
 * What is put into the books: the same for a conversation however it is had, and something for each that went
 * wrong.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeRecord, type UsageRecord } from '#contracts/usage/record.ts'
import { MemorySessionStore } from '#data-plane/sessions/store-memory.ts'
import { eventually } from '../eventually.ts'
import { behaviours } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { Gateway, KEY } from './gateway.ts'

const SECRET_WORDS = 'canary-in-the-prompt'
const WORDS = ['Hello', ' there', ',', ' friend', '.']

let one: FakeProvider
let two: FakeProvider
let gateway: Gateway

beforeAll(async () => {
  one = await FakeProvider.start()
  two = await FakeProvider.start()
  gateway = await Gateway.start({
    providers: { one: { baseUrl: one.baseUrl }, two: { baseUrl: two.baseUrl } },
    models: { fast: ['one/gpt-x', 'two/gpt-x'] },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  await two[Symbol.asyncDispose]()
})
beforeEach(() => {
  gateway.forget()
  gateway.forgive()
  one.byDefault(behaviours.says(...WORDS))
  two.byDefault(behaviours.says(...WORDS))
})

const PATHS = {
  chat: ['/v1/chat/completions', { messages: [{ role: 'user', content: SECRET_WORDS }] }],
  messages: ['/v1/messages', { max_tokens: 99, messages: [{ role: 'user', content: SECRET_WORDS }] }],
  responses: ['/v1/responses', { input: SECRET_WORDS, store: false }],
} as const

async function ask(
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`http://127.0.0.1:${gateway.port}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'fast', ...body }),
    ...(signal === undefined ? {} : { signal }),
  })
}

async function recordOf(response: Promise<Response>): Promise<UsageRecord> {
  const before = gateway.records.length
  await (await response).arrayBuffer()
  await eventually(() => gateway.records.length > before)
  const record = gateway.records.at(-1)
  if (record === undefined) throw new Error('no record')
  return record
}

describe('a record', () => {
  test('has the same usage for a plain call and a stream of the same conversation, in every dialect', async () => {
    for (const [name, [path, body]] of Object.entries(PATHS)) {
      const plain = await recordOf(ask(path, body))
      const usage = name === 'chat' ? { stream_options: { include_usage: true } } : {}
      const streamed = await recordOf(ask(path, { ...body, stream: true, ...usage }))
      expect([name, plain.tokens.output, plain.isEstimated]).toEqual([name, WORDS.length, false])
      expect(plain.tokens.input).toBeGreaterThan(0)
      expect([name, streamed.tokens, streamed.isEstimated]).toEqual([name, plain.tokens, false])
      expect([plain.stream, streamed.stream]).toEqual([false, true])
    }
  })

  test('tells who asked for what, who answered, and what explains the choice', async () => {
    const [path, body] = PATHS.chat
    const answer = ask(path, body, { 'x-session-id': 'session-1' })
    const record = await recordOf(answer)
    expect(record).toMatchObject({
      id: (await answer).headers.get('x-request-id'),
      key: 'key_client',
      asked: 'fast',
      model: 'fast',
      status: 200,
      provider: 'one',
      upstream: 'gpt-x',
      attempts: [{ provider: 'one', credential: 'cred_one-1', why: 'sticky', outcome: 'success' }],
      candidates: [{ deployment: 'one/gpt-x' }, { deployment: 'two/gpt-x' }],
      commit: gateway.holder.current?.commit,
    })
    expect(record.seed).toBeGreaterThan(0)
    expect(record.session).toMatch(/^[\w-]{22}$/)
  })

  test('holds neither prompt nor answer nor session id nor secret', async () => {
    const [path, body] = PATHS.chat
    one.byDefault(behaviours.says('canary-in-the-answer'))
    const record = await recordOf(ask(path, body, { 'x-session-id': 'canary-session' }))
    const text = encodeRecord(record)
    for (const secret of [SECRET_WORDS, 'canary', KEY, 'sk-one-1']) expect(text).not.toContain(secret)
  })

  test('of a request that moved on has every attempt, and the usage of the one that answered', async () => {
    one.byDefault(behaviours.serverError)
    const record = await recordOf(ask(...PATHS.chat))
    expect(record.attempts.map(({ provider, outcome, status }) => [provider, outcome, status])).toEqual([
      ['one', 'fault', 500],
      ['two', 'success', 0],
    ])
    expect([record.provider, record.tokens.output]).toEqual(['two', WORDS.length])
    // It says by what it was chosen, with no session, too.
    expect(record).toMatchObject({ asked: 'fast', model: 'fast', session: null })
    expect(record.seed).toBeGreaterThan(0)
  })

  test('is there of a request that failed inside the gateway, whose client is told', async () => {
    const sessions = Object.assign(new MemorySessionStore(), {
      find: () => Promise.reject(new Error('a fault of ours')),
    })
    await using broken = await Gateway.start({
      providers: { one: { baseUrl: one.baseUrl } },
      models: { fast: ['one/gpt-x'] },
      sessions,
    })
    const [path, body] = PATHS.chat
    const answer = await fetch(`http://127.0.0.1:${broken.port}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'x-session-id': 'session-1' },
      body: JSON.stringify({ model: 'fast', ...body }),
    })
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('internal_error')])
    await eventually(() => broken.records.length === 1)
    expect(broken.records).toMatchObject([{ status: 500, model: 'fast', attempts: [] }])
    expect([broken.settled, broken.errors.length]).toEqual([[500], 1])
  })

  test('of a request nobody could answer costs nothing', async () => {
    for (const provider of [one, two]) provider.byDefault(behaviours.badRequest)
    const refused = await recordOf(ask(...PATHS.chat))
    expect(refused).toMatchObject({ status: 400, provider: '', tokens: { input: 0, output: 0 } })
    expect(refused.attempts).toMatchObject([{ outcome: 'invalid', status: 400 }])
    const unknown = await recordOf(ask(PATHS.chat[0], { ...PATHS.chat[1], model: 'nobody-serves-this' }))
    expect(unknown).toMatchObject({ status: 404, asked: 'nobody-serves-this', model: '', attempts: [] })
  })

  test('of a stream whose provider does not count is weighed, and says so', async () => {
    const [path, body] = PATHS.chat
    one.byDefault(behaviours.says(...Array.from({ length: 100 }, () => 'four')))
    const record = await recordOf(ask(path, { ...body, stream: true }))
    expect(record).toMatchObject({ status: 200, isEstimated: true })
    // The end stands for the whole: a few tokens off.
    expect(record.tokens.output).toBeGreaterThanOrEqual(95)
    expect(record.tokens.output).toBeLessThanOrEqual(105)
    expect(record.tokens.input).toBeGreaterThan(10)
  })

  test('of a stream that the client left counts what it was given, and says so', async () => {
    const [path, body] = PATHS.chat
    const words = Array.from({ length: 400 }, () => 'four')
    one.byDefault(behaviours.slowStream(5, words))
    const leaving = new AbortController()
    const before = gateway.records.length
    const answer = await ask(path, { ...body, stream: true }, {}, leaving.signal)
    const reader = answer.body?.getReader()
    for (let pieces = 0; pieces < 20; pieces++) await reader?.read()
    leaving.abort()
    await eventually(() => gateway.records.length > before)
    const record = gateway.records.at(-1)
    expect(record).toMatchObject({ isEstimated: true, attempts: [{ outcome: 'cancelled' }], provider: 'one' })
    expect(record?.tokens.output).toBeGreaterThanOrEqual(10)
    expect(record?.tokens.output).toBeLessThan(400)
  })

  test('of a stream that broke off counts what came of it, and says so', async () => {
    const [path, body] = PATHS.chat
    one.byDefault({ ...behaviours.cutAfterBytes(600), words: WORDS })
    const record = await recordOf(ask(path, { ...body, stream: true }))
    expect(record).toMatchObject({ isEstimated: true, attempts: [{ outcome: 'cut' }], provider: 'one' })
    expect(record.tokens.output).toBeGreaterThan(0)
  })

  test('stands by before the request is sent: it was sent there, and what went in by its size', async () => {
    const [path, body] = PATHS.chat
    let sent = 0
    one.byDefault(() => {
      sent = gateway.intents.length
      return behaviours.serverError
    })
    const record = await recordOf(ask(path, body, { 'x-session-id': 'session-2' }))
    expect(sent).toBe(1)
    const [first, second] = gateway.intents
    expect(first).toMatchObject({
      id: record.id,
      at: record.at,
      key: record.key,
      endpoint: 'chat',
      asked: 'fast',
      model: 'fast',
      session: record.session,
      seed: record.seed,
      commit: record.commit,
      provider: 'one',
      upstream: 'gpt-x',
      isEstimated: true,
      attempts: [{ provider: 'one', credential: 'cred_one-1', dialect: 'openai-chat', outcome: 'lost' }],
    })
    expect(first?.tokens.input).toBe(Math.ceil(one.last.body.length / 4))
    expect(first?.tokens.output).toBe(0)
    expect(second?.attempts.map(({ provider, outcome }) => [provider, outcome])).toEqual([
      ['one', 'fault'],
      ['two', 'lost'],
    ])
    expect(record.attempts.map(({ outcome }) => outcome)).toEqual(['fault', 'success'])
  })

  test('tells of what was sent, never heard of and sent again', async () => {
    one.next(behaviours.resetBeforeHeaders)
    const record = await recordOf(ask(...PATHS.chat))
    expect(record.attempts.map(({ provider, outcome }) => [provider, outcome])).toEqual([
      ['one', 'lost'],
      ['one', 'success'],
    ])
    expect(record.isEstimated).toBe(false)
  })

  test('tells endpoint and dialects', async () => {
    for (const [name, [path, body]] of Object.entries(PATHS)) {
      const record = await recordOf(ask(path, body))
      expect([record.endpoint, record.attempts[0]?.dialect]).toEqual([name, 'openai-chat'])
    }
  })

  test('is not made for callers nobody knows', async () => {
    const answer = await ask(...PATHS.chat, { authorization: 'Bearer sk-nobody' })
    expect(answer.status).toBe(401)
    await recordOf(ask(...PATHS.chat))
    expect(gateway.records).toHaveLength(1)
  })
})
