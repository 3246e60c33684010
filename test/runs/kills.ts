/**
 * Commands flow while processes are killed: nothing acknowledged is lost, doubled or reordered, the chain
 * holds, and every node ends at the same state.
 *
 *     node test/runs/kills.ts --kills 1000 --nodes 3 --seed 1
 *
 * Two control planes (each with its relay) on one log, NATS and one node are killed with SIGKILL and started
 * again, each on its own, so that any of them can be away at once; some kills hit a process that still
 * starts. Commands go to the first control plane and, when it does not answer, to the second; a command whose
 * outcome is not known is sent again under its id.
 */
import type { Random } from '#contracts/process/clock.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import type { AdminClient } from '#control-plane/admin/client.ts'
import { Cluster } from '../cluster/cluster.ts'
import { checkLog, checkStream, type Acknowledged } from '../cluster/check.ts'
import { wholeBetween } from '../faults/dice.ts'
import type { Killable } from '../faults/kill.ts'
import { conclude, readOptions, say } from './options.ts'

const options = readOptions({ kills: 1_000, nodes: 3, lanes: 3, seed: 1 })
/** A kill in the start comes within this time of it, in milliseconds. */
const START_MS = 600

await using cluster = await Cluster.start({ nodes: options.nodes, prober: false })
const second = await cluster.addControlPlane()
say(`${options.nodes} nodes and two control planes are up`)

let kills = 0
let isOver = false
const acknowledged: Acknowledged[] = []
let resent = 0

type Victim = Readonly<{
  name: string
  process: Killable
  /** Longest time it runs before it is killed, in milliseconds. */
  pauseMs: number
  /** Of its kills, how many hit it while it still starts. */
  inStart: number
}>

const victims: readonly Victim[] = [
  { name: 'control plane', process: cluster.control, pauseMs: 1_500, inStart: 0.2 },
  { name: 'relay', process: second.role, pauseMs: 1_500, inStart: 0.2 },
  // It is back in a moment, and can do nothing to the log while it starts.
  { name: 'nats', process: cluster.nats.server, pauseMs: 2_500, inStart: 0 },
  { name: 'node', process: cluster.nodes[0]!.role, pauseMs: 1_500, inStart: 0.2 },
]
const share = Math.ceil(options.kills / victims.length)
const counts = new Map<string, number>()
const killing = Promise.all(victims.map((victim, at) => keepKilling(victim, diceOf(options.seed + at))))
const lanes = Promise.all(Array.from({ length: options.lanes }, (_, lane) => keepChanging(lane)))
const story = setInterval(
  () => say(`${kills} kills, ${acknowledged.length} commands acknowledged, ${resent} sent again`),
  10_000,
)
await killing
isOver = true
await lanes
clearInterval(story)
say(
  `${[...counts].map(([name, count]) => `${name} ${count}`).join(', ')}; ${acknowledged.length} commands acknowledged, ${resent} sent again`,
)

const last = Math.max(...acknowledged.map(({ commitNo }) => commitNo))
await cluster.served(last, 60_000)
const log = await checkLog(cluster.postgres.url, acknowledged)
const stream = await checkStream(cluster.nats.url, log)
say(
  `log of ${log.commits.length} commits: lost ${log.lost}, doubled ${log.doubled}, reordered ${log.reordered}, chain ${log.chain}`,
)
say(`stream: ${stream.length === 0 ? 'equal to the log' : stream.join('; ')}`)
const { head, nodes } = await cluster.admin.fleet.list.query()
const apart = nodes.filter(({ report }) => report.digest !== head.digest || report.served !== head.commit)
say(`${nodes.length - apart.length} of ${nodes.length} nodes at commit ${head.commit} with the log's digest`)
conclude([
  ...(log.lost + log.doubled + log.reordered > 0
    ? ['acknowledged commands are not in the log as they should be']
    : []),
  ...(log.chain === 'valid' ? [] : [`the chain is ${log.chain}`]),
  ...stream,
  ...apart.map(
    ({ report }) => `${report.node} is at ${report.served} with digest ${report.digest.slice(0, 12)}`,
  ),
])

async function keepKilling({ name, process, pauseMs, inStart }: Victim, random: Random): Promise<void> {
  const killed = async (): Promise<void> => {
    kills += 1
    counts.set(name, (counts.get(name) ?? 0) + 1)
    await process.kill('SIGKILL')
  }
  while ((counts.get(name) ?? 0) < share) {
    await sleep(wholeBetween(random, 0, pauseMs))
    await killed()
    await sleep(wholeBetween(random, 0, 150))
    if (random() < inStart && (counts.get(name) ?? 0) < share) {
      const starting = process.restart().catch(() => undefined) // it never becomes ready
      await sleep(wholeBetween(random, 50, START_MS))
      await killed()
      await starting
    }
    await process.restart()
  }
}

/** Registers a provider and changes it for ever; every answer is kept. */
async function keepChanging(lane: number): Promise<void> {
  const id = `p${lane}`
  const definition = { name: id, kind: 'openai' as const, baseUrl: `https://${id}.example.com/v1` }
  let { version } = await insist((admin) => admin.providers.register, lane, { id, definition })
  for (let count = 1; !isOver; count++) {
    const change = { id, expectedVersion: version, definition: { routing: { weight: count + 1 } } }
    version = (await insist((admin) => admin.providers.update, lane, change)).version
  }
}

type Mutation<Input> = Readonly<{
  mutate(input: Input): Promise<Readonly<{ commitNo: number; version: number }>>
}>

/** Sends the same command until somebody answers it. */
async function insist<Input extends object>(
  of: (admin: AdminClient) => Mutation<Input & { commandId: string }>,
  lane: number,
  wish: Input,
): Promise<Readonly<{ commitNo: number; version: number }>> {
  const input = { ...wish, commandId: crypto.randomUUID() }
  for (let round = 0; ; round++) {
    const admin = round % 2 === 0 ? cluster.admin : second.admin
    try {
      const answer = await of(admin).mutate(input)
      acknowledged.push({ lane, commandId: input.commandId, commitNo: answer.commitNo })
      return answer
    } catch (error) {
      // A refusal is an answer: the command must never have been refused before it was carried out.
      if (error instanceof Error && 'data' in error && isRefusal(error.data)) throw error
      resent += 1
      await sleep(50)
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function isRefusal(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'refusal' in data && typeof data.refusal === 'string'
}
