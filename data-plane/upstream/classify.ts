/**
 * What an upstream's refusal means: for the provider's standing, and for what to try next.
 *
 * Pure. Judged by status and body, because the same 429 can mean "in a second" and "not before you pay".
 */
import type { ErrorCode, Problem } from '#contracts/errors.ts'
import type { OutcomeClass } from '#contracts/telemetry/outcome.ts'
import { ENDED } from './http/ended.ts'
import { LONGEST_WAIT_MS, readError, type UpstreamError } from './upstream-error.ts'

/**
 * What to try next. `key`: the same deployment with another credential, then other candidates.
 * `model`, `provider`: other candidates. `request`: nothing, it is the caller's own mistake.
 */
export type Scope = 'key' | 'model' | 'provider' | 'request'

export type Failure = Readonly<{
  outcome: Exclude<OutcomeClass, 'success'>
  scope: Scope
  /** Upstream status; 0: there was none. */
  status: number
  /** The upstream's own words, if it used any that are fit to pass on. */
  message: string | null
  /** How long the upstream asked us to wait, in milliseconds. */
  retryAfterMs: number | null
  /** Scope `request`: what to tell a client whose dialect is not the upstream's. */
  problem: Problem | null
  /** State carried back from an earlier answer was not accepted: once more without it may help. */
  isCarrier: boolean
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
  'billing_error',
])

/** What hosts say when a prompt is longer than the model's window: codes where they have one, else words. */
const TOO_LONG_CODES = new Set([
  'context_length_exceeded',
  'too_many_prompt_tokens',
  'string_above_max_length',
])
const TOO_LONG_WORDS =
  /prompt is too long|maximum context length|input token count.*exceeds|prompt too long|input is too long|exceeds the context window/i

/** Refused for what it says, not for how it is written. */
const POLICY_CODES = new Set([
  'content_filter',
  'ResponsibleAIPolicyViolation',
  'content_policy_violation',
  'invalid_prompt',
  'bio_policy',
  'misalignment_policy_violation',
  'image_content_policy_violation',
])

const CARRIER_WORDS =
  /invalid_encrypted_content|encrypted content.*could not be|corrupted thought signature|missing a thought_signature|thinking blocks.*cannot be modified|invalid `?signature`?/i

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
  const endsIn: Scope = moves ? (scope === 'request' ? 'provider' : scope) : 'request'
  return {
    outcome: listed !== null && moves && scope === 'request' ? 'fault' : outcome,
    scope: endsIn,
    status: refusal.status,
    // The words of a refused credential may quote the credential.
    message: outcome === 'unauthorised' ? null : error.message,
    retryAfterMs: error.retryAfterMs ?? parseRetryAfter(refusal.retryAfter, refusal.now),
    problem: endsIn === 'request' ? problemOfMistake(status, error) : null,
    isCarrier: outcome === 'invalid' && CARRIER_WORDS.test(refusal.body),
  }
}

/** The caller's own mistake, in the catalogue's words with the upstream's message and status. */
function problemOfMistake(status: number, { message, codes, param }: UpstreamError): Problem {
  const told = { ...(message === null ? {} : { message }), ...(param === null ? {} : { param }) }
  const as = (code: ErrorCode): Problem => ({ code, ...told })
  if (codes.some((code) => TOO_LONG_CODES.has(code)) || TOO_LONG_WORDS.test(message ?? ''))
    return as('context_length_exceeded')
  if (codes.some((code) => POLICY_CODES.has(code))) return as('content_filter')
  if (status === 413) return as('body_too_large')
  if (status === 404) return as('model_not_found')
  const isOther = status >= 400 && status < 500 && status !== 400
  return isOther ? { ...as('invalid_value'), status } : as('invalid_value')
}

