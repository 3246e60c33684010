import { describe, expect, test } from 'vitest'
import { endpointsOf } from './endpoints.ts'

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
  ] as const)('of %s at %s is found', (kind, baseUrl, origin, chatPath) => {
    expect(endpointsOf(kind, baseUrl)).toEqual({ origin, chatPath })
  })
})
