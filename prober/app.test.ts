import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MemoryBroker, type MemoryBus } from '#contracts/bus/memory.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import { ProviderProbe } from '#contracts/catalog/provider.ts'
import { nodeId } from '#contracts/ids.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { deriveKeys } from '#contracts/security/master-key.ts'
import { encodeTelemetry } from '#contracts/telemetry/report.ts'
import { openTable, type WeightTable } from '#contracts/weights/table.ts'
import { startProber, type RunningProber } from './app.ts'
import type { RosterEntry } from './probe/plan.ts'
import type { SendProbe } from './probe/send.ts'

const masterKey = deriveKeys(new Uint8Array(32))
const subjects = subjectsOf('test')

const entry = (provider: string): RosterEntry => ({
  provider,
  model: 'm',
  kind: 'openai',
  baseUrl: `https://${provider}.example/v1`,
  allowPrivate: false,
  weight: 1,
  routes: ['m'],
  probe: ProviderProbe.parse({}),
  credential: null,
})

/** Nodes' reports of two providers, `a` and `b`, in an installation whose time is moved by hand. */
class Installation {
  readonly broker = new MemoryBroker()
  readonly clock = new ManualClock()
  readonly tables: WeightTable[] = []
  readonly #bus = this.broker.connect()
  readonly #running: RunningProber[] = []
  readonly #counts = { a: [0, 0], b: [0, 0] }
  #seq = 0

