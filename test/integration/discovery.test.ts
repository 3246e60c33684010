/**
 * What providers list, from the provider to the client: a real control plane and a real node, with HTTP and a
 * bus between them.
 */
import { PLAIN_TERMS } from '#contracts/catalog/client-key.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import { HttpControlLink } from '#contracts/fleet/control-http.ts'
import { providerId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { deriveKeys } from '#contracts/security/master-key.ts'
import { Secret } from '#contracts/security/secret.ts'
import { startControlPlane } from '#control-plane/app.ts'
import type { Declaration } from '#control-plane/bootstrap/declaration.ts'
import { MemoryModelListCache } from '#control-plane/discovery/cache-memory.ts'
import { serverPool } from '#control-plane/store/database.ts'
import { startDataPlane, type RunningDataPlane } from '#data-plane/app.ts'
import { MemoryLimitCounters } from '#data-plane/admission/counters-memory.ts'
import { MemoryNotes } from '#data-plane/notes/notes-memory.ts'
import { MemorySessionStore } from '#data-plane/sessions/store-memory.ts'
import { FakeProvider } from '../fakes/provider.ts'
import { FaultProxy } from '../faults/proxy.ts'
import { freshDatabase } from '../services/services.ts'
import { eventually } from '../eventually.ts'

const masterKey = deriveKeys(Buffer.alloc(32, 3))
const KEY = 'sk-client-0123456789'
const COMMON = { clock: systemClock, random: Math.random, logger: silentLogger }

let stack: AsyncDisposableStack
let broker: MemoryBroker
let dataDir: string
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  broker = new MemoryBroker()
  dataDir = await mkdtemp(join(tmpdir(), 'apiproxy-discovery-'))
  stack.defer(() => rm(dataDir, { recursive: true, force: true }))
})
afterEach(() => stack.disposeAsync())

async function provider(...models: readonly string[]): Promise<FakeProvider> {
  const fake = stack.use(await FakeProvider.start())
  fake.models = models
  return fake
}

/** Declares providers by their base URLs. @returns the control plane's address. */
async function controlPlane(addresses: Readonly<Record<string, string>>): Promise<string> {
  const declaration: Declaration = {
    providers: Object.entries(addresses).map(([id, baseUrl]) => ({
      id: providerId(id),
      definition: ProviderDefinition.parse({ name: id, kind: 'openai', baseUrl, allowPrivate: true }),
      credentials: [{ secret: new Secret(`sk-${id}`), label: null, weight: 1 }],
    })),
    models: [],
    keys: [{ name: 'client', token: new Secret(KEY), terms: PLAIN_TERMS }],
    budgets: [],
  }
  const running = stack.use(
    await startControlPlane(
      {
        host: '127.0.0.1',
        port: 0,
        prefix: 'test',
        masterKey,
        adminToken: new Secret('admin-token-of-a-test-plane'),
        applyMigrations: true,
        modelsTtlMs: 300_000,
        usageRetentionDays: 90,
      },
      {
        ...COMMON,
        pool: serverPool(stack.use(await freshDatabase()).url),
        bus: broker.connect(),
        modelLists: stack.use(new MemoryModelListCache()),
        contents: null,
        declare: () => declaration,
      },
    ),
  )
  return `http://127.0.0.1:${running.port}`
}

async function node(controlUrl: string): Promise<RunningDataPlane & { base: string }> {
  const link = stack.use(new HttpControlLink({ url: controlUrl, token: masterKey.nodeToken }))
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
    requestTimeoutMs: 10_000,
    countStreams: false,
    usageSpoolBytes: 64 * 1024 * 1024,
    drainMs: 0,
  }
  const ports = {
    ...COMMON,
    bus: broker.connect(),
    link,
    sessions: new MemorySessionStore(),
    notes: new MemoryNotes(),
    limits: new MemoryLimitCounters(systemClock),
    context: null,
    contents: null,
  }
  const running = stack.use(await startDataPlane(config, ports))
  return { ...running, base: `http://127.0.0.1:${running.port}/v1` }
}

const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
const chat = (base: string, model: string): Promise<Response> =>
  fetch(`${base}/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
  })
const listed = async (base: string): Promise<readonly string[]> => {
  const answer = await fetch(`${base}/models`, { headers })
  if (answer.status !== 200) return []
  const { data } = (await answer.json()) as { data: { id: string }[] }
  return data.map(({ id }) => id)
}
const lists = (base: string, ...ids: readonly string[]): Promise<void> =>
  eventually(async () => {
    const all = await listed(base)
    return ids.every((id) => all.includes(id))
  })
const chats = (fake: FakeProvider): number =>
  fake.requests.filter(({ path }) => path.endsWith('/chat/completions')).length

describe('a model nobody configured', () => {
  test('is served by every provider that lists it, under any name it has there, and by one alone when asked so', async () => {
    const [a, b] = [await provider('vendor/shared:1', 'm'), await provider('vendor/shared:1', 'only-b')]
    const { base } = await node(await controlPlane({ a: a.baseUrl, b: b.baseUrl }))
    await lists(base, 'vendor/shared:1', 'm', 'only-b')
    for (let time = 0; time < 40; time++) expect((await chat(base, 'vendor/shared:1')).status).toBe(200)
    expect([chats(a) + chats(b), Math.min(chats(a), chats(b)) > 0]).toEqual([40, true])
    expect(b.last.model).toBe('vendor/shared:1')

    const pinned = await chat(base, 'b/vendor/shared:1')
    expect([pinned.status, pinned.headers.get('x-apiproxy-provider')]).toEqual([200, 'b'])
    const only = await chat(base, 'only-b')
    expect([only.status, only.headers.get('x-apiproxy-provider')]).toEqual([200, 'b'])
  })

  test('is served from the node’s own disk when there is nobody else to ask', async () => {
    const a = await provider('m')
    const first = await node(await controlPlane({ a: a.baseUrl }))
    await lists(first.base, 'm')
    // The copy is written in the background: stopping the node waits for it.
    await first[Symbol.asyncDispose]()
    broker = new MemoryBroker()
    const second = await node('http://127.0.0.1:9')
    expect((await chat(second.base, 'm')).status).toBe(200)
  })

  test('does not wait for a provider whose list never comes', async () => {
    const [a, hanging] = [await provider('m'), await provider('n')]
    const proxy = stack.use(await FaultProxy.start(hanging.baseUrl))
    proxy.blackHole()
    const { base } = await node(await controlPlane({ a: a.baseUrl, hanging: proxy.via(hanging.baseUrl) }))
    await lists(base, 'm')
    expect((await chat(base, 'm')).status).toBe(200)
    expect((await chat(base, 'n')).status).toBe(404)
    expect(await listed(base)).toEqual(['m'])
  })
})

describe('a model nobody has', () => {
  test('is refused 10,000 times at once without a single question to a provider', async () => {
    const a = await provider('m')
    const { base } = await node(await controlPlane({ a: a.baseUrl }))
    await lists(base, 'm')
    const questions = a.stats.requests
    const url = new URL(base)
    const pool = stack.adopt(new Pool(url.origin, { connections: 256 }), (opened) => opened.destroy())
    const body = JSON.stringify({ model: 'nobody/has-it', messages: [] })
    const statuses = await Promise.all(
      Array.from({ length: 10_000 }, async () => {
        const answer = await pool.request({ method: 'POST', path: '/v1/chat/completions', headers, body })
        await answer.body.dump()
        return answer.statusCode
      }),
    )
    expect([statuses.length, [...new Set(statuses)]]).toEqual([10_000, [404]])
    expect(a.stats.requests).toBe(questions)
  })
})
