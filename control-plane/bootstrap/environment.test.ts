import { describe, expect, test } from 'vitest'
import type { Env } from '#contracts/process/env.ts'
import type { Declaration } from './declaration.ts'
import { readEnvironment } from './environment.ts'

function declared(env: Env): Declaration {
  const result = readEnvironment(env)
  if (!result.ok) throw new Error(result.error.join('\n'))
  return result.value
}
const problems = (env: Env): readonly string[] => {
  const result = readEnvironment(env)
  return result.ok ? [] : result.error
}
const secrets = ({ providers }: Declaration): unknown =>
  providers.flatMap(({ credentials }) =>
    (credentials ?? []).map(({ secret, label, weight }) => [secret.reveal(), label, weight]),
  )

describe('an empty environment', () => {
  test.each([{}, { OPENAI_API_KEY: '', LLM_PROVIDERS: '', APIPROXY_AUTH_TOKEN: '' }])(
    'declares nothing (%#)',
    (env) => {
      expect(declared(env)).toEqual({ providers: [], models: [], keys: [], budgets: [] })
    },
  )
})

describe('the key of a well-known provider', () => {
  test.each([
    ['OPENAI_API_KEY', 'openai', 'openai', 'https://api.openai.com/v1'],
    ['ANTHROPIC_API_KEY', 'anthropic', 'anthropic', 'https://api.anthropic.com'],
    ['GEMINI_API_KEY', 'gemini', 'gemini', 'https://generativelanguage.googleapis.com'],
  ])('%s makes it', (variable, id, kind, baseUrl) => {
    const declaration = declared({ [variable]: 'sk-1' })
    expect(declaration.providers).toMatchObject([{ id, definition: { kind, baseUrl, allowPrivate: true } }])
    expect(secrets(declaration)).toEqual([['sk-1', variable, 1]])
  })

  test.each([
    ['OPENAI_API_KEY', 'OPENAI_BASE_URL'],
    ['ANTHROPIC_API_KEY', 'ANTHROPIC_BASE_URL'],
    ['GEMINI_API_KEY', 'GOOGLE_GEMINI_BASE_URL'],
  ])('%s goes where %s says, also to this machine', (key, url) => {
    const { providers } = declared({ [key]: 'k', [url]: 'http://127.0.0.1:9/v1' })
    expect(providers[0]?.definition.baseUrl).toBe('http://127.0.0.1:9/v1')
    expect(problems({ [key]: 'k', [url]: 'nonsense' })).toEqual([`${url}: is not a URL`])
  })

  test('is used by the general form, which can say more of the same provider', () => {
    const declaration = declared({
      OPENAI_API_KEY: 'sk-1',
      LLM_PROVIDERS: 'openai',
      LLM_PROVIDER_OPENAI_WEIGHT: '3',
    })
    expect(declaration.providers).toMatchObject([
      { id: 'openai', definition: { baseUrl: 'https://api.openai.com/v1', routing: { weight: 3 } } },
    ])
    expect(secrets(declaration)).toEqual([['sk-1', null, 1]])
  })
})