  constructor() {
    this.#bus.subscribe(subjects.weights, (text) => {
      const opened = openTable(text, masterKey.weights)
      if (!opened.ok) throw new Error(opened.error)
      this.tables.push(opened.value)
    })
  }

  async start(send: SendProbe = async () => null): Promise<{ prober: RunningProber; bus: MemoryBus }> {
    const bus = this.broker.connect()
    const roster = { list: () => [entry('a'), entry('b')] }
    const ports = { bus, roster, send, clock: this.clock, random: () => 0.5, logger: silentLogger }
    const prober = await startProber({ host: '127.0.0.1', port: 0, prefix: 'test', masterKey }, ports)
    this.#running.push(prober)
    return { prober, bus }
  }

  /** Lets time pass while `a` answers or fails ten times a second and `b` answers. */
  async pass(ms: number, isFailing = false): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) {
      if (passed % 1_000 === 0) this.#report(isFailing)
      this.clock.advance(250)
      vi.advanceTimersByTime(250)
      await turns()
    }
  }

  get table(): WeightTable | undefined {
    return this.tables.at(-1)
  }

  factor(provider: string): number | undefined {
    return this.table?.entries.find((one) => one.provider === provider)?.factor
  }

  async end(): Promise<void> {
    for (const prober of this.#running) await prober[Symbol.asyncDispose]()
  }

  #report(isFailing: boolean): void {
    this.#counts.a[isFailing ? 1 : 0]! += 10
    this.#counts.b[0]! += 10
    const series = (['a', 'b'] as const).map((provider) => {
      const [successes = 0, faults = 0] = this.#counts[provider]
      const outcomes = [successes, 0, 0, faults]
      return {
        provider,
        credential: '',
        model: 'm',
        mode: 'json' as const,
        outcomes,
        firstMs: [],
        totalMs: [],
      }
    })
    this.#seq += 1
    const report = { v: 1 as const, node: 'n', boot: 'b', seq: this.#seq, series, edges: [], dropped: 0 }
    this.#bus.publish(subjects.telemetry(nodeId('n')), encodeTelemetry(report))
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const get = (prober: RunningProber, path: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${prober.port}${path}`)

let installation: Installation
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  installation = new Installation()
})
afterEach(async () => {
  await installation.end()
  vi.useRealTimers()
})

describe('the prober', () => {
  test('turns what nodes report into a signed table a second', async () => {
    await installation.start()
    await installation.pass(10_000)
    expect(installation.table?.entries).toMatchObject([
      { provider: 'a', model: 'm', factor: 1, reason: 'healthy' },
      { provider: 'b', model: 'm', factor: 1, reason: 'healthy' },
    ])
    const seqs = installation.tables.map(({ seq }) => seq)
    expect(seqs).toEqual(seqs.map((_, at) => at + 1))
    expect(seqs.length).toBeGreaterThanOrEqual(9)

    await installation.pass(5_000, true)
    expect(installation.factor('a')).toBe(0)
    expect(installation.factor('b')).toBe(1)
  })

  test('asks what fails, and believes the answer', async () => {
    let isDead = true
    const asked: string[] = []
    await installation.start(async ({ provider }) => {
      asked.push(provider)
      return { outcome: isDead && provider === 'a' ? 'fault' : 'success', ms: 50 }
    })
    await installation.pass(10_000)
    await installation.pass(20_000, true)
    expect(asked.filter((provider) => provider === 'a').length).toBeGreaterThan(4)
    expect(installation.factor('a')).toBe(0)
    isDead = false
    await installation.pass(30_000)
    expect(installation.factor('a')).toBe(1)
  })

  test('speaks alone: a second one stands by, and goes on where the first has stopped', async () => {
    const first = await installation.start()
    await installation.pass(5_000)
    await installation.start()
    await installation.pass(10_000)
    await installation.pass(5_000, true)
    const epoch = installation.table?.epoch ?? 0
    expect(new Set(installation.tables.map((table) => table.epoch))).toEqual(new Set([epoch]))

    await first.prober[Symbol.asyncDispose]()
    installation.tables.length = 0
    await installation.pass(3_000, true)
    expect(installation.tables.map((table) => table.epoch)).toContain(epoch + 1)
    for (const { entries } of installation.tables)
      expect(entries[0]).toMatchObject({ provider: 'a', factor: 0 })
  })

  test('is replaced in twelve seconds when it is cut off, and does not contradict when it is back', async () => {
    const first = await installation.start()
    await installation.pass(5_000)
    await installation.start()
    await installation.pass(5_000, true)
    const epoch = installation.table?.epoch ?? 0
    first.bus.setDown(true)
    await installation.pass(13_000, true)
    expect(installation.table?.epoch).toBe(epoch + 1)
    first.bus.setDown(false)
    await installation.pass(10_000, true)
    expect(installation.tables.slice(-9).map((table) => table.epoch)).toEqual(Array(9).fill(epoch + 1))
  })

  test('started again, goes on from its last table instead of learning anew', async () => {
    const { prober } = await installation.start()
    await installation.pass(10_000)
    await installation.pass(5_000, true)
    await prober[Symbol.asyncDispose]()
    installation.tables.length = 0
    await installation.start()
    await installation.pass(2_000, true)
    expect(installation.tables[0]?.entries[0]).toMatchObject({ provider: 'a', factor: 0 })
  })

  test('is not ready while the bus is away, and says so', async () => {
    const { prober, bus } = await installation.start()
    await installation.pass(2_000)
    expect((await get(prober, '/readyz')).status).toBe(200)
    bus.setDown(true)
    const unready = await get(prober, '/readyz')
    expect(unready.status).toBe(503)
    expect(await unready.json()).toMatchObject({ status: 'unavailable', reason: 'the bus is not connected' })
    expect((await get(prober, '/livez')).status).toBe(200)
  })

  test('has the metrics its README lists, and no others', async () => {
    const { prober } = await installation.start(async () => ({ outcome: 'success', ms: 1 }))
    await installation.pass(10_000)
    const text = await (await get(prober, '/metrics')).text()
    const named = (source: string): string[] =>
      [...new Set(source.match(/apiproxy_prober_[a-z_]+/g))].toSorted()
    const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
    expect(named(text)).toEqual(named(readme))
    expect(text).toMatch(/^apiproxy_prober_leading 1$/m)
    expect(text).toMatch(/^apiproxy_prober_factor\{.*provider="a".*\} 1$/m)
  })
})
