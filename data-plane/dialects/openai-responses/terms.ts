/**
 * Words of the Responses API and what they mean in canonical ones.
 *
 * Pure.
 */
import { ERRORS, type Problem } from '#contracts/errors.ts'
import {
  arrayOf,
  isObject,
  numberOf,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '../canonical/json.ts'
import type { Finish, TokenLogprob, Usage } from '../canonical/reply.ts'
import type { Citation, DialectName } from '../canonical/request.ts'
import type { ErrorBody } from '../dialect.ts'

export const NAME: DialectName = 'openai-responses'

/** Asks for the state of reasoning, to be sent back by whoever keeps the history. */
export const INCLUDE_STATE = 'reasoning.encrypted_content'
export const INCLUDE_LOGPROBS = 'message.output_text.logprobs'

/** A paragraph between two summaries of one item, which other dialects know as one thought. */
export const BETWEEN_SUMMARIES = '\n\n'

// Finish

/** @param calls the answer asks the client to call something; @param refusal what the model said instead. */
export function finishOf(body: JsonObject, calls: boolean, refusal: string | undefined): Finish {
  if (body['status'] === 'incomplete') {
    const reason = objectOf(body['incomplete_details'])['reason']
    if (reason === 'max_output_tokens') return { kind: 'length' }
    return { kind: reason === 'content_filter' ? 'content-filter' : 'pause' }
  }
  if (calls) return { kind: 'tool-calls' }
  return refusal === undefined ? { kind: 'stop' } : { kind: 'refusal', explanation: refusal }
}

export type Ending = Readonly<{
  status: 'completed' | 'incomplete' | 'failed'
  reason: 'max_output_tokens' | 'content_filter' | null
}>

const COMPLETED: Ending = { status: 'completed', reason: null }
const CUT: Ending = { status: 'incomplete', reason: 'max_output_tokens' }

/** @param isEmpty nothing was said: an odd end is a failure then, and an end like any other otherwise. */
export function endingOf({ kind }: Finish, isEmpty: boolean): Ending {
  if (kind === 'content-filter') return { status: 'incomplete', reason: 'content_filter' }
  // The API has no word for a turn that is to be continued; a cut one is continued in the same way.
  if (kind === 'length' || kind === 'context-full' || kind === 'pause') return CUT
  return kind === 'other' && isEmpty ? { status: 'failed', reason: null } : COMPLETED
}

// Usage

/** @returns null when it is not there. */
export function readUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null
  const read = objectOf(value['input_tokens_details'])
  const written = objectOf(read['cache_write_tokens_details'])
  return {
    input: numberOf(value['input_tokens']) ?? 0,
    output: numberOf(value['output_tokens']) ?? 0,
    cacheRead: numberOf(read['cached_tokens']) ?? 0,
    cacheWrite: numberOf(read['cache_write_tokens']) ?? 0,
    cacheWriteLong: numberOf(written['ttl_12h_tokens']) ?? 0,
    reasoning: numberOf(objectOf(value['output_tokens_details'])['reasoning_tokens']) ?? 0,
    inputAudio: 0,
    outputAudio: 0,
    native: value,
  }
}

/** Both details are always there; so is usage itself, as zeros, because `null` is not allowed everywhere. */
export function usageJson(usage: Usage | null): string {
  const { input = 0, output = 0, cacheRead = 0, cacheWrite = 0, reasoning = 0 } = usage ?? {}
  return (
    `{"input_tokens":${input},"input_tokens_details":{"cached_tokens":${cacheRead}` +
    `,"cache_write_tokens":${cacheWrite}},"output_tokens":${output}` +
    `,"output_tokens_details":{"reasoning_tokens":${reasoning}},"total_tokens":${input + output}}`
  )
}

// Log probabilities

export const readLogprobs = (value: unknown): readonly TokenLogprob[] =>
  arrayOf(value).map((entry) => {
    const token = objectOf(entry)
    return { ...readToken(token), top: arrayOf(token['top_logprobs']).map((top) => readToken(objectOf(top))) }
  })

const readToken = (entry: JsonObject): Omit<TokenLogprob, 'top'> => ({
  token: stringOf(entry['token']) ?? '',
  logprob: numberOf(entry['logprob']) ?? 0,
  bytes: Array.isArray(entry['bytes']) ? arrayOf(entry['bytes']).map((byte) => numberOf(byte) ?? 0) : null,
})

export const logprobsJson = (tokens: readonly TokenLogprob[]): string =>
  tokens.length === 0
    ? '[]'
    : JSON.stringify(
        tokens.map((token) => ({ ...tokenOf(token), top_logprobs: token.top.map((top) => tokenOf(top)) })),
      )

