/**
 * Four models over three unlike providers, the changes that are made to them, and the traffic they get.
 */
import { diceOf } from '#contracts/routing/dice.ts'
import { CLIENT_KEY, type Cluster } from '../../cluster/cluster.ts'
import { behaviours } from '../../fakes/behaviour.ts'
import { FakeProvider } from '../../fakes/provider.ts'
import { oneOf, wholeBetween } from '../../faults/dice.ts'

const UPSTREAM = 'gpt-4o'
/** Milliseconds to the first content, part of the requests that fail, dollars per million tokens. */
const NATURES = {
  p0: { ms: 150, errors: 0, costInput: 2 },
  p1: { ms: 300, errors: 0, costInput: 3 },
  p2: { ms: 600, errors: 0.01, costInput: 1 },
} as const
/** What clients ask for: one model of each strategy, and one by sessions. */
export const MODELS = ['chat', 'quick', 'cheap', 'talk'] as const
type Model = (typeof MODELS)[number]
const SESSIONS = 2_000
const BOOKED_WITHIN_MS = 120_000

export type Answer = Awaited<ReturnType<Cluster['admin']['config']['whatIf']['mutate']>>

export async function prepare(cluster: Cluster): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  let commit = 0
  for (const [at, [id, { ms, errors, costInput }]] of Object.entries(NATURES).entries()) {
    const provider = stack.use(await FakeProvider.start())
    const random = diceOf(100 + at)
    provider.byDefault(() =>
      random() < errors
        ? behaviours.serverError
        : { words: ['a', 'b'], beforeHeadersMs: ms * (0.8 + 0.4 * random()) },
    )
    const definition = { name: id, kind: 'openai' as const, baseUrl: provider.baseUrl, allowPrivate: true }
    const routing = { costInput, costOutput: 4 * costInput }
    await cluster.admin.providers.register.mutate({ id, definition: { ...definition, routing } })
  }
  const made = [
    { name: 'chat', targets: [to('p0', 5), to('p1', 3), to('p2', 2)] },
    { name: 'quick', targets: [to('p0', 1), to('p1', 1)], strategy: 'latency' as const },
    { name: 'cheap', targets: [to('p0', 1), to('p1', 1), to('p2', 1, 1)], strategy: 'cost' as const },
    { name: 'talk', targets: [to('p0', 4), to('p1', 4), to('p2', 2)] },
  ]
  for (const model of made) commit = (await cluster.admin.models.create.mutate(model)).commitNo
  await cluster.served(commit)
  const running = stack.move()
  return { [Symbol.asyncDispose]: () => running.disposeAsync() }
}

const to = (provider: keyof typeof NATURES, weight: number, tier = 0) => ({
  provider,
  model: UPSTREAM,
  weight,
  tier,
})

type Asked = Readonly<{ procedure: string; input: Record<string, unknown> }>

type Change = Readonly<{
  name: string
  /** As it is asked about. */
  changes: readonly Asked[]
  /** Models it concerns. */
  models: readonly Model[]
  /** The same, made. @returns its commit. */
  make: (cluster: Cluster) => Promise<number>
  undo: (cluster: Cluster) => Promise<number>
}>

export function changesOf(): readonly Change[] {
  return [
    weightsShifted({ p0: 2, p1: 2, p2: 6 }, { p0: 5, p1: 3, p2: 2 }),
    targets(
      'a target is removed',
      'chat',
      [to('p0', 5), to('p2', 2)],
      [to('p0', 5), to('p1', 3), to('p2', 2)],
    ),
    targets(
      'a target is added',
      'quick',
      [to('p0', 1), to('p1', 1), to('p2', 2)],
      [to('p0', 1), to('p1', 1)],
    ),
    providerDisabled(),
    priceRaised(),
    strategyChanged(),
  ]
}

const modelVersion = async ({ admin }: Cluster, name: string): Promise<number> =>
  (await admin.models.get.query({ name })).model.version
const providerVersion = async ({ admin }: Cluster, id: string): Promise<number> =>
  (await admin.providers.get.query({ id })).provider.version

function weightsShifted(
  wanted: Readonly<Record<string, number>>,
  was: Readonly<Record<string, number>>,
): Change {
  const name = 'chat'
  const listed = (weights: Readonly<Record<string, number>>) =>
    Object.entries(weights).map(([provider, weight]) => ({ provider, model: UPSTREAM, weight }))
  const set = async (cluster: Cluster, weights: Readonly<Record<string, number>>): Promise<number> => {
    const expectedVersion = await modelVersion(cluster, name)
    const input = { name, weights: listed(weights), expectedVersion }
    return (await cluster.admin.models.setWeights.mutate(input)).commitNo
  }
  return {
    name: 'weights are shifted',
    changes: [{ procedure: 'models.setWeights', input: { name, weights: listed(wanted) } }],
    models: [name],
    make: (cluster) => set(cluster, wanted),
    undo: (cluster) => set(cluster, was),
  }
}

