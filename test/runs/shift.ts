/**
 * The loop, closed, on real processes: one of two equal providers turns slower, then recovers, and every
 * node's shares follow.
 *
 *     node test/runs/shift.ts --nodes 3 --rate 60 --usualMs 200 --times 10 --seed 1
 *
 * `rate` is requests a second over all nodes, at random moments as clients send them. Ends with a table of the
 * turning provider's share by time and node, and the two times the bar asks for.
 */
import { diceOf } from '#contracts/routing/dice.ts'
import { CLIENT_KEY, Cluster } from '../cluster/cluster.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { conclude, readOptions, say } from './options.ts'

const options = readOptions({
  nodes: 3,
  rate: 60,
  usualMs: 200,
  times: 10,
  calmS: 20,
  slowS: 40,
  recoverS: 75,
  stream: 1,
  seed: 1,
})
/** Shares are counted over this long: at 20 requests a second and node over 100 answers, give or take 5 points. */
const WINDOW_MS = 5_000
/** What the bar asks for, in milliseconds. */
const FALLEN_WITHIN_MS = 15_000
const BACK_WITHIN_MS = 60_000
/** A fifth of its operator's share, which is a half; and that share within 10 points. */
const FALLEN = 0.1
const BACK = 0.4
const random = diceOf(options.seed)

type Answer = Readonly<{ at: number; node: number; provider: string }>

await using first = await FakeProvider.start()
await using second = await FakeProvider.start()
const pace = (ms: number) => ({ beforeHeadersMs: ms })
first.byDefault(pace(options.usualMs))
second.byDefault(pace(options.usualMs))
await using cluster = await Cluster.start({ nodes: options.nodes })
for (const [id, { baseUrl }] of [
  ['steady', first],
  ['turning', second],
] as const) {
  await cluster.admin.providers.register.mutate({
    id,
    definition: { name: id, kind: 'openai', baseUrl, allowPrivate: true },
  })
}
const { commitNo } = await cluster.admin.models.create.mutate({
  name: 'chat',
  targets: [
    { provider: 'steady', model: 'fake-model' },
    { provider: 'turning', model: 'fake-model' },
  ],
})
await cluster.served(commitNo)
say(`${options.nodes} nodes, ${options.rate} requests a second, usually ${options.usualMs} ms`)

const answers: Answer[] = []
let failures = 0
let sent = 0
const open = new Set<Promise<void>>()
let isOver = false
const traffic = (async () => {
  for (let at = performance.now(); !isOver; at += (-Math.log(1 - random()) / options.rate) * 1_000) {
    const wait = at - performance.now()
    if (wait > 0) await sleep(wait / 1_000)
    const request = ask(sent++ % options.nodes)
    open.add(request)
    void request.finally(() => open.delete(request))
  }
})()

await sleep(options.calmS)
second.byDefault(pace(options.usualMs * options.times))
const slowAt = performance.now()
say(`one provider is ${options.times} times slower from now on`)
await sleep(options.slowS)
second.byDefault(pace(options.usualMs))
const wellAt = performance.now()
say('it is well again')
await sleep(options.recoverS)
isOver = true
await traffic
await Promise.all(open)

const nodes = Array.from({ length: options.nodes }, (_, node) => node)
process.stdout.write(
  `\nshare of the turning provider, over ${WINDOW_MS / 1_000} s, by node; its weight is 50 %\n`,
)
for (let at = slowAt - 10_000; at <= wellAt + options.recoverS * 1_000; at += 5_000) {
  const phase = at < slowAt ? 'calm' : at < wellAt ? 'slow' : 'well'
  const since = phase === 'well' ? at - wellAt : at - slowAt
  const shares = nodes.map((node) => percent(share(node, at)))
  process.stdout.write(`${phase} ${(since / 1_000).toFixed(0).padStart(4)} s  ${shares.join('  ')}\n`)
}
const endAt = wellAt + options.recoverS * 1_000
const fell = nodes.map((node) => firstTime(slowAt, wellAt, (at) => share(node, at) <= FALLEN))
const back = nodes.map((node) => firstTime(wellAt, endAt, (at) => share(node, at) >= BACK))
process.stdout.write('\n')
const calm = nodes.map((node) => share(node, slowAt, (options.calmS / 2) * 1_000))
const stayed = nodes.map((node) => share(node, wellAt, wellAt - slowAt - FALLEN_WITHIN_MS))
const settled = nodes.map((node) => share(node, endAt, options.recoverS * 1_000 - BACK_WITHIN_MS))
say(`share by node while calm ${calm.map(percent).join(', ')}`)
say(`fell by 80 % after ${fell.map(seconds).join(', ')} s; from then on ${stayed.map(percent).join(', ')}`)
say(
  `back within 10 points after ${back.map(seconds).join(', ')} s; at the end ${settled.map(percent).join(', ')}`,
)
say(`${answers.length} answers, ${failures} failures`)
const isEqual = (value: number): boolean => value >= BACK && value <= 1 - BACK
conclude(
  nodes
    .flatMap((node) => [
      ...(isEqual(calm[node]!) ? [] : [`node ${node}: the providers were not equal at first`]),
      ...(fell[node]! <= FALLEN_WITHIN_MS
        ? []
        : [`node ${node}: the share fell after ${seconds(fell[node]!)} s`]),
      ...(stayed[node]! <= FALLEN ? [] : [`node ${node}: the share did not stay down`]),
      ...(back[node]! <= BACK_WITHIN_MS
        ? []
        : [`node ${node}: the share was back after ${seconds(back[node]!)} s`]),
      ...(isEqual(settled[node]!) ? [] : [`node ${node}: the share did not stay within 10 points`]),
    ])
    .concat(failures > 0 ? [`${failures} requests failed`] : []),
)

async function ask(node: number): Promise<void> {
  // Counted when it is chosen, not when it answers: a slow provider answers late what it was given early.
  const at = performance.now()
  try {
    const answer = await fetch(`${cluster.nodes[node]!.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${CLIENT_KEY}` },
      body: JSON.stringify({
        model: 'chat',
        stream: options.stream === 1,
        messages: [{ role: 'user', content: 'hello' }],
      }),
    })
    if (answer.status !== 200) failures += 1
    else answers.push({ at, node, provider: answer.headers.get('x-apiproxy-provider') ?? '' })
    await answer.arrayBuffer()
  } catch {
    failures += 1
  }
}

/** Of the answers that began in the window that ends at `until`. */
function share(node: number, until: number, windowMs = WINDOW_MS): number {
  const window = answers.filter(
    (answer) => answer.node === node && answer.at > until - windowMs && answer.at <= until,
  )
  return window.length === 0
    ? Number.NaN
    : window.filter(({ provider }) => provider === 'turning').length / window.length
}

/** @returns milliseconds from `from` until the condition holds, Infinity when it does not until `until`. */
function firstTime(from: number, until: number, holds: (at: number) => boolean): number {
  for (let at = from + 500; at <= until; at += 500) if (holds(at)) return at - from
  return Infinity
}

function sleep(wait: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, wait * 1_000))
}

function percent(value: number): string {
  return Number.isNaN(value) ? '   –' : `${(value * 100).toFixed(0).padStart(3)}%`
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}
