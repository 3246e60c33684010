/**
 * Clients of one dialect, providers of another, and all that goes wrong or around between them: through a node
 * on a port, byte by byte.
 */
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { objectOf, type JsonObject } from '#data-plane/dialects/canonical/json.ts'
import { DIALECTS, type DialectName } from '#data-plane/dialects/canonical/request.ts'
import { historyOf } from '../conformance/loops/history.ts'
import { say } from '../conformance/loops/said.ts'
import { eventsOf } from '../conformance/recordings.ts'
import { Upstream, type Answer } from '../conformance/upstream.ts'
import { eventually } from '../eventually.ts'
import { Gateway, KEY, type GatewayModels } from './gateway.ts'

let stack: AsyncDisposableStack
let upstream: Upstream
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  upstream = stack.use(await Upstream.start())
})
afterEach(() => stack.disposeAsync())

const start = async (models: GatewayModels = {}): Promise<Gateway> =>
  stack.use(await Gateway.start({ providers: upstream.providers, models }))

const AUTH = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
const HELLO: Readonly<Record<DialectName, JsonObject>> = {
  'openai-chat': { messages: [{ role: 'user', content: 'hello' }] },
  'openai-responses': { input: 'hello' },
  anthropic: { max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] },
}

/** Asks as a client of this dialect does. */
function ask(
  gateway: Gateway,
  client: DialectName,
  model: string,
  more: JsonObject & { stream?: boolean } = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const origin = `http://127.0.0.1:${gateway.port}`
  const method = more.stream === true ? 'streamGenerateContent?alt=sse' : 'generateContent'
  const path = {
    'openai-chat': '/v1/chat/completions',
    'openai-responses': '/v1/responses',
    anthropic: '/v1/messages',
    gemini: `/v1beta/models/${model}:${method}`,
  }[client]
  const { stream, ...members } = more
  const named = client === 'gemini' ? members : { ...members, model, stream: stream === true }
  const body = JSON.stringify({ ...HELLO[client], ...named })
  return fetch(origin + path, { method: 'POST', headers: { ...AUTH, ...headers }, body })
}

const pairs = DIALECTS.flatMap((client) =>
  DIALECTS.filter((provider) => provider !== client).map((provider) => [client, provider] as const),
)
const errorOf = async (answer: Response): Promise<JsonObject> =>
  objectOf(objectOf(await answer.json())['error'])

/** As each provider says it. */
const REFUSALS: Readonly<Record<string, Readonly<Record<DialectName, Answer>>>> = {
  invalid: {
    'openai-chat': refused(400, { error: { message: 'No such thing.', type: 'invalid_request_error' } }),
    'openai-responses': refused(400, { error: { message: 'No such thing.', type: 'invalid_request_error' } }),
    anthropic: refused(400, {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'No such thing.' },
    }),
    gemini: refused(400, { error: { code: 400, message: 'No such thing.', status: 'INVALID_ARGUMENT' } }),
  },
  rate: {
    'openai-chat': refused(429, { error: { message: 'Slower.', code: 'rate_limit_exceeded' } }),
    'openai-responses': refused(429, { error: { message: 'Slower.', code: 'rate_limit_exceeded' } }),
    anthropic: refused(429, { type: 'error', error: { type: 'rate_limit_error', message: 'Slower.' } }),
    gemini: refused(429, { error: { code: 429, message: 'Slower.', status: 'RESOURCE_EXHAUSTED' } }),
  },
  overload: {
    'openai-chat': refused(503, { error: { message: 'Full.', code: 'server_is_overloaded' } }),
    'openai-responses': refused(503, { error: { message: 'Full.', code: 'server_is_overloaded' } }),
    anthropic: refused(529, { type: 'error', error: { type: 'overloaded_error', message: 'Full.' } }),
    gemini: refused(503, { error: { code: 503, message: 'Full.', status: 'UNAVAILABLE' } }),
  },
}

function refused(status: number, body: object): Answer {
  return { status, headers: { 'retry-after': '7' }, text: JSON.stringify(body), stream: false }
}

/** Status and name of an error, as the client's SDK reads it. */
const TOLD: Readonly<Record<string, Readonly<Record<DialectName, readonly [number, string]>>>> = {
  invalid: {
    'openai-chat': [400, 'invalid_request_error'],
    'openai-responses': [400, 'invalid_request_error'],
    anthropic: [400, 'invalid_request_error'],
    gemini: [400, 'INVALID_ARGUMENT'],
  },
  rate: {
    'openai-chat': [429, 'rate_limit_error'],
    'openai-responses': [429, 'rate_limit_error'],
    anthropic: [429, 'rate_limit_error'],
    gemini: [429, 'RESOURCE_EXHAUSTED'],
  },
  overload: {
    'openai-chat': [503, 'service_unavailable_error'],
    'openai-responses': [503, 'service_unavailable_error'],
    anthropic: [529, 'overloaded_error'],
    gemini: [503, 'UNAVAILABLE'],
  },
}

