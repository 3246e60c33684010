import { expect, test } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import type { UsageStream } from '#contracts/bus/bus.ts'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { encodeRecord } from '#contracts/usage/record.ts'
import { entry, MARCH, usageRecord } from '#test/control-plane/usage-record.ts'
import { openAdminPlane } from '#test/control-plane/admin-plane.ts'
import { eventually } from '#test/eventually.ts'
import { DAY_MS, type Entry, type UsageBooks } from '../store/usage-books.ts'
import { UsageIngest } from './ingest.ts'

type Books = Pick<UsageBooks, 'enter' | 'dropBefore'>

/** Books in memory, that keep a record once. */
class Ledger implements Books {
  readonly entries = new Map<string, Entry>()
  /** What happens to the next entries instead of, or after, their being kept. */
  faults: ('before' | 'after')[] = []

  async enter(entries: readonly Entry[]): Promise<{ added: number; refused: number }> {
    const fault = this.faults.shift()
    if (fault === 'before') throw new Error('connection refused')
    const before = this.entries.size
    for (const one of entries) if (!this.entries.has(one.record.id)) this.entries.set(one.record.id, one)
    if (fault === 'after') throw new Error('connection lost')
    return { added: this.entries.size - before, refused: 0 }
  }

  async dropBefore(): Promise<number> {
    return 0
  }
}

const ingest = (stream: Pick<UsageStream, 'take'>, books: Books, catalog: Catalog = EMPTY_CATALOG) =>
  new UsageIngest({
    stream,
    books,
    catalog: () => catalog,
    retentionDays: 90,
    clock: new ManualClock(MARCH + 1_000),
    logger: silentLogger,
  })
const message = (...ids: readonly string[]): Uint8Array =>
  Buffer.from(ids.map((id) => encodeRecord(usageRecord(id))).join('\n'))

test('usage from the bus is entered once, whatever the database does meanwhile', async () => {
  const broker = new MemoryBroker()
  const [writer, reader] = [broker.connect(), broker.connect()]
  const books = new Ledger()
  books.faults = ['before', 'after', 'before']
  for (let at = 0; at < 30; at++) await writer.usage.publish(`m${at}`, message(`r${at}`, `s${at}`))
  // What a control plane had taken when it died is another's as soon as its connection is gone.
  for (let lives = 0; lives < 4; lives++) {
    const member = broker.connect()
    await using _dying = ingest(member.usage, books)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await member[Symbol.asyncDispose]()
  }
  await using running = ingest(reader.usage, books)
  await eventually(() => books.entries.size === 60)
  await eventually(async () => (await writer.usage.take(1, 0)).length === 0)
  expect(running.counts.refused).toBe(0)
})

test('a message is done only when its records are in the books', async () => {
  const done: string[] = []
  const books = new Ledger()
  books.faults = ['before', 'after']
  let given = 0
  const stream: Pick<UsageStream, 'take'> = {
    take: async () => {
      await new Promise((resolve) => setImmediate(resolve))
      if (done.length > 0) return []
      given += 1
      return [{ bytes: message('r1'), done: async () => void done.push(`r1 of ${books.entries.size}`) }]
    },
  }
  await using _running = ingest(stream, books)
  await eventually(() => done.length > 0)
  expect([given, done]).toEqual([3, ['r1 of 1']])
})

test('what cannot be read, or is of a time that cannot be, is left out and counted', async () => {
  const broker = new MemoryBroker()
  const bus = broker.connect()
  const books = new Ledger()
  const times = [MARCH - 91 * DAY_MS, MARCH + 3 * DAY_MS].map((at) =>
    encodeRecord(usageRecord(`t${at}`, { at })),
  )
  await bus.usage.publish('m', Buffer.from(['not JSON', '{"v":9}', ...times, message('good')].join('\n')))
  await using running = ingest(bus.usage, books)
  await eventually(() => books.entries.size === 1)
  await eventually(() => running.counts.added === 1)
  expect(running.counts).toEqual({ added: 1, repeated: 0, refused: 4 })
})

test('admins see what was used, by the request and in sums, and can have it priced anew', async () => {
  await using plane = await openAdminPlane()
  const { api, ports, clock } = plane
  const at = clock.now()
  const record = (id: string, over = {}) =>
    usageRecord(id, { at, provider: 'plain', upstream: 'gpt-4o', ...over })
  await ports.books.enter([entry(record('req_1')), entry(record('req_2', { status: 502 }), { price: null })])
  expect(await api.usage.summary({ by: 'model' })).toMatchObject({
    rows: [{ name: 'fast', requests: 2, failed: 1, unpriced: 1, input: 2_000, cost: 0.0022 }],
  })
  expect((await api.usage.timeseries()).rows).toHaveLength(1)
  const page = await api.requests.list({ limit: 1 })
  expect(page.requests).toMatchObject([{ id: 'req_2', cost: null }])
  const next = await api.requests.list({ limit: 1, before: page.next ?? '' })
  expect(next).toMatchObject({ requests: [{ id: 'req_1' }], next: null })
  expect(await api.requests.get({ id: 'req_1' })).toMatchObject({
    attempts: [{ provider: 'openai', outcome: 'success' }],
    cost: 0.0022,
    seed: 42,
  })
  await expect(api.requests.get({ id: 'req_3' })).rejects.toThrow('no record')

  const definition = { name: 'P', kind: 'openai' as const, baseUrl: 'https://example.com/v1' }
  await api.providers.register({
    id: 'plain',
    definition: { ...definition, routing: { costInput: 1, costOutput: 1 } },
  })
  const from = new Date(at).toISOString().slice(0, 10)
  expect(await api.usage.reprice({ from })).toEqual({ changed: 2 })
  expect(await api.usage.summary()).toMatchObject({ rows: [{ unpriced: 0, cost: 0.0022 }] })
  expect(await api.usage.reprice({ from })).toEqual({ changed: 0 })
  const prices = [{ model: 'gpt-4o', from: at + 1, input: 9, output: 9 }]
  await api.providers.update({ id: 'plain', expectedVersion: 1, definition: { prices } })
  expect(await api.usage.reprice({ from })).toEqual({ changed: 0 })
  const earlier = [{ model: '*', from: at, input: 9, output: 9 }]
  await api.providers.update({ id: 'plain', expectedVersion: 2, definition: { prices: earlier } })
  expect(await api.usage.reprice({ from })).toEqual({ changed: 2 })
  expect(await api.usage.summary()).toMatchObject({ rows: [{ cost: 0.0198 }] })
})
