/**
 * What a fake provider does with a request: everything that real ones have been seen to do, and worse.
 *
 * Plain data, so that it can be sent to a fake provider in another process.
 */
export type Behaviour = Readonly<{
  /** 200 unless said otherwise. Any other status answers with an error body. */
  status?: number
  /** Beside the usual ones, which they replace. */
  headers?: Readonly<Record<string, string>>
  /** What the assistant says; when streaming, a chunk each. */
  words?: readonly string[]
  /** Sent instead of a chat answer, as one piece or as several. */
  body?: string | readonly string[]
  /** Milliseconds of silence: before the status line, before the first piece, between two pieces. */
  beforeHeadersMs?: number
  beforeFirstPieceMs?: number
  betweenPiecesMs?: number
  /** Silence for ever, with the connection open; a number: after so many pieces. */
  hang?: 'before-headers' | 'after-headers' | number
  /** The connection breaks; a number: after so many bytes of the body. Closed unless `reset`. */
  cut?: Readonly<{ at: 'before-headers' | number; how?: 'close' | 'reset' }>
  /** SSE comments ahead of the first piece, so many or for ever. */
  comments?: Readonly<{ everyMs: number; count?: number }>
  /** Says `connection: close` and does. */
  closeAfter?: boolean
}>

/** Which requests a behaviour is for; what is left out does not matter. */
export type Match = Readonly<{
  /** End of the path. Chat requests unless said otherwise. */
  path?: string
  model?: string
  /** The whole header, e.g. `Bearer sk-1`. */
  authorization?: string
}>

export type Rule = Readonly<{ match: Match; behaviour: Behaviour }>

/** An error as OpenAI-compatible servers write it. */
export const errorBody = (message: string, type: string, code: string | null = null): string =>
  JSON.stringify({ error: { message, type, param: null, code } })

const EVENT_STREAM = { 'content-type': 'text/event-stream; charset=utf-8' }
const events = (...texts: readonly string[]): readonly string[] => texts.map((text) => `data: ${text}\n\n`)
const roleChunk = JSON.stringify({
  id: 'chatcmpl-fake',
  object: 'chat.completion.chunk',
  created: 1_700_000_000,
  model: 'fake',
  choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
})
const stopChunk = roleChunk
  .replace('{"role":"assistant","content":""}', '{}')
  .replace('"finish_reason":null', '"finish_reason":"stop"')

/** Behaviours by what they are called in tests. Those that take figures are functions. */
export const behaviours = {
  ok: {},
  says: (...words: readonly string[]): Behaviour => ({ words }),

  throttled: (retryAfter?: string): Behaviour => ({
    status: 429,
    headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
    body: errorBody('Rate limit reached', 'requests', 'rate_limit_exceeded'),
  }),
  quotaGone: {
    status: 429,
    body: errorBody('You exceeded your current quota', 'insufficient_quota', 'insufficient_quota'),
  },
  unpaid: {
    status: 402,
    body: errorBody('Insufficient balance', 'invalid_request_error', 'insufficient_balance'),
  },
  badKey: {
    status: 401,
    body: errorBody('Incorrect API key provided', 'invalid_request_error', 'invalid_api_key'),
  },
  forbidden: {
    status: 403,
    body: errorBody('Country not supported', 'request_forbidden', 'unsupported_country'),
  },
  noSuchModel: {
    status: 404,
    body: errorBody('The model does not exist', 'invalid_request_error', 'model_not_found'),
  },
  badRequest: { status: 400, body: errorBody('messages must not be empty', 'invalid_request_error') },
  serverError: { status: 500, body: errorBody('The server had an error', 'server_error') },
  badGateway: {
    status: 502,
    headers: { 'content-type': 'text/html' },
    body: '<html><h1>502 Bad Gateway</h1></html>',
  },
  overloaded: { status: 503, body: errorBody('The server is overloaded', 'server_error', 'overloaded') },
  siteOverloaded: { status: 529, body: errorBody('Overloaded', 'overloaded_error') },

  /** 200s that are not answers. */
  html: {
    headers: { 'content-type': 'text/html' },
    body: '<!doctype html><title>Sign in to the network</title>',
  },
  empty: { body: '' },
  truncatedJson: { body: '{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"mess' },
  errorInside: { body: errorBody('upstream exploded', 'server_error') },
  errorAsFirstEvent: { headers: EVENT_STREAM, body: events(errorBody('upstream exploded', 'server_error')) },
  nullChoices: { body: '{"id":"chatcmpl-1","object":"chat.completion","choices":null}' },
  noContentEvents: { headers: EVENT_STREAM, body: events(roleChunk, stopChunk, '[DONE]') },
  emptyStream: { headers: EVENT_STREAM, body: '' },
  onlyDone: { headers: EVENT_STREAM, body: events('[DONE]') },
  malformedEvents: {
    headers: EVENT_STREAM,
    body: ['data: {"choices":[{"delta":{"content":\n\n', ': \n', 'data\n\nevent x\n\n'],
  },
  jsonForStream: {
    headers: { 'content-type': 'application/json' },
    body: errorBody('streaming is not supported', 'server_error'),
  },
  onlyComments: (everyMs: number): Behaviour => ({ headers: EVENT_STREAM, comments: { everyMs } }),

  slowHeaders: (ms: number): Behaviour => ({ beforeHeadersMs: ms }),
  slowFirstToken: (ms: number): Behaviour => ({ beforeFirstPieceMs: ms }),
  slowStream: (betweenPiecesMs: number, words: readonly string[]): Behaviour => ({ betweenPiecesMs, words }),
  hangBeforeHeaders: { hang: 'before-headers' },
  hangAfterHeaders: { hang: 'after-headers' },
  hangMidStream: (afterPieces: number): Behaviour => ({ hang: afterPieces }),

  cutBeforeHeaders: { cut: { at: 'before-headers' } },
  resetBeforeHeaders: { cut: { at: 'before-headers', how: 'reset' } },
  cutAfterBytes: (at: number): Behaviour => ({ cut: { at } }),
  resetAfterBytes: (at: number): Behaviour => ({ cut: { at, how: 'reset' } }),
} as const satisfies Readonly<Record<string, Behaviour | ((...figures: never[]) => Behaviour)>>
