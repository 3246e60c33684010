import { describe, expect, test } from 'vitest'
import { readRateLimits } from './rate-limits.ts'

const NOW = Date.parse('2026-11-28T12:00:00Z')
const read = (headers: Readonly<Record<string, string>>) =>
  readRateLimits(new Map(Object.entries(headers)), NOW)

describe('rate-limit headers', () => {
  test('of OpenAI are read with their durations', () => {
    const headers = {
      'x-ratelimit-limit-requests': '500',
      'x-ratelimit-remaining-requests': '499',
      'x-ratelimit-reset-requests': '120ms',
      'x-ratelimit-limit-tokens': '30000',
      'x-ratelimit-remaining-tokens': '29000',
      'x-ratelimit-reset-tokens': '6m0.5s',
    }
    expect(read(headers)).toEqual({
      limitRequests: 500,
      remainingRequests: 499,
      resetRequestsMs: 120,
      limitTokens: 30_000,
      remainingTokens: 29_000,
      resetTokensMs: 360_500,
    })
  })

  test('of Anthropic are read with their dates', () => {
    const headers = {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '0',
      'anthropic-ratelimit-requests-reset': '2026-11-28T12:00:30Z',
      'anthropic-ratelimit-tokens-remaining': '100',
      'anthropic-ratelimit-tokens-reset': '2026-11-28T11:59:00Z',
    }
    expect(read(headers)).toMatchObject({
      limitRequests: 50,
      remainingRequests: 0,
      resetRequestsMs: 30_000,
      limitTokens: null,
      remainingTokens: 100,
      resetTokensMs: 0,
    })
  })

  test.each<[string, (of: string, what: string) => string]>([
    ['OpenAI', (of, what) => `x-ratelimit-${what}-${of}`],
    ['Anthropic', (of, what) => `anthropic-ratelimit-${of}-${what}`],
  ])('of %s have a name each, and are read when one says what is left', (_who, name) => {
    const all: Record<string, string> = {}
    for (const [at, what] of ['limit', 'remaining', 'reset'].entries()) {
      all[name('requests', what)] = String(at + 1)
      all[name('tokens', what)] = String(at + 4)
    }
    const whole = {
      limitRequests: 1,
      remainingRequests: 2,
      resetRequestsMs: 3_000,
      limitTokens: 4,
      remainingTokens: 5,
      resetTokensMs: 6_000,
    }
    expect(read(all)).toEqual(whole)
    const { [name('requests', 'remaining')]: _requests, ...byTokens } = all
    expect(read(byTokens)).toEqual({ ...whole, remainingRequests: null })
    const { [name('tokens', 'remaining')]: _tokens, ...byRequests } = all
    expect(read(byRequests)).toEqual({ ...whole, remainingTokens: null })
  })

  test.each(['soon', '', '-5', 'NaN', '1x'])('leave out what is no number: %j', (text) => {
    const headers = { 'x-ratelimit-remaining-requests': text, 'x-ratelimit-reset-requests': text }
    const limits = read(headers)
    expect(limits).toMatchObject({ resetRequestsMs: null, remainingRequests: null })
  })

  test('are mostly absent', () => {
    expect(read({ 'content-type': 'application/json' })).toBeNull()
  })
})
