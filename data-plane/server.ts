/**
 * The client listener: limits, routes in order, and errors in OpenAI's shape for whatever goes wrong before
 * a route is reached.
 *
 * Each route takes the raw request over in its first hook: bodies are read as bytes, after the caller is
 * known, and answers are written straight to the socket. What is asked for most does not even get that far: not to
 * Node's own server (`listener/plain/`).
 */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { ERRORS, type ErrorCode } from '#contracts/errors.ts'
import {
  ATTEMPTS,
  COMMIT,
  MODEL,
  PROVIDER,
  REQUEST_ID,
  SESSION,
  SHOULD_RETRY,
  UPSTREAM_STATUS,
  WARNINGS,
} from '#contracts/http/headers.ts'
import { openaiErrorBody } from '#contracts/http/openai-error.ts'
import { countTokens } from './api/calls/count-tokens.ts'
import { embed } from './api/calls/embed.ts'
import { generate } from './api/calls/generate.ts'
import { isResponseId } from './api/calls/owners.ts'
import { responseState, type StateRequest } from './api/calls/responses-state.ts'
import { serveContext } from './api/context.ts'
import type { Call, Tongue } from './api/inquiry.ts'
import { serveModel, serveModelInfo, serveModelList } from './api/models/models.ts'
import { Reply } from './api/reply.ts'
import { serveCall, type InferencePorts } from './api/serve.ts'
import { TONGUE } from './api/tongues.ts'
import type { ClientExchange } from './listener/client-exchange.ts'
import { NodeExchange } from './listener/node-exchange.ts'
import type { Handler } from './listener/plain/connection.ts'
import { servePlainly } from './listener/plain/listen.ts'

/** A client has this long to send its headers, and its whole request, in milliseconds. */
const HEADERS_MS = 10_000
const REQUEST_MS = 60_000
/** How often the two are looked after; Node's own default is 30 s. */
const CHECK_MS = 1_000
/** Idle connections are kept a little longer than the usual load balancer keeps its own (60 s). */
const KEEP_ALIVE_MS = 65_000

export function buildServer(ports: InferencePorts): FastifyInstance {
  const server = fastify({
    logger: false,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: CHECK_MS },
    clientErrorHandler: (error, socket) => refuseConnection(error.code, socket, ports),
    frameworkErrors: (_error, _request, reply) => fail(reply, 'unknown_url', ports), // not even an address
    // Closing waits for answers under way; idle connections are cut at once.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1_000 },
  })
  const shortcuts = new Map<string, Handler>()
  const post = (path: string, call: Call): void => {
    const handle: Handler = (client) => void serveCall(ports, call, client)
    server.post(path, takeOver(handle), unreachable)
    shortcuts.set(path, handle)
  }
  for (const prefix of ['/v1', '']) {
    post(`${prefix}/chat/completions`, generate('openai-chat'))
    post(`${prefix}/responses`, generate('openai-responses'))
    post(`${prefix}/responses/input_tokens`, countTokens('openai-responses'))
    post(`${prefix}/messages`, generate('anthropic'))
    post(`${prefix}/messages/count_tokens`, countTokens('anthropic'))
    post(`${prefix}/embeddings`, embed(null))
    addStateRoutes(server, ports, `${prefix}/responses`)
    addModelRoutes(server, ports, `${prefix}/models`)
    addContextRoutes(server, ports, `${prefix}/sessions`)
    addContextRoutes(server, ports, `${prefix}/context`)
    server.get(
      `${prefix}/model/info`,
      takeOver((client) => serveModelInfo(ports, client)),
      unreachable,
    )
  }
  addModelRoutes(server, ports, '/v1beta/models')
  addCors(server, ports.corsOrigins)
  addLastResorts(server, ports)
  addShortcuts(server, shortcuts, ports)
  return server
}

/**
 * A plain call to one of these addresses goes where its route would lead, without the router, the objects and
 * the hooks on the way: they were a twentieth of its cost. Browsers take the route, and so does whatever Node's server reads while we stop.
 */
function addShortcuts(
  server: FastifyInstance,
  handlers: ReadonlyMap<string, Handler>,
  ports: InferencePorts,
): void {
  const { server: node } = server
  const stop = servePlainly(node, {
    handlers,
    checkMs: CHECK_MS,
    refuse: (code, socket) => refuseConnection(code, socket, ports),
  })
  let isOpen = true
  server.addHook('preClose', (done) => {
    isOpen = false
    stop()
    done()
  })
  node.removeAllListeners('request')
  node.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const isPlain = isOpen && request.method === 'POST' && request.headers.origin === undefined
    const handle = isPlain ? handlers.get(request.url ?? '') : undefined
    if (handle === undefined) server.routing(request, response)
    else handle(new NodeExchange(request, response))
  })
}

