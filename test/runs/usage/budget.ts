/**
 * A budget over a fleet under full load, with a node and the control plane killed: what the providers billed
 * never goes beyond the budget by more than the killed node had on lease, and all of it can be spent.
 *
 *     node test/runs/usage/budget.ts --nodes 5 --dollars 50 --lanes 32 --seed 1
 *
 * Providers bill every request that reaches them, also those whose node was killed before it could write them
 * down. The node is killed when about half of the budget is spent, and started again; the control plane when a
 * quarter is. The run ends when every node refuses and nothing is out on lease any more.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dollarsOf, nanoOf } from '#contracts/catalog/money/budget.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { Cluster } from '../../cluster/cluster.ts'
import { FakeProvider } from '../../fakes/provider.ts'
import { oneOf, wholeBetween } from '../../faults/dice.ts'
import { conclude, readOptions, say } from '../options.ts'

const options = readOptions({ nodes: 5, dollars: 50, lanes: 32, control: 1, downMs: 3_000, seed: 1 })
/** A tenth of a cent each: what a provider's answers are long, and what clients let them be. */
const TOKEN_NANO = 1_000_000
const ANSWERS = [2, 4, 8]
const MOST_TOKENS = 10
/** From the first refusal until nothing is out on lease: a killed node's counts until its records are in. */
const SETTLE_MS = 180_000
const random = diceOf(options.seed)

await using stack = new AsyncDisposableStack()
const providers: FakeProvider[] = []
for (const tokens of ANSWERS) {
  const provider = stack.use(await FakeProvider.start())
  providers.push(provider.byDefault({ words: Array.from({ length: tokens }, () => ' word') }))
}
const cluster = stack.use(await Cluster.start({ nodes: options.nodes, prober: false }))
const { admin } = cluster
const token = await configure()
say(`${options.nodes} nodes are up; the budget is $${options.dollars}`)

const counts = { served: 0, spent: 0, leased: 0, unavailable: 0, other: 0, broken: 0 }
const strange = new Set<string>()
let down: number | null = null
let isOver = false
const story = setInterval(() => void tell(), 5_000)
const lanes = Promise.all(Array.from({ length: options.lanes }, (_, lane) => keepAsking(lane)))
if (options.control !== 0) await restartControl(0.25)
const atTheKill = await killNode(0.5)
await allSpent()
isOver = true
await lanes
clearInterval(story)

const { now } = await standing()
const billed = billedNano()
const overspend = Math.max(0, billed - nanoOf(options.dollars))
const inBooks = nanoOf(now?.spent ?? 0)
await tell()
say(
  `billed by the providers $${dollarsOf(billed).toFixed(3)}, in the books $${dollarsOf(inBooks).toFixed(3)}; ` +
    `the killed node had $${dollarsOf(atTheKill).toFixed(3)} on lease`,
)
say(`overspent by $${dollarsOf(overspend).toFixed(3)}; not spent: $${(now?.remaining ?? 0).toFixed(3)}`)
conclude([
  ...(overspend <= atTheKill ? [] : ['more was overspent than the killed node had on lease']),
  // What is missing in the books was under way on the killed node, so it is part of its lease.
  ...(billed - inBooks <= atTheKill
    ? []
    : ['more is missing in the books than the killed node had on lease']),
  ...(inBooks <= billed ? [] : ['the books hold more than was billed']),
  ...((now?.leased ?? 1) === 0 ? [] : [`$${now?.leased} are still out on lease`]),
  ...(nanoOf(now?.remaining ?? 0) < MOST_TOKENS * TOKEN_NANO ? [] : ['a request would fit in what is left']),
  ...(counts.served > 0 && counts.spent > 0 ? [] : ['the budget was never spent']),
  ...(counts.other === 0 ? [] : [`unexpected answers: ${[...strange].slice(0, 5).join(', ')}`]),
])

