import { describe, expect, test } from 'vitest'
import type { Level } from './counters.ts'
import { anthropicLimitHeaders, openaiLimitHeaders } from './limit-headers.ts'

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 600)
const level = (over: Partial<Level> = {}): Level => ({
  meter: 'key\nkey_1',
  kind: 'requests',
  limit: 60,
  used: 20,
  resetMs: 61_000,
  ...over,
})
const asObject = (list: readonly string[]): Record<string, string> =>
  Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1] ?? '']] : [])))

describe('limits, told to a client', () => {
  const levels = [level(), level({ kind: 'tokens', limit: 1_000, used: 250.5, resetMs: 500 })]

  test('of OpenAI', () => {
    expect(asObject(openaiLimitHeaders(levels, NOW))).toEqual({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '40',
      'x-ratelimit-reset-requests': '1m1s',
      'x-ratelimit-limit-tokens': '1000',
      'x-ratelimit-remaining-tokens': '749',
      'x-ratelimit-reset-tokens': '500ms',
    })
  })

  test('of Anthropic', () => {
    expect(asObject(anthropicLimitHeaders(levels, NOW))).toEqual({
      'anthropic-ratelimit-requests-limit': '60',
      'anthropic-ratelimit-requests-remaining': '40',
      'anthropic-ratelimit-requests-reset': '2026-01-02T03:05:07Z',
      'anthropic-ratelimit-tokens-limit': '1000',
      'anthropic-ratelimit-tokens-remaining': '749',
      'anthropic-ratelimit-tokens-reset': '2026-01-02T03:04:07Z',
    })
  })

  test('are those with the least left, when a key and a model both have one', () => {
    const both = [level(), level({ meter: 'model\nfast', limit: 1_000, used: 999 })]
    expect(asObject(openaiLimitHeaders(both, NOW))['x-ratelimit-remaining-requests']).toBe('1')
  })

  test('are never below nothing, and say nothing of what has no name', () => {
    const told = asObject(openaiLimitHeaders([level({ used: 70 }), level({ kind: 'concurrency' })], NOW))
    expect(Object.keys(told)).toHaveLength(3)
    expect(told['x-ratelimit-remaining-requests']).toBe('0')
  })

  test.each([
    [0, '0ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_230, '1.3s'],
    [59_900, '59.9s'],
    [59_901, '1m0s'],
    [119_500, '2m0s'],
  ])('write %i ms as %s', (resetMs, text) => {
    expect(asObject(openaiLimitHeaders([level({ resetMs })], NOW))['x-ratelimit-reset-requests']).toBe(text)
  })
})
