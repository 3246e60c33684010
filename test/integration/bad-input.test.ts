/**
 * What is wrong with a request is said with the right status, in OpenAI's shape, with a request id.
 */
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ERRORS, type ErrorCode } from '#contracts/errors.ts'
import { clientKeyStream, keyId } from '#contracts/ids.ts'
import { behaviours } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { eventually } from '../eventually.ts'
import { Gateway, issued, KEY } from './gateway.ts'
import { exchange, requestText, type RawAnswer } from './raw-http.ts'

let provider: FakeProvider
let gateway: Gateway
const BODY_LIMIT = 200_000

beforeAll(async () => {
  provider = await FakeProvider.start()
  const stream = clientKeyStream(keyId('key_revoked'))
  const suspended = clientKeyStream(keyId('key_suspended'))
  gateway = await Gateway.start({
    providers: { a: { baseUrl: provider.baseUrl } },
    models: { m: ['a/upstream-model'] },
    bodyLimit: BODY_LIMIT,
    keys: [
      issued('key_revoked', 'sk-revoked'),
      { type: 'ClientKeyRevoked', stream, body: {} },
      issued('key_suspended', 'sk-suspended'),
      { type: 'ClientKeySuspended', stream: suspended, body: {} },
      issued('key_expired', 'sk-expired', Date.now() - 1_000),
    ],
  })
  // What a client may take its time for, so that a test need not.
  gateway.server.server.headersTimeout = 200
  gateway.server.server.requestTimeout = 400
})
afterEach(() => {
  provider.reset()
  gateway.forget()
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

const BODY = '{"model":"m","messages":[]}'
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` })
const POST = 'POST /v1/chat/completions'
const post = (body: string, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> =>
  exchange(gateway.port, [requestText(POST, { ...bearer(KEY), ...headers }, body)])

function expectError(answer: RawAnswer, code: ErrorCode, message?: RegExp): void {
  const { status, type, retry } = ERRORS[code]
  expect([answer.status, answer.body]).toEqual([status, expect.stringContaining(code)])
  const { error } = JSON.parse(answer.body) as { error: Record<string, unknown> }
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
  expect(error).toMatchObject({ code, type, message: expect.any(String) })
  if (message !== undefined) expect(error['message']).toMatch(message)
  expect(answer.headers).toMatchObject({
    'x-request-id': expect.stringMatching(/^req_/),
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(answer.body, 'latin1')),
  })
  expect(answer.headers['x-should-retry']).toBe(retry ? undefined : 'false')
}

describe('a body', () => {
  test.each<[string, string, ErrorCode, RegExp?]>([
    ['that is no JSON', '{"model":', 'malformed_json'],
    ['that is empty', '', 'malformed_json'],
    ['that is a list', '[]', 'malformed_json', /must be a JSON object/],
    ['with two models', '{"model":"m","model":"x"}', 'malformed_json', /twice/],
    ['without a model', '{"messages":[]}', 'missing_model'],
    ['with a number for a model', '{"model":1}', 'invalid_value', /must be a string/],
    ['with a word for stream', '{"model":"m","stream":"yes"}', 'invalid_value', /stream/],
    ['for a model nobody has', '{"model":"nobody-has-this"}', 'model_not_found', /'nobody-has-this'/],
    [
      'for a model with a name without end',
      `{"model":"${'x'.repeat(100_000)}"}`,
      'model_not_found',
      /^.{1,300}$/,
    ],
    [
      'for a pinned model with a name without end',
      `{"model":"a/${'x'.repeat(100_000)}"}`,
      'model_not_found',
      /^.{1,300}$/,
    ],
  ])('%s is refused', async (_what, body, code, message) => {
    expectError(await post(body), code, message)
    expect(provider.stats.requests).toBe(0)
    expect(gateway.settled).toEqual([ERRORS[code].status])
  })

  test('that is no UTF-8 is refused', async () => {
    const body = Buffer.concat([
      Buffer.from('{"model":"m","messages":["'),
      Buffer.from([0xff]),
      Buffer.from('"]}'),
    ])
    const head = requestText(POST, { ...bearer(KEY), 'content-length': String(body.length) })
    expectError(
      await exchange(gateway.port, [Buffer.concat([Buffer.from(head), body])]),
      'malformed_json',
      /UTF-8/,
    )
  })

  test('in pieces is put together', async () => {
    const text = requestText(POST, bearer(KEY), BODY)
    expect(
      (await exchange(gateway.port, [text.slice(0, -20), text.slice(-20, -5), text.slice(-5)])).status,
    ).toBe(200)
    const chunked = requestText(POST, { ...bearer(KEY), 'transfer-encoding': 'chunked' })
    const pieces = ['5\r\n{"mod\r\n', `16\r\n${BODY.slice(5)}\r\n`, '0\r\n\r\n']
    expect((await exchange(gateway.port, [chunked, ...pieces])).status).toBe(200)
    expect(provider.last.body.toString()).toBe('{"model":"upstream-model","messages":[]}')
  })

  test('that is too large is refused by its announced length, before it is sent', async () => {
    const head = requestText(POST, { ...bearer(KEY), 'content-length': String(BODY_LIMIT + 1) })
    expectError(await exchange(gateway.port, [head]), 'body_too_large', /200000 bytes/)
  })

  test('that becomes too large is refused, and the connection is good for another try', async () => {
    const chunk = `${(50_000).toString(16)}\r\n${'x'.repeat(50_000)}\r\n`
    const head = requestText(POST, { ...bearer(KEY), 'transfer-encoding': 'chunked' })
    const answer = await exchange(gateway.port, [
      head,
      ...Array.from({ length: 6 }, () => chunk),
      '0\r\n\r\n',
    ])
    expectError(answer, 'body_too_large')
    expect(answer.closed).toBe(false)
    const rest = await exchange(
      gateway.port,
      [head, ...Array.from({ length: 6 }, () => chunk), '0\r\n\r\n', requestText(POST, bearer(KEY), BODY)],
      2,
    )
    expect(rest.body).toContain('chat.completion')
  })

  test('of just the right size is taken', async () => {
    const body = BODY.padEnd(BODY_LIMIT, ' ')
    expect((await post(body)).status).toBe(200)
    expect(provider.last.body.length).toBe(BODY_LIMIT + '"upstream-model"'.length - '"m"'.length)
  })

  test.each(['br', 'deflate', 'GZIP', 'gzip, identity'])(
    'with content encoding %s is refused',
    async (encoding) => {
      const body = gzipSync(BODY)
      const head = requestText(POST, {
        ...bearer(KEY),
        'content-encoding': encoding,
        'content-length': String(body.length),
      })
      expectError(
        await exchange(gateway.port, [Buffer.concat([Buffer.from(head), body])]),
        'unsupported_encoding',
      )
    },
  )

  test('packed with gzip is unpacked, and its limit is that of what it holds', async () => {
    const packed = async (body: string | Buffer): Promise<RawAnswer> => {
      const bytes = gzipSync(body)
      const length = { 'content-encoding': 'gzip', 'content-length': String(bytes.length) }
      const head = requestText(POST, { ...bearer(KEY), ...length })
      return exchange(gateway.port, [Buffer.concat([Buffer.from(head), bytes])])
    }
    expect((await packed(BODY)).status).toBe(200)
    expect(provider.last.body.toString()).toContain('"upstream-model"')
    expectError(await packed(Buffer.alloc(BODY_LIMIT + 1, ' ')), 'body_too_large')
  })

  test('that says gzip and is not is refused', async () => {
    const headers = { ...bearer(KEY), 'content-encoding': 'gzip', 'content-length': String(BODY.length) }
    expectError(await exchange(gateway.port, [requestText(POST, headers) + BODY]), 'malformed_request')
  })

  test('that is broken off costs nothing and harms nobody', async () => {
    const socket = connect(gateway.port, '127.0.0.1')
    socket.write(requestText(POST, { ...bearer(KEY), 'content-length': '1000' }))
    await new Promise((resolve) => socket.write('{"model":', resolve))
    socket.resetAndDestroy()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await post(BODY)).status).toBe(200)
    expect(gateway.errors).toEqual([])
  })
})

describe('a credential', () => {
  const asking = (headers: Readonly<Record<string, string>>): Promise<RawAnswer> =>
    exchange(gateway.port, [requestText(POST, headers, BODY)])

  test.each<[string, Record<string, string>, ErrorCode]>([
    ['that is missing', {}, 'missing_api_key'],
    ['that is empty', { authorization: 'Bearer ' }, 'missing_api_key'],
    ['of another kind', { authorization: 'Basic c2s=' }, 'missing_api_key'],
    ['that is unknown', bearer('sk-unknown'), 'invalid_api_key'],
    ['that was revoked', bearer('sk-revoked'), 'revoked_api_key'],
    ['that is suspended', bearer('sk-suspended'), 'suspended_api_key'],
    ['that has expired', bearer('sk-expired'), 'expired_api_key'],
    [
      'in the key header that is unknown, beside one that is known',
      { ...bearer(KEY), 'x-api-key': 'sk-unknown' },
      'invalid_api_key',
    ],
    ['twice', { ...bearer(KEY), Authorization: `Bearer ${KEY}` }, 'ambiguous_credentials'],
    ['in two key headers', { 'x-api-key': KEY, 'api-key': KEY }, 'ambiguous_credentials'],
    ['beside a second Host', { ...bearer(KEY), Host: 'other' }, 'malformed_request'],
  ])('%s is refused, for chat and for models', async (_what, headers, code) => {
    const answer = await asking(headers)
    expectError(answer, code)
    expect(answer.body).not.toContain('sk-')
    expectError(await exchange(gateway.port, [requestText('GET /v1/models', headers)]), code)
    expectError(await exchange(gateway.port, [requestText('GET /v1/models/m', headers)]), code)
    expect(provider.stats.requests).toBe(0)
  })

  test.each<[string, Record<string, string>]>([
    ['a bearer', bearer(KEY)],
    ['x-api-key', { 'x-api-key': KEY }],
    ['api-key', { 'api-key': KEY }],
  ])('as %s is taken', async (_how, headers) => {
    expect((await asking(headers)).status).toBe(200)
  })
})

describe('an address', () => {
  test.each<[string, string, ErrorCode, string?]>([
    ['GET', '/v1/chat/completions', 'method_not_allowed', 'POST'],
    ['OPTIONS', '/v1/chat/completions', 'method_not_allowed', 'POST'],
    ['DELETE', '/chat/completions', 'method_not_allowed', 'POST'],
    ['PROPFIND', '/v1/chat/completions', 'method_not_allowed', 'POST'],
    ['POST', '/v1/models', 'method_not_allowed', 'GET'],
    ['PUT', '/v1/models/m?x=1', 'method_not_allowed', 'GET'],
    ['POST', '/v1/images/generations', 'unknown_url'],
    ['POST', '/v1/files', 'unknown_url'],
    ['GET', '/', 'unknown_url'],
    ['GET', '/v1', 'unknown_url'],
    ['GET', '/v2/models', 'unknown_url'],
    ['GET', '/v1/models%2', 'unknown_url'],
    ['GET', '/%zz', 'unknown_url'],
    ['GET', '/v1/../secret', 'unknown_url'],
    ['OPTIONS', '*', 'unknown_url'],
    ['GET', `/${'x'.repeat(5_000)}`, 'unknown_url'],
  ])('%s %s is refused', async (method, path, code, allow) => {
    for (const body of ['', '{', '{"__proto__":1}']) {
      const answer = await exchange(gateway.port, [
        requestText(
          `${method} ${path}`,
          { ...bearer(KEY), 'content-type': 'application/json' },
          method === 'GET' ? '' : body,
        ),
      ])
      expectError(answer, code)
      expect(answer.headers['allow']).toBe(allow)
    }
    expect(gateway.errors).toEqual([])
  })

  test('is found with and without /v1, whatever its query', async () => {
    for (const path of ['/v1/chat/completions', '/chat/completions', '/v1/chat/completions?beta=true']) {
      expect((await exchange(gateway.port, [requestText(`POST ${path}`, bearer(KEY), BODY)])).status).toBe(
        200,
      )
    }
    for (const path of ['/v1/models', '/models', '/v1/models/m', '/models/upstream-model?x']) {
      expect((await exchange(gateway.port, [requestText(`GET ${path}`, bearer(KEY))])).status).toBe(
        path.includes('upstream') ? 404 : 200,
      )
    }
  })

  test('of models answers HEAD with headers alone, and 304 to whoever has the list', async () => {
    const head = await exchange(gateway.port, [requestText('HEAD /v1/models', bearer(KEY))])
    expect([head.status, head.body, Number(head.headers['content-length']) > 50]).toEqual([200, '', true])
    const same = await exchange(gateway.port, [
      requestText('GET /v1/models', { ...bearer(KEY), 'if-none-match': head.headers['etag'] ?? '' }),
    ])
    expect([same.status, same.body, same.headers['etag']]).toEqual([304, '', head.headers['etag']])
    expect(same.headers['x-request-id']).toMatch(/^req_/)
  })
})

describe('a connection', () => {
  test.each<[string, string, ErrorCode]>([
    ['that speaks no HTTP', 'hello\r\n\r\n', 'malformed_request'],
    ['that speaks TLS', '\u0016\u0003\u0001\u0000\u0000', 'malformed_request'],
    ['with a method that does not exist', 'BREW /v1/models HTTP/1.1\r\nhost: x\r\n\r\n', 'malformed_request'],
    [
      'with two lengths',
      `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx`,
      'malformed_request',
    ],
    [
      'with a length and chunks',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'malformed_request',
    ],
    ['with a folded header', 'GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n', 'malformed_request'],
    [
      'with a bare line feed in a header',
      'GET / HTTP/1.1\r\nhost: x\r\na: b\nc: d\r\n\r\n',
      'malformed_request',
    ],
    [
      'with too large headers',
      `GET / HTTP/1.1\r\nhost: x\r\na: ${'b'.repeat(20_000)}\r\n\r\n`,
      'headers_too_large',
    ],
  ])('%s is told so and closed', async (_what, bytes, code) => {
    const answer = await exchange(gateway.port, [Buffer.from(bytes, 'latin1')])
    expectError(answer, code)
    expect([answer.closed, answer.headers['connection']]).toEqual([true, 'close'])
    expect(gateway.settled).toEqual([ERRORS[code].status])
  })

  test('without a Host is closed', async () => {
    const answer = await exchange(gateway.port, ['GET /v1/models HTTP/1.1\r\n\r\n'])
    expect([answer.status, answer.closed]).toEqual([400, true])
  })

  test.each([
    ['headers', 'GET /v1/models HTTP/1.1\r\nhost: x\r\na: '],
    ['a body', requestText(POST, { ...bearer(KEY), 'content-length': '1000' })],
  ])('that sends %s drop by drop is told so and closed in time', async (_what, beginning) => {
    const drops = Array.from({ length: 150 }, () => 'x')
    const answer = await exchange(gateway.port, [beginning, ...drops])
    expectError(answer, 'request_timeout')
    expect(answer.closed).toBe(true)
  })

  test('that turns to nonsense while an answer is on its way is closed without a word in between', async () => {
    provider.next(behaviours.slowStream(50, ['a', 'b', 'c', 'd']))
    const answer = await exchange(gateway.port, [
      requestText(POST, bearer(KEY), '{"model":"m","stream":true}'),
      '',
      '',
      '',
      '',
      '\u0000nonsense\r\n\r\n',
    ])
    expect(answer.status).toBe(200)
    expect(answer.body).not.toContain('malformed_request')
    expect(answer.closed).toBe(true)
    await eventually(() => provider.stats.open === 0)
  })
})
