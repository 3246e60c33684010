/**
 * The admin API over HTTP: `GET /trpc/<query>` and `POST /trpc/<mutation>`, one call a request; a subscription
 * is a `GET` whose answer is a stream of events.
 */
import type { TRPCError } from '@trpc/server'
import { fastifyRequestHandler } from '@trpc/server/adapters/fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { admit, UNKNOWN_ACTOR, type AdminContext, type AdminPorts } from './context.ts'
import { adminRouter } from './router.ts'
import { actorName, tellable } from './trpc.ts'

export type { AdminPorts } from './context.ts'

/** Larger changes would not fit one commit. */
const BODY_BYTES = 1024 * 1024

type Call = { Params: { path: string } }

export function addAdminRoutes(server: FastifyInstance, ports: AdminPorts): void {
  // A scope of its own: here a body is a text that tRPC parses, and only JSON is a body.
  server.register(async (scope) => {
    const closing = new AbortController()
    scope.addHook('preClose', async () => closing.abort())
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
      done(null, body),
    )
    // Turned away before anybody asked who it is: too large, or of a kind that is not read.
    scope.addHook<Call>('onError', async ({ params }, _reply, { message }) => {
      ports.calls.record({ actor: UNKNOWN_ACTOR, procedure: params.path, outcome: 'denied', detail: message })
    })
    scope.route<Call>({
      method: ['GET', 'POST'],
      url: '/trpc/:path',
      bodyLimit: BODY_BYTES,
      handler: (request, reply) => answer(ports, request, reply, closing.signal),
    })
  })
}

async function answer(
  ports: AdminPorts,
  req: FastifyRequest<Call>,
  res: FastifyReply,
  closing: AbortSignal,
): Promise<FastifyReply> {
  await fastifyRequestHandler({
    router: adminRouter,
    req,
    res,
    path: req.params.path,
    // One call a request: a batch would multiply what one request may cost, and mix outcomes.
    allowBatching: false,
    maxBodySize: BODY_BYTES,
    createContext: ({ info }) =>
      admit(
        ports,
        {
          rawHeaders: req.raw.rawHeaders,
          remoteAddress: req.ip,
          procedures: info.calls.map(({ path }) => path),
        },
        closing,
      ),
    onError: ({ error, ctx }) => recordUnbegun(ports, error, req.params.path, ctx),
    responseMeta: ({ errors }) => ({
      headers: {
        'cache-control': 'no-store',
        ...(errors.some(({ code }) => code === 'UNAUTHORIZED') ? { 'www-authenticate': 'Bearer' } : {}),
      },
    }),
  })
  return res
}

/** Calls that no procedure saw: of a procedure there is not, of the wrong method, in a batch. */
function recordUnbegun(
  ports: AdminPorts,
  error: TRPCError,
  procedure: string,
  ctx: AdminContext | undefined,
): void {
  // A denial was recorded where it was decided.
  if (ctx?.note.begun === true || error.code === 'UNAUTHORIZED') return
  const detail = tellable(error).message
  if (ctx === undefined) {
    ports.calls.record({ actor: UNKNOWN_ACTOR, procedure, outcome: 'denied', detail })
    return
  }
  ports.calls.record({ actor: actorName(ctx), procedure, outcome: 'refused', detail })
}
