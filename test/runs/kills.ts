/**
 * Commands flow while processes are killed: nothing acknowledged is lost, doubled or reordered, the chain
 * holds, and every node ends at the same state.
 *
 *     node test/runs/kills.ts --kills 1000 --nodes 3 --seed 1
 *
 * Two control planes (each with its relay) on one log, NATS and one node are killed with SIGKILL and started
 * again, each on its own, so that any of them can be away at once. Commands go to the first control plane
 * and, when it does not answer, to the second; a command whose outcome is not known is sent again under its id.
 */
import { diceOf } from '#data-plane/routing/dice.ts'
import type { AdminClient } from '#control-plane/admin/client.ts'
import { Cluster } from '../cluster/cluster.ts'
import { checkLog, checkStream, type Acknowledged } from '../cluster/check.ts'
import { wholeBetween } from '../faults/dice.ts'
import type { Killable } from '../faults/kill.ts'
import { conclude, readOptions, say } from './options.ts'

const options = readOptions({ kills: 1_000, nodes: 3, lanes: 3, seed: 1 })
await using cluster = await Cluster.start({ nodes: options.nodes, prober: false })
const second = await cluster.addControlPlane()
say(`${options.nodes} nodes and two control planes are up`)

let kills = 0
let isOver = false
const acknowledged: Acknowledged[] = []
let resent = 0

/** With the longest pause between two kills, in milliseconds: NATS is back at once, the others take a while. */
const victims: readonly (readonly [string, Killable, number])[] = [
  ['control plane', cluster.control, 300],
  ['relay', second.role, 300],
  ['nats', cluster.nats.server, 2_500],
  ['node', cluster.nodes[0]!.role, 300],
]
const share = Math.ceil(options.kills / victims.length)
const counts = new Map<string, number>()
const killing = Promise.all(
  victims.map(([name, victim, pauseMs], at) => keepKilling(name, victim, pauseMs, diceOf(options.seed + at))),
)
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

async function keepKilling(
  name: string,
  victim: Killable,
  pauseMs: number,
  random: () => number,
): Promise<void> {
  for (let count = 1; count <= share; count++) {
    await new Promise((resolve) => setTimeout(resolve, wholeBetween(random, 0, pauseMs)))
    kills += 1
    counts.set(name, count)
    await victim.kill('SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, wholeBetween(random, 0, 150)))
    await victim.restart()
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
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

function isRefusal(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'refusal' in data && typeof data.refusal === 'string'
}
