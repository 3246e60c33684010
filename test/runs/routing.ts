/**
 * Routing on real processes: three nodes, four providers, a prober, NATS and Redis; one incident after the
 * other, and what clients saw of each, beside the same traffic with static weights.
 *
 *     npm run run:routing
 *     npm run run:routing -- --incidents outage,brownout --rate 20
 *     npm run run:routing -- --requests 20000 --sessions 1000
 *
 * Both kinds of traffic run at the same time on deployments of their own: `smart` with the balanced strategy,
 * `static` with `weights`, which leaves health out of the shares. The first provider has half the weight and
 * all the trouble. Ends with one table, the shares over many requests, and what became of sessions.
 */
import { parseArgs } from 'node:util'
import { Cluster } from '../cluster/cluster.ts'
import { FAIR, WeatherProvider, type Weather } from '../fakes/weather-provider.ts'
import { conclude, say } from './options.ts'
import { sharesOver } from './routing/shares.ts'
import { sessionsOver } from './routing/sessions.ts'
import { Traffic, type Sent } from './routing/traffic.ts'

const { values } = parseArgs({
  options: {
    incidents: { type: 'string' },
    /** Requests a second of each kind. */
    rate: { type: 'string', default: '20' },
    calmS: { type: 'string', default: '8' },
    incidentS: { type: 'string', default: '15' },
    recoverS: { type: 'string', default: '25' },
    requests: { type: 'string', default: '20000' },
    sessions: { type: 'string', default: '1000' },
  },
})
const [calmS, incidentS, recoverS] = [values.calmS, values.incidentS, values.recoverS].map(Number) as [
  number,
  number,
  number,
]

const WEIGHTS: Readonly<Record<string, number>> = { a: 5, b: 3, c: 1.9, d: 0.1 }
const KINDS = ['smart', 'static'] as const

type Incident = Readonly<{
  what: string
  /** Of the first provider, by seconds since the incident began; null: it is over. */
  weather: (second: number) => Weather
  /** What dies with it, and comes back afterwards. */
  kills?: 'prober' | 'nats' | 'redis'
  /** Weather after the incident, by seconds since. */
  after?: (second: number) => Weather
}>

const DOWN: Weather = { ...FAIR, failing: 1 }
const INCIDENTS: Readonly<Record<string, Incident>> = {
  outage: { what: 'fails every request', weather: () => DOWN },
  brownout: { what: '6 times slower, 10 % fail', weather: () => ({ ...FAIR, failing: 0.1, firstMs: 240 }) },
  slow: { what: 'first token 25 times later', weather: () => ({ ...FAIR, firstMs: 1_000 }) },
  silence: { what: 'takes requests and says nothing', weather: () => ({ ...FAIR, isSilent: true }) },
  storm: { what: '429 beyond 4 a second', weather: () => ({ ...FAIR, limit: 4 }) },
  flapping: { what: '3 s down, 3 s up', weather: (second) => (second % 6 < 3 ? DOWN : FAIR) },
  herd: {
    what: 'comes back with few places',
    weather: () => DOWN,
    after: (second) => ({ ...FAIR, firstMs: 200, places: Math.max(1, second / 2) }),
  },
  'prober dead': { what: 'outage without a prober', weather: () => DOWN, kills: 'prober' },
  'nats dead': { what: 'outage without NATS', weather: () => DOWN, kills: 'nats' },
  'redis dead': { what: 'outage without Redis', weather: () => DOWN, kills: 'redis' },
}
const chosen = values.incidents === undefined ? Object.keys(INCIDENTS) : values.incidents.split(',')

await using stack = new AsyncDisposableStack()
const providers = new Map<string, WeatherProvider>()
for (const name of Object.keys(WEIGHTS)) providers.set(name, stack.use(await WeatherProvider.start()))
const cluster = stack.use(await Cluster.start({ nodes: 3 }))
let commit = 0
for (const [id, { baseUrl }] of providers) {
  const definition = { name: id, kind: 'openai', baseUrl, allowPrivate: true } as const
  commit = (await cluster.admin.providers.register.mutate({ id, definition })).commitNo
}
for (const kind of KINDS) {
  const targets = Object.entries(WEIGHTS).map(([provider, weight]) => ({ provider, model: kind, weight }))
  await cluster.admin.models.create.mutate({ name: kind, targets })
  const strategy = kind === 'smart' ? 'balanced' : 'weights'
  commit = (await cluster.admin.models.setStrategy.mutate({ name: kind, strategy, expectedVersion: 1 }))
    .commitNo
}
await cluster.served(commit)
say(
  `3 nodes, 4 providers with weights ${JSON.stringify(WEIGHTS)}, ${values.rate} requests a second of each kind`,
)

