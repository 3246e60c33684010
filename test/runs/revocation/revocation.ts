/**
 * A revoked key is refused everywhere, and soon: keys are revoked one by one while every node serves traffic
 * with them.
 *
 *     node test/runs/revocation/revocation.ts --nodes 20 --keys 50 --pauseMs 20 --seed 1
 *
 * On every node one client after the other sends requests with the key, each when the last one is answered and a
 * pause is over. What is measured, for each key and node, is the time from the answer to `keys.revoke` until the
 * last request that was let in was sent; and that none is let in that was sent after `fleet.wait` had returned.
 */
import { loadavg } from 'node:os'
import { diceOf } from '#contracts/routing/dice.ts'
import { CLIENT_KEY, Cluster } from '../../cluster/cluster.ts'
import { FakeProvider } from '../../fakes/provider.ts'
import { ask, Traffic } from './traffic.ts'
import { conclude, quantile, readOptions, say } from '../options.ts'

const options = readOptions({ nodes: 20, keys: 50, pauseMs: 20, seed: 1 })
/** Traffic before a key is revoked, and after every node has confirmed that it serves that, in milliseconds. */
const WARM_MS = 300
const AFTER_MS = 300
const random = diceOf(options.seed)
const problems: string[] = []

await using provider = await FakeProvider.start()
await using cluster = await Cluster.start({ nodes: options.nodes, prober: false })
const { admin } = cluster
const registered = await admin.providers.register.mutate({
  id: 'fake',
  definition: {
    name: 'fake',
    kind: 'openai',
    baseUrl: provider.baseUrl,
    allowPrivate: true,
    models: { static: ['m'] },
  },
})
await cluster.served(registered.commitNo)
say(`${options.nodes} nodes are up`)

const lastMs: number[] = []
const waitMs: number[] = []
let [accepted, refused, late, others] = [0, 0, 0, 0]
for (let count = 0; count < options.keys; count++) {
  const issued = await admin.keys.issue.mutate({ name: `key ${count}` })
  await cluster.served(issued.commitNo)
  const traffic = cluster.nodes.map((node) => new Traffic(node, issued.key ?? '', options.pauseMs))
  await sleep(WARM_MS + random() * options.pauseMs)
  const { commitNo } = await admin.keys.revoke.mutate({
    id: issued.ids['key'] ?? '',
    expectedVersion: issued.version,
  })
  const revokedAt = performance.now()
  await cluster.served(commitNo)
  const servedAt = performance.now()
  waitMs.push(servedAt - revokedAt)
  await sleep(AFTER_MS)
  for (const one of traffic) {
    await one.stop()
    accepted += one.accepted
    refused += one.refused
    others += one.others
    if (one.acceptedAt > servedAt) late += 1
    if (one.accepted === 0 || one.refused === 0)
      problems.push(`key ${count} was not both let in and refused on ${one.node.url}`)
    lastMs.push(Math.max(0, one.acceptedAt - revokedAt))
  }
  if (count % 10 === 9) say(`${count + 1} keys revoked`)
}
const stillServed = await Promise.all(cluster.nodes.map(({ url }) => ask(url, CLIENT_KEY)))
if (stillServed.some((status) => status !== 200)) problems.push('another key is not served any more')

say(`${accepted} requests let in, ${refused} refused with 401, ${others} otherwise`)
say(
  `revoked to last let in: p50 ${quantile(lastMs, 0.5).toFixed(1)} ms, p99 ${quantile(lastMs, 0.99).toFixed(1)} ms, max ${Math.max(...lastMs).toFixed(1)} ms, of ${lastMs.length} pairs of key and node; load average ${loadavg()[0]?.toFixed(1)}`,
)
say(
  `revoked to confirmed by every node: p50 ${quantile(waitMs, 0.5).toFixed(1)} ms, p99 ${quantile(waitMs, 0.99).toFixed(1)} ms`,
)
say(`let in after every node had confirmed: ${late}`)
if (late > 0) problems.push(`${late} requests were let in after fleet.wait had returned`)
if (others > 0) problems.push(`${others} requests were answered otherwise`)
conclude(problems)

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