/** The bytes must be there; where the upstream told none they are those of the text. */
const tokenOf = ({ token, logprob, bytes }: Omit<TokenLogprob, 'top'>): JsonObject => ({
  token,
  logprob,
  bytes: bytes ?? [...Buffer.from(token)],
})

// Annotations

export function readAnnotation(value: JsonObject): Citation {
  const native = { dialect: NAME, value }
  const start = numberOf(value['start_index'])
  const end = numberOf(value['end_index'])
  const span = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }
  const url = stringOf(value['url'])
  const title = stringOf(value['type'] === 'url_citation' ? value['title'] : value['filename'])
  const about = { ...(title === undefined ? {} : { title }), ...span, native }
  if (value['type'] === 'url_citation' && url !== undefined) return { kind: 'url', url, ...about }
  return { kind: 'document', ...about }
}

/** @param length of the text it belongs to, in UTF-16 units: a citation without a place is about all of it. */
export function annotationOf(citation: Citation, length: number): JsonValue {
  const { native, url, title, start = 0, end = length } = citation
  if (native?.dialect === NAME) return native.value
  if (citation.kind === 'url' && url !== undefined) {
    return { type: 'url_citation', url, title: title ?? url, start_index: start, end_index: end }
  }
  return { type: 'file_citation', file_id: url ?? title ?? '', filename: title ?? '', index: end }
}

// Paths

const PATHS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'params.maxTokens': 'max_output_tokens',
    'params.temperature': 'temperature',
    'params.topP': 'top_p',
    'params.frequencyPenalty': 'frequency_penalty',
    'params.presencePenalty': 'presence_penalty',
    'params.topLogprobs': 'top_logprobs',
    'params.verbosity': 'text.verbosity',
    'params.endUser': 'safety_identifier',
    'params.metadata': 'metadata',
    'params.serviceTier': 'service_tier',
    'params.cacheKey': 'prompt_cache_key',
    'params.store': 'store',
    toolChoice: 'tool_choice',
    parallelTools: 'parallel_tool_calls',
    format: 'text.format',
    'reasoning.show': 'reasoning.summary',
  }),
)

export function pathOf(at: string): string {
  const known = PATHS.get(at)
  if (known !== undefined) return known
  // Items and turns are not counted alike, so only the list is named.
  if (at.startsWith('turns')) return 'input'
  if (at.startsWith('system')) return 'instructions'
  return at.startsWith('params.') ? at.slice('params.'.length) : at
}

// Errors

/** OpenAI's error object, as text. */
function errorJson({ code, message, param }: Problem): string {
  const entry = ERRORS[code]
  return JSON.stringify({ message: message ?? entry.message, type: entry.type, param: param ?? null, code })
}

export const writeError = (problem: Problem): ErrorBody => ({
  status: problem.status ?? ERRORS[problem.code].status,
  body: `{"error":${errorJson(problem)}}`,
})

/**
 * An error in a stream, by the schema (flat) and as the service really sends it (nested): the SDKs throw at
 * both, other clients look in one place only.
 */
export function errorEvent(problem: Problem, sequence: number): string {
  const { code, message, param } = problem
  const text = JSON.stringify(message ?? ERRORS[code].message)
  return (
    `event: error\ndata: {"type":"error","sequence_number":${sequence},"code":"${code}","message":${text}` +
    `,"param":${JSON.stringify(param ?? null)},"error":${errorJson(problem)}}\n\n`
  )
}

/** What an upstream tells as the reason of its failure → ours; the rest is the upstream's own fault. */
const TOLD: ReadonlyMap<string, Problem['code']> = new Map<string, Problem['code']>([
  ['rate_limit_exceeded', 'rate_limit_exceeded'],
  ['server_is_overloaded', 'upstream_overloaded'],
  ['context_length_exceeded', 'context_length_exceeded'],
  ['invalid_prompt', 'content_filter'],
  ['content_filter', 'content_filter'],
  ['bio_policy', 'content_filter'],
  ['image_content_policy_violation', 'content_filter'],
])

/** @param value an error object of the upstream's, flat or nested. */
export function readProblem(value: JsonObject): Problem {
  const error = isObject(value['error']) ? value['error'] : value
  const message = stringOf(error['message'])
  const code = TOLD.get(stringOf(error['code']) ?? '') ?? 'upstream_error'
  return message === undefined ? { code } : { code, message }
}

/** Codes that the schema allows in `response.error`. */
export const failureCode = ({ code }: Problem): string => {
  if (code === 'rate_limit_exceeded') return code
  return code === 'content_filter' ? 'invalid_prompt' : 'server_error'
}
