/**
 * Errors as Anthropic tells them, and its names of what they are about.
 *
 * Pure.
 */
import { ERRORS, type ErrorEntry, type Problem } from '#contracts/errors.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { ErrorBody } from '../dialect.ts'

/** Anthropic says by the status what OpenAI says by the type; an overload has a status of its own. */
const TYPES: ReadonlyMap<number, string> = new Map([
  [400, 'invalid_request_error'],
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [409, 'conflict_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
])

const OVERLOADED = 529

export function writeError(problem: Problem, requestId: string): ErrorBody {
  return { status: statusOf(problem), body: bodyOf(problem, requestId) }
}

/** The last frames of a stream that cannot be ended well. */
export const errorFrame = (problem: Problem, requestId: string): string =>
  `event: error\ndata: ${bodyOf(problem, requestId)}\n\n`

function bodyOf(problem: Problem, requestId: string): string {
  const { message }: ErrorEntry = ERRORS[problem.code]
  const status = statusOf(problem)
  const type = TYPES.get(status) ?? (status < 500 ? 'invalid_request_error' : 'api_error')
  const said = problem.message ?? message
  return JSON.stringify({
    type: 'error',
    // There is no member for the parameter at fault; its name belongs into the sentence.
    error: { type, message: withParam(said, problem.param), ...threadDetails(problem) },
    request_id: requestId,
  })
}

/** Anthropic's tool runner holds its conversation on the server; by this it knows to send all of it instead. */
const threadDetails = ({ code, param }: Problem): JsonObject =>
  code === 'unsupported_parameter' && param === 'thread'
    ? { details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] } }
    : {}

const withParam = (message: string, param: string | undefined): string =>
  param === undefined || message.includes(param) ? message : `${param}: ${message}`

function statusOf({ code, status }: Problem): number {
  if (status !== undefined) return status
  if (code === 'upstream_overloaded') return OVERLOADED
  const told = ERRORS[code].status
  // A bad gateway is none of Anthropic's statuses.
  return told === 502 ? 500 : told
}

const PATHS: ReadonlyMap<string, string> = new Map([
  ['params.maxTokens', 'max_tokens'],
  ['params.topP', 'top_p'],
  ['params.topK', 'top_k'],
  ['params.stop', 'stop_sequences'],
  ['params.endUser', 'metadata.user_id'],
  ['params.serviceTier', 'service_tier'],
  ['params.cache', 'cache_control'],
  ['toolChoice', 'tool_choice'],
  ['parallelTools', 'tool_choice.disable_parallel_tool_use'],
  ['format', 'output_config.format'],
  ['reasoning', 'thinking'],
  ['reasoning.effort', 'output_config.effort'],
])

const TURN = /^turns\[(\d+)\](?:\.parts\[(\d+)\])?/
const LIST = /^(tools|system)\[(\d+)\]/

/** Anthropic writes places in lists with dots: `messages.3.content.0`. */
export function pathOf(at: string): string {
  const known = PATHS.get(at)
  if (known !== undefined) return known
  const turn = TURN.exec(at)
  if (turn !== null) {
    const [, message = '', part] = turn
    return part === undefined ? `messages.${message}` : `messages.${message}.content.${part}`
  }
  return at
    .replace(LIST, '$1.$2')
    .replace(/^turns$/, 'messages')
    .replace(/^params\./, '')
}