describe.each(pairs)('to a client of %s, a provider of %s', (client, provider) => {
  test.each(Object.keys(REFUSALS))('tells a refusal (%s) in the client’s words', async (kind) => {
    const gateway = await start()
    const answer = REFUSALS[kind]?.[provider]
    upstream.script('m', () => answer ?? refused(500, {}))
    const told = await ask(gateway, client, `${provider}/m`)
    const error = await errorOf(told)
    const [status, name] = TOLD[kind]?.[client] ?? [0, '']
    expect([told.status, error[client === 'gemini' ? 'status' : 'type']]).toEqual([status, name])
    if (kind === 'invalid') {
      expect(error['message']).toContain('No such thing.')
      expect(told.headers.get('x-should-retry')).toBe('false')
    }
    if (kind === 'rate') expect(Number(told.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(told.headers.get('x-request-id')).toMatch(/^req_/)
    if (client === 'anthropic') expect(told.headers.get('request-id')).toBe(told.headers.get('x-request-id'))
  })

  test('breaks off in the client’s protocol, after all that had come', async () => {
    const gateway = await start()
    const whole = say(provider, { text: 'Hello, world.' }, true)
    // In the middle of the event after the first word.
    const cutAt = whole.text.indexOf('data:', whole.text.indexOf('Hello')) + 20
    upstream.script('m', () => ({ ...whole, cutAt }))
    const told = await (await ask(gateway, client, `${provider}/m`, { stream: true })).text()
    expect(told).toContain('Hello')
    const last = eventsOf(told).findLast(({ data }) => data !== '[DONE]')
    expect(last?.data).toMatch(/stream_broken|api_error|"code":500|response\.failed/)
    expect(told).not.toMatch(/"finish_reason":"stop"|message_stop|response\.completed|"finishReason":"STOP"/)
  })

  test('takes over from one of the client’s own that fails before a word', async () => {
    const gateway = await start({ both: [`${client}/first`, `${provider}/second`] })
    upstream.script('first', () => refused(500, { error: { message: 'broken' } }))
    upstream.script('second', (sent) => say(provider, { text: 'Hello, world.' }, sent.stream))
    for (const stream of [false, true]) {
      const told = await ask(gateway, client, 'both', { stream })
      expect(await told.text()).toMatch(/Hell(o|"[^]*"o)/)
      expect([told.status, told.headers.get('x-apiproxy-provider')]).toEqual([200, provider])
      gateway.forgive()
    }
  })
})

describe('what a provider’s format cannot say', () => {
  test.each<[DialectName, DialectName, JsonObject, string]>([
    ['openai-chat', 'anthropic', { seed: 7 }, 'seed'],
    ['openai-responses', 'gemini', { max_tool_calls: 3 }, 'max_tool_calls'],
    ['anthropic', 'openai-chat', { top_k: 7 }, 'top_k'],
    ['gemini', 'openai-chat', { generationConfig: { topK: 7 } }, 'generationConfig.topK'],
  ])('is warned of to %s clients of %s, and refused to strict ones', async (client, provider, more, path) => {
    const gateway = await start()
    upstream.script('m', (sent) => say(provider, { text: 'Hello.' }, sent.stream))
    const warned = await ask(gateway, client, `${provider}/m`, more)
    expect([warned.status, warned.headers.get('x-apiproxy-warnings')]).toEqual([
      200,
      expect.stringContaining(`${path}:`),
    ])
    const strict = await ask(gateway, client, `${provider}/m`, more, { 'x-apiproxy-strict': 'true' })
    expect(strict.status).toBe(400)
    expect(JSON.stringify(await errorOf(strict))).toContain(path)
    expect(upstream.sent).toHaveLength(1)
  })
})

describe('a client', () => {
  test.each(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])(
    'may send its key as %s, to any dialect',
    async (header) => {
      const gateway = await start()
      upstream.script('m', (sent) => say('openai-chat', { text: 'Hello.' }, sent.stream))
      for (const client of DIALECTS) {
        const key = header === 'authorization' ? `Bearer ${KEY}` : KEY
        const told = await ask(gateway, client, 'openai-chat/m', {}, { authorization: '', [header]: key })
        expect([client, told.status]).toEqual([client, 200])
      }
      expect(JSON.stringify(upstream.sent.map(({ headers }) => headers))).not.toContain(KEY)
    },
  )

  test('may send its body compressed', async () => {
    const gateway = await start()
    upstream.script('m', (sent) => say('gemini', { text: 'Hello.' }, sent.stream))
    const body = gzipSync(JSON.stringify({ ...HELLO['anthropic'], model: 'gemini/m' }))
    const told = await fetch(`${gateway.baseUrl}/messages`, {
      method: 'POST',
      headers: { ...AUTH, 'content-encoding': 'gzip' },
      body,
    })
    expect(told.status).toBe(200)
  })

  test('in a browser is let through', async () => {
    const gateway = await start()
    const headers = {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'x-api-key, anthropic-version',
    }
    const told = await fetch(`${gateway.baseUrl}/messages`, { method: 'OPTIONS', headers })
    expect([told.status, told.headers.get('access-control-allow-headers')]).toEqual([
      204,
      'x-api-key, anthropic-version',
    ])
  })

  test('that drops what it does not know loses no state: the node kept a note', async () => {
    const gateway = await start()
    const thought = { text: 'Hm.', state: 'c2lnbmF0dXJl' }
    const call = { id: 'call_1', name: 'get_weather', args: { city: 'Rome' } }
    upstream.script('claude-sonnet-4-5', (sent, step) =>
      say('anthropic', step === 0 ? { thought, calls: [call] } : { text: 'Warm.' }, sent.stream),
    )
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object' } } }]
    const more = { tools, reasoning_effort: 'medium' }
    const first = await ask(gateway, 'openai-chat', 'anthropic/claude-sonnet-4-5', more)
    expect(await first.text()).toContain('call_1')
    const called = { name: 'get_weather', arguments: '{"city":"Rome"}' }
    const messages = [
      { role: 'user', content: 'hello' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: called }],
      },
      { role: 'tool', tool_call_id: 'call_1', content: '24' },
    ]
    await ask(gateway, 'openai-chat', 'anthropic/claude-sonnet-4-5', { ...more, messages })
    const { body } = upstream.lastFor('claude-sonnet-4-5')
    expect(historyOf('anthropic', body)).toContain(`state: ${thought.state}`)
  })
})

