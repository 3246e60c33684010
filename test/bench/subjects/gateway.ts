/**
 * The gateway as it runs in production: a node in a process of its own, with its control plane, prober,
 * Postgres, NATS and Redis beside it, configured through the admin interface.
 *
 * Clients ask for logical models with two providers behind each, so that a request has everything to do:
 * authentication, ranking, the model's replacement in the body, counters.
 */
import { CLIENT_KEY, Cluster } from '../../cluster/cluster.ts'
import { pin } from '../machine/placement.ts'
import type { Subject, Surroundings } from './subject.ts'

const PROVIDERS = ['one', 'two'] as const
/** As long as the upstream's own prefix, so that bodies are equally large for all subjects. */
const publicName = (model: string): string => model.replace(/^mock-/, 'fast-')

export type GatewaySubject = Subject & Readonly<{ cluster: Cluster }>

/** @param clientKey a first key of the caller's own choice. */
export async function startGateway(
  around: Surroundings,
  clientKey: string = CLIENT_KEY,
): Promise<GatewaySubject> {
  const { upstreamPort, placement, models } = around
  const cluster = await Cluster.start({ nodes: 1, isDirect: true, env: { APIPROXY_AUTH_TOKEN: clientKey } })
  try {
    const served = await configure(cluster, `http://127.0.0.1:${upstreamPort}/v1`, models)
    await cluster.served(served)
    const [node] = cluster.nodes
    if (node === undefined) throw new Error('the cluster has no node')
    if (placement.subjectCpu !== null) await pin(node.role.pid, placement.subjectCpu)
    return {
      name: 'gateway',
      what: 'one node of this project, logical models with two providers each',
      port: Number(new URL(node.url).port),
      pid: node.role.pid,
      headers: { authorization: `Bearer ${clientKey}` },
      modelFor: publicName,
      cluster,
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    }
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

/** @returns the last commit. */
async function configure({ admin }: Cluster, baseUrl: string, models: readonly string[]): Promise<number> {
  for (const id of PROVIDERS) {
    const more = { allowPrivate: true, probe: { enabled: false }, models: { static: [...models] } }
    const definition = { name: id, kind: 'openai' as const, baseUrl, ...more }
    await admin.providers.register.mutate({ id, definition, credentials: [{ apiKey: `sk-upstream-${id}` }] })
  }
  let last = 0
  for (const model of models) {
    const targets = PROVIDERS.map((provider) => ({ provider, model }))
    last = (await admin.models.create.mutate({ name: publicName(model), targets })).commitNo
  }
  return last
}
