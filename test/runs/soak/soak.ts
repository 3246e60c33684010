/**
 * Memory stays flat: mixed traffic with faults of every kind, changes of the configuration, and restarts of
 * NATS and Redis, for as long as asked.
 *
 *     node test/runs/soak/soak.ts --minutes 30 --clients 24 --rate 100 --seed 1
 *
 * `rate` is requests a second over all clients and nodes. Ends with the memory of every process at the beginning
 * and the end, and how its peaks grow; and with what clients saw: one of the two providers is always well, so
 * whoever stays gets an answer.
 */
import { readFile } from 'node:fs/promises'
import { diceOf } from '#contracts/routing/dice.ts'
import { CLIENT_KEY, Cluster } from '../../cluster/cluster.ts'
import { behaviours, type Behaviour } from '../../fakes/behaviour.ts'
import { FakeProvider } from '../../fakes/provider.ts'
import { oneOf } from '../../faults/dice.ts'
import { conclude, readOptions, say } from '../options.ts'
import { growthOfPeaks } from './growth.ts'

const options = readOptions({
  minutes: 30,
  clients: 24,
  rate: 100,
  nodes: 2,
  seed: 1,
  sampleS: 10,
  boundMbPerHour: 20,
})
/** Of those that stayed: a machine that is busy with other things may let a deadline pass now and then. */
const FAILED_AT_MOST = 0.001
/**
 * V8 lets its young generation grow by steps as it sees fit, to 16 MB in three parts, often after many minutes.
 * Begun at its end, what still grows is the product's.
 */
const YOUNG_AS_LARGE_AS_EVER = ['--min-semi-space-size=16', '--max-semi-space-size=16']
const random = diceOf(options.seed)
const endAt = performance.now() + options.minutes * 60_000
const isOver = (): boolean => performance.now() > endAt

await using healthy = await FakeProvider.start()
await using faulty = await FakeProvider.start()
await using cluster = await Cluster.start({
  nodes: options.nodes,
  nodeFlags: YOUNG_AS_LARGE_AS_EVER,
})
const versions = new Map<string, number>()
for (const [id, { baseUrl }] of [
  ['healthy', healthy],
  ['faulty', faulty],
] as const) {
  // The one that is well must not fail because the machine is busy with other things.
  const timeouts =
    id === 'healthy' ? {} : { connectMs: 500, answerMs: 2_000, firstTokenMs: 2_000, idleMs: 1_000 }
  const definition = { name: id, kind: 'openai' as const, baseUrl, allowPrivate: true, timeouts }
  versions.set(
    id,
    (await cluster.admin.providers.register.mutate({ id, definition, credentials: [{ apiKey: `sk-${id}` }] }))
      .version,
  )
}
const { commitNo } = await cluster.admin.models.create.mutate({
  name: 'chat',
  targets: [
    { provider: 'healthy', model: 'fake-model' },
    { provider: 'faulty', model: 'fake-model' },
  ],
})
await cluster.served(commitNo)
say(
  `${options.nodes} nodes, ${options.clients} clients, ${options.rate} requests a second, ${options.minutes} minutes`,
)

const FAULTS: readonly Behaviour[] = [
  behaviours.ok,
  behaviours.throttled('1'),
  behaviours.badKey,
  behaviours.unpaid,
  { status: 500 },
  { status: 503 },
  { hang: 'before-headers' },
  { hang: 'after-headers' },
  { hang: 2 },
  { cut: { at: 'before-headers', how: 'reset' } },
  { cut: { at: 120 } },
  { cut: { at: 300, how: 'reset' } },
  { body: '<html>not json</html>' },
  { beforeHeadersMs: 300 },
]
const statuses = new Map<number, number>()
/** How clients that stayed were refused, and how often. */
const refusals = new Map<string, number>()
const samples: { at: number; rss: ReadonlyMap<string, number> }[] = []
const kept = [
  every(1_000, () => {
    faulty.byDefault(oneOf(random, FAULTS))
    for (const provider of [healthy, faulty]) provider.requests.length = 0
  }),
  every(2_000, changeWeight),
  every(60_000, () => oneOf(random, [cluster.nats.server, cluster.redis.server]).restart()),
  every(options.sampleS * 1_000, sample),
]
await Promise.all(Array.from({ length: options.clients }, keepAsking))
for (const timer of kept) clearInterval(timer)
await sample()

