import { describe, expect, test } from 'vitest'
import { readRateLimits } from './rate-limits.ts'

const NOW = Date.parse('2026-11-28T12:00:00Z')

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
    expect(readRateLimits(headers, NOW)).toEqual({
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
    expect(readRateLimits(headers, NOW)).toMatchObject({
      limitRequests: 50,
      remainingRequests: 0,
      resetRequestsMs: 30_000,
      limitTokens: null,
      remainingTokens: 100,
      resetTokensMs: 0,
    })
  })

  test.each(['soon', '', '-5', 'NaN', '1x'])('leave out what is no number: %j', (text) => {
    const headers = { 'x-ratelimit-remaining-requests': text, 'x-ratelimit-reset-requests': text }
    const limits = readRateLimits(headers, NOW)
    expect(limits).toMatchObject({ resetRequestsMs: null, remainingRequests: null })
  })

  test('are mostly absent', () => {
    expect(readRateLimits({ 'content-type': 'application/json' }, NOW)).toBeNull()
  })
})
