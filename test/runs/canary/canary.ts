/**
 * Secrets planted wherever a secret goes in are nowhere to be found where it must not come out.
 *
 *     node test/runs/canary/canary.ts --nodes 2
 *
 * Keys of providers and clients, the admin token and the master key must be nowhere. Prompts and answers may be
 * on their way between clients and providers, and in what a session tells its owner. All exceptions are in
 * `EXCEPTED`. A place where there was nothing to search fails too.
 */
import { randomBytes } from 'node:crypto'
import { ADMIN_TOKEN, Cluster } from '../../cluster/cluster.ts'
import { eventually } from '../../eventually.ts'
import { conclude, readOptions, say } from '../options.ts'
import { ADMIN_ANSWERS, AdminCalls, askEverything, askWrongly } from './admin.ts'
import { Canaries, KINDS, type Canary } from './canaries.ts'
import { gather, GATHERED, listen } from './gather.ts'
import { Places, type Item } from './places.ts'
import { SENT, startProviders } from './providers.ts'
import { find, needlesOf } from './search.ts'
import { CLIENT_ANSWERS, Clients, SESSIONS, TO_ANSWERING } from './traffic.ts'

const options = readOptions({ nodes: 2 })
/** From the last request until it is in the books, and longest for what is told now and then. */
const SETTLE_MS = 30_000

/** A client that asks for a model there is not: the name is what its request is found by in the books. */
const isModelName = ({ name }: Canary): boolean => name === 'a model'
const isSaid = ({ kind }: Canary): boolean => kind === 'prompt' || kind === 'answer'
const isTold = (canary: Canary): boolean => isSaid(canary) || canary.kind === 'told secret'
/** Where what a logged key says is shown, its secrets taken out. */
const CONTENT = 'requests.content'
const LOGGED = 'of a logged key'
/** Who may see what. */
const EXCEPTED: Readonly<Record<string, (canary: Canary, item: Item) => boolean>> = {
  [CLIENT_ANSWERS]: isTold,
  [SESSIONS]: isSaid,
  // A provider is told its own key.
  [SENT]: (canary, { name }) => isTold(canary) || (canary.kind === 'provider key' && canary.name === name),
  // A key is shown once, to whoever had it made.
  [ADMIN_ANSWERS]: (canary, { name }) =>
    (canary.kind === 'client key' && canary.name === name) ||
    (isModelName(canary) && name === 'requests.list') ||
    (name === CONTENT && (canary.name === LOGGED || canary.kind === 'answer')),
  // Records of requests, on their way into the books.
  [GATHERED.bus]: (canary, { name }) => isModelName(canary) && name === 'apiproxy.use',
  [GATHERED.streams]: (canary, { name }) => isModelName(canary) && name.startsWith('APIPROXY_USE '),
  [GATHERED.tables]: (canary, { name }) => isModelName(canary) && name.startsWith('public.usage_record'),
  [GATHERED.disk]: (canary, { name }) => isModelName(canary) && /\/usage\/[^/]*\.lines$/.test(name),
}
const EVERYWHERE = new Set([...Object.values(GATHERED), ...Object.keys(EXCEPTED)])

const places = new Places()
const canaries = new Canaries()
const masterKey = randomBytes(32)
canaries.add('master key', 'as bytes', masterKey)
canaries.add('master key', 'as in the environment', masterKey.toString('base64'))
canaries.add('admin token', 'of the cluster', ADMIN_TOKEN)
const declared = canaries.plant('client key', 'declared')

await using cluster = await Cluster.start({
  nodes: options.nodes,
  env: {
    APIPROXY_MASTER_KEY: masterKey.toString('base64'),
    APIPROXY_AUTH_TOKEN: declared,
    LOG_LEVEL: 'trace',
  },
})
say(`${options.nodes} nodes are up`)
const problems: string[] = []
{
  await using _listening = await listen(cluster, places)
  const calls = new AdminCalls(cluster.controlUrl, ADMIN_TOKEN, places)
  await using providers = await startProviders(cluster, calls, canaries, places)
  const clients = new Clients(places, canaries)
  const issued = await makeKeys(calls)
  for (const node of cluster.nodes) {
    problems.push(...(await clients.ask(node, declared)), ...(await clients.ask(node, issued.key)))
    await clients.askWrongly(node, issued.key)
  }
  const logged = await askLogged(clients, calls)
  say(`${clients.asked} requests are answered`)
  await changeKeys(calls, issued)
  await askWrongly(calls, canaries)
  await checkPlanted(clients, calls)
  await checkLogged(calls, logged)
  const about = { requestId: clients.ids[0] ?? '', loggedId: logged[0] ?? '', keyId: issued.id }
  problems.push(...(await askEverything(calls, about)))
  providers.sent()
  problems.push(...(await gather(cluster, places)))
}
problems.push(...judge())
conclude(problems)

type Issued = Readonly<{ id: string; key: string; version: number }>

async function makeKeys(calls: AdminCalls): Promise<Issued> {
  const terms = { limits: { requestsPerMinute: 100_000, concurrency: 100 }, tags: ['canary'], owner: 'me' }
  const issued = await calls.change('keys.issue', { name: 'issued', ...terms })
  canaries.add('client key', 'keys.issue', issued.key ?? '')
  const budget = { id: 'canary', tag: 'canary', period: 'day', amount: 1_000 }
  await calls.change('budgets.create', budget)
  await cluster.served(calls.commitNo)
  return { id: issued.ids['key'] ?? '', key: issued.key ?? '', version: issued.version }
}

