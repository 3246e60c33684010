/**
 * What an upstream says about how much more it will take: the rate-limit headers of OpenAI (and compatible
 * hosts) and of Anthropic. Gemini sends none.
 *
 * Pure.
 */
import type { Headers } from '../http/headers.ts'

export type RateLimits = Readonly<{
  /** Requests and tokens a minute, what is left of them, and when they are full again, in milliseconds; null: not said. */
  limitRequests: number | null
  remainingRequests: number | null
  resetRequestsMs: number | null
  limitTokens: number | null
  remainingTokens: number | null
  resetTokensMs: number | null
}>

type Names = Readonly<Record<keyof RateLimits, string>>

const OPENAI: Names = {
  limitRequests: 'x-ratelimit-limit-requests',
  remainingRequests: 'x-ratelimit-remaining-requests',
  resetRequestsMs: 'x-ratelimit-reset-requests',
  limitTokens: 'x-ratelimit-limit-tokens',
  remainingTokens: 'x-ratelimit-remaining-tokens',
  resetTokensMs: 'x-ratelimit-reset-tokens',
}
const ANTHROPIC: Names = {
  limitRequests: 'anthropic-ratelimit-requests-limit',
  remainingRequests: 'anthropic-ratelimit-requests-remaining',
  resetRequestsMs: 'anthropic-ratelimit-requests-reset',
  limitTokens: 'anthropic-ratelimit-tokens-limit',
  remainingTokens: 'anthropic-ratelimit-tokens-remaining',
  resetTokensMs: 'anthropic-ratelimit-tokens-reset',
}

/** @param now epoch milliseconds. @returns null when the answer carries no limits, as most do. */
export function readRateLimits(headers: Pick<Headers, 'get'>, now: number): RateLimits | null {
  for (const names of [OPENAI, ANTHROPIC])
    if (
      headers.get(names.remainingRequests) !== undefined ||
      headers.get(names.remainingTokens) !== undefined
    )
      return limitsOf(headers, names, now)
  return null
}

function limitsOf(headers: Pick<Headers, 'get'>, names: Names, now: number): RateLimits {
  const count = (name: string): number | null => {
    const text = headers.get(name)
    return typeof text === 'string' && NUMBER.test(text) ? Number(text) : null
  }
  const reset = (name: string): number | null => {
    const text = headers.get(name)
    return typeof text === 'string' ? parseReset(text, now) : null
  }
  return {
    limitRequests: count(names.limitRequests),
    remainingRequests: count(names.remainingRequests),
    resetRequestsMs: reset(names.resetRequestsMs),
    limitTokens: count(names.limitTokens),
    remainingTokens: count(names.remainingTokens),
    resetTokensMs: reset(names.resetTokensMs),
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