/** The models, and what Gemini's clients ask of one: `POST /v1beta/models/gemini-2.5-pro:generateContent`. */
function addModelRoutes(server: FastifyInstance, ports: InferencePorts, path: string): void {
  server.get(
    path,
    takeOver((client) => serveModelList(ports, client)),
    unreachable,
  )
  server.get(
    `${path}/*`,
    takeOver((client, { params }) => serveModel(ports, client, wildcard(params))),
    unreachable,
  )
  server.post(
    `${path}/*`,
    takeOver((client, { params, url }) => {
      const call = geminiCall(wildcard(params), url)
      if (call === null) tell(client, 'unknown_url', ports, TONGUE.gemini)
      else void serveCall(ports, call, client)
    }),
    unreachable,
  )
}

/** Stored responses, at the provider that keeps them. */
function addStateRoutes(server: FastifyInstance, ports: InferencePorts, path: string): void {
  const route = (method: StateRequest['method'], below: string): void => {
    const handle: RawHandler = (client, { params, url }) => {
      const id = param(params, 'id')
      const query = new URLSearchParams(url.split('?')[1] ?? '')
      if (isResponseId(id)) void serveCall(ports, responseState({ method, id, tail: below, query }), client)
      else tell(client, 'response_not_found', ports, TONGUE['openai-responses'])
    }
    server.route({ method, url: `${path}/:id${below}`, ...takeOver(handle), handler: unreachable })
  }
  route('GET', '')
  route('DELETE', '')
  route('POST', '/cancel')
  route('GET', '/input_items')
}

/** What was said in a session, for the key it was said with. */
function addContextRoutes(server: FastifyInstance, ports: InferencePorts, path: string): void {
  const handle: RawHandler = (client, { params }) => void serveContext(ports, client, param(params, 'id'))
  for (const method of ['GET', 'DELETE'] as const)
    server.route({ method, url: `${path}/:id`, ...takeOver(handle), handler: unreachable })
}

/** What a script in a browser may read of an answer. */
const EXPOSED = [
  REQUEST_ID,
  'request-id',
  'retry-after',
  'retry-after-ms',
  PROVIDER,
  MODEL,
  ATTEMPTS,
  COMMIT,
  SESSION,
  WARNINGS,
  UPSTREAM_STATUS,
  SHOULD_RETRY,
].join(', ')
/** Browsers may remember a permission for as long; Chromium's own limit. In seconds. */
const PREFLIGHT_S = 7_200

/**
 * Clients in browsers. Keys are sent in headers, never by cookie, so an origin gets nothing that its own key
 * would not get it from anywhere else.
 * @param origins `*` stands for all; none: browsers are told nothing, and refuse.
 */
function addCors(server: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  const isOpen = origins.includes('*')
  server.addHook('onRequest', ({ raw, headers }, reply, done) => {
    const { origin } = headers
    if (origin !== undefined && (isOpen || origins.includes(origin))) {
      reply.raw.setHeader('access-control-allow-origin', isOpen ? '*' : origin)
      reply.raw.setHeader('access-control-expose-headers', EXPOSED)
      if (!isOpen) reply.raw.setHeader('vary', 'origin')
    }
    const isPreflight = raw.method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
    if (isPreflight) {
      reply.hijack()
      answerPreflight(reply.raw, headers['access-control-request-headers'])
    }
    done()
  })
}

function answerPreflight(response: ServerResponse, wanted: string | undefined): void {
  response.setHeader('access-control-allow-methods', 'GET, POST, DELETE')
  response.setHeader('access-control-allow-headers', wanted ?? 'authorization, content-type')
  response.setHeader('access-control-max-age', PREFLIGHT_S)
  response.writeHead(204).end()
}

type RawHandler = (client: ClientExchange, routed: FastifyRequest) => void

/** From here Fastify has nothing to do with the request: no parsing, no serialising, no further hooks. */
const takeOver = (handle: RawHandler) => ({
  onRequest: (request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack()
    handle(new NodeExchange(request.raw, reply.raw), request)
  },
})

function unreachable(): never {
  throw new Error('the route was taken over in its first hook')
}

const param = (params: unknown, name: string): string =>
  typeof params === 'object' && params !== null && name in params
    ? String(Object.entries(params).find(([key]) => key === name)?.[1])
    : ''
const wildcard = (params: unknown): string => param(params, '*')

