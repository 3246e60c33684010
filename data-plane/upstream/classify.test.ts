import { describe, expect, test } from 'vitest'
import { classifyNetworkError, classifyRefusal, failure, parseRetryAfter, type Refusal } from './classify.ts'
import { ENDED } from './http/ended.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')

const judge = (status: number, body: string | object = '', more: Partial<Refusal> = {}) =>
  classifyRefusal({
    status,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    retryAfter: undefined,
    retryable: null,
    now: NOW,
    ...more,
  })

const verdict = (status: number, body: string | object = '', more: Partial<Refusal> = {}): string => {
  const { outcome, scope } = judge(status, body, more)
  return `${outcome} ${scope}`
}

const openai = (code: string, type = code, message = 'words') => ({
  error: { message, type, param: null, code },
})

describe('a refusal', () => {
  test.each([
    // Credentials: another one, then another provider.
    ['401 of any kind', 401, '', 'unauthorised key'],
    ['401 of OpenAI', 401, openai('invalid_api_key', 'invalid_request_error'), 'unauthorised key'],
    ['403 permission, region, model access', 403, openai('unsupported_country'), 'unauthorised key'],
    [
      '400 of Gemini for a bad key',
      400,
      {
        error: {
          code: 400,
          message: 'API key not valid. Please pass a valid API key.',
          status: 'INVALID_ARGUMENT',
          details: [{ reason: 'API_KEY_INVALID' }],
        },
      },
      'unauthorised key',
    ],
    [
      'the same, wrapped in an array',
      400,
      [{ error: { code: 400, message: 'x', details: [{ reason: 'API_KEY_INVALID' }] } }],
      'unauthorised key',
    ],
    [
      '400 of xAI for a bad key',
      400,
      { code: 'Client specified an invalid argument', error: 'Incorrect API key provided: sk***' },
      'unauthorised key',
    ],
    // Money and quota: the same.
    ['402', 402, '', 'exhausted key'],
    ['429 insufficient_quota', 429, openai('insufficient_quota'), 'exhausted key'],
    [
      '429 insufficient_quota by its type alone',
      429,
      { error: { message: 'x', type: 'insufficient_quota', code: null } },
      'exhausted key',
    ],
    [
      '429 credit_balance_exhausted',
      429,
      openai('credit_balance_exhausted', 'insufficient_quota'),
      'exhausted key',
    ],
    [
      '429 organization_spend_limit_exceeded',
      429,
      openai('organization_spend_limit_exceeded'),
      'exhausted key',
    ],
    ['429 project_spend_limit_exceeded', 429, openai('project_spend_limit_exceeded'), 'exhausted key'],
    [
      '429 organization_usage_limit_exceeded',
      429,
      openai('organization_usage_limit_exceeded'),
      'exhausted key',
    ],
    ['429 enforced_spend_limit_reached', 429, openai('enforced_spend_limit_reached'), 'exhausted key'],
    ['429 contract_spend_limit_reached', 429, openai('contract_spend_limit_reached'), 'exhausted key'],
    ['429 rate limit', 429, openai('rate_limit_exceeded', 'requests'), 'throttled key'],
    ['429 slow_down', 429, openai('slow_down'), 'throttled key'],
    ['429 without words', 429, '', 'throttled key'],
    [
      '429 of Gemini',
      429,
      { error: { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED' } },
      'throttled key',
    ],
    // The provider: another one.
    ['404 for the model', 404, openai('model_not_found', 'invalid_request_error'), 'missing model'],
    ['408', 408, '', 'timeout provider'],
    ['500', 500, openai('server_error'), 'fault provider'],
    ['502 with HTML', 502, '<html>502 Bad Gateway</html>', 'fault provider'],
    ['503', 503, openai('overloaded'), 'overloaded provider'],
    ['504', 504, '', 'fault provider'],
    [
      '529',
      529,
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      'overloaded provider',
    ],
    ['599', 599, '', 'fault provider'],
    ['an error object under a 200', 200, openai('server_error'), 'fault provider'],
    [
      'an error under a 200 that names its status, as OpenRouter does',
      200,
      { error: { code: 429, message: 'x' } },
      'throttled key',
    ],
    ['one of a provider behind OpenRouter', 200, { error: { code: 502, message: 'x' } }, 'fault provider'],
    [
      'one of the caller’s own making, as Azure writes it',
      200,
      { error: { code: 'content_filter', status: 400, message: 'x' } },
      'invalid request',
    ],
    [
      'an error under a 200 with a code that is no status',
      200,
      { error: { code: 1_100, message: 'x' } },
      'fault provider',
    ],
    [
      'an error with a status that says something else inside',
      500,
      { error: { code: 400, message: 'x' } },
      'fault provider',
    ],
    ['a redirect', 302, '', 'fault provider'],
    // The caller: nothing helps.
    ['400', 400, openai('invalid_type', 'invalid_request_error'), 'invalid request'],
    [
      '400 context_length_exceeded',
      400,
      openai('context_length_exceeded', 'invalid_request_error'),
      'invalid request',
    ],
    ['400 content_filter', 400, openai('content_filter'), 'invalid request'],
    [
      '400 that only mentions a key',
      400,
      openai('invalid_value', 'x', 'messages[0]: unknown key "api key not valid"'),
      'invalid request',
    ],
    ['409', 409, '', 'invalid request'],
    ['413', 413, '', 'invalid request'],
    ['415', 415, '', 'invalid request'],
    ['422', 422, { detail: [{ msg: 'field required' }] }, 'invalid request'],
    ['431', 431, '', 'invalid request'],
    ['499', 499, '', 'invalid request'],
  ])('%s', (_what, status, body, expected) => {
    expect(verdict(status, body)).toBe(expected)
    expect(judge(status, body).status).toBe(status)
  })

  test.each([
    [{ error: { message: 'nested' } }, 'nested'],
    [[{ error: { message: 'in an array' } }], 'in an array'],
    [{ error: 'a string', code: 'x' }, 'a string'],
    [{ message: 'flat' }, 'flat'],
    [{ object: 'error', message: 'Mistral', type: 'x', code: 1 }, 'Mistral'],
    [{ detail: 'FastAPI' }, 'FastAPI'],
    [{ error: { message: '' } }, null],
    [{ error: { message: 7 } }, null],
    [{ detail: [{ msg: 'x' }] }, null],
    ['<html><h1>secret internals</h1></html>', null],
    ['{"error":{"message":"cut o', null],
    ['', null],
    ['null', null],
    ['"text"', null],
    ['7', null],
    ['[]', null],
  ])('says in %j: %j', (body, message) => {
    expect(judge(500, body).message).toBe(message)
  })

  test('says no more than 2,000 characters', () => {
    expect(judge(500, { message: 'x'.repeat(10_000) }).message).toHaveLength(2_000)
  })

  test('of a credential says nothing: the words may quote the credential', () => {
    expect(judge(401, { error: { message: 'Incorrect API key provided: sk-abcd' } }).message).toBeNull()
    expect(judge(400, { error: 'Incorrect API key provided: sk-abcd' }).message).toBeNull()
  })

  test('with keys like __proto__ is read like any other', () => {
    expect(verdict(500, '{"__proto__":{"error":{"code":"insufficient_quota"}},"constructor":{}}')).toBe(
      'fault provider',
    )
  })
})

describe('statuses that an operator lists as retryable', () => {
  const retryable = new Set([400, 500])

  test.each([
    [400, 'fault provider'],
    [500, 'fault provider'],
    [503, 'overloaded request'],
    [404, 'missing request'],
    [422, 'invalid request'],
    [401, 'unauthorised key'],
    [402, 'exhausted key'],
    [429, 'throttled key'],
  ])('replace the judgement of %i, but not where a credential is at fault: %s', (status, expected) => {
    expect(verdict(status, '', { retryable })).toBe(expected)
  })
})

describe('Retry-After', () => {
  test.each([
    ['7', 7_000],
    [' 7 ', 7_000],
    ['0', 0],
    ['0.5', 500],
    ['3600', 3_600_000],
    ['999999', 3_600_000],
    ['Sun, 22 Nov 2026 12:00:30 GMT', 30_000],
    ['Sun, 22 Nov 2026 11:59:00 GMT', null],
    ['-1', null],
    ['soon', null],
    ['', null],
    [' ', null],
    [undefined, null],
    ['Infinity', null],
    ['NaN', null],
  ])('%j is %j milliseconds', (text, ms) => {
    expect(parseRetryAfter(text, NOW)).toBe(ms)
    expect(judge(429, '', { retryAfter: text }).retryAfterMs).toBe(ms)
  })
})

describe('what the network did', () => {
  test.each([
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    [ENDED.silent, 'timeout'],
    ['ETIMEDOUT', 'timeout'],
    ['ECONNREFUSED', 'fault'],
    ['ECONNRESET', 'fault'],
    [ENDED.closed, 'fault'],
    ['ENOTFOUND', 'fault'],
    ['CERT_HAS_EXPIRED', 'fault'],
    ['APIPROXY_EGRESS', 'fault'],
    [ENDED.malformed, 'fault'],
    [ENDED.unreadable, 'fault'],
    ['', 'fault'],
  ])('%s is a %s of the provider', (code, outcome) => {
    expect(classifyNetworkError(code)).toEqual({
      outcome,
      scope: 'provider',
      status: 0,
      message: null,
      retryAfterMs: null,
      problem: null,
      isCarrier: false,
    })
  })

  test('is nobody’s fault when the client left', () => {
    expect(failure('cancelled').scope).toBe('request')
  })
})
