/**
 * The body of an upstream's refusal, in whichever of the shapes in use it is written.
 *
 * Pure.
 */
/** Longest wait we believe, in milliseconds. */
export const LONGEST_WAIT_MS = 3_600_000

/** What is read of it, empty where it says nothing. */
export type UpstreamError = Readonly<{
  message: string | null
  codes: readonly string[]
  status: number | null
  param: string | null
  /** Gemini's own word for when to come back, in milliseconds. */
  retryAfterMs: number | null
  /** A quota of the day: not back in a minute. */
  isDaily: boolean
}>
const SAYS_NOTHING: UpstreamError = {
  message: null,
  codes: [],
  status: null,
  param: null,
  retryAfterMs: null,
  isDaily: false,
}
/** Longer messages are cut: an error is for reading. */
const MESSAGE_LENGTH = 2_000

/** Reads the shapes in use: `{error:{message,code,type}}`, `{error:"…"}`, `[{error:…}]`, `{message}`, `{detail}`. */
export function readError(body: string): UpstreamError {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return SAYS_NOTHING // HTML and the like is not passed on
  }
  const top = record(Array.isArray(value) ? value[0] : value)
  // Responses tells failed streams as `{response:{error}}`.
  const outer = typeof record(top['response'])['error'] === 'object' ? record(top['response']) : top
  const inner = typeof outer['error'] === 'object' ? record(outer['error']) : outer
  const texts = [inner['message'], outer['error'], outer['message'], outer['detail'], outer['Message']]
  const message = texts.find((text): text is string => typeof text === 'string' && text !== '')
  const details = Array.isArray(inner['details']) ? inner['details'].map(record) : []
  const reasons = [...details.map((detail) => detail['reason']), record(inner['details'])['error_code']]
  const inside = record(inner['innererror'])['code']
  const codes = [inner['code'], inner['type'], inner['status'], inside, ...reasons]
  const param = inner['param']
  return {
    message: message?.slice(0, MESSAGE_LENGTH) ?? null,
    codes: codes.filter((code): code is string => typeof code === 'string'),
    status: [inner['status'], inner['code']].find(isErrorStatus) ?? null,
    param: typeof param === 'string' && param !== '' ? param.slice(0, MESSAGE_LENGTH) : null,
    retryAfterMs: retryDelayOf(details),
    isDaily: details.some((detail) => JSON.stringify(detail['violations'] ?? '').includes('PerDay')),
  }
}

/** `RetryInfo` of Google's APIs: `{"retryDelay":"48.9s"}`. */
function retryDelayOf(details: readonly Record<string, unknown>[]): number | null {
  const delay = details.map((detail) => detail['retryDelay']).find((text) => typeof text === 'string')
  const seconds = typeof delay === 'string' ? Number(/^([\d.]+)s$/.exec(delay)?.[1]) : Number.NaN
  return Number.isFinite(seconds) ? Math.min(seconds * 1_000, LONGEST_WAIT_MS) : null
}

const isErrorStatus = (value: unknown): value is number =>
  typeof value === 'number' && value >= 400 && value < 600

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}
