/**
 * Every node serves every change, and soon: provider changes through the admin client on a split fleet.
 *
 *     node test/runs/propagation.ts --nodes 20 --changes 1000 --concurrency 4 --seed 1
 *
 * Ends with the commit and digest of every node and with the time from commit to served.
 */
import type { AdminClient } from '#control-plane/admin/client.ts'
import { Cluster } from '../cluster/cluster.ts'
import { diceOf } from '#data-plane/routing/dice.ts'
import { conclude, quantile, readOptions, say } from './options.ts'

const options = readOptions({ nodes: 20, changes: 1_000, concurrency: 4, pauseMs: 0, seed: 1 })
const random = diceOf(options.seed)
const problems: string[] = []

await using cluster = await Cluster.start({ nodes: options.nodes, prober: false })
say(`${options.nodes} nodes are up`)

const answerMs: number[] = []
let last = 0
let done = 0
const lanes = Array.from({ length: options.concurrency }, (_, lane) => change(cluster.admin, lane))
const startedAt = performance.now()
await Promise.all(lanes)
const seconds = (performance.now() - startedAt) / 1_000
say(
  `${done} changes in ${seconds.toFixed(1)} s, ${(done / seconds).toFixed(0)} a second; answered in p50 ${quantile(answerMs, 0.5).toFixed(1)} ms, p99 ${quantile(answerMs, 0.99).toFixed(1)} ms`,
)

await cluster.served(last)
say(`every node serves commit ${last}`)
const { head, nodes } = await cluster.admin.fleet.list.query()
for (const { report, state } of nodes) {
  if (report.applied !== head.commit || report.digest !== head.digest) {
    problems.push(
      `${report.node} is at commit ${report.applied} with digest ${report.digest.slice(0, 12)} (${state})`,
    )
  }
}
if (nodes.length !== options.nodes) problems.push(`${nodes.length} nodes were heard of`)
say(`${nodes.length} nodes at commit ${head.commit}, digest ${head.digest.slice(0, 12)}…`)
const metrics = await (await fetch(`${cluster.controlUrl}/metrics`)).text()
for (const line of metrics.split('\n')) if (line.startsWith('apiproxy_propagation')) say(line)
conclude(problems)

/** Registers providers and then changes them, one at a time in this lane. */
async function change(admin: AdminClient, lane: number): Promise<void> {
  const versions = new Map<string, number>()
  for (let count = 0; done < options.changes; count++) {
    done += 1
    const id = `p${lane}-${count % 10}`
    const version = versions.get(id)
    const begun = performance.now()
    const weight = Math.ceil(random() * 100)
    const outcome =
      version === undefined
        ? await admin.providers.register.mutate({
            id,
            definition: {
              name: id,
              kind: 'openai',
              baseUrl: `https://${id}.example.com/v1`,
              models: { static: [`model-${lane}`] },
            },
            credentials: [{ apiKey: `sk-${id}` }],
          })
        : await admin.providers.update.mutate({
            id,
            expectedVersion: version,
            definition: { routing: { weight: weight + count } },
          })
    answerMs.push(performance.now() - begun)
    versions.set(id, outcome.version)
    last = Math.max(last, outcome.commitNo)
    if (options.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, options.pauseMs))
  }
}
