/**
 * The control plane's one listener: admins, nodes and operators, each with a credential of their own.
 */
import fastify, { type FastifyInstance } from 'fastify'
import { addHealthRoutes, type HealthPorts } from '#contracts/process/health.ts'
import { addAdminRoutes, type AdminPorts } from './admin/plugin.ts'
import { addConsoleRoutes } from './console/serve.ts'
import { addNodeRoutes, type NodeRoutePorts } from './nodes/routes.ts'

export type ServerPorts = Readonly<{ health: HealthPorts; nodes: NodeRoutePorts; admin: AdminPorts }>

/** A client has this long for its headers and for a whole request, in milliseconds. */
const HEADERS_MS = 10_000
const REQUEST_MS = 30_000
/** Larger changes would not fit one commit. */
const BODY_BYTES = 1024 * 1024

export function buildServer({ health, nodes, admin }: ServerPorts): FastifyInstance {
  const server = fastify({
    logger: false,
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS,
    http: { headersTimeout: HEADERS_MS },
    forceCloseConnections: 'idle',
    // tRPC puts the names of all calls of a batch into the path.
    routerOptions: { maxParamLength: 5_000 },
  })
  addHealthRoutes(server, health)
  addNodeRoutes(server, nodes)
  addAdminRoutes(server, admin)
  addConsoleRoutes(server)
  return server
}