describe('a stored response', () => {
  const stored = { id: 'resp_1', object: 'response', status: 'completed', output: [] }

  test('is read, listed, cancelled and deleted at the provider that keeps it', async () => {
    const gateway = await start()
    upstream.script('m', (sent) => say('openai-responses', { text: 'Hello.' }, sent.stream))
    await (await ask(gateway, 'openai-responses', 'openai-responses/m')).text()
    upstream.script('', ({ path }) => ({ text: JSON.stringify({ ...stored, path }), stream: false }))
    for (const [method, path] of [
      ['GET', '/responses/resp_1'],
      ['GET', '/responses/resp_1/input_items?limit=3'],
      ['POST', '/responses/resp_1/cancel'],
      ['DELETE', '/responses/resp_1'],
    ] as const) {
      const told = await fetch(gateway.baseUrl + path, { method, headers: AUTH })
      expect([told.status, objectOf(await told.json())['path']]).toEqual([200, `/v1${path}`])
    }
  })

  test('that nobody keeps is not found', async () => {
    const told = await fetch(`${(await start()).baseUrl}/responses/resp_unknown`, { headers: AUTH })
    expect(told.status).toBe(404)
  })

  test('binds what continues it to its provider', async () => {
    const both = ['openai-chat/other', 'openai-responses/m']
    const gateway = await start({ both })
    upstream.script('m', (sent) => say('openai-responses', { text: 'Hello.' }, sent.stream))
    upstream.script('other', (sent) => say('openai-chat', { text: 'Other.' }, sent.stream))
    await (await ask(gateway, 'openai-responses', 'openai-responses/m')).text()
    const more = { previous_response_id: 'resp_1' }
    const told = await ask(gateway, 'openai-responses', 'both', more)
    expect([told.status, told.headers.get('x-apiproxy-provider')]).toEqual([200, 'openai-responses'])
  })
})

describe('around answers', () => {
  test('tokens are counted by an estimate, marked as one, where the provider cannot', async () => {
    const gateway = await start()
    const told = await fetch(`${gateway.baseUrl}/messages/count_tokens`, {
      method: 'POST',
      headers: AUTH,
      body: JSON.stringify({ ...HELLO['anthropic'], model: 'openai-chat/m' }),
    })
    expect(objectOf(await told.json())['input_tokens']).toBeGreaterThan(0)
    expect(told.headers.get('x-apiproxy-warnings')).toContain('estimated')
    // When it is over nobody was asked.
    await eventually(() => gateway.settled.length === 1)
    expect([upstream.sent, gateway.attempts]).toEqual([[], []])
    expect(gateway.records).toMatchObject([{ status: 200, attempts: [], choices: [] }])
  })

  test.each(['float', 'base64'])('embeddings of Gemini reach OpenAI’s clients as %s', async (format) => {
    const gateway = await start()
    const values = [0.5, -0.25]
    upstream.script('m', () => ({
      text: JSON.stringify({ embeddings: [{ values }, { values }] }),
      stream: false,
    }))
    const told = await fetch(`${gateway.baseUrl}/embeddings`, {
      method: 'POST',
      headers: AUTH,
      body: JSON.stringify({ model: 'gemini/m', input: ['a', 'b'], encoding_format: format }),
    })
    const base64 = Buffer.from(new Float32Array(values).buffer).toString('base64')
    const { data } = (await told.json()) as { data: readonly { embedding: unknown }[] }
    const expected = format === 'base64' ? base64 : values
    expect(data.map(({ embedding }) => embedding)).toEqual([expected, expected])
    expect(upstream.lastFor('m').path).toContain(':batchEmbedContents')
  })
})