async function configure(): Promise<string> {
  for (const [at, provider] of providers.entries()) {
    await admin.providers.register.mutate({
      id: `fake-${at}`,
      definition: {
        name: 'fake',
        kind: 'openai',
        baseUrl: provider.baseUrl,
        allowPrivate: true,
        models: { static: ['m'] },
        routing: { costInput: 0, costOutput: dollarsOf(TOKEN_NANO) * 1_000_000 },
      },
    })
  }
  const targets = providers.map((_, at) => ({ provider: `fake-${at}`, model: 'm' }))
  await admin.models.create.mutate({ name: 'any', targets })
  const issued = await admin.keys.issue.mutate({ name: 'spender' })
  const key = issued.ids['key'] ?? ''
  const budget = { id: 'all', key, period: 'total', amount: options.dollars } as const
  const { commitNo } = await admin.budgets.create.mutate(budget)
  await cluster.served(commitNo)
  return issued.key ?? ''
}

async function standing() {
  return (await admin.budgets.get.query({ id: 'all' })).budget
}

function billedNano(): number {
  return providers.reduce((sum, { stats }, at) => sum + stats.requests * (ANSWERS[at] ?? 0) * TOKEN_NANO, 0)
}

async function tell(): Promise<void> {
  const { served, spent, leased, unavailable, broken } = counts
  say(
    `$${dollarsOf(billedNano()).toFixed(3)} billed; ${served} served, refused ${spent} as spent, ${leased} as leased, ` +
      `${unavailable} as unavailable, ${broken} broken`,
  )
}

async function until(share: number): Promise<void> {
  while (billedNano() < share * nanoOf(options.dollars)) await sleep(10)
}

async function restartControl(share: number): Promise<void> {
  await until(share)
  await cluster.control.kill('SIGKILL')
  say('the control plane is killed')
  await sleep(wholeBetween(random, 0, 500))
  await cluster.control.restart()
  say('the control plane is back')
}

/** @returns what the killed node had on lease and not in the books, in billionths of a dollar. */
async function killNode(share: number): Promise<number> {
  await until(share)
  const at = wholeBetween(random, 0, cluster.nodes.length - 1)
  const node = cluster.nodes[at]
  if (node === undefined) throw new Error('no node to kill')
  const before = await leasesOf()
  await node.role.kill('SIGKILL')
  down = at
  // Its records may still come in from the bus: only ever less is outstanding from now on.
  const id = (await readFile(join(node.dataDir, 'node', 'id'), 'utf8')).trim()
  const outstanding = (await leasesOf()).get(id) ?? 0
  const all = [...before.values()].reduce((sum, nano) => sum + nano, 0)
  say(
    `node ${at} is killed with $${dollarsOf(outstanding).toFixed(3)} on lease, of $${dollarsOf(all).toFixed(3)} that ${before.size} nodes held`,
  )
  setTimeout(() => void node.role.restart().then(() => (down = null)), options.downMs)
  return outstanding
}

async function leasesOf(): Promise<ReadonlyMap<string, number>> {
  const { now: seen } = await standing()
  return new Map((seen?.leases ?? []).map(({ node, outstanding }) => [node, nanoOf(outstanding)]))
}

/** Every request is refused, and nothing can come back any more. */
async function allSpent(): Promise<void> {
  const giveUpAt = performance.now() + SETTLE_MS
  for (let last = counts.served; performance.now() < giveUpAt; last = counts.served) {
    await sleep(3_000)
    const { now: seen } = await standing()
    if (counts.served === last && counts.spent > 0 && seen?.leased === 0 && down === null) return
  }
}

async function keepAsking(lane: number): Promise<void> {
  const dice = diceOf(options.seed * 1_000 + lane)
  while (!isOver) {
    const up = cluster.nodes.filter((_, at) => at !== down)
    const answer = await ask(oneOf(dice, up).url)
    counts[answer] += 1
    if (answer !== 'served') await sleep(50)
  }
}

async function ask(url: string): Promise<keyof typeof counts> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'any',
        max_tokens: MOST_TOKENS,
        messages: [{ role: 'user', content: 'Hi' }],
      }),
    })
    const text = await response.text()
    if (response.status === 200) return 'served'
    const code = /"code":"(\w+)"/.exec(text)?.[1] ?? ''
    if (response.status === 429 && code === 'insufficient_quota') return 'spent'
    if (response.status === 429 && code === 'rate_limit_exceeded') return 'leased'
    if (response.status === 503 && code === 'budget_unavailable') return 'unavailable'
    strange.add(`${response.status} ${code}`)
    return 'other'
  } catch {
    return 'broken'
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
