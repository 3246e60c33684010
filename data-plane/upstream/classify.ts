/**
 * What an upstream's refusal means: for the provider's standing, and for what to try next.
 *
 * Pure. Judged by status and body, because the same 429 can mean "in a second" and "not before you pay".
 */
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'

/**
 * What to try next. `key`: the same deployment with another credential, then other candidates.
 * `provider`: other candidates. `request`: nothing, it is the caller's own mistake.
 */
export type Scope = 'key' | 'provider' | 'request'

export type Failure = Readonly<{
  outcome: Exclude<OutcomeClass, 'success'>
  scope: Scope
  /** Upstream status; 0: there was none. */
  status: number
  /** The upstream's own words, if it used any that are fit to pass on. */
  message: string | null
  /** How long the upstream asked us to wait, in milliseconds. */
  retryAfterMs: number | null
}>

/** Codes under 429 that mean "your money or quota is gone", not "slow down" (OpenAI and compatible hosts). */
const QUOTA_CODES = new Set([
  'insufficient_quota',
  'credit_balance_exhausted',
  'organization_spend_limit_exceeded',
  'project_spend_limit_exceeded',
  'organization_usage_limit_exceeded',
  'enforced_spend_limit_reached',
  'contract_spend_limit_reached',
])

export type Refusal = Readonly<{
  status: number
  /** The first part of the body, as text. */
  body: string
  retryAfter: string | undefined
  /** Operator's own list of statuses that move on, instead of the judgement here. */
  retryable: ReadonlySet<number> | null
  now: number
}>

/** Judges an answer that is not an answer: status 400 and above, or an error object under a 200. */
export function classifyRefusal(refusal: Refusal): Failure {
  const error = readError(refusal.body)
  // Azure and OpenRouter put errors under a 200 that name their true status inside.
  const status = refusal.status < 400 ? (error.status ?? refusal.status) : refusal.status
  const { outcome, scope } = judge(status, error)
  // A refused or drained credential is never the caller's business, whatever the operator listed.
  const listed = scope === 'key' ? null : refusal.retryable
  const moves = listed === null ? scope !== 'request' : listed.has(status)
  return {
    outcome: listed !== null && moves && scope === 'request' ? 'fault' : outcome,
    scope: moves ? (scope === 'request' ? 'provider' : scope) : 'request',
    status: refusal.status,
    // The words of a refused credential may quote the credential.
    message: outcome === 'unauthorised' ? null : error.message,
    retryAfterMs: parseRetryAfter(refusal.retryAfter, refusal.now),
  }
}

function judge(status: number, error: UpstreamError): Pick<Failure, 'outcome' | 'scope'> {
  if (status === 401 || status === 403) return { outcome: 'unauthorised', scope: 'key' }
  if (status === 402) return { outcome: 'exhausted', scope: 'key' }
  if (status === 429) {
    const gone = error.codes.some((code) => QUOTA_CODES.has(code))
    return { outcome: gone ? 'exhausted' : 'throttled', scope: 'key' }
  }
  if (status === 404) return { outcome: 'missing', scope: 'provider' }
  if (status === 408) return { outcome: 'timeout', scope: 'provider' }
  if (status === 503 || status === 529) return { outcome: 'overloaded', scope: 'provider' }
  if (status >= 500) return { outcome: 'fault', scope: 'provider' }
  // Gemini and xAI answer 400 for a bad key.
  if (status === 400 && isBadKey(error)) return { outcome: 'unauthorised', scope: 'key' }
  // An error object under a 200 that names no status: it is not an answer, so another may be.
  if (status < 400) return { outcome: 'fault', scope: 'provider' }
  return { outcome: 'invalid', scope: 'request' }
}

const isBadKey = (error: UpstreamError): boolean =>
  error.codes.includes('API_KEY_INVALID') ||
  /^(incorrect api key|api key not valid)/i.test(error.message ?? '')

type UpstreamError = Readonly<{ message: string | null; codes: readonly string[]; status: number | null }>
const SAYS_NOTHING: UpstreamError = { message: null, codes: [], status: null }
/** Longer messages are cut: an error is for reading. */
const MESSAGE_LENGTH = 2_000

/** Reads the shapes in use: `{error:{message,code,type}}`, `{error:"…"}`, `[{error:…}]`, `{message}`, `{detail}`. */
function readError(body: string): UpstreamError {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return SAYS_NOTHING // HTML and the like is not passed on
  }
  const outer = record(Array.isArray(value) ? value[0] : value)
  const inner = typeof outer['error'] === 'object' ? record(outer['error']) : outer
  const texts = [inner['message'], outer['error'], outer['message'], outer['detail']]
  const message = texts.find((text): text is string => typeof text === 'string' && text !== '')
  const reasons = Array.isArray(inner['details'])
    ? inner['details'].map((detail) => record(detail)['reason'])
    : []
  const codes = [inner['code'], inner['type'], inner['status'], ...reasons]
  return {
    message: message?.slice(0, MESSAGE_LENGTH) ?? null,
    codes: codes.filter((code): code is string => typeof code === 'string'),
    status: [inner['status'], inner['code']].find(isErrorStatus) ?? null,
  }
}

const isErrorStatus = (value: unknown): value is number =>
  typeof value === 'number' && value >= 400 && value < 600

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

/** Longest wait we believe, in milliseconds. */
const LONGEST_WAIT_MS = 3_600_000

/** @param text seconds or an HTTP date. @param now epoch milliseconds. @returns milliseconds, or null. */
export function parseRetryAfter(text: string | undefined, now: number): number | null {
  if (text === undefined || text.trim() === '') return null
  const seconds = Number(text)
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(text) - now
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, LONGEST_WAIT_MS) : null
}

/** Judges what the network did before there was an answer. `code` is Node's or undici's error code. */
export function classifyNetworkError(code: string): Failure {
  const timedOut =
    code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT' || code === 'ETIMEDOUT'
  return failure(timedOut ? 'timeout' : 'fault')
}

/** A failure without a status: nothing came, or not what was asked for. */
export function failure(outcome: Failure['outcome'], message: string | null = null): Failure {
  return {
    outcome,
    scope: outcome === 'cancelled' ? 'request' : 'provider',
    status: 0,
    message,
    retryAfterMs: null,
  }
}
