/**
 * `/livez`, `/readyz`, `/health` and `/metrics`: the operator's view, the same in every process.
 */
import fastify, { type FastifyInstance } from 'fastify'
import type { Metrics } from './metrics.ts'

/** Ready, or why not, in words for the operator. */
export type Readiness = Readonly<{
  ready: boolean
  reason?: string
  detail?: Readonly<Record<string, unknown>>
}>

export type HealthPorts = Readonly<{ readiness: () => Readiness; metrics: Metrics }>

/** Adds the four routes to a server that exists for other things too. */
export function addHealthRoutes(server: FastifyInstance, ports: HealthPorts): void {
  const ready = (): { status: number; body: object } => {
    const { ready: isReady, ...more } = ports.readiness()
    return { status: isReady ? 200 : 503, body: { status: isReady ? 'ok' : 'unavailable', ...more } }
  }
  // Alive means: the event loop turns. A process that waits for a dependency must not be restarted for it.
  server.get('/livez', () => ({ status: 'ok' }))
  for (const path of ['/readyz', '/health']) {
    server.get(path, (_request, reply) => {
      const { status, body } = ready()
      return reply.code(status).send(body)
    })
  }
  server.get('/metrics', async (_request, reply) =>
    reply.type(ports.metrics.contentType).send(await ports.metrics.text()),
  )
}

export type OpsServer = AsyncDisposable & Readonly<{ port: number }>

/** A listener of its own, for processes whose main port belongs to clients. */
export async function startOpsServer(host: string, port: number, ports: HealthPorts): Promise<OpsServer> {
  const server = fastify({
    logger: false,
    requestTimeout: 10_000,
    connectionTimeout: 10_000,
    bodyLimit: 1_024,
  })
  addHealthRoutes(server, ports)
  await server.listen({ host, port })
  return { port: listeningPort(server), [Symbol.asyncDispose]: () => server.close() }
}

/** @returns the port the server was really given; the configured one may have been 0. */
export function listeningPort(server: FastifyInstance): number {
  const address = server.server.address()
  return address === null || typeof address === 'string' ? 0 : address.port
}