/** @param tail what stands behind `/models/`. Names may hold colons of their own: the last one counts. */
function geminiCall(tail: string, url: string): Call | null {
  const colon = tail.lastIndexOf(':')
  if (colon <= 0) return null
  const model = tail.slice(0, colon)
  switch (tail.slice(colon + 1)) {
    case 'generateContent':
      return generate('gemini', { model, stream: false, framing: 'sse' })
    case 'streamGenerateContent': {
      const isSse = new URLSearchParams(url.split('?')[1] ?? '').get('alt') === 'sse'
      return generate('gemini', { model, stream: true, framing: isSse ? 'sse' : 'json-array' })
    }
    case 'countTokens':
      return countTokens('gemini', model)
    case 'embedContent':
      return embed({ model, method: 'embedContent' })
    case 'batchEmbedContents':
      return embed({ model, method: 'batchEmbedContents' })
    default:
      return null
  }
}

/** The AI SDK's provider for Google leaves `models/` out where a name holds a slash: `/v1beta/provider/model:…`. */
function bareGeminiCall(path: string, url: string): Call | null {
  const [, tail] = /^v1(?:beta)?\/([^/]+\/.+)$/.exec(path) ?? []
  return tail === undefined ? null : geminiCall(tail, url)
}

function addLastResorts(server: FastifyInstance, ports: InferencePorts): void {
  const notFound = (request: FastifyRequest, reply: FastifyReply): void => {
    const call = request.method === 'POST' ? bareGeminiCall(wildcard(request.params), request.url) : null
    if (call !== null) {
      reply.hijack()
      void serveCall(ports, call, new NodeExchange(request.raw, reply.raw))
      return
    }
    const method = methodOf(request.url.split('?')[0] ?? '')
    if (method === null) fail(reply, 'unknown_url', ports)
    else fail(reply, 'method_not_allowed', ports, ['allow', method])
  }
  // A route, so that it too answers before a body is read: Fastify's own place for this comes after.
  server.all('/*', { onRequest: notFound }, unreachable)
  server.setNotFoundHandler(notFound) // methods that Fastify has no routes for
  server.setErrorHandler((error, _request, reply) => {
    ports.logger.error({ error }, 'request failed inside the gateway')
    fail(reply, 'internal_error', ports)
  })
}

/** @returns the method an address takes, or null when there is nothing. */
function methodOf(path: string): 'GET' | 'POST' | null {
  const below = path.replace(/^\/v1(beta)?\//, '/')
  if (POSTED.has(below)) return 'POST'
  if (below.startsWith('/models/') && below.includes(':')) return 'POST'
  return below === '/models' || below === '/model/info' || below.startsWith('/models/') ? 'GET' : null
}

const POSTED: ReadonlySet<string> = new Set([
  '/chat/completions',
  '/responses',
  '/responses/input_tokens',
  '/messages',
  '/messages/count_tokens',
  '/embeddings',
])

/** What a parser gave up on: there is no request to answer, only a socket. */
function refuseConnection(
  error: string,
  socket: Socket,
  ports: Pick<InferencePorts, 'newRequestId' | 'onSettled'>,
): void {
  const code = BROKEN_REQUESTS.get(error) ?? (error.startsWith('HPE_') ? 'malformed_request' : null)
  // Whoever was told something before may be in the middle of an answer: more would be read as part of it.
  if (code === null || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  const { status } = ERRORS[code]
  const body = openaiErrorBody({ code })
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `${REQUEST_ID}: ${ports.newRequestId()}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `${SHOULD_RETRY}: false`,
    'connection: close',
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
  ports.onSettled(status)
}

const BROKEN_REQUESTS: ReadonlyMap<string, ErrorCode> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', 'request_timeout'],
  ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
])

function fail(
  reply: FastifyReply,
  code: ErrorCode,
  ports: Pick<InferencePorts, 'newRequestId' | 'onSettled'>,
  more: readonly string[] = [],
): void {
  reply.hijack()
  const client = new NodeExchange(reply.request.raw, reply.raw)
  tell(client, code, ports, tongueFor(reply.request.url), more)
}

function tell(
  client: ClientExchange,
  code: ErrorCode,
  ports: Pick<InferencePorts, 'newRequestId' | 'onSettled'>,
  tongue: Tongue,
  more: readonly string[] = [],
): void {
  const answer = new Reply(client, ports.newRequestId(), tongue)
  answer.fail({ code }, more)
  ports.onSettled(answer.status)
}

/** Whose client would ask for such an address. */
function tongueFor(url: string): Tongue {
  if (/^\/v1beta\/|:\w+(\?|$)/.test(url)) return TONGUE.gemini
  return /\/messages/.test(url) ? TONGUE.anthropic : TONGUE['openai-chat']
}
