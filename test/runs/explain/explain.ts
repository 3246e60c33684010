/**
 * Requests of every kind on a real fleet, while the configuration is changed and providers fail: each one is
 * explained, and every choice made again from the log is the one that the node recorded.
 *
 *     node test/runs/explain/explain.ts --requests 10000 --nodes 3 --seed 1
 *
 * Afterwards the log is folded again, and every node has to have served the state that it leads to.
 */
import { Cluster } from '../../cluster/cluster.ts'
import { conclude, readOptions, say } from '../options.ts'
import { keepAsking, keepBreaking, keepChanging, prepare, sleep } from './traffic.ts'

const options = readOptions({ requests: 10_000, nodes: 3, lanes: 8, seed: 1 })
/** From the last request until everything is in the books. */
const SETTLE_MS = 120_000
const ASKED_AT_ONCE = 4

await using cluster = await Cluster.start({ nodes: options.nodes })
await using fleet = await prepare(cluster)
say(`${options.nodes} nodes are up`)

const over = new AbortController()
const changing = keepChanging(cluster, options.seed, over.signal)
const breaking = keepBreaking(fleet, options.seed + 1, over.signal)
const { ids, answered, moved } = await keepAsking(cluster, options)
over.abort()
const [changes, faults] = [await changing, await breaking]
say(
  `${ids.length} requests, ${answered} answered, ${moved} sessions moved; ${changes} changes, ${faults} faults`,
)

const settled = performance.now() + SETTLE_MS
for (const id of ids.slice(-50)) await recorded(id)
say('the records are in the books')

const verdicts = new Map<string, number>()
const whys = new Map<string, number>()
const problems: string[] = []
let [failovers, factors, sessions, held, untraced, explained] = [0, 0, 0, 0, 0, 0]
const open = [...ids]
await Promise.all(Array.from({ length: ASKED_AT_ONCE }, () => explainAll()))
say(
  `${explained} explained: ${told(verdicts)}; ${failovers} with several choices, ${sessions} with a session, ` +
    `${factors} weighed by factors, ${held} by nodes that held something back, ${untraced} by tables nobody kept`,
)
say(`choices: ${told(whys)}`)

const replay = await cluster.admin.audit.replay.query()
const equal = replay.nodes.filter(({ verdict }) => verdict === 'equal')
say(`the log folded again at commit ${replay.commit}: ${equal.length} nodes have served the same state`)
if (equal.length < options.nodes)
  problems.push(`only ${equal.length} nodes were seen to serve the state of the log`)
if (!replay.ok) problems.push(`the replay says ${JSON.stringify(replay)}`)
if (explained < options.requests * 0.99) problems.push(`only ${explained} requests could be explained`)
if ((verdicts.get('equal') ?? 0) !== explained) problems.push('not every choice came out as it was recorded')
if (untraced > explained * 0.02) problems.push('too many weight tables were not kept')
if (failovers === 0 || factors === 0 || sessions === 0 || changes === 0)
  problems.push('the run was too quiet')
conclude(problems)

async function explainAll(): Promise<void> {
  for (let id = open.shift(); id !== undefined; id = open.shift()) {
    const found = await cluster.admin.requests.explain.query({ id })
    explained += 1
    count(verdicts, found.verdict)
    for (const { why } of found.choices) count(whys, why)
    if (found.choices.length > 1) failovers += 1
    if (found.session !== null) sessions += 1
    if (
      found.choices.some(({ candidates }) =>
        candidates.some(({ fleet: said, local }) => said < 1 || local < 1),
      )
    )
      factors += 1
    if (found.notes.some((note) => note.includes('held') || note.includes('taken over'))) held += 1
    if (found.notes.some((note) => note.includes('not kept'))) untraced += 1
    if (found.verdict !== 'equal' && problems.length < 5)
      problems.push(`${id} at commit ${found.commitNo}: ${[...found.differences, ...found.notes].join('; ')}`)
    if (explained % 1_000 === 0) say(`${explained} explained`)
  }
}

async function recorded(id: string): Promise<void> {
  for (;;) {
    try {
      await cluster.admin.requests.get.query({ id })
      return
    } catch (error) {
      if (performance.now() > settled) throw error
      await sleep(200)
    }
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function told(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, number]) => `${number} ${name}`).join(', ')
}