/** @returns ids of requests of a key whose contents are logged. */
async function askLogged(clients: Clients, calls: AdminCalls): Promise<readonly string[]> {
  const issued = await calls.change(
    'keys.issue',
    { name: 'logged', contentLog: { ttlSeconds: 3_600 } },
    'keys.issue logged',
  )
  canaries.add('client key', 'keys.issue logged', issued.key ?? '')
  await cluster.served(calls.commitNo)
  const ids: string[] = []
  for (const node of cluster.nodes) ids.push(...(await clients.askLogged(node, issued.key ?? '')))
  return ids
}

/** That contents are there to be found, said and answered, and a key says so for itself alone. */
async function checkLogged(calls: AdminCalls, ids: readonly string[]): Promise<void> {
  const words = canaries.all.filter(
    ({ kind, name }) => (kind === 'prompt' && name === LOGGED) || (kind === 'answer' && name === 'answering'),
  )
  for (const id of ids) {
    await eventually(
      async () => {
        const { status, text } = await calls.send('GET', CONTENT, JSON.stringify({ id }))
        const told = Buffer.from(text)
        const isThere = (kind: Canary['kind']): boolean =>
          words.some((one) => one.kind === kind && find(needlesOf(one.secret), told).length > 0)
        return status === 200 && isThere('prompt') && isThere('answer') && text.includes('[redacted]')
      },
      SETTLE_MS,
      `the content of ${id}`,
    )
  }
}

/** Rotated, revoked, and secrets of a provider added and changed. */
async function changeKeys(calls: AdminCalls, { id, version }: Issued): Promise<void> {
  const rotated = await calls.change('keys.rotate', { id, expectedVersion: version, overlapSeconds: 60 })
  canaries.add('client key', 'keys.rotate', rotated.key ?? '')
  await calls.change('keys.revoke', { id, expectedVersion: rotated.version })
  type Provider = { provider: { version: number; credentials: readonly { id: string }[] } }
  const { provider } = await calls.read<Provider>('providers.get', { id: 'answering' })
  const change = await calls.change('providers.credentials.rotate', {
    id: 'answering',
    credentialId: provider.credentials[0]?.id,
    apiKey: canaries.plant('provider key', 'answering'),
    expectedVersion: provider.version,
  })
  const apiKey = canaries.plant('provider key', 'answering')
  await calls.change('providers.credentials.add', {
    id: 'answering',
    apiKey,
    expectedVersion: change.version,
  })
  await calls.send('POST', 'providers.test', JSON.stringify({ id: 'listing' }))
  await cluster.served(calls.commitNo)
}

/** That the secrets did go where they should: otherwise nothing could have been found. */
async function checkPlanted(clients: Clients, calls: AdminCalls): Promise<void> {
  const [node] = cluster.nodes
  const words = canaries.all
    .filter(isSaid)
    .filter(({ name }) => name === 'answering' || name === TO_ANSWERING)
  if (node === undefined || words.length < 2) throw new Error('nothing was planted')
  await eventually(
    async () => {
      const told = Buffer.from(await clients.lookAtSession(node, declared))
      return words.every(({ secret }) => find(needlesOf(secret), told).length > 0)
    },
    SETTLE_MS,
    'the session',
  )
  type Listed = { requests: readonly { id: string }[] }
  await eventually(
    async () => {
      const { requests } = await calls.read<Listed>('requests.list', { limit: 200 })
      return requests.some(({ id }) => id === clients.ids.at(-1))
    },
    SETTLE_MS,
    'the books',
  )
}

/** Prints what is where. @returns each leak, each place without anything, each secret that went nowhere. */
function judge(): readonly string[] {
  const needles = canaries.all.map((canary) => ({ canary, needles: needlesOf(canary.secret) }))
  const hits = new Map<string, number>()
  const seen = new Set<Canary>()
  const found = new Map<string, number>()
  for (const item of places.items) {
    for (const { canary, needles: own } of needles) {
      const encodings = find(own, item.bytes)
      if (encodings.length === 0) continue
      seen.add(canary)
      if (EXCEPTED[item.place]?.(canary, item) === true) continue
      const cell = `${item.place} ${canary.kind}`
      hits.set(cell, (hits.get(cell) ?? 0) + encodings.length)
      const leak = `${canary.kind} (${canary.name}) in ${item.place}: ${item.name}, ${encodings[0]}`
      found.set(leak, (found.get(leak) ?? 0) + encodings.length)
    }
  }
  const sizes = places.sizes()
  say(
    `${canaries.all.length} secrets, each looked for in ${needles[0]?.needles.length ?? 0} encodings or more`,
  )
  say(['place'.padEnd(30), 'bytes'.padStart(10), ...KINDS.map((kind) => kind.padStart(13))].join(''))
  for (const place of EVERYWHERE) {
    const cells = KINDS.map((kind) => String(hits.get(`${place} ${kind}`) ?? 0).padStart(13))
    say([place.padEnd(30), String(sizes.get(place) ?? 0).padStart(10), ...cells].join(''))
  }
  const sent = new Set([...seen].map(({ kind }) => kind))
  return [
    ...[...found].map(([leak, times]) => `${leak}, ${times} times`),
    ...[...EVERYWHERE]
      .filter((place) => (sizes.get(place) ?? 0) === 0)
      .map((place) => `nothing to search: ${place}`),
    ...(['provider key', 'client key', 'prompt', 'answer'] as const)
      .filter((kind) => !sent.has(kind))
      .map((kind) => `no ${kind} was seen even where it belongs`),
  ]
}
