/**
 * A whole data-plane node: started by the same function as in production, with an in-process bus and a
 * control plane that a test can switch off.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { clientKeyStream, keyId, secretId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { clientKeyDigest, deriveKeys } from '#contracts/security/master-key.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import { Secret } from '#contracts/security/secret.ts'
import { startDataPlane, type RunningDataPlane } from '#data-plane/app.ts'
import { MemoryLimitCounters } from '#data-plane/admission/counters-memory.ts'
import { MemoryNotes } from '#data-plane/notes/notes-memory.ts'
import { MemorySessionStore } from '#data-plane/sessions/store-memory.ts'
import { behaviours } from '../fakes/behaviour.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { eventually } from '../eventually.ts'
import {
  credentialAdded,
  providerRegistered,
  publish,
  TestLink,
  TestLog,
  type TestEvent,
} from '../model/log-builder.ts'
import { isDoneBefore } from '../order.ts'

const masterKey = deriveKeys(Buffer.alloc(32, 3))
const KEY = 'sk-client'

let stack: AsyncDisposableStack
let dataDir: string
let provider: FakeProvider
let broker: MemoryBroker
let link: TestLink

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  dataDir = await mkdtemp(join(tmpdir(), 'apiproxy-node-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
  provider = stack.use(await FakeProvider.start())
  broker = new MemoryBroker()
  link = new TestLink(new TestLog())
  link.vault.set(secretId('one'), sealSecret(masterKey.vault, 'one', new Secret('sk-upstream')))
  link.log.append([
    providerRegistered('a', { baseUrl: provider.baseUrl, allowPrivate: true, models: { static: ['m'] } }),
    credentialAdded('a', 'one'),
    keyIssued(),
  ])
})
afterEach(() => stack.disposeAsync())

function keyIssued(): TestEvent {
  const body = {
    origin: 'api' as const,
    name: 'client',
    digest: clientKeyDigest(masterKey.pepper, KEY),
    prefix: 'sk',
    expiresAt: null,
  }
  return { type: 'ClientKeyIssued', stream: clientKeyStream(keyId('key_client')), body }
}

async function start(drainMs = 10_000): Promise<RunningDataPlane> {
  const config = {
    host: '127.0.0.1',
    port: 0,
    opsHost: '127.0.0.1',
    opsPort: 0,
    prefix: 'test',
    dataDir,
    masterKey,
    bodyLimit: 1024 * 1024,
    corsOrigins: [],
    context: null,
    countStreams: false,
    usageSpoolBytes: 64 * 1024 * 1024,
    requestTimeoutMs: 10_000,
    drainMs,
  }
  const ports = {
    bus: broker.connect(),
    link,
    sessions: new MemorySessionStore(),
    notes: new MemoryNotes(),
    limits: new MemoryLimitCounters(systemClock),
    context: null,
    contents: null,
    clock: systemClock,
    random: Math.random,
    logger: silentLogger,
  }
  return startDataPlane(config, ports)
}

const ask = (node: RunningDataPlane, stream = false): Promise<Response> =>
  fetch(`http://127.0.0.1:${node.port}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ model: 'm', messages: [], stream }),
  })

/** Also the secrets have come. */
const serving = (node: RunningDataPlane): Promise<void> =>
  eventually(async () => (await ask(node)).status === 200)

describe('a node', () => {
  test('serves what the log says, with the secret from the vault, and counts it', async () => {
    await using node = await start()
    await serving(node)
    const answer = await ask(node)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-apiproxy-commit')).toBe(String(link.log.head))
    expect(provider.last.headers.authorization).toBe('Bearer sk-upstream')
    await ask(node, true).then((stream) => stream.text())
    const metrics = await (await fetch(`http://127.0.0.1:${node.opsPort}/metrics`)).text()
    expect(metrics).toContain('apiproxy_requests_total{status="200"} 3')
    expect(metrics).toContain('outcome="success"')
    expect((await fetch(`http://127.0.0.1:${node.opsPort}/readyz`)).status).toBe(200)
  })

  test('without a configuration says so, and that it is worth trying again', async () => {
    link.down = true
    await using node = await start()
    const answer = await ask(node)
    expect([answer.status, answer.headers.get('x-should-retry')]).toEqual([503, null])
    expect(await answer.json()).toMatchObject({ error: { code: 'not_ready' } })
    expect((await fetch(`http://127.0.0.1:${node.opsPort}/readyz`)).status).toBe(503)
  })

  test('serves a change while requests are under way, each by the configuration it began with', async () => {
    await using node = await start()
    await serving(node)
    provider.next(
      behaviours.slowStream(
        30,
        Array.from({ length: 10 }, () => 'word '),
      ),
    )
    const stream = ask(node, true)
    await eventually(() => provider.stats.open === 1)
    await publish(link.log, broker.connect().commits)
    link.log.append([{ type: 'ProviderDisabled', stream: 'provider-a', body: {} }])
    await publish(link.log, broker.connect().commits)
    await eventually(async () => (await ask(node)).status === 404)
    const text = await (await stream).text()
    expect(text.match(/word /g)).toHaveLength(10)
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  test('starts from its disk when nobody else is there', async () => {
    const first = await start()
    await serving(first)
    await first[Symbol.asyncDispose]()
    link.down = true
    broker = new MemoryBroker()
    await using second = await start()
    expect((await ask(second)).status).toBe(200)
  })
})

describe('a node that stops', () => {
  test('finishes what is under way, takes nothing new, and does not wait for idle connections', async () => {
    const node = await start()
    await serving(node)
    await (await ask(node)).text() // leaves a connection that its client keeps
    provider.next(
      behaviours.slowStream(
        40,
        Array.from({ length: 10 }, () => 'word '),
      ),
    )
    const stream = await ask(node, true)
    const stopping = node[Symbol.asyncDispose]()
    await eventually(
      async () => (await fetch(`http://127.0.0.1:${node.port}/v1/models`).catch(() => null)) === null,
    )
    expect(node.readiness()).toMatchObject({ ready: false, reason: 'stopping' })
    const text = await stream.text()
    expect(text.match(/word /g)).toHaveLength(10)
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    // Its connection is still held by the client, for longer than any test may take.
    await stopping
  })

  test('cuts what does not finish in time', async () => {
    const node = await start(200)
    await serving(node)
    provider.next(behaviours.hangMidStream(3))
    const stream = await ask(node, true)
    const heard = stream.text()
    heard.catch(() => undefined)
    const stopping = Promise.resolve(node[Symbol.asyncDispose]())
    expect(await isDoneBefore(190, stopping)).toBe(false)
    await stopping
    await expect(heard).rejects.toThrow()
    await eventually(() => provider.stats.open === 0)
  })
})
