/**
 * What the books of usage must do, whatever database they are in. Run on Postgres and on PGlite by
 * `event-log.test.ts`.
 */
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { UsageRecord } from '#contracts/usage/record.ts'
import { NO_TOKENS } from '#contracts/usage/tokens.ts'
import { migrate } from '#control-plane/store/migrate.ts'
import type { Database } from '#control-plane/store/schema.ts'
import { DAY_MS, UsageBooks } from '#control-plane/store/usage-books.ts'
import { UsageReport, type ReportFilter } from '#control-plane/store/usage-report.ts'
import { entry, MARCH, usageRecord } from '../control-plane/usage-record.ts'
import type { LogHost } from './event-log.ts'

const ALL: ReportFilter = { from: '2026-01-01', to: '2026-12-31' }

export function usageBooksContract(name: string, start: () => Promise<LogHost>): void {
  describe(`the books of usage, ${name}`, () => {
    let host: LogHost
    let database: Kysely<Database>
    let books: UsageBooks
    let report: UsageReport

    beforeAll(async () => {
      host = await start()
      database = host.open()
      await migrate(database, true)
      books = new UsageBooks(database)
      report = new UsageReport(database)
    })
    beforeEach(() => sql`truncate usage_record, usage_day`.execute(database))
    afterAll(() => host[Symbol.asyncDispose]())

    /** The sums say what the rows say. */
    const isBalanced = async (): Promise<void> => {
      const { rows } = await sql<Record<string, unknown>>`
        select count(*)::int as requests, coalesce(sum(input), 0)::int as input,
          coalesce(sum(cost_nano), 0)::float8 as cost from usage_record
        union all
        select coalesce(sum(requests), 0)::int, coalesce(sum(input), 0)::int, coalesce(sum(cost_nano), 0)::float8
        from usage_day`.execute(database)
      expect(rows[1]).toEqual(rows[0])
    }

    test('price a request by its kinds of tokens', async () => {
      await books.enter([entry(usageRecord('r1'))])
      const logged = await report.request('r1')
      // 600 at 2, 400 at 0.5 and 100 at 8 dollars a million.
      expect(logged?.cost).toBeCloseTo(0.0022, 12)
      expect(logged?.record).toEqual(usageRecord('r1'))
      expect(await report.request('r2')).toBeNull()
    })

    test('take a record once, however often and with whatever company it comes', async () => {
      const records = Array.from({ length: 50 }, (_, at) => entry(usageRecord(`r${at}`)))
      expect(await books.enter(records.slice(0, 30))).toEqual({ added: 30, refused: 0 })
      expect(await books.enter(records)).toEqual({ added: 20, refused: 0 })
      expect(await books.enter([...records.slice(40), ...records.slice(40)])).toEqual({
        added: 0,
        refused: 0,
      })
      const [all] = await report.summary('model', ALL, 10)
      expect(all).toMatchObject({
        name: 'fast',
        requests: 50,
        input: 50_000,
        output: 5_000,
        cacheRead: 20_000,
      })
      await isBalanced()
    })

    test('take records once from writers who write the same at the same time', async () => {
      const records = Array.from({ length: 400 }, (_, at) =>
        entry(usageRecord(`c${at}`, { at: MARCH + (at % 3) * DAY_MS, key: `key_${at % 5}` })),
      )
      const orders = [records, records.toReversed(), records.slice(100, 300)]
      const writers = [...orders, ...orders]
      const fresh = new UsageBooks(database)
      await fresh.enter(records.slice(0, 3))
      const entered = await Promise.all(writers.map((some) => new UsageBooks(database).enter(some)))
      expect(entered.reduce((sum, { added }) => sum + added, 3)).toBe(400)
      await isBalanced()
    })

    test('leave out a record that the database refuses, and keep those beside it', async () => {
      const bad = entry(usageRecord('bad', { model: 'a\u0000b' }))
      const good = ['g1', 'g2'].map((id) => entry(usageRecord(id)))
      expect(await books.enter([...good.slice(0, 1), bad, ...good.slice(1)])).toEqual({
        added: 2,
        refused: 1,
      })
      await isBalanced()
    })

    test('add up by key, tag, model, provider and day, the dearest first', async () => {
      const cheap = { ...NO_TOKENS, input: 10, output: 1 }
      await books.enter([
        entry(usageRecord('a1', { key: 'key_a' }), { tags: ['red', 'blue'] }),
        entry(usageRecord('a2', { key: 'key_a', at: MARCH + DAY_MS }), { tags: ['red', 'blue'] }),
        entry(usageRecord('b1', { key: 'key_b', model: 'slow', tokens: cheap }), { tags: ['red'] }),
        entry(
          usageRecord('c1', { key: 'key_c', provider: '', upstream: '', status: 503, tokens: NO_TOKENS }),
          {
            price: null,
          },
        ),
      ])
      const names = async (by: Parameters<typeof report.summary>[0], filter = {}): Promise<unknown> =>
        (await report.summary(by, { ...ALL, ...filter }, 10)).map(({ name: of, requests }) => [of, requests])
      expect(await names('key')).toEqual([
        ['key_a', 2],
        ['key_b', 1],
        ['key_c', 1],
      ])
      expect(await names('tag')).toEqual([
        ['red', 3],
        ['blue', 2],
        ['', 1],
      ])
      expect(await names('model')).toEqual([
        ['fast', 3],
        ['slow', 1],
      ])
      expect(await names('day')).toEqual([
        ['2026-03-01', 3],
        ['2026-03-02', 1],
      ])
      expect(await names('key', { tag: 'blue' })).toEqual([['key_a', 2]])
      expect(await names('key', { from: '2026-03-02' })).toEqual([['key_a', 1]])
      const days = await report.timeseries('key', { ...ALL, key: 'key_a' }, 10)
      expect(days.map(({ day, name: of, cost }) => [day, of, cost])).toEqual([
        ['2026-03-01', 'key_a', 0.0022],
        ['2026-03-02', 'key_a', 0.0022],
      ])
      const [failed] = await report.summary('key', { ...ALL, key: 'key_c' }, 10)
      expect(failed).toMatchObject({ failed: 1, unpriced: 0, cost: 0 })
    })

    test('say how much of a sum has no price, and which is estimated', async () => {
      await books.enter([
        entry(usageRecord('p1'), { price: null }),
        entry(usageRecord('p2', { isEstimated: true })),
      ])
      const [sums] = await report.summary('key', ALL, 10)
      expect(sums).toMatchObject({ requests: 2, unpriced: 1, estimated: 1, cost: 0.0022 })
      expect((await report.request('p1'))?.cost).toBeNull()
    })

    test('page through requests, newest first, each once', async () => {
      const records = Array.from({ length: 25 }, (_, at) =>
        usageRecord(`p${String(at).padStart(2, '0')}`, {
          at: MARCH + Math.floor(at / 4) * 9_000_000,
          status: at % 5 === 0 ? 502 : 200,
          key: at % 2 === 0 ? 'even' : 'odd',
        }),
      )
      await books.enter(records.map((record) => entry(record)))
      const seen: string[] = []
      let before: string | undefined
      do {
        const page = await report.requests({ limit: 4, before })
        seen.push(...page.requests.map(({ record }) => record.id))
        before = page.next ?? undefined
      } while (before !== undefined)
      const order = (one: UsageRecord, other: UsageRecord): number =>
        other.at - one.at || (one.id < other.id ? 1 : -1)
      expect(seen).toEqual(records.toSorted(order).map(({ id }) => id))
      const found = async (filter: object): Promise<number> =>
        (await report.requests({ limit: 99, ...filter })).requests.length
      expect(await found({ failed: true })).toBe(5)
      expect(await found({ key: 'even' })).toBe(13)
      expect(await found({ from: MARCH + 9_000_000, to: MARCH + 18_000_000 })).toBe(4)
      expect(await found({ provider: 'nobody' })).toBe(0)
    })

    test('pass over what a later release wrote, and go on after it', async () => {
      const records = ['a', 'b', 'c', 'd', 'e'].map((id, at) => usageRecord(id, { at: MARCH - at }))
      await books.enter(records.map((record) => entry(record)))
      await sql`update usage_record set record = '{"v":99}' where id in ('b', 'd')`.execute(database)
      const seen: string[] = []
      let before: string | undefined
      do {
        const page = await report.requests({ limit: 2, before })
        seen.push(...page.requests.map(({ record }) => record.id))
        before = page.next ?? undefined
      } while (before !== undefined)
      expect(seen).toEqual(['a', 'c', 'e'])
    })

    test('price anew what was priced wrong, and the sums with it', async () => {
      await books.enter([
        entry(usageRecord('w1')),
        entry(usageRecord('w2', { at: MARCH + DAY_MS })),
        entry(usageRecord('w3', { provider: 'other' })),
      ])
      const span = { from: MARCH, to: MARCH + DAY_MS, price: { input: 4, output: 16, cacheRead: 1 } }
      expect(await books.reprice('openai', 'gpt-x', [span])).toBe(1)
      expect(await books.reprice('openai', 'gpt-x', [span])).toBe(0)
      expect(await report.summary('day', { ...ALL, provider: 'openai' }, 9)).toMatchObject([
        { name: '2026-03-01', cost: 0.0044 },
        { name: '2026-03-02', cost: 0.0022 },
      ])
      await isBalanced()
      expect(await books.used(MARCH, MARCH + DAY_MS)).toHaveLength(2)
    })

    test('let old days go and keep their sums', async () => {
      await books.enter([entry(usageRecord('old')), entry(usageRecord('new', { at: MARCH + 5 * DAY_MS }))])
      expect(await books.dropBefore(MARCH + 5 * DAY_MS)).toBeGreaterThan(0)
      expect(await report.request('old')).toBeNull()
      expect((await report.request('new'))?.record.id).toBe('new')
      const [sums] = await report.summary('key', ALL, 10)
      expect(sums?.requests).toBe(2)
      // A day that was dropped opens again for a late record.
      expect(await books.enter([entry(usageRecord('late'))])).toEqual({ added: 1, refused: 0 })
    })
  })
}
