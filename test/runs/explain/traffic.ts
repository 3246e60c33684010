/**
 * A fleet that is used, changed and broken at the same time: requests of every kind, with sessions, while an
 * operator changes what they are routed by and providers fail.
 */
import type { Random } from '#contracts/process/clock.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { CLIENT_KEY, type Cluster } from '../../cluster/cluster.ts'
import { behaviours, type Behaviour } from '../../fakes/behaviour.ts'
import { FakeProvider } from '../../fakes/provider.ts'
import { oneOf, wholeBetween } from '../../faults/dice.ts'

const UPSTREAM = 'gpt-4o'
const NAMES = ['p0', 'p1', 'p2', 'p3'] as const
/** What clients ask for: every strategy, a group that routing forms by itself, and a provider by its name. */
const ASKED = ['fast', 'fast', 'quick', 'cheap', 'plain', UPSTREAM, `p1/${UPSTREAM}`]
const STRATEGIES = { fast: 'balanced', quick: 'latency', cheap: 'cost', plain: 'weights' } as const

export type Fleet = AsyncDisposable & Readonly<{ providers: ReadonlyMap<string, FakeProvider> }>

export async function prepare(cluster: Cluster): Promise<Fleet> {
  await using stack = new AsyncDisposableStack()
  const providers = new Map<string, FakeProvider>()
  let commit = 0
  for (const [at, name] of NAMES.entries()) {
    const provider = stack.use(await FakeProvider.start())
    provider.byDefault({ words: ['a', 'b'], beforeHeadersMs: 2 + at * 3 })
    providers.set(name, provider)
    const definition = { name, kind: 'openai' as const, baseUrl: provider.baseUrl, allowPrivate: true }
    const routing = { weight: 1 + at, costInput: 1 + at, costOutput: 4, region: at % 2 === 0 ? 'eu' : 'us' }
    await cluster.admin.providers.register.mutate({
      id: name,
      definition: { ...definition, routing, models: { static: [UPSTREAM] } },
    })
  }
  const targets = NAMES.map((provider, at) => ({
    provider,
    model: UPSTREAM,
    weight: 1 + at,
    tier: at === 3 ? 1 : 0,
  }))
  for (const [name, strategy] of Object.entries(STRATEGIES)) {
    const created = await cluster.admin.models.create.mutate({ name, targets, strategy })
    commit = created.commitNo
  }
  await cluster.served(commit)
  const running = stack.move()
  return { providers, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

export type Asking = Readonly<{
  requests: number
  lanes: number
  seed: number
  /** Milliseconds between two requests of a lane. */
  pauseMs?: number
  models?: readonly string[]
  /** Part of the requests that belong to a session. */
  sessions?: number
}>

export type Asked = Readonly<{ ids: readonly string[]; answered: number; moved: number }>

/** @returns the ids of all requests that were told anything. */
export async function keepAsking(cluster: Cluster, asking: Asking): Promise<Asked> {
  const { requests, lanes, seed, models = ASKED, sessions = 0.4, pauseMs = 0 } = asking
  const ids: string[] = []
  let [asked, answered, moved] = [0, 0, 0]
  const lane = async (number: number): Promise<void> => {
    const random = diceOf(seed * 1_000 + number)
    while (asked < requests) {
      asked += 1
      const node = oneOf(random, cluster.nodes)
      const session = random() < sessions ? `s-${wholeBetween(random, 1, 200)}` : null
      const told = await ask(node.url, oneOf(random, models), random() < 0.5, session)
      if (told !== null) {
        ids.push(told.id)
        if (told.status === 200) answered += 1
        if (told.session.startsWith('moved')) moved += 1
      }
      if (pauseMs > 0) await sleep(pauseMs)
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
  return { ids, answered, moved }
}

async function ask(url: string, model: string, stream: boolean, session: string | null) {
  try {
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
    const { headers, status } = response
    return { id: headers.get('x-request-id') ?? '', status, session: headers.get('x-apiproxy-session') ?? '' }
  } catch {
    return null
  }
}

const FAULTS: readonly Behaviour[] = [
  behaviours.serverError,
  behaviours.overloaded,
  behaviours.throttled('1'),
  behaviours.cutBeforeHeaders,
  { words: ['late'], beforeHeadersMs: 400 },
]

/** One provider after the other is broken for a moment, until the signal. */
export async function keepBreaking({ providers }: Fleet, seed: number, signal: AbortSignal): Promise<number> {
  const random = diceOf(seed)
  let faults = 0
  while (!signal.aborted) {
    const provider = oneOf(random, [...providers.values()])
    faults += 1
    provider.byDefault(oneOf(random, FAULTS))
    await sleep(wholeBetween(random, 300, 1_500))
    provider.byDefault({ words: ['a', 'b'], beforeHeadersMs: wholeBetween(random, 1, 15) })
    await sleep(wholeBetween(random, 100, 1_000))
  }
  return faults
}

/** An operator who cannot leave it alone. @returns how many changes were made. */
export async function keepChanging(cluster: Cluster, seed: number, signal: AbortSignal): Promise<number> {
  const random = diceOf(seed)
  let made = 0
  while (!signal.aborted) {
    await sleep(wholeBetween(random, 50, 400))
    try {
      await change(cluster, random, made)
      made += 1
    } catch {
      // A change that is refused, because the state it wants is the state there is, is none.
    }
  }
  return made
}

async function change({ admin }: Cluster, random: Random, number: number): Promise<void> {
  const kind = wholeBetween(random, 0, 5)
  if (kind <= 1) {
    const { model } = await admin.models.get.query({
      name: oneOf(random, ['fast', 'quick', 'cheap', 'plain']),
    })
    const weights = model.targets.map(({ provider, model: upstream }) => ({
      provider,
      model: upstream,
      weight: wholeBetween(random, 0, 9),
    }))
    await admin.models.setWeights.mutate({ name: model.name, weights, expectedVersion: model.version })
  } else if (kind === 2) {
    const { model } = await admin.models.get.query({ name: 'fast' })
    const region = oneOf(random, ['eu', 'us', null])
    await admin.models.setRegion.mutate({ name: 'fast', region, expectedVersion: model.version })
  } else if (kind === 3) {
    const { provider } = await admin.providers.get.query({ id: oneOf(random, NAMES) })
    const { id, version: expectedVersion, state } = provider
    if (state === 'enabled') await admin.providers.drain.mutate({ id, expectedVersion })
    else await admin.providers.enable.mutate({ id, expectedVersion })
  } else if (kind === 4) {
    const { provider } = await admin.providers.get.query({ id: oneOf(random, NAMES) })
    const routing = {
      ...provider.definition.routing,
      weight: wholeBetween(random, 1, 9),
      costInput: random() * 9,
    }
    const definition = { routing }
    await admin.providers.update.mutate({ id: provider.id, expectedVersion: provider.version, definition })
  } else {
    // Its secret has to reach the nodes after the commit: for a moment they hold the provider back.
    const { provider } = await admin.providers.get.query({ id: 'p2' })
    const { version: expectedVersion } = provider
    const [first] = provider.credentials
    const credential = { apiKey: `sk-${number}-${'x'.repeat(24)}`, weight: 1 }
    if (first === undefined || provider.credentials.length < 3)
      await admin.providers.credentials.add.mutate({ id: 'p2', expectedVersion, ...credential })
    else
      await admin.providers.credentials.revoke.mutate({ id: 'p2', expectedVersion, credentialId: first.id })
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
