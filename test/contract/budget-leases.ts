/**
 * What leases of budgets must do, whatever database they are in. Run on Postgres and on PGlite by
 * `event-log.test.ts`.
 */
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { accountOf, periodAt, type Budget, type BudgetSubject } from '#contracts/catalog/money/budget.ts'
import { leaseId, type Grant, type Holding } from '#contracts/fleet/leases.ts'
import { budgetId } from '#contracts/ids.ts'
import { BudgetDesk } from '#control-plane/budgets/desk.ts'
import { GONE_MS, REDELIVERY_MS } from '#control-plane/budgets/grant.ts'
import { BudgetLeases } from '#control-plane/store/budget-leases.ts'
import { migrate } from '#control-plane/store/migrate.ts'
import type { Database } from '#control-plane/store/schema.ts'
import { UsageBooks } from '#control-plane/store/usage-books.ts'
import { entry, MARCH, usageRecord } from '../control-plane/usage-record.ts'
import type { LogHost } from './event-log.ts'

/** What `usageRecord` costs: 600 at 2, 400 at 0.5 and 100 at 8 dollars a million. */
const COST = 2_200_000
const NANO = 1e9

const budget = (id: string, subject: BudgetSubject, more: Partial<Budget> = {}): Budget => ({
  id: budgetId(id),
  version: 1,
  origin: 'api',
  subject,
  period: 'month',
  terms: { amount: 0.01, warnAt: 0.8, whenSpent: 429, onUnreachable: 'refuse', unpriced: 'allow' },
  createdAt: 5,
  changedAt: 5,
  ...more,
})
const KEY = budget('key', { key: 'key_a' })
const TAG = budget('tag', { tag: 'red' })
const START = periodAt('month', MARCH).start

