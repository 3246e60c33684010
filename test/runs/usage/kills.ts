/**
 * Requests flow while nodes, NATS and the control plane are killed: every call that a provider would bill is in
 * the books once, by the id of its request, with the tokens the provider counted.
 *
 *     node test/runs/usage/kills.ts --requests 100000 --nodes 3 --seed 1
 *
 * The providers keep their own bills: a call counts when all of it has come to them, whatever becomes of the
 * answer. Some of their answers are errors and some never arrive, so that requests move on and are billed twice.
 * Each request is a session of its own, by which a record is found without anybody having told its id.
 *
 * Nobody can know what a node was told that was killed before it wrote it down: such a record says so (`lost`),
 * and its tokens are estimated. All others have to be right to the token, those of every client that has its
 * answer among them.
 */
import { hash } from 'node:crypto'
import { Pool } from 'pg'
import type { Random } from '#contracts/process/clock.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { decodeRecord, type UsageRecord } from '#contracts/usage/record.ts'
import { CLIENT_KEY, Cluster } from '../../cluster/cluster.ts'
import { behaviours, type Behaviour } from '../../fakes/behaviour.ts'
import { FakeProvider, type BilledCall } from '../../fakes/provider.ts'
import { wholeBetween } from '../../faults/dice.ts'
import type { Killable } from '../../faults/kill.ts'
import { conclude, readOptions, say } from '../options.ts'

/** `pause`: the longest time that anybody is left alone, in milliseconds. */
const options = readOptions({ requests: 100_000, nodes: 3, lanes: 16, pause: 6_000, seed: 1 })
/** From the last request until everything is in the books. */
const SETTLE_MS = 120_000

const providers = await Promise.all([FakeProvider.start(), FakeProvider.start()])
await using cluster = await Cluster.start({ nodes: options.nodes, prober: false })
/** What providers would bill for each request, in the order its calls came; by the name it gives itself. */
const bills = new Map<string, Count[]>()
for (const [at, provider] of providers.entries()) {
  const dice = diceOf(options.seed * 100 + at)
  provider.onBilled(bill).byDefault(() => behaviourFor(dice()))
  const definition = { name: 'fake', kind: 'openai' as const, baseUrl: provider.baseUrl, allowPrivate: true }
  const { commitNo } = await cluster.admin.providers.register.mutate({
    id: `fake-${at}`,
    definition: { ...definition, models: { static: ['gpt-4o'] } },
  })
  await cluster.served(commitNo)
}
const { keys } = await cluster.admin.keys.list.query({})
const key = keys[0]?.id ?? ''
say(`${options.nodes} nodes are up`)

type Count = Readonly<{ input: number; output: number }>
type Answer = Count & Readonly<{ id: string }>
/** Those whose clients got all of it. */
const answers = new Map<string, Answer>()
let asked = 0
let kills = 0
let isOver = false

const victims: readonly Killable[] = [
  cluster.control,
  cluster.nats.server,
  ...cluster.nodes.map(({ role }) => role),
]
const killing = Promise.all(victims.map((victim, at) => keepKilling(victim, diceOf(options.seed + at))))
const story = setInterval(tellStory, 10_000)
await Promise.all(Array.from({ length: options.lanes }, (_, lane) => keepAsking(lane)))
isOver = true
await killing
clearInterval(story)
tellStory()

const pool = new Pool({ connectionString: cluster.postgres.server.url })
const records = await settle()
await pool.end()
const summary = await cluster.admin.usage.summary.query({ by: 'provider', limit: 1_000 })
for (const provider of providers) await provider[Symbol.asyncDispose]()
conclude(problems())

/** Of what went wrong, an example is enough. */
function problems(): readonly string[] {
  const bySession = Map.groupBy(records, ({ session }) => session ?? '')
  const byId = Map.groupBy(records, ({ id }) => id)
  const names = new Map([...bills.keys(), ...answers.keys()].map((name) => [sessionOf(name), name]))
  const missing = [...bills.keys()].filter((name) => !bySession.has(sessionOf(name)))
  const untold = [...answers.values()].filter(({ id }) => !byId.has(id))
  const doubled = [...byId.values(), ...bySession.values()].filter(({ length }) => length > 1)
  const lost = records.filter(isLost)
  const unbilled = lost.filter(({ session }) => !names.has(session ?? ''))
  const wrong = records.filter((record) => isWrong(record, names.get(record.session ?? '')))
  const summed = summary.rows.reduce((sum, { requests }) => sum + requests, 0)
  say(
    `in the books: ${records.length} requests; missing ${missing.length + untold.length}, doubled ` +
      `${doubled.length}, wrong ${wrong.length}; their node was killed: ${lost.length}, of which ` +
      `${unbilled.length} had reached nobody; sums count ${summed}`,
  )
  return [
    ...(missing.length === 0 ? [] : [`billed and not in the books: ${missing.slice(0, 5).join(', ')}`]),
    ...(untold.length === 0 ? [] : [`answered and not in the books: ${untold[0]?.id ?? ''}`]),
    ...(doubled.length === 0 ? [] : [`in the books twice: ${doubled[0]?.[0]?.id ?? ''}`]),
    ...(wrong.length === 0 ? [] : [`other calls or tokens than billed: ${JSON.stringify(wrong[0])}`]),
    ...(summed === records.length ? [] : ['the sums of the days are not those of the requests']),
  ]
}

