/**
 * A plain request, without a session, costs no call to Redis, NATS or Postgres: what the node says to them
 * does not depend on its traffic.
 */
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLIENT_KEY, Cluster } from '../cluster/cluster.ts'
import { FakeProvider } from '../fakes/provider.ts'

const REQUESTS = 1_000
/** Holds several of the periodic messages: telemetry every second, the head of the log every two. */
const WINDOW_MS = 4_000
/** Rounds of usage, each message seen as it is published and as it is handed on. */
const MESSAGES_A_SECOND = 30

let provider: FakeProvider
let cluster: Cluster

/** What the servers saw of two thousand requests. */
const seen = {
  busySeconds: Number.NaN,
  redisBytes: Number.NaN,
  postgresConnections: Number.NaN,
  redisBytesOfSession: 0,
}
/** Subjects of the messages on the bus, without traffic and with it. */
const messages: Record<'quiet' | 'busy', readonly string[]> = { quiet: [], busy: [] }

beforeAll(async () => {
  provider = await FakeProvider.start()
  cluster = await Cluster.start({ nodes: 1, prober: false })
  const definition = { name: 'fake', kind: 'openai' as const, baseUrl: provider.baseUrl, allowPrivate: true }
  const models = { static: ['fake-model'] }
  const { commitNo } = await cluster.admin.providers.register.mutate({
    id: 'fake',
    definition: { ...definition, models },
  })
  await cluster.served(commitNo)
  messages.quiet = await messagesDuring(() => sleep(WINDOW_MS))

  const redis = new RedisListener()
  const bytes = await redis.bytes()
  const beganAt = performance.now()
  messages.busy = await messagesDuring(askMany)
  seen.busySeconds = (performance.now() - beganAt) / 1_000
  seen.redisBytes = (await redis.bytes()) - bytes
  await ask({ 'x-session-id': 'session' })
  await sleep(100)
  seen.redisBytesOfSession = (await redis.bytes()) - bytes
  redis.end()

  // Without the control plane, whoever talks to Postgres is the node.
  await cluster.control.kill()
  const { proxy } = cluster.postgres
  const { accepted } = proxy
  for (let count = 0; count < REQUESTS; count++) await ask()
  seen.postgresConnections = proxy.openConnections + proxy.accepted - accepted
})
afterAll(async () => {
  await cluster[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

async function ask(headers: Readonly<Record<string, string>> = {}): Promise<number> {
  const [node] = cluster.nodes
  const answer = await fetch(`${node!.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${CLIENT_KEY}`, ...headers },
    body: JSON.stringify({ model: 'fake-model', messages: [{ role: 'user', content: 'Hi' }] }),
  })
  await answer.arrayBuffer()
  return answer.status
}

/** Spread over a window, so that reports are due meanwhile. */
async function askMany(): Promise<void> {
  const beganAt = performance.now()
  for (let count = 0; count < REQUESTS; count += 10) {
    expect(await Promise.all(Array.from({ length: 10 }, () => ask()))).toEqual(
      Array.from({ length: 10 }, () => 200),
    )
    const aheadMs = beganAt + (count * WINDOW_MS) / REQUESTS - performance.now()
    if (aheadMs > 0) await sleep(aheadMs)
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Bytes that Redis has ever received from anybody but us. */
class RedisListener {
  readonly #socket = connectTcp(cluster.redis.server.port, '127.0.0.1')
  #asked = 0

  async bytes(): Promise<number> {
    this.#socket.write('INFO stats\r\n')
    this.#asked += 'INFO stats\r\n'.length
    const [answer] = (await once(this.#socket, 'data')) as [Buffer]
    return Number(/total_net_input_bytes:(\d+)/.exec(answer.toString())?.[1]) - this.#asked
  }

  end(): void {
    this.#socket.destroy()
  }
}

/** Subjects of all messages on the bus during some work. */
async function messagesDuring(work: () => Promise<unknown>): Promise<readonly string[]> {
  const connection = await connect({ servers: `127.0.0.1:${cluster.nats.server.port}` })
  try {
    const subjects: string[] = []
    connection.subscribe('>', { callback: (_error, { subject }) => void subjects.push(subject) })
    await connection.flush()
    await work()
    await connection.flush()
    return subjects
  } finally {
    await connection.close()
  }
}

describe('a plain request', () => {
  test('is answered, with the control plane and without it', () => {
    expect(provider.stats).toMatchObject({ answered: 2 * REQUESTS + 1, aborted: 0 })
  })

  test('sends Redis not a byte, while one with a session does', () => {
    expect(seen.redisBytes).toBe(0)
    expect(seen.redisBytesOfSession).toBeGreaterThan(0)
  })

  test('publishes nothing of its own: with traffic the node tells five times a second, however much there is', () => {
    const reports = (subjects: readonly string[]) =>
      subjects.filter((subject) => subject.startsWith('apiproxy.tel.'))
    expect(reports(messages.quiet).length).toBeGreaterThanOrEqual(3)
    expect(reports(messages.busy).length).toBeLessThanOrEqual(5 * seen.busySeconds + 5)
    // What the broker and its clients say to each other follows from what is published, and goes by time.
    const others = (subjects: readonly string[]): number =>
      subjects.filter((subject) => subject.startsWith('apiproxy.')).length - reports(subjects).length
    // Usage goes in rounds, of which a busy machine needs more for the same requests; a message a request
    // would not hide in it.
    const byTime = MESSAGES_A_SECOND * seen.busySeconds
    expect(others(messages.busy) - others(messages.quiet)).toBeLessThan(Math.max(REQUESTS / 5, byTime))
  })

  test('needs no Postgres: the node has no connection to it and makes none', () => {
    expect(seen.postgresConnections).toBe(0)
  })
})