export function budgetLeasesContract(name: string, start: () => Promise<LogHost>): void {
  describe(`leases of budgets, ${name}`, () => {
    let host: LogHost
    let database: Kysely<Database>
    let books: UsageBooks
    let desks: readonly BudgetDesk[]
    const world = { now: MARCH, emptiedAt: -Infinity }
    const budgets = new Map([KEY, TAG].map((one) => [one.id, one]))
    const catalog: Catalog = { ...EMPTY_CATALOG, budgets }

    const deskOn = (opened: Kysely<Database>): BudgetDesk =>
      new BudgetDesk({
        leases: new BudgetLeases(opened),
        catalog: () => catalog,
        catchUp: async () => undefined,
        nodes: () => 1,
        emptiedAt: () => world.emptiedAt,
        clock: { now: () => world.now },
      })

    beforeAll(async () => {
      host = await start()
      database = host.open()
      await migrate(database, true)
      books = new UsageBooks(database)
      // Two control planes on one database.
      desks = [deskOn(database), deskOn(host.open())]
    })
    beforeEach(async () => {
      Object.assign(world, { now: MARCH, emptiedAt: -Infinity })
      await sql`truncate usage_record, usage_day, budget_lease, budget_booked`.execute(database)
    })
    afterAll(() => host[Symbol.asyncDispose]())

    let seq = 0
    async function ask(
      node: string,
      holding: Partial<Holding>,
      { boot = `${node}-1`, isDrained = false, of = KEY, by = 0, at = (seq += 1) } = {},
    ): Promise<Grant | undefined> {
      const { ceiling = 0, spent = 0, need = Math.min(ceiling, spent) } = holding
      const asked = {
        account: accountOf(of),
        start: START,
        spent,
        least: Math.min(need, holding.least ?? 0),
        need,
        ceiling,
      }
      const answer = await desks[by]?.ask({ node, boot, seq: at, isDrained, holdings: [asked] })
      return answer?.grants[0]
    }
    const paidBy = (node: string, of = KEY, boot = `${node}-1`): { leases: string[] } => ({
      leases: [leaseId(accountOf(of), START, boot)],
    })
    const standing = async (of = KEY) => (await desks[0]?.report([of]))?.[0]

    test('never add up to more than there is, however many nodes ask whom at once', async () => {
      const wanted = { ceiling: 1_500_000, need: 1_500_000 }
      const grants = await Promise.all(
        Array.from({ length: 20 }, (_, at) => ask(`node${at}`, wanted, { by: at % 2 })),
      )
      expect(grants.reduce((sum, grant) => sum + (grant?.granted ?? 0), 0)).toBe(0.01 * NANO)
      expect(await standing()).toMatchObject({ spent: 0, leased: 0.01, remaining: 0 })
    })

    test('take no more than half of what is left beyond what is needed now', async () => {
      expect(await ask('a', { ceiling: 9_000_000, need: 1_000_000 })).toMatchObject({ granted: 5_000_000 })
      expect(await ask('b', { ceiling: 9_000_000, need: 4_000_000 })).toMatchObject({
        granted: 4_000_000,
        free: 1_000_000,
        elsewhere: 5_000_000,
      })
    })

    test('are not given where nothing fits in what is left', async () => {
      await ask('a', { ceiling: 9_000_000, need: 9_000_000 })
      const wanted = { ceiling: 3_000_000, need: 3_000_000 }
      expect(await ask('b', { ...wanted, least: 1_000_001 })).toMatchObject({ granted: 0, free: 1_000_000 })
      expect(await ask('b', { ...wanted, least: 1_000_000 })).toMatchObject({ granted: 1_000_000, free: 0 })
    })

    test('turn into spending as records come into the books, once', async () => {
      await ask('a', { ceiling: 5_000_000, need: 5_000_000 })
      const records = ['r1', 'r2'].map((id) => entry(usageRecord(id, paidBy('a'))))
      await books.enter([...records, ...records])
      await books.enter(records)
      expect(await standing()).toMatchObject({
        spent: (2 * COST) / NANO,
        leased: (5_000_000 - 2 * COST) / NANO,
      })
      // What is paid without a lease is spent, and nobody's lease.
      await books.enter([entry(usageRecord('r3'))])
      expect(await standing()).toMatchObject({
        spent: (3 * COST) / NANO,
        leased: (5_000_000 - 2 * COST) / NANO,
      })
    })

    test('pay for a key and its tag at once', async () => {
      await ask('a', { ceiling: 3_000_000, need: 3_000_000 })
      await ask('a', { ceiling: 3_000_000, need: 3_000_000 }, { of: TAG })
      const leases = [...paidBy('a').leases, ...paidBy('a', TAG).leases]
      await books.enter([entry(usageRecord('r1', { leases }), { tags: ['blue', 'red'] })])
      for (const of of [KEY, TAG])
        expect(await standing(of)).toMatchObject({ spent: COST / NANO, leased: (3_000_000 - COST) / NANO })
    })

    test('are the same for a question that comes twice, or is overtaken', async () => {
      const first = await ask('a', { ceiling: 4_000_000, need: 4_000_000 }, { at: 7 })
      expect(await ask('a', { ceiling: 4_000_000, need: 4_000_000 }, { at: 8 })).toEqual(first)
      // Given back under a later number; the earlier question then finds that.
      await ask('a', { ceiling: 1_000_000 }, { at: 9 })
      expect(await ask('a', { ceiling: 4_000_000, need: 4_000_000 }, { at: 8 })).toMatchObject({
        granted: 1_000_000,
      })
    })

    test('of a killed node count until its records are in, by the word of its next run', async () => {
      await ask('a', { ceiling: 5_000_000, need: 5_000_000 })
      world.now += 120_000 // longer than a lease
      await ask('a', { ceiling: 0 }, { boot: 'a-2' })
      expect(await standing()).toMatchObject({ leased: 0.005 })
      await ask('a', { ceiling: 0 }, { boot: 'a-2', isDrained: true })
      world.emptiedAt = world.now + REDELIVERY_MS - 1
      expect(await standing()).toMatchObject({ leased: 0.005 })
      await books.enter([entry(usageRecord('r1', paidBy('a')))])
      world.emptiedAt = world.now + REDELIVERY_MS
      expect(await standing()).toMatchObject({
        spent: COST / NANO,
        leased: 0,
        remaining: (NANO / 100 - COST) / NANO,
      })
    })

    test('of a node that never comes back are given up a day after their end', async () => {
      await ask('a', { ceiling: 5_000_000, need: 5_000_000 })
      world.now += GONE_MS
      expect(await standing()).toMatchObject({ leased: 0.005 })
      world.now += 60_000
      expect(await standing()).toMatchObject({ leased: 0 })
      // Whoever comes back after all begins from what was spent.
      expect(await ask('a', { spent: 3_000_000, ceiling: 3_000_000 })).toMatchObject({ granted: 3_000_000 })
    })

    test('take what was spent beyond them as a fact', async () => {
      await ask('a', { ceiling: 9_900_000, need: 9_900_000 })
      expect(await ask('a', { spent: 12_000_000, ceiling: 15_000_000 })).toMatchObject({
        granted: 12_000_000,
        free: 0,
      })
      expect(await ask('b', { ceiling: 1, need: 1 })).toMatchObject({ granted: 0, elsewhere: 12_000_000 })
    })

    test('are of one period, and of one budget of a name', async () => {
      await ask('a', { ceiling: 5_000_000, need: 5_000_000 })
      world.now = periodAt('month', MARCH).end ?? 0
      expect(await standing()).toMatchObject({ spent: 0, leased: 0, remaining: 0.01 })
      world.now = MARCH
      expect(await standing({ ...KEY, createdAt: 6 })).toMatchObject({ leased: 0 })
      expect(await ask('a', { ceiling: 1, need: 1 }, { of: { ...KEY, createdAt: 6 } })).toBeUndefined()
    })

    test('say when a warning is due, and what nobody knew the price of', async () => {
      const records = Array.from({ length: 4 }, (_, at) => entry(usageRecord(`r${at}`)))
      await books.enter([...records.slice(0, 3), entry(usageRecord('free'), { price: null })])
      expect(await standing()).toMatchObject({ isWarning: false, isSpent: false, unpriced: 1 })
      await books.enter(records)
      expect(await standing()).toMatchObject({ isWarning: true, isSpent: false })
      await books.enter([entry(usageRecord('r9'))])
      expect(await standing()).toMatchObject({ isSpent: true, remaining: 0 })
    })

    test('of long ago are forgotten', async () => {
      await ask('a', { ceiling: 5_000_000, need: 5_000_000 })
      await books.enter([entry(usageRecord('r1', paidBy('a')))])
      await desks[0]?.tidy()
      expect(await standing()).toMatchObject({ leased: (5_000_000 - COST) / NANO })
      world.now += 41 * 86_400_000
      await desks[0]?.tidy()
      const { rows } = await sql`select id from budget_lease union all select id from budget_booked`.execute(
        database,
      )
      expect(rows).toEqual([])
    })
  })
}
