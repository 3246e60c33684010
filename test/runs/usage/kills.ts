/**
 * Requests flow while nodes, NATS and the control plane are killed: every request that its client saw answered
 * is in the books once, with the tokens the provider said it used.
 *
 *     node test/runs/usage/kills.ts --requests 100000 --nodes 3 --seed 1
 *
 * What the provider billed is what it told the client in the answer, by request id. A request whose answer did
 * not come to its end at the client is in doubt: it may be in the books, but not twice.
 */
import { Pool } from 'pg'
import type { Random } from '#contracts/process/clock.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { CLIENT_KEY, Cluster } from '../../cluster/cluster.ts'
import { FakeProvider } from '../../fakes/provider.ts'
import { wholeBetween } from '../../faults/dice.ts'
import type { Killable } from '../../faults/kill.ts'
import { conclude, readOptions, say } from '../options.ts'

const options = readOptions({ requests: 100_000, nodes: 3, lanes: 16, seed: 1 })
/** From the last request until everything is in the books. */
const SETTLE_MS = 120_000

await using provider = await FakeProvider.start()
await using cluster = await Cluster.start({ nodes: options.nodes, prober: false })
const definition = { name: 'fake', kind: 'openai' as const, baseUrl: provider.baseUrl, allowPrivate: true }
const { commitNo } = await cluster.admin.providers.register.mutate({
  id: 'fake',
  definition: { ...definition, models: { static: ['gpt-4o'] } },
})
await cluster.served(commitNo)
say(`${options.nodes} nodes are up`)

type Billed = Readonly<{ input: number; output: number }>
const billed = new Map<string, Billed>()
let asked = 0
let inDoubt = 0
let kills = 0
let isOver = false

const victims: readonly (readonly [string, Killable])[] = [
  ['control plane', cluster.control],
  ['nats', cluster.nats.server],
  ...cluster.nodes.map(({ role }, at): readonly [string, Killable] => [`node ${at}`, role]),
]
const killing = Promise.all(victims.map(([, victim], at) => keepKilling(victim, diceOf(options.seed + at))))
const story = setInterval(
  () => say(`${asked} asked, ${billed.size} billed, ${inDoubt} in doubt, ${kills} kills`),
  10_000,
)
await Promise.all(Array.from({ length: options.lanes }, (_, lane) => keepAsking(lane)))
isOver = true
await killing
clearInterval(story)
say(`${asked} asked, ${billed.size} billed, ${inDoubt} in doubt, ${kills} kills`)

const pool = new Pool({ connectionString: cluster.postgres.server.url })
const entered = await settle()
await pool.end()
const missing = [...billed.keys()].filter((id) => !entered.has(id))
const doubled = [...entered.values()].filter(({ count }) => count > 1)
const wrong = [...billed].filter(([id, { input, output }]) => {
  const record = entered.get(id)
  return record !== undefined && (record.input !== input || record.output !== output)
})
const sums = await cluster.admin.usage.summary.query({ by: 'provider', limit: 1_000 })
const summed = sums.rows.reduce((sum, { requests }) => sum + requests, 0)
say(
  `in the books: ${entered.size}; missing ${missing.length}, doubled ${doubled.length}, wrong ${wrong.length}; sums count ${summed}`,
)
conclude([
  ...(missing.length === 0 ? [] : [`missing: ${missing.slice(0, 5).join(', ')}`]),
  ...(doubled.length === 0 ? [] : ['requests are in the books twice']),
  ...(wrong.length === 0
    ? []
    : [
        `other tokens than billed: ${wrong
          .slice(0, 5)
          .map(([id]) => id)
          .join(', ')}`,
      ]),
  ...(summed === entered.size ? [] : ['the sums of the days are not those of the requests']),
])

type Entered = Readonly<{ input: number; output: number; count: number }>

/** Waits until nothing is missing, or for long enough. */
async function settle(): Promise<ReadonlyMap<string, Entered>> {
  const until = performance.now() + SETTLE_MS
  for (;;) {
    const { rows } = await pool.query<Entered & { id: string }>(
      'select id, max(input)::int as input, max(output)::int as output, count(*)::int as count from usage_record group by id',
    )
    const found = new Map(rows.map((row) => [row.id, row]))
    if ([...billed.keys()].every((id) => found.has(id)) || performance.now() > until) return found
    await sleep(500)
  }
}

async function keepAsking(lane: number): Promise<void> {
  const random = diceOf(options.seed * 1_000 + lane)
  while (asked < options.requests) {
    asked += 1
    const node = cluster.nodes[wholeBetween(random, 0, cluster.nodes.length - 1)]
    const stream = random() < 0.5
    const answered = await ask(
      `${node?.url ?? ''}/v1/chat/completions`,
      stream,
      `words ${'x '.repeat(asked % 50)}`,
    )
    if (answered === 'refused') await sleep(50)
    else if (answered === null) inDoubt += 1
    else billed.set(answered.id, answered)
  }
}

/** @returns null: nobody knows what became of it. `refused`: nobody was there, or nobody answered. */
async function ask(
  url: string,
  stream: boolean,
  content: string,
): Promise<(Billed & Readonly<{ id: string }>) | 'refused' | null> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${CLIENT_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'gpt-4o',
        stream,
        ...(stream ? { stream_options: { include_usage: true } } : {}),
        messages: [{ role: 'user', content }],
      }),
    })
    const text = await response.text()
    if (response.status !== 200) return 'refused'
    const input = Number(/"prompt_tokens":(\d+)/.exec(text)?.[1])
    const output = Number(/"completion_tokens":(\d+)/.exec(text)?.[1])
    const isWhole = !stream || text.trimEnd().endsWith('data: [DONE]')
    return isWhole && output > 0 ? { id: response.headers.get('x-request-id') ?? '', input, output } : null
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED' ? 'refused' : null
  }
}

async function keepKilling(victim: Killable, random: Random): Promise<void> {
  for (;;) {
    await sleep(wholeBetween(random, 1_000, 6_000))
    if (isOver) return
    kills += 1
    await victim.kill('SIGKILL')
    await sleep(wholeBetween(random, 0, 500))
    await victim.restart()
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
