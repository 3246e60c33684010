/**
 * Traffic does not need the control plane: with Postgres, NATS, Redis and the control plane all killed, a
 * running node serves, and a killed one comes back from its own disk.
 *
 *     node test/runs/islands.ts --keys 10000 --restarts 10 --requests 200 --seed 1
 *
 * Ends with the time from starting the process to the first answered completion.
 */
import { diceOf } from '#contracts/routing/dice.ts'
import { CLIENT_KEY, Cluster } from '../cluster/cluster.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { conclude, quantile, readOptions, say } from './options.ts'

const options = readOptions({ keys: 10_000, restarts: 10, requests: 200, boundMs: 1_000, seed: 1 })
/** Says which requests name a session, and how long a node runs before it is killed. */
const random = diceOf(options.seed)
const problems: string[] = []

await using provider = await FakeProvider.start()
await using cluster = await Cluster.start({ nodes: 2 })
const { admin } = cluster
await admin.providers.register.mutate({
  id: 'fake',
  definition: { name: 'fake', kind: 'openai', baseUrl: provider.baseUrl, allowPrivate: true },
  credentials: [{ apiKey: 'sk-upstream' }],
})
let { commitNo } = await admin.models.create.mutate({
  name: 'chat',
  targets: [{ provider: 'fake', model: 'fake-model' }],
})
let issued = 0
await Promise.all(
  Array.from({ length: 8 }, async () => {
    while (issued < options.keys) {
      issued += 1
      const answer = await admin.keys.issue.mutate({ name: `key ${issued}` })
      commitNo = Math.max(commitNo, answer.commitNo)
    }
  }),
)
await cluster.served(commitNo, 60_000)
// Everything acknowledged as served is on disk within a second or two of the last change.
await new Promise((resolve) => setTimeout(resolve, 6_000))
say(`${options.keys} client keys issued, ${cluster.nodes.length} nodes serve commit ${commitNo}`)

await Promise.all([
  cluster.control.kill(),
  cluster.prober?.kill(),
  cluster.postgres.server.kill('SIGKILL'),
  cluster.nats.server.kill('SIGKILL'),
  cluster.redis.server.kill('SIGKILL'),
])
say('control plane, prober, Postgres, NATS and Redis are killed')

const [running, restarted] = cluster.nodes as [(typeof cluster.nodes)[number], (typeof cluster.nodes)[number]]
let failed = 0
const answerMs: number[] = []
for (let count = 0; count < options.requests; count++) {
  const begun = performance.now()
  // About every other request names a session, whose store is gone.
  if ((await ask(running.url, random() < 0.5 ? null : `session-${count}`)) !== 200) failed += 1
  answerMs.push(performance.now() - begun)
}
say(
  `running node: ${options.requests - failed} of ${options.requests} answered, p50 ${quantile(answerMs, 0.5).toFixed(1)} ms, max ${Math.max(...answerMs).toFixed(1)} ms`,
)
if (failed > 0) problems.push(`${failed} requests failed on the running node`)

const backMs: number[] = []
for (let count = 0; count < options.restarts; count++) {
  await new Promise((resolve) => setTimeout(resolve, random() * 2_000))
  await restarted.role.kill('SIGKILL')
  const begun = performance.now()
  const restarting = restarted.role.restart()
  while ((await ask(restarted.url, null)) !== 200) {
    if (performance.now() - begun > 20_000) throw new Error('the node did not come back')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  backMs.push(performance.now() - begun)
  await restarting
}
say(
  `killed node: first answer after p50 ${quantile(backMs, 0.5).toFixed(0)} ms, max ${Math.max(...backMs).toFixed(0)} ms, of ${backMs.length} restarts`,
)
if (Math.max(...backMs) > options.boundMs) problems.push(`a restart took longer than ${options.boundMs} ms`)
conclude(problems)

async function ask(url: string, session: string | null): Promise<number> {
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${CLIENT_KEY}`,
        ...(session === null ? {} : { 'x-session-id': session }),
      },
      body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'hello' }] }),
      signal: AbortSignal.timeout(5_000),
    })
    await answer.arrayBuffer()
    return answer.status
  } catch {
    return 0
  }
}
