/**
 * The nodes' side of the control plane's listener: `ControlLink` over HTTP, behind the nodes' own token.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { ControlLink } from '#contracts/fleet/link.ts'
import { LeaseAsk } from '#contracts/fleet/leases.ts'
import { SecretsRequest } from '#contracts/fleet/link.ts'
import { decodeNodeReport } from '#contracts/fleet/report.ts'
import { secretId } from '#contracts/ids.ts'
import { sameToken } from '#contracts/security/master-key.ts'
import type { Secret } from '#contracts/security/secret.ts'

export type NodeRoutePorts = Readonly<{ link: ControlLink; token: Secret }>

const CommitsQuery = z.object({
  after: z.coerce.number().int().min(0),
  /** Milliseconds to wait for the first commit. */
  wait: z.coerce.number().int().min(0).max(30_000).default(0),
})

export function addNodeRoutes(server: FastifyInstance, { link, token }: NodeRoutePorts): void {
  const admit = (request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined => {
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    return sameToken(given, token)
      ? undefined
      : reply.code(401).send({ error: 'not a node of this installation' })
  }
  const options = { onRequest: async (request: FastifyRequest, reply: FastifyReply) => admit(request, reply) }

  server.get('/snapshot', options, async (_request, reply) => {
    try {
      return await reply.type('application/json').send(await link.snapshot(signalOf(reply)))
    } catch (error) {
      return reply
        .code(503)
        .header('retry-after', '1')
        .send({ error: messageOf(error) })
    }
  })
  server.get('/commits', options, async (request, reply) => {
    const query = CommitsQuery.safeParse(request.query)
    if (!query.success) return reply.code(400).send({ error: z.prettifyError(query.error) })
    const commits = await link.commits(query.data.after, query.data.wait, signalOf(reply))
    return { commits }
  })
  server.post('/secrets', options, async (request, reply) => {
    const body = SecretsRequest.safeParse(request.body)
    if (!body.success) return reply.code(400).send({ error: z.prettifyError(body.error) })
    const secrets = await link.secrets(body.data.ids.map(secretId), signalOf(reply))
    return { secrets: Object.fromEntries(secrets) }
  })
  server.get('/model-lists', options, async (_request, reply) => ({
    lists: await link.modelLists(signalOf(reply)),
  }))
  server.post('/leases', options, async (request, reply) => {
    const ask = LeaseAsk.safeParse(request.body)
    if (!ask.success) return reply.code(400).send({ error: z.prettifyError(ask.error) })
    try {
      return await link.leases(ask.data, signalOf(reply))
    } catch (error) {
      // Another control plane may reach the database.
      return reply.code(503).send({ error: messageOf(error) })
    }
  })
  server.post('/report', options, async (request, reply) => {
    const report = decodeNodeReport(JSON.stringify(request.body))
    if (!report.ok) return reply.code(400).send({ error: report.error })
    await link.report(report.value, signalOf(reply))
    return reply.code(204).send()
  })
}

/** Aborted when the node hangs up. */
function signalOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => controller.abort())
  return controller.signal
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