const problems: string[] = []
const trouble = providers.get('a')!
const traffic = stack.use(new Traffic(cluster, KINDS, Number(values.rate)))
const rows: string[][] = []
if (chosen.length > 0 && chosen[0] !== '') {
  // As long as it takes to learn what is usual.
  await sleep(15)
  for (const name of chosen) rows.push(...(await run(name)))
}
await traffic[Symbol.asyncDispose]()
table(rows)

if (Number(values.requests) > 0)
  problems.push(...(await sharesOver(cluster, 'smart', WEIGHTS, Number(values.requests))))
if (Number(values.sessions) > 0)
  problems.push(...(await sessionsOver(cluster, 'smart', Number(values.sessions))))
conclude(problems)

async function run(name: string): Promise<string[][]> {
  const incident = INCIDENTS[name]
  if (incident === undefined)
    throw new Error(`no incident ${name}; there are ${Object.keys(INCIDENTS).join(', ')}`)
  const victim = { prober: cluster.prober!, nats: cluster.nats.server, redis: cluster.redis.server }
  await sleep(calmS)
  if (incident.kills !== undefined) await victim[incident.kills].kill('SIGKILL')
  const from = performance.now()
  await during(incidentS, incident.weather)
  const to = performance.now()
  await during(recoverS, incident.after ?? (() => FAIR))
  trouble.weather = FAIR
  const end = performance.now()
  if (incident.kills !== undefined) await victim[incident.kills].restart()
  say(`${name}: over`)
  return KINDS.map((kind) => rowOf(name, kind, incident, from, to, end))
}

async function during(seconds: number, weather: (second: number) => Weather): Promise<void> {
  const beganAt = performance.now()
  for (let second = 0; second < seconds; second = (performance.now() - beganAt) / 1_000) {
    trouble.weather = weather(second)
    await sleep(0.1)
  }
}

function rowOf(
  name: string,
  kind: string,
  { what, kills }: Incident,
  from: number,
  to: number,
  end: number,
): string[] {
  const seen = traffic.sent.filter((one) => one.kind === kind && one.at >= from && one.at < to)
  const ok = seen.filter(({ isOk }) => isOk).length / seen.length
  const calls = [...providers.values()].flatMap(({ came }) =>
    came.filter(({ at, model }) => model === kind && at >= from && at < to),
  ).length
  const late = traffic.sent.filter((one) => one.kind === kind && one.at >= to && one.at < end)
  const lateOk = late.filter(({ isOk }) => isOk).length / late.length
  if (kind === 'smart' && ok < 0.97 && kills !== 'redis' && name !== 'storm')
    problems.push(`${name}: only ${percent(ok)} of requests were answered`)
  const shift = firstTime(from, to, (at) => share(kind, at) <= 0.1)
  const back = firstTime(to, end, (at) => share(kind, at) >= 0.35)
  return [
    name,
    kind,
    what,
    percent(ok),
    ms95(seen),
    (calls / seen.length).toFixed(2),
    shift,
    back,
    percent(lateOk),
  ]
}

/** Of the first provider among the upstream calls of the second that ends at `until`; it has half the weight. */
function share(kind: string, until: number): number {
  const count = (provider: WeatherProvider): number =>
    provider.came.filter(({ at, model }) => model === kind && at > until - 1_500 && at <= until).length
  const all = [...providers.values()].reduce((sum, provider) => sum + count(provider), 0)
  return all === 0 ? Number.NaN : count(trouble) / all
}

function firstTime(from: number, to: number, holds: (at: number) => boolean): string {
  for (let at = from + 500; at <= to; at += 250) if (holds(at)) return ((at - from) / 1_000).toFixed(1)
  return 'never'
}

function ms95(sent: readonly Sent[]): string {
  const sorted = sent.flatMap(({ isOk, firstMs }) => (isOk ? [firstMs] : [])).toSorted((a, b) => a - b)
  return (sorted[Math.floor(0.95 * sorted.length)] ?? Number.NaN).toFixed(0)
}

function table(all: readonly string[][]): void {
  if (all.length === 0) return
  const head = [
    'incident',
    'weights',
    'the first provider',
    'answered',
    'p95 ms',
    'calls/request',
    'shift s',
    'back s',
    'answered after',
  ]
  const widths = head.map((title, at) => Math.max(title.length, ...all.map((row) => (row[at] ?? '').length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |\n`
  process.stdout.write(
    `\n${line(head)}${line(widths.map((width) => '-'.repeat(width)))}${all.map(line).join('')}\n`,
  )
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
}
