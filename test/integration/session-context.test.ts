/**
 * Sessions that can be looked at: by the key they were said with alone, the same for every way of asking.
 */
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import type { ContextStore } from '#data-plane/sessions/context.ts'
import { eventually } from '../eventually.ts'
import { behaviours } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { CONTEXT, Gateway, issued, KEY } from './gateway.ts'

let stack: AsyncDisposableStack
let provider: FakeProvider
let gateway: Gateway

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  provider = stack.use(await FakeProvider.start())
  gateway = stack.use(
    await Gateway.start({
      providers: { a: { baseUrl: provider.baseUrl } },
      models: { m: ['a/m'] },
      keys: [
        issued('key_other', 'sk-other'),
        issued('key_quiet', 'sk-quiet'),
        {
          type: 'ClientKeyContextSet',
          stream: clientKeyStream(keyId('key_quiet')),
          body: { keepContext: false },
        },
      ],
    }),
  )
})
afterEach(() => stack.disposeAsync())

type Turn = Readonly<{
  id: string
  model: string
  provider: string | null
  status: number
  complete: boolean
  request: readonly { role: string; text: string; truncated: boolean }[]
  answer: readonly { role: string; text: string; truncated: boolean }[]
}>
type Told = Readonly<{
  status: number
  body: Readonly<{
    data: readonly Turn[]
    has_more: boolean
    last_id: string | null
    error?: { code: string }
  }>
}>

