import { describe, expect, test } from 'vitest'
import { endpointsOf, takesDialect } from './endpoints.ts'

describe('the chat endpoint', () => {
  test.each([
    ['openai', 'https://api.openai.com/v1', 'https://api.openai.com', '/v1/chat/completions'],
    ['openai', 'https://api.openai.com/v1/', 'https://api.openai.com', '/v1/chat/completions'],
    ['openai', 'http://127.0.0.1:8000', 'http://127.0.0.1:8000', '/chat/completions'],
    ['openai', 'https://host:8443/a/b/v1', 'https://host:8443', '/a/b/v1/chat/completions'],
    [
      'openai',
      'https://x.azure.com/openai/v1?api-version=1&b=2',
      'https://x.azure.com',
      '/openai/v1/chat/completions?api-version=1&b=2',
    ],
    ['anthropic', 'https://api.anthropic.com', 'https://api.anthropic.com', '/v1/chat/completions'],
    ['anthropic', 'https://api.anthropic.com/v1', 'https://api.anthropic.com', '/v1/chat/completions'],
    ['gemini', 'https://g.example', 'https://g.example', '/v1beta/openai/chat/completions'],
    ['gemini', 'https://g.example/v1beta/', 'https://g.example', '/v1beta/openai/chat/completions'],
    ['gemini', 'https://g.example/v1', 'https://g.example', '/v1/openai/chat/completions'],
    ['gemini', 'https://g.example/v1beta/openai', 'https://g.example', '/v1beta/openai/chat/completions'],
  ] as const)('of %s at %s is found', (kind, baseUrl, origin, chat) => {
    const endpoints = endpointsOf(kind, baseUrl)
    expect([endpoints.origin, endpoints.paths('m').chat]).toEqual([origin, chat])
  })
})

describe('the other endpoints', () => {
  test('of an OpenAI-compatible server are beside its chat', () => {
    expect(endpointsOf('openai', 'https://h.example/v1?key=1').paths('m')).toEqual({
      chat: '/v1/chat/completions?key=1',
      responses: '/v1/responses?key=1',
      embeddings: '/v1/embeddings?key=1',
      messages: '/v1/messages?key=1',
      countMessageTokens: '/v1/messages/count_tokens?key=1',
      generate: null,
      generateStream: null,
      countTokens: null,
      embedContent: null,
      batchEmbedContents: null,
    })
  })

  test('of Anthropic are under its version, written or not', () => {
    const paths = endpointsOf('anthropic', 'https://api.anthropic.com').paths('m')
    expect(paths).toMatchObject({
      messages: '/v1/messages',
      countMessageTokens: '/v1/messages/count_tokens',
      responses: null,
      embeddings: null,
      generate: null,
    })
    expect(endpointsOf('anthropic', 'https://api.anthropic.com/v1/').paths('m')).toEqual(paths)
  })

  test('of Gemini name the model, and keep the query of the base URL', () => {
    expect(endpointsOf('gemini', 'https://g.example/x/v1beta/openai?v=2').paths('gemini-2.5-pro')).toEqual({
      chat: '/x/v1beta/openai/chat/completions?v=2',
      embeddings: '/x/v1beta/openai/embeddings?v=2',
      responses: null,
      messages: null,
      countMessageTokens: null,
      generate: '/x/v1beta/models/gemini-2.5-pro:generateContent?v=2',
      generateStream: '/x/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse&v=2',
      countTokens: '/x/v1beta/models/gemini-2.5-pro:countTokens?v=2',
      embedContent: '/x/v1beta/models/gemini-2.5-pro:embedContent?v=2',
      batchEmbedContents: '/x/v1beta/models/gemini-2.5-pro:batchEmbedContents?v=2',
    })
  })

  test.each([
    ['models/gemini-2.5-pro', 'models/gemini-2.5-pro'],
    ['tunedModels/mine-1', 'tunedModels/mine-1'],
    ['google/gemma:free', 'models/google%2Fgemma%3Afree'],
    ['../../admin', 'models/..%2F..%2Fadmin'],
    ['x?key=1#y', 'models/x%3Fkey%3D1%23y'],
    ['models/../x', 'models/..%2Fx'],
    ['half \ud83d pair', 'models/half%20%EF%BF%BD%20pair'],
  ])('of Gemini take %s as one name', (model, resource) => {
    const { generate } = endpointsOf('gemini', 'https://g.example').paths(model)
    expect(generate).toBe(`/v1beta/${resource}:generateContent`)
    expect(new URL(generate ?? '', 'https://g.example').pathname).toBe(generate)
  })

  test.each([
    ['openai', 'https://h.example/v1', '/models', '/v1/models'],
    ['openai', 'https://h.example/v1?v=1', '/models?kind=chat', '/v1/models?kind=chat&v=1'],
    ['anthropic', 'https://api.anthropic.com', '/models', '/v1/models'],
    ['gemini', 'https://g.example/v1beta/openai', '/models', '/v1beta/models'],
  ] as const)('lists of %s at %s + %s are found', (kind, baseUrl, path, list) => {
    expect(endpointsOf(kind, baseUrl).modelList(path)).toBe(list)
  })
})

describe('a credential', () => {
  test.each([
    ['openai', 'https://api.openai.com/v1', 'authorization', 'Bearer sk'],
    ['openai', 'http://127.0.0.1:8000/v1', 'authorization', 'Bearer sk'],
    ['openai', 'https://x.openai.azure.com/openai/v1', 'api-key', 'sk'],
    ['openai', 'https://x.services.ai.azure.com/openai/v1', 'api-key', 'sk'],
    ['openai', 'https://openai.azure.com.evil.example/v1', 'authorization', 'Bearer sk'],
    ['anthropic', 'https://api.anthropic.com', 'x-api-key', 'sk'],
    ['gemini', 'https://generativelanguage.googleapis.com', 'x-goog-api-key', 'sk'],
  ] as const)('of %s at %s is sent as %s', (kind, baseUrl, name, value) => {
    expect(endpointsOf(kind, baseUrl).credential('sk')).toEqual([name, value])
  })
})

describe('what a provider speaks', () => {
  test.each([
    ['openai', 'https://api.openai.com/v1', ['openai-chat', 'openai-responses']],
    ['openai', 'https://eu.api.openai.com/v1', ['openai-chat', 'openai-responses']],
    ['openai', 'https://x.openai.azure.com/openai/v1', ['openai-chat', 'openai-responses']],
    ['openai', 'https://notapi.openai.com.example/v1', ['openai-chat']],
    ['openai', 'http://127.0.0.1:11434/v1', ['openai-chat']],
    ['anthropic', 'https://api.anthropic.com', ['anthropic']],
    ['gemini', 'https://g.example', ['gemini']],
  ] as const)('of kind %s at %s is known', (kind, baseUrl, dialects) => {
    const endpoints = endpointsOf(kind, baseUrl)
    expect(endpoints.dialects).toEqual(dialects)
    for (const dialect of dialects) expect(takesDialect(endpoints.paths('m'), dialect)).toBe(true)
  })

  test('is only what there is a place for', () => {
    const paths = (kind: 'openai' | 'anthropic' | 'gemini') =>
      endpointsOf(kind, 'https://h.example').paths('m')
    expect(takesDialect(paths('openai'), 'gemini')).toBe(false)
    expect(takesDialect(paths('openai'), 'anthropic')).toBe(true)
    expect(takesDialect(paths('anthropic'), 'openai-responses')).toBe(false)
    expect(takesDialect(paths('gemini'), 'anthropic')).toBe(false)
    expect(takesDialect(paths('gemini'), 'openai-chat')).toBe(true)
  })
})
