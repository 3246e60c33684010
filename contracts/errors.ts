/**
 * The error catalogue: every code a client can meet that the gateway itself says.
 *
 * Pure. Code → status, OpenAI's error type and the sentence for people. An answer of an upstream that is the
 * client's own mistake is passed on as it is and has no row here.
 */
export type ErrorEntry = Readonly<{
  status: number
  type:
    | 'invalid_request_error'
    | 'rate_limit_error'
    | 'insufficient_quota'
    | 'server_error'
    | 'service_unavailable_error'
    | 'timeout_error'
    | 'upstream_error'
  message: string
  /** May the same request succeed when sent again? Told to the SDKs as `x-should-retry`. */
  retry: boolean
}>

const entry = (status: number, type: ErrorEntry['type'], retry: boolean, message: string): ErrorEntry => ({
  status,
  type,
  retry,
  message,
})

export const ERRORS = {
  malformed_request: entry(400, 'invalid_request_error', false, 'The request is not valid HTTP.'),
  request_timeout: entry(408, 'invalid_request_error', false, 'The request took too long to arrive.'),
  headers_too_large: entry(431, 'invalid_request_error', false, 'The request headers are too large.'),
  malformed_json: entry(400, 'invalid_request_error', false, 'The request body is not valid JSON.'),
  missing_model: entry(400, 'invalid_request_error', false, "The request body must name a 'model'."),
  invalid_value: entry(400, 'invalid_request_error', false, 'A parameter has a value that is not allowed.'),
  unsupported_parameter: entry(
    400,
    'invalid_request_error',
    false,
    'The provider of this model cannot do what a parameter asks for.',
  ),
  context_length_exceeded: entry(
    400,
    'invalid_request_error',
    false,
    'The request is longer than the model can read.',
  ),
  content_filter: entry(
    400,
    'invalid_request_error',
    false,
    'The provider refused the request by its content policy.',
  ),
  permission_denied: entry(403, 'invalid_request_error', false, 'This API key may not do that.'),
  response_not_found: entry(
    404,
    'invalid_request_error',
    false,
    'The response does not exist, or its provider is no longer known.',
  ),
  // As OpenAI says it of a request that would continue one: its clients look for this code to send everything again.
  previous_response_not_found: entry(
    400,
    'invalid_request_error',
    false,
    'The previous response does not exist, or was not kept where this model is served.',
  ),
  session_not_found: entry(404, 'invalid_request_error', false, 'Nothing is kept of this session.'),
  context_unavailable: entry(
    503,
    'service_unavailable_error',
    true,
    'What was said in sessions cannot be looked at now.',
  ),
  ambiguous_credentials: entry(
    400,
    'invalid_request_error',
    false,
    'The request carries the same credential header more than once.',
  ),
  unsupported_encoding: entry(
    415,
    'invalid_request_error',
    false,
    'The request body must be sent as it is, or with gzip.',
  ),
  body_too_large: entry(
    413,
    'invalid_request_error',
    false,
    'The request body is larger than this gateway accepts.',
  ),
  missing_api_key: entry(
    401,
    'invalid_request_error',
    false,
    'No API key. Send it as: Authorization: Bearer <key>.',
  ),
  invalid_api_key: entry(401, 'invalid_request_error', false, 'This API key is not known.'),
  revoked_api_key: entry(401, 'invalid_request_error', false, 'This API key was revoked.'),
  expired_api_key: entry(401, 'invalid_request_error', false, 'This API key has expired.'),
  suspended_api_key: entry(403, 'invalid_request_error', false, 'This API key is suspended.'),
  model_not_found: entry(
    404,
    'invalid_request_error',
    false,
    'The model does not exist or no provider serves it.',
  ),
  unknown_url: entry(404, 'invalid_request_error', false, 'There is nothing at this address.'),
  method_not_allowed: entry(405, 'invalid_request_error', false, 'This address does not take this method.'),
  rate_limit_exceeded: entry(
    429,
    'rate_limit_error',
    true,
    'Every provider of this model is over its rate limit.',
  ),
  /** 402 where the budget's terms say so. OpenAI's own code and type: its clients know them. */
  insufficient_quota: entry(429, 'insufficient_quota', false, 'The budget of this API key is spent.'),
  budget_unavailable: entry(
    503,
    'service_unavailable_error',
    true,
    'What is left of the budget of this API key cannot be asked now.',
  ),
  not_ready: entry(503, 'service_unavailable_error', true, 'This node has no configuration yet.'),
  no_candidates: entry(
    503,
    'service_unavailable_error',
    true,
    'No provider takes requests for this model now.',
  ),
  upstream_overloaded: entry(
    503,
    'service_unavailable_error',
    true,
    'Every provider of this model is overloaded.',
  ),
  upstream_error: entry(502, 'upstream_error', false, 'Every provider of this model failed.'),
  upstream_refused: entry(
    502,
    'upstream_error',
    false,
    'No credential of this model’s providers is accepted.',
  ),
  upstream_timeout: entry(504, 'timeout_error', false, 'No provider of this model answered in time.'),
  /** In a stream that had begun: what came so far is not the whole answer. */
  stream_broken: entry(502, 'upstream_error', false, 'The provider broke off before the end of the answer.'),
  internal_error: entry(500, 'server_error', true, 'The gateway failed; the error is ours.'),
} as const satisfies Readonly<Record<string, ErrorEntry>>

export type ErrorCode = keyof typeof ERRORS

/** An error to be told, with what is special about this occasion. */
export type Problem = Readonly<{
  code: ErrorCode
  /** Instead of the catalogue's status: an upstream's own word about the caller's mistake. */
  status?: number
  /** Instead of the catalogue's sentence. */
  message?: string
  /** Path of the parameter at fault. */
  param?: string
  /** When to try again, in milliseconds. */
  retryAfterMs?: number
}>