async function look(id: string, token = KEY, query = '', path = '/v1/sessions'): Promise<Told> {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}/${encodeURIComponent(id)}${query}`, {
    headers,
  })
  return { status: answer.status, body: (await answer.json()) as Told['body'] }
}

const say = (text: string) => ({ model: 'm', messages: [{ role: 'user', content: text }] })

async function send(path: string, body: object, session: string, token = KEY): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'x-session-id': session },
    body: JSON.stringify(body),
  })
  await answer.text()
  return answer.status
}
const chat = (text: string, session: string, token = KEY): Promise<number> =>
  send('/v1/chat/completions', say(text), session, token)

/** Turns are kept after their answers. */
async function turns(id: string, count: number, token = KEY): Promise<readonly Turn[]> {
  let data: readonly Turn[] = []
  await eventually(async () => {
    const told = await look(id, token)
    data = told.status === 200 ? told.body.data : []
    return data.length === count
  })
  return data
}

describe('a session', () => {
  test.each([
    ['/v1/chat/completions', say('Hi there')],
    ['/v1/chat/completions', { ...say('Hi there'), stream: true }],
    ['/v1/responses', { model: 'm', input: 'Hi there' }],
    ['/v1/responses', { model: 'm', input: 'Hi there', stream: true }],
    ['/v1/messages', { ...say('Hi there'), max_tokens: 9 }],
    ['/v1/messages', { ...say('Hi there'), max_tokens: 9, stream: true }],
    ['/v1beta/models/m:generateContent', { contents: [{ role: 'user', parts: [{ text: 'Hi there' }] }] }],
    [
      '/v1beta/models/m:streamGenerateContent?alt=sse',
      { contents: [{ role: 'user', parts: [{ text: 'Hi there' }] }] },
    ],
    [
      '/v1beta/models/m:streamGenerateContent',
      { contents: [{ role: 'user', parts: [{ text: 'Hi there' }] }] },
    ],
  ])('is told alike however it was held: %s %j', async (path, body) => {
    expect(await send(path, body, 's')).toBe(200)
    const [turn] = await turns('s', 1)
    expect(turn).toMatchObject({
      model: 'm',
      provider: 'a',
      status: 200,
      complete: true,
      request: [{ role: 'user', text: 'Hi there', truncated: false }],
      answer: [{ role: 'assistant', text: 'Hello from the fake provider.', truncated: false }],
    })
  })

  test('holds of each request what is new in it', async () => {
    const messages = [
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'first' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'two' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
    ]
    await send('/v1/chat/completions', { model: 'm', messages }, 's')
    const [turn] = await turns('s', 1)
    expect(turn?.request.map(({ text }) => text)).toEqual(['two', '[image]'])
  })

  test('tells what broke off, and what was refused', async () => {
    provider.next(behaviours.badRequest)
    expect(await chat('bad', 's')).toBe(400)
    provider.next({ cut: { at: 4_000 }, words: Array.from({ length: 50 }, () => 'word ') })
    await send('/v1/chat/completions', { ...say('cut'), stream: true }, 's')
    const [refused, broken] = await turns('s', 2)
    expect(refused).toMatchObject({ status: 400, answer: [], request: [{ text: 'bad' }] })
    expect(broken).toMatchObject({ status: 200, complete: false })
    expect(broken?.answer[0]?.text).toMatch(/^word /)
  })

  test('keeps so many turns and so much of a text, and no secrets', async () => {
    for (let at = 0; at < CONTEXT.turns + 3; at++) await chat(`turn ${at}`, 's')
    await eventually(
      async () => (await look('s')).body.data?.at(-1)?.request[0]?.text === `turn ${CONTEXT.turns + 2}`,
    )
    expect(await turns('s', CONTEXT.turns)).toHaveLength(CONTEXT.turns)
    await chat(`my key is sk-${'k'.repeat(40)}, ${'long '.repeat(1_000)}`, 'long')
    const [turn] = await turns('long', 1)
    expect(turn?.request[0]?.text).toMatch(/^my key is \[redacted\], long /)
    expect(turn?.request[0]).toMatchObject({ truncated: true })
    expect(turn?.request[0]?.text.length).toBe(CONTEXT.textLength)
  })

  test('is read in pages, in both directions, and under its other address', async () => {
    for (let at = 0; at < 5; at++) await chat(`turn ${at}`, 's')
    const ids = (await turns('s', 5)).map(({ id }) => id)
    const first = await look('s', KEY, '?limit=2')
    expect([first.body.data.map(({ id }) => id), first.body.has_more]).toEqual([ids.slice(0, 2), true])
    const rest = await look('s', KEY, `?limit=100&after=${first.body.last_id}`, '/context')
    expect([rest.body.data.map(({ id }) => id), rest.body.has_more]).toEqual([ids.slice(2), false])
    const newest = await look('s', KEY, '?order=desc&limit=1')
    expect(newest.body.data.map(({ id }) => id)).toEqual(ids.slice(-1))
    for (const query of ['?limit=0', '?limit=101', '?limit=x', '?order=up'])
      expect((await look('s', KEY, query)).status, query).toBe(400)
  })

  test('that goes on is paged without end neither way: behind a turn that is gone come newer ones alone', async () => {
    for (let at = 0; at < CONTEXT.turns; at++) await chat(`turn ${at}`, 's')
    const [gone] = await turns('s', CONTEXT.turns)
    await chat('one more', 's')
    await eventually(async () => (await look('s')).body.data[0]?.id !== gone?.id)
    const left = (await turns('s', CONTEXT.turns)).map(({ id }) => id)
    const page = async (query: string): Promise<unknown> => {
      const { body } = await look('s', KEY, `?after=${gone?.id}&${query}`)
      return [body.data.map(({ id }) => id), body.has_more]
    }
    expect(await page('order=desc&limit=2')).toEqual([[], false])
    expect(await page('order=asc&limit=2')).toEqual([left.slice(0, 2), true])
  })

  test('of which nobody can say is unavailable, to look at and to delete', async () => {
    const nobody: ContextStore = {
      failures: 0,
      limits: CONTEXT,
      add: () => undefined,
      read: async () => null,
      forget: async () => null,
      [Symbol.asyncDispose]: async () => undefined,
    }
    await using lost = await Gateway.start({
      providers: { a: { baseUrl: provider.baseUrl } },
      models: { m: ['a/m'] },
      context: nobody,
    })
    for (const method of ['GET', 'DELETE']) {
      const headers = { authorization: `Bearer ${KEY}` }
      const answer = await fetch(`${lost.baseUrl}/sessions/s`, { method, headers })
      expect([answer.status, await answer.json()]).toMatchObject([
        503,
        { error: { code: 'context_unavailable' } },
      ])
    }
  })

  test.each([
    ['x'.repeat(256), 200],
    ['x'.repeat(257), 404],
    ['x'.repeat(2_000), 404],
    ['%zz', 404],
    ['%00', 404],
    ['__proto__', 404],
    ['', 404],
  ])('whose id is %j is answered', async (id, status) => {
    if (status === 200) await chat('kept', id)
    if (status === 200) await turns(id, 1)
    for (const method of ['GET', 'DELETE']) {
      const headers = { authorization: `Bearer ${KEY}` }
      const answer = await fetch(`${gateway.baseUrl}/sessions/${id}`, { method, headers })
      expect([method, answer.status]).toEqual([method, status])
    }
  })

  test('is not kept for a key that does not want it, nor for a client that named none', async () => {
    await chat('quiet', 's', 'sk-quiet')
    await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'x-claude-code-session-id': 's' },
      body: JSON.stringify(say('by itself')),
    }).then((answer) => answer.text())
    await chat('kept', 'other')
    await turns('other', 1)
    expect((await look('s', 'sk-quiet')).status).toBe(404)
    expect((await look('s')).status).toBe(404)
  })
})

describe('another key', () => {
  test('with the same session sees its own and nothing else, and deletes nothing else', async () => {
    await chat('mine', 'same')
    await chat('theirs', 'same', 'sk-other')
    const text = async (token: string): Promise<unknown> =>
      (await turns('same', 1, token))[0]?.request[0]?.text
    expect([await text(KEY), await text('sk-other')]).toEqual(['mine', 'theirs'])
    const remove = (token: string): Promise<Response> =>
      fetch(`${gateway.baseUrl}/sessions/same`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
      })
    expect((await remove('sk-other')).status).toBe(200)
    expect((await remove('sk-other')).status).toBe(404)
    expect((await look('same', 'sk-other')).status).toBe(404)
    expect(await text(KEY)).toBe('mine')
  })

  test('is told the same of a session of this one as of none', async () => {
    await chat('mine', 'same')
    await turns('same', 1)
    const told = async (method: string, id: string): Promise<unknown> => {
      const headers = { authorization: 'Bearer sk-other' }
      const answer = await fetch(`${gateway.baseUrl}/sessions/${id}`, { method, headers })
      const own = ['date', 'x-request-id', 'content-length']
      return [answer.status, await answer.text(), [...answer.headers].filter(([name]) => !own.includes(name))]
    }
    for (const method of ['GET', 'DELETE'])
      expect(await told(method, 'same')).toEqual(await told(method, 'none'))
    expect(await turns('same', 1)).toHaveLength(1)
  })

  test('finds no way to what was said with this one, whatever it asks for', async () => {
    await chat('canary-7f3a', 'secret-session')
    await turns('secret-session', 1)
    const piece = fc.constantFrom(
      'secret-session',
      'key_client',
      '%0A',
      '\n',
      '/',
      '..',
      '%2e%2e',
      '*',
      '?',
      'sk-client',
      '"',
      ' ',
    )
    const paths = fc.constantFrom(
      '/v1/sessions/',
      '/sessions/',
      '/context/',
      '/v1/context/',
      '/v1//sessions/',
    )
    await fc.assert(
      fc.asyncProperty(
        paths,
        fc.array(piece, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (path, pieces, isRaw) => {
          const id = isRaw ? pieces.join('').replaceAll(/[\n" ]/g, '') : encodeURIComponent(pieces.join(''))
          for (const token of ['sk-other', 'sk-quiet', 'sk-nobody']) {
            const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}${id}?limit=100&order=desc`, {
              headers: { authorization: `Bearer ${token}`, 'x-session-id': 'secret-session' },
            })
            expect(answer.status).toBeGreaterThanOrEqual(400)
            expect(await answer.text()).not.toContain('canary-7f3a')
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  test.each([['sk-nobody'], ['']])('that is none is refused: %j', async (token) => {
    expect((await look('s', token)).status).toBe(401)
  })
})