describe('LLM_PROVIDERS', () => {
  test('take every setting there is', () => {
    const { providers } = declared({
      LLM_PROVIDERS: ' azure-eu ,local, azure-eu',
      LLM_PROVIDER_AZURE_EU_NAME: 'Azure',
      LLM_PROVIDER_AZURE_EU_KIND: 'gemini',
      LLM_PROVIDER_AZURE_EU_BASE_URL: 'https://azure.example.com/v1?v=2',
      LLM_PROVIDER_AZURE_EU_API_KEY: 'one',
      LLM_PROVIDER_AZURE_EU_WEIGHT: '2.5',
      LLM_PROVIDER_AZURE_EU_REGION: 'eu',
      LLM_PROVIDER_AZURE_EU_MODELS_PATH: '/list',
      LLM_PROVIDER_AZURE_EU_STATIC_MODELS: 'a, b ,a',
      LLM_PROVIDER_AZURE_EU_RETRYABLE_STATUS_CODES: '429,500,502-504',
      LLM_PROVIDER_AZURE_EU_MAX_QPS: '10',
      LLM_PROVIDER_AZURE_EU_COST_INPUT: '0.5',
      LLM_PROVIDER_AZURE_EU_COST_OUTPUT: '1e1',
      LLM_PROVIDER_LOCAL_BASE_URL: 'http://127.0.0.1:8000/v1',
    })
    expect(providers.map(({ id }) => id)).toEqual(['azure-eu', 'local'])
    expect(providers[0]?.definition).toMatchObject({
      name: 'Azure',
      kind: 'gemini',
      baseUrl: 'https://azure.example.com/v1?v=2',
      routing: {
        weight: 2.5,
        region: 'eu',
        retryableStatusCodes: [429, 500, 502, 503, 504],
        maxQps: 10,
        costInput: 0.5,
        costOutput: 10,
      },
      models: { path: '/list', static: ['a', 'b'] },
    })
    // What is not said is as small as it can be: an OpenAI-compatible server without a key.
    expect(providers[1]).toMatchObject({ definition: { name: 'local', kind: 'openai' }, credentials: [] })
  })

  test.each([
    [
      'one,two',
      [
        ['one', null, 1],
        ['two', null, 1],
      ],
    ],
    ['["one"]', [['one', null, 1]]],
    [
      '[{"key":"one","weight":2,"label":"a"},"two"]',
      [
        ['one', 'a', 2],
        ['two', null, 1],
      ],
    ],
  ])('take keys as %s', (text, expected) => {
    const declaration = declared({
      LLM_PROVIDERS: 'a',
      LLM_PROVIDER_A_BASE_URL: 'https://a.example.com',
      LLM_PROVIDER_A_API_KEYS: text,
      LLM_PROVIDER_A_API_KEY: 'ignored beside the list',
    })
    expect(secrets(declaration)).toEqual(expected)
  })

  test('take models as JSON, whose names may hold a comma', () => {
    const { providers } = declared({
      LLM_PROVIDERS: 'a',
      LLM_PROVIDER_A_BASE_URL: 'https://a.example.com',
      LLM_PROVIDER_A_STATIC_MODELS: '["a,b","c"]',
    })
    expect(providers[0]?.definition.models?.static).toEqual(['a,b', 'c'])
  })

  test.each([
    ['WEIGHT', 'heavy'],
    ['WEIGHT', '0'],
    ['MAX_QPS', '-1'],
    ['COST_INPUT', 'NaN'],
    ['COST_OUTPUT', '-0.1'],
    ['KIND', 'telepathy'],
    ['BASE_URL', 'ftp://a.example.com'],
    ['BASE_URL', 'https://user:secret@a.example.com'],
    ['MODELS_PATH', 'no-slash'],
    ['STATIC_MODELS', 'with space in it'],
    ['STATIC_MODELS', '[1]'],
    ['STATIC_MODELS', '[broken'],
    ['RETRYABLE_STATUS_CODES', '429,many'],
    ['RETRYABLE_STATUS_CODES', '200'],
    ['RETRYABLE_STATUS_CODES', '504-502'],
    ['API_KEYS', '[{"token":"x"}]'],
    ['API_KEYS', '[broken'],
  ])('are refused with the name of the setting: %s=%s', (field, value) => {
    const told = problems({
      LLM_PROVIDERS: 'a',
      LLM_PROVIDER_A_BASE_URL: 'https://a.example.com',
      [`LLM_PROVIDER_A_${field}`]: value,
    })
    expect(told.length).toBeGreaterThan(0)
    for (const problem of told) expect(problem).toMatch(new RegExp(`^LLM_PROVIDER_A_${field}: .`))
    expect(told.join('\n')).not.toContain('secret')
  })

  test('tell every problem at once', () => {
    expect(
      problems({
        LLM_PROVIDERS: 'Bad Name,a,b',
        LLM_PROVIDER_A_WEIGHT: 'x',
        LLM_PROVIDER_B_BASE_URL: 'x',
        LLM_PROVIDER_C_BASE_URL: 'https://c.example.com',
        LLM_PROVIDER_A_WAIGHT: '2',
        APIPROXY_AUTH_TOKEN: 'short',
      }).map((problem) => problem.split(':')[0]),
    ).toEqual(
      expect.arrayContaining([
        'LLM_PROVIDERS',
        'LLM_PROVIDER_C_BASE_URL',
        'LLM_PROVIDER_A_WAIGHT',
        'LLM_PROVIDER_A_BASE_URL',
        'LLM_PROVIDER_A_WEIGHT',
        'LLM_PROVIDER_B_BASE_URL',
        'APIPROXY_AUTH_TOKEN',
      ]),
    )
  })
})

describe('APIPROXY_AUTH_TOKEN', () => {
  test('is a client key of that name, of at least 16 characters', () => {
    const { keys } = declared({ APIPROXY_AUTH_TOKEN: 'x'.repeat(16) })
    expect(keys.map(({ name, token }) => [name, token.reveal()])).toEqual([
      ['APIPROXY_AUTH_TOKEN', 'x'.repeat(16)],
    ])
    expect(problems({ APIPROXY_AUTH_TOKEN: 'x'.repeat(15) })).toEqual([
      'APIPROXY_AUTH_TOKEN: must be at least 16 characters',
    ])
  })
})