type Targets = readonly ReturnType<typeof to>[]

function targets(what: string, name: Model, wanted: Targets, was: Targets): Change {
  const set = async (cluster: Cluster, all: Targets): Promise<number> => {
    const expectedVersion = await modelVersion(cluster, name)
    return (await cluster.admin.models.setTargets.mutate({ name, targets: [...all], expectedVersion }))
      .commitNo
  }
  return {
    name: what,
    changes: [{ procedure: 'models.setTargets', input: { name, targets: wanted } }],
    models: [name],
    make: (cluster) => set(cluster, wanted),
    undo: (cluster) => set(cluster, was),
  }
}

function providerDisabled(): Change {
  const id = 'p1'
  return {
    name: 'a provider is disabled',
    changes: [{ procedure: 'providers.disable', input: { id } }],
    models: MODELS,
    make: async (cluster) => {
      const expectedVersion = await providerVersion(cluster, id)
      return (await cluster.admin.providers.disable.mutate({ id, expectedVersion })).commitNo
    },
    undo: async (cluster) => {
      const expectedVersion = await providerVersion(cluster, id)
      return (await cluster.admin.providers.enable.mutate({ id, expectedVersion })).commitNo
    },
  }
}

function priceRaised(): Change {
  const id = 'p0'
  const set = async (cluster: Cluster, costInput: number): Promise<number> => {
    const expectedVersion = await providerVersion(cluster, id)
    const definition = { routing: { costInput, costOutput: 4 * costInput } }
    return (await cluster.admin.providers.update.mutate({ id, definition, expectedVersion })).commitNo
  }
  const definition = { routing: { costInput: 5, costOutput: 20 } }
  return {
    name: 'a price is raised',
    changes: [{ procedure: 'providers.update', input: { id, definition } }],
    models: ['cheap'],
    make: (cluster) => set(cluster, 5),
    undo: (cluster) => set(cluster, NATURES.p0.costInput),
  }
}

function strategyChanged(): Change {
  const name = 'chat'
  const set = async (cluster: Cluster, strategy: 'latency' | 'balanced'): Promise<number> => {
    const expectedVersion = await modelVersion(cluster, name)
    return (await cluster.admin.models.setStrategy.mutate({ name, strategy, expectedVersion })).commitNo
  }
  return {
    name: 'latency decides',
    changes: [{ procedure: 'models.setStrategy', input: { name, strategy: 'latency' } }],
    models: [name],
    make: (cluster) => set(cluster, 'latency'),
    undo: (cluster) => set(cluster, 'balanced'),
  }
}

export type Driven = Readonly<{
  sent: number
  from: number
  to: number
  /** As `config.whatIf` takes it. */
  window: Readonly<{ hours: number; to: number }>
}>

/** @param driven requests of each of the models. */
export async function drive(
  cluster: Cluster,
  driven: Readonly<{ requests: number; lanes: number; seed: number; models: readonly Model[] }>,
): Promise<Driven> {
  const { requests, lanes, seed, models } = driven
  const most = requests * models.length
  let sent = 0
  const from = Date.now()
  const lane = async (number: number): Promise<void> => {
    const random = diceOf(seed * 1_000 + number)
    while (sent < most) {
      const model = models[sent % models.length] ?? 'chat'
      sent += 1
      const session = model === 'talk' ? `s-${wholeBetween(random, 1, SESSIONS)}` : null
      await ask(oneOf(random, cluster.nodes).url, model, random() < 0.5, session)
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
  const until = Date.now() + 1
  return { sent, from, to: until, window: { to: until, hours: (until - from) / 3_600_000 } }
}

async function ask(url: string, model: string, stream: boolean, session: string | null): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${CLIENT_KEY}`,
      'content-type': 'application/json',
      ...(session === null ? {} : { 'x-session-id': session }),
    },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'words' }] }),
  })
  await response.text()
}

/** What came of it, once all of it is in the books. */
export async function recorded({ admin }: Cluster, { sent, window }: Driven): Promise<Answer> {
  const until = performance.now() + BOOKED_WITHIN_MS
  for (;;) {
    const found = await admin.config.whatIf.mutate(window)
    if (found.requests.recorded >= sent) return found
    if (performance.now() > until)
      throw new Error(`only ${found.requests.recorded} of ${sent} are in the books`)
    await sleep(1_000)
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