function judge(status: number, error: UpstreamError): Pick<Failure, 'outcome' | 'scope'> {
  if (status === 401 || status === 403) return { outcome: 'unauthorised', scope: 'key' }
  if (status === 402) return { outcome: 'exhausted', scope: 'key' }
  if (status === 429) {
    const gone = error.isDaily || error.codes.some((code) => QUOTA_CODES.has(code))
    return { outcome: gone ? 'exhausted' : 'throttled', scope: 'key' }
  }
  if (status === 404) return { outcome: 'missing', scope: 'model' }
  if (status === 408) return { outcome: 'timeout', scope: 'provider' }
  if (status === 503 || status === 529) return { outcome: 'overloaded', scope: 'provider' }
  if (status >= 500) return { outcome: 'fault', scope: 'provider' }
  // Gemini and xAI answer 400 for a bad key, Anthropic for a spend limit.
  if (status === 400 && isBadKey(error)) return { outcome: 'unauthorised', scope: 'key' }
  if (status === 400 && isSpent(error)) return { outcome: 'exhausted', scope: 'key' }
  // An error object under a 200 that names no status: its own word for what it is, else a fault.
  if (status < 400) return judgeByWord(error)
  return { outcome: 'invalid', scope: 'request' }
}

/** Anthropic and OpenAI tell errors in a stream by type alone. */
function judgeByWord({ codes }: UpstreamError): Pick<Failure, 'outcome' | 'scope'> {
  const says = (...words: readonly string[]): boolean => codes.some((code) => words.includes(code))
  if (says('overloaded_error', 'server_is_overloaded', 'provider_overloaded', 'UNAVAILABLE', 'slow_down'))
    return { outcome: 'overloaded', scope: 'provider' }
  if (codes.some((code) => QUOTA_CODES.has(code))) return { outcome: 'exhausted', scope: 'key' }
  if (says('rate_limit_error', 'rate_limit_exceeded', 'RESOURCE_EXHAUSTED'))
    return { outcome: 'throttled', scope: 'key' }
  if (says('authentication_error', 'permission_error', 'UNAUTHENTICATED', 'PERMISSION_DENIED'))
    return { outcome: 'unauthorised', scope: 'key' }
  if (codes.some((code) => TOO_LONG_CODES.has(code) || POLICY_CODES.has(code)))
    return { outcome: 'invalid', scope: 'request' }
  return { outcome: 'fault', scope: 'provider' }
}

const isSpent = ({ message, codes }: UpstreamError): boolean =>
  codes.some((code) => QUOTA_CODES.has(code)) ||
  /credit balance is too low|usage limits|spend limit/i.test(message ?? '')

const isBadKey = (error: UpstreamError): boolean =>
  error.codes.includes('API_KEY_INVALID') ||
  /^(incorrect api key|api key not valid)/i.test(error.message ?? '')

/** @param text seconds or an HTTP date. @param now epoch milliseconds. @returns milliseconds, or null. */
export function parseRetryAfter(text: string | undefined, now: number): number | null {
  if (text === undefined || text.trim() === '') return null
  const seconds = Number(text)
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(text) - now
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, LONGEST_WAIT_MS) : null
}

/**
 * Judges what the network did before there was an answer.
 * @param code Node's, undici's (while connecting), or one of `ENDED`.
 */
export function classifyNetworkError(code: string): Failure {
  const timedOut = code === 'UND_ERR_CONNECT_TIMEOUT' || code === ENDED.silent || code === 'ETIMEDOUT'
  return failure(timedOut ? 'timeout' : 'fault')
}

/** Did the other side close the connection? */
export const isReset = (code: string): boolean =>
  code === ENDED.closed || code === 'ECONNRESET' || code === 'EPIPE'

/** A failure without a status: nothing came, or not what was asked for. */
export function failure(outcome: Failure['outcome'], message: string | null = null): Failure {
  return {
    outcome,
    scope: outcome === 'cancelled' ? 'request' : 'provider',
    status: 0,
    message,
    retryAfterMs: null,
    problem: null,
    isCarrier: false,
  }
}

/** A request that a deployment cannot be sent, by our own judgement: another may take it. */
export function unsendable(problem: Problem, scope: 'provider' | 'request'): Failure {
  return { ...failure('invalid', problem.message ?? null), scope, problem }
}