say(
  `answers by status (0: the client left or was cut off): ${[...statuses].map(([status, count]) => `${status}: ${count}`).join(', ')}`,
)
for (const [how, count] of refusals) say(`${count} times ${how}`)
const problems: string[] = []
const stayed = [...statuses].filter(([status]) => status !== 0)
const answered = stayed.reduce((sum, [, count]) => sum + count, 0)
const failed = answered - (statuses.get(200) ?? 0)
if (failed > answered * FAILED_AT_MOST) problems.push(`${failed} of ${answered} requests were refused`)
for (const name of samples[0]!.rss.keys()) {
  const points = samples.map(({ at, rss }) => ({ hours: at / 3_600_000, mb: rss.get(name) ?? 0 }))
  const growth = growthOfPeaks(points)
  say(
    `${name}: ${points[0]!.mb.toFixed(0)} MB at first, ${points.at(-1)!.mb.toFixed(0)} MB at last, peaks grow by ${growth.toFixed(1)} MB an hour`,
  )
  if (growth > options.boundMbPerHour && options.minutes >= 30)
    problems.push(`${name} grows by ${growth.toFixed(1)} MB an hour`)
}
conclude(problems)

async function keepAsking(): Promise<void> {
  while (!isOver()) {
    const node = oneOf(random, cluster.nodes)
    const stream = random() < 0.5
    // At random moments, each client its part of the rate.
    await new Promise((resolve) => setTimeout(resolve, (random() * 2_000 * options.clients) / options.rate))
    // One in ten clients leaves early; one in three names a session.
    const signal = AbortSignal.timeout(random() < 0.1 ? 30 : 20_000)
    const session: Record<string, string> =
      random() < 0.3 ? { 'x-session-id': `session-${Math.floor(random() * 500)}` } : {}
    let status = 0
    try {
      const answer = await fetch(`${node.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${CLIENT_KEY}`, ...session },
        body: JSON.stringify({
          model: 'chat',
          stream,
          messages: [{ role: 'user', content: 'x'.repeat(Math.floor(random() * 20_000)) }],
        }),
        signal,
      })
      const text = await answer.text()
      status = answer.status
      if (status !== 200) {
        const how = `${status} after ${answer.headers.get('x-apiproxy-attempts')} attempts: ${text.slice(0, 120)}`
        refusals.set(how, (refusals.get(how) ?? 0) + 1)
      }
    } catch {
      // Left early, or the answer was cut off after it had begun.
    }
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
}

async function changeWeight(): Promise<void> {
  const id = oneOf(random, ['healthy', 'faulty'])
  const change = {
    id,
    expectedVersion: versions.get(id) ?? 1,
    definition: { routing: { weight: Math.ceil(random() * 1_000) } },
  }
  versions.set(id, (await cluster.admin.providers.update.mutate(change)).version)
}

async function sample(): Promise<void> {
  const roles = [
    ...cluster.nodes.map(({ role }) => role),
    cluster.control,
    ...(cluster.prober === null ? [] : [cluster.prober]),
  ]
  const rss = await Promise.all(roles.map(async (role) => [role.name, await rssMb(role.pid)] as const))
  samples.push({ at: performance.now(), rss: new Map(rss) })
  if (samples.length % 6 === 1) say(rss.map(([name, mb]) => `${name} ${mb.toFixed(0)} MB`).join(', '))
}

async function rssMb(pid: number): Promise<number> {
  const pages = Number((await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ')[1])
  return (pages * 4_096) / 1_048_576
}

/** What fails in between is part of the soak. */
function every(ms: number, work: () => void | Promise<void>): NodeJS.Timeout {
  return setInterval(() => void Promise.resolve(work()).catch(() => undefined), ms)
}
