/**
 * What an upstream says about how much more it will take: the rate-limit headers of OpenAI (and compatible
 * hosts) and of Anthropic. Gemini sends none.
 *
 * Pure.
 */
export type RateLimits = Readonly<{
  /** Requests and tokens a minute, what is left of them, and when they are full again, in milliseconds; null: not said. */
  limitRequests: number | null
  remainingRequests: number | null
  resetRequestsMs: number | null
  limitTokens: number | null
  remainingTokens: number | null
  resetTokensMs: number | null
}>

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** @param now epoch milliseconds. @returns null when the answer carries no limits, as most do. */
export function readRateLimits(headers: Headers, now: number): RateLimits | null {
  if (
    headers['x-ratelimit-remaining-requests'] !== undefined ||
    headers['x-ratelimit-remaining-tokens'] !== undefined
  )
    return limitsOf(headers, (what, of) => `x-ratelimit-${what}-${of}`, now)
  if (
    headers['anthropic-ratelimit-requests-remaining'] !== undefined ||
    headers['anthropic-ratelimit-tokens-remaining'] !== undefined
  )
    return limitsOf(headers, (what, of) => `anthropic-ratelimit-${of}-${what}`, now)
  return null
}

function limitsOf(
  headers: Headers,
  name: (what: 'limit' | 'remaining' | 'reset', of: 'requests' | 'tokens') => string,
  now: number,
): RateLimits {
  const count = (what: 'limit' | 'remaining', of: 'requests' | 'tokens'): number | null => {
    const text = headers[name(what, of)]
    return typeof text === 'string' && NUMBER.test(text) ? Number(text) : null
  }
  const reset = (of: 'requests' | 'tokens'): number | null => {
    const text = headers[name('reset', of)]
    return typeof text === 'string' ? parseReset(text, now) : null
  }
  return {
    limitRequests: count('limit', 'requests'),
    remainingRequests: count('remaining', 'requests'),
    resetRequestsMs: reset('requests'),
    limitTokens: count('limit', 'tokens'),
    remainingTokens: count('remaining', 'tokens'),
    resetTokensMs: reset('tokens'),
  }
}

const NUMBER = /^\d+(\.\d+)?$/
const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `120ms`, `6m0s`, plain seconds, or a date (Anthropic: RFC 3339). @returns milliseconds from now, or null. */
function parseReset(text: string, now: number): number | null {
  if (NUMBER.test(text)) return Number(text) * 1_000
  if (/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)]
    return parts.reduce((sum, [, value, unit = 's']) => sum + Number(value) * (UNITS_MS[unit] ?? 0), 0)
  }
  // `Date.parse` makes dates of nearly everything.
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isFinite(at) ? Math.max(0, at - now) : null
}