/** Its node was killed before the end was written. */
function isLost({ attempts }: UsageRecord): boolean {
  return attempts.at(-1)?.outcome === 'lost'
}

/** @param name null: nobody was billed for it. */
function isWrong(record: UsageRecord, name = ''): boolean {
  const billed = bills.get(name) ?? []
  // A refusal costs nothing.
  const calls = record.attempts.filter(({ status }) => status === 0)
  // The last of them may never have arrived; no client has the end of an answer that is not written down.
  if (isLost(record))
    return answers.has(name) || billed.length > calls.length || billed.length < calls.length - 1
  if (calls.length !== billed.length) return true
  if (record.isEstimated) return answers.has(name)
  const { input, output } = record.tokens
  const paid = record.status === 200 ? billed.at(-1) : { input: 0, output: 0 }
  return input !== paid?.input || output !== paid.output
}

function sessionOf(name: string): string {
  return hash('sha256', `${key}\n${name}`, 'base64url').slice(0, 22)
}

/** Waits until nothing is missing, or for long enough. */
async function settle(): Promise<readonly UsageRecord[]> {
  const until = performance.now() + SETTLE_MS
  for (;;) {
    const { rows } = await pool.query<{ record: string }>('select record from usage_record')
    const found = rows.flatMap(({ record }) => {
      const read = decodeRecord(record)
      return read.ok ? [read.value] : []
    })
    const sessions = new Set(found.map(({ session }) => session))
    const isWhole = [...bills.keys()].every((name) => sessions.has(sessionOf(name)))
    if (isWhole || performance.now() > until) return found
    await sleep(3_000)
  }
}

function behaviourFor(thrown: number): Behaviour {
  if (thrown < 0.02) return behaviours.serverError
  return thrown < 0.025 ? behaviours.resetBeforeHeaders : {}
}

function bill({ request, input, output }: BilledCall): void {
  const { user: name } = JSON.parse(request.body.toString()) as { user: string }
  bills.set(name, [...(bills.get(name) ?? []), { input, output }])
}

async function keepAsking(lane: number): Promise<void> {
  const random = diceOf(options.seed * 1_000 + lane)
  while (bills.size < options.requests) {
    asked += 1
    const name = `request-${asked}`
    const node = cluster.nodes[wholeBetween(random, 0, cluster.nodes.length - 1)]
    const answer = await ask(`${node?.url ?? ''}/v1/chat/completions`, name, random() < 0.5)
    if (answer === 'refused') await sleep(50)
    else if (answer !== null) answers.set(name, answer)
  }
}

/** @returns null: nobody knows what became of it. `refused`: nobody was there, or nobody answered. */
async function ask(url: string, name: string, stream: boolean): Promise<Answer | 'refused' | null> {
  try {
    const headers = { authorization: `Bearer ${CLIENT_KEY}`, 'content-type': 'application/json' }
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'x-session-id': name },
      body: JSON.stringify({
        model: 'gpt-4o',
        stream,
        user: name,
        ...(stream ? { stream_options: { include_usage: true } } : {}),
        messages: [{ role: 'user', content: `words ${'x '.repeat(asked % 50)}` }],
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
    await sleep(wholeBetween(random, Math.min(1_000, options.pause), options.pause))
    if (isOver) return
    kills += 1
    await victim.kill('SIGKILL')
    await sleep(wholeBetween(random, 0, 500))
    await victim.restart()
  }
}

function tellStory(): void {
  const calls = [...bills.values()].reduce((sum, { length }) => sum + length, 0)
  say(`${asked} asked, ${answers.size} answered, ${bills.size} billed in ${calls} calls, ${kills} kills`)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
