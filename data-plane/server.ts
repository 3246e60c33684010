/**
 * The client listener: limits, routes in order, and errors in OpenAI's shape for whatever goes wrong before
 * a route is reached.
 *
 * Each route takes the raw request over in its first hook: bodies are read as bytes, after the caller is
 * known, and answers are written straight to the socket.
 */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { ERRORS, type ErrorCode } from '#contracts/errors.ts'
import { REQUEST_ID, SHOULD_RETRY } from '#contracts/http/headers.ts'
import { openaiErrorBody } from '#contracts/http/openai-error.ts'
import { serveModel, serveModelInfo, serveModelList } from './api/models.ts'
import { Reply } from './api/reply.ts'
import { serveChat, type InferencePorts } from './api/serve.ts'

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
  for (const prefix of ['/v1', '']) {
    server.post(
      `${prefix}/chat/completions`,
      takeOver((request, response) => void serveChat(ports, request, response)),
      unreachable,
    )
    server.get(
      `${prefix}/models`,
      takeOver((request, response) => serveModelList(ports, request, response)),
      unreachable,
    )
    server.get(
      `${prefix}/models/*`,
      takeOver((request, response, { params }) => serveModel(ports, request, wildcard(params), response)),
      unreachable,
    )
    server.get(
      `${prefix}/model/info`,
      takeOver((request, response) => serveModelInfo(ports, request, response)),
      unreachable,
    )
  }
  server.get(
    '/v1beta/models',
    takeOver((request, response) => serveModelList(ports, request, response)),
    unreachable,
  )
  server.get(
    '/v1beta/models/*',
    takeOver((request, response, { params }) => serveModel(ports, request, wildcard(params), response)),
    unreachable,
  )
  addLastResorts(server, ports)
  return server
}

type RawHandler = (request: IncomingMessage, response: ServerResponse, routed: FastifyRequest) => void

/** From here Fastify has nothing to do with the request: no parsing, no serialising, no further hooks. */
const takeOver = (handle: RawHandler) => ({
  onRequest: (request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack()
    handle(request.raw, reply.raw, request)
  },
})

function unreachable(): never {
  throw new Error('the route was taken over in its first hook')
}

const wildcard = (params: unknown): string =>
  typeof params === 'object' && params !== null && '*' in params ? String(params['*']) : ''

function addLastResorts(server: FastifyInstance, ports: InferencePorts): void {
  const notFound = (request: FastifyRequest, reply: FastifyReply): void => {
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
  if (below === '/chat/completions') return 'POST'
  return below === '/models' || below === '/model/info' || below.startsWith('/models/') ? 'GET' : null
}

/** What Node's parser gave up on: there is no request to answer, only a socket. */
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
  const answer = new Reply(reply.raw, ports.newRequestId())
  answer.fail({ code }, more)
  ports.onSettled(answer.status)
}
