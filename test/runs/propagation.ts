/**
 * Every node serves every change, and soon: provider changes through the admin client on a split fleet.
 *
 *     node test/runs/propagation.ts --nodes 20 --changes 1000 --rehearsal 100 --rate 20 --lanes 4 --seed 1
 *
 * `rate` is changes a second, evenly spaced; with 0 each lane sends its next change when the last one is
 * answered, and the figures are those of a queue. The `rehearsal` are changes before those that count: every
 * process has just begun then and compiles what it runs for the first time, which on a machine with fewer
 * processors than processes is what one waits for. Both are told.
 *
 * Ends with the commit and digest of every node and with the time from commit to served, as the control plane
 * measures it: until the node's report has come back. Then the whole log is folded again, and every node has to
 * have served the state that it leads to.
 */
import { loadavg } from 'node:os'
import type { AdminClient } from '#control-plane/admin/client.ts'
import { Cluster } from '../cluster/cluster.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { conclude, quantile, readOptions, say } from './options.ts'

const options = readOptions({ nodes: 20, changes: 1_000, rehearsal: 100, rate: 20, lanes: 4, seed: 1 })
/** What is aimed at for 99 of 100, in milliseconds; a busy machine misses it. */
const AIM_MS = 100
const random = diceOf(options.seed)
const problems: string[] = []

await using cluster = await Cluster.start({ nodes: options.nodes, prober: false })
say(`${options.nodes} nodes are up`)

const lanes = Array.from({ length: options.lanes }, (_, number) => ({
  number,
  known: new Map<string, Readonly<{ version: number; weight: number }>>(),
}))
await change(options.rehearsal)
const rehearsed = await servedSoFar()
if (options.rehearsal > 0) say(`commit to served, rehearsal: ${told(rehearsed)}`)
await change(options.changes)
const after = await servedSoFar()
const measured = {
  buckets: after.buckets.map(minus(rehearsed.buckets)),
  pairs: after.pairs - rehearsed.pairs,
}

const { head, nodes } = await cluster.admin.fleet.list.query()
for (const { report, state } of nodes) {
  if (report.served !== head.commit || report.digest !== head.digest) {
    problems.push(
      `${report.node} is at commit ${report.served} with digest ${report.digest.slice(0, 12)} (${state})`,
    )
  }
}
if (nodes.length !== options.nodes) problems.push(`${nodes.length} nodes were heard of`)
if (head.commit < options.changes + options.rehearsal) problems.push(`the log ends at commit ${head.commit}`)
say(`${nodes.length} nodes serve commit ${head.commit}, digest ${head.digest.slice(0, 12)}…`)
say(`commit to served: ${told(measured)}`)
say(
  `aim of p99 under ${AIM_MS} ms: ${mostMs(measured, 0.99) <= AIM_MS ? 'met' : 'missed'}; load average ${loadavg()[0]?.toFixed(1)}`,
)
const replay = await cluster.admin.audit.replay.query()
const equal = replay.nodes.filter(({ verdict }) => verdict === 'equal')
say(`the log folded again at commit ${replay.commit}: ${equal.length} nodes have served that state`)
if (!replay.ok || equal.length < options.nodes) problems.push(`the replay says ${JSON.stringify(replay)}`)
if (measured.pairs < options.changes * options.nodes)
  problems.push(`only ${measured.pairs} pairs were measured`)
conclude(problems)

/** Makes so many changes and waits until every node serves the last of them. */
async function change(count: number): Promise<void> {
  if (count === 0) return
  const answerMs: number[] = []
  const course = { count, begun: 0, last: 0, startedAt: performance.now(), answerMs }
  await Promise.all(lanes.map((lane) => keepChanging(cluster.admin, lane, course)))
  const tookS = (performance.now() - course.startedAt) / 1_000
  say(
    `${count} changes in ${tookS.toFixed(1)} s, ${(count / tookS).toFixed(0)} a second; answered in p50 ${quantile(answerMs, 0.5).toFixed(1)} ms, p99 ${quantile(answerMs, 0.99).toFixed(1)} ms`,
  )
  await cluster.served(course.last)
}

type Lane = (typeof lanes)[number]
type Course = { count: number; begun: number; last: number; startedAt: number; answerMs: number[] }

/** Registers providers and then changes them, one change after the other in this lane. */
async function keepChanging(admin: AdminClient, { number, known }: Lane, course: Course): Promise<void> {
  for (let turn = 0; course.begun < course.count; turn++) {
    const { begun, startedAt } = course
    const due = options.rate === 0 ? 0 : startedAt + (begun * 1_000) / options.rate - performance.now()
    course.begun += 1
    if (due > 0) await new Promise((resolve) => setTimeout(resolve, due))
    const id = `p${number}-${turn % 10}`
    const before = known.get(id)
    // Never the weight it has: that would be no change, and no commit.
    const weight = (((before?.weight ?? 1) + Math.floor(random() * 98)) % 99) + 1
    const sentAt = performance.now()
    const outcome =
      before === undefined
        ? await admin.providers.register.mutate({
            id,
            definition: {
              name: id,
              kind: 'openai',
              baseUrl: `https://${id}.example.com/v1`,
              models: { static: [`model-${number}`] },
              routing: { weight },
            },
            credentials: [{ apiKey: `sk-${id}` }],
          })
        : await admin.providers.update.mutate({
            id,
            expectedVersion: before.version,
            definition: { routing: { weight } },
          })
    course.answerMs.push(performance.now() - sentAt)
    known.set(id, { version: outcome.version, weight })
    course.last = Math.max(course.last, outcome.commitNo)
  }
}

/** Pairs of commit and node served within so many milliseconds, ascending; and how many there are. */
type Served = Readonly<{ buckets: readonly Bucket[]; pairs: number }>
type Bucket = Readonly<{ withinMs: number; pairs: number }>

async function servedSoFar(): Promise<Served> {
  const text = await (await fetch(`${cluster.controlUrl}/metrics`)).text()
  const found = text.matchAll(/^apiproxy_propagation_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)
  const buckets = Array.from(found, ([, bound, pairs]) => ({
    withinMs: bound === '+Inf' ? Infinity : Number(bound) * 1_000,
    pairs: Number(pairs),
  }))
  return { buckets, pairs: buckets.at(-1)?.pairs ?? 0 }
}

function minus(before: readonly Bucket[]): (bucket: Bucket, index: number) => Bucket {
  return ({ withinMs, pairs }, index) => ({ withinMs, pairs: pairs - (before[index]?.pairs ?? 0) })
}

/** @returns within how many milliseconds that share was served: the upper bound of its bucket, up to a third too much. */
function mostMs({ buckets, pairs }: Served, share: number): number {
  return buckets.find((bucket) => bucket.pairs >= share * pairs)?.withinMs ?? Number.NaN
}

function told(served: Served): string {
  const within = (share: number): string => `${mostMs(served, share).toFixed(0)} ms`
  return `p50 within ${within(0.5)}, p99 within ${within(0.99)}, all within ${within(1)}, of ${served.pairs} pairs of commit and node`
}
