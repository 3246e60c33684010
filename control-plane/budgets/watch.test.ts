import { beforeEach, expect, test } from 'vitest'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import type { Budget } from '#contracts/catalog/money/budget.ts'
import { budgetId } from '#contracts/ids.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { silentLogger, type LogFields } from '#contracts/process/logger.ts'
import type { BudgetReport } from './desk.ts'
import { BudgetWatch } from './watch.ts'

const budget: Budget = {
  id: budgetId('team'),
  version: 1,
  origin: 'api',
  subject: { tag: 'red' },
  period: 'day',
  terms: { amount: 10, warnAt: 0.8, whenSpent: 429, onUnreachable: 'refuse', unpriced: 'allow' },
  createdAt: 3,
  changedAt: 3,
}
const report = (spent: number, start = 0): BudgetReport => ({
  start,
  end: start + 86_400_000,
  amount: 10,
  spent,
  leased: 1,
  remaining: Math.max(0, 9 - spent),
  isWarning: spent >= 8,
  isSpent: spent >= 10,
  unpriced: 0,
  leases: [],
})

let now: BudgetReport
let told: Readonly<{ fields: LogFields; message: string }>[]
let tidied: number
let clock: ManualClock
let watch: BudgetWatch

beforeEach(() => {
  told = []
  tidied = 0
  now = report(0)
  clock = new ManualClock()
  const catalog: Catalog = { ...EMPTY_CATALOG, budgets: new Map([[budget.id, budget]]) }
  watch = new BudgetWatch({
    desk: { report: async () => [now], tidy: async () => void (tidied += 1) },
    catalog: () => catalog,
    clock,
    logger: { ...silentLogger, warn: (fields, message) => void told.push({ fields, message }) },
  })
})

const look = async (seen: BudgetReport): Promise<readonly string[]> => {
  now = seen
  await watch.look()
  return told.splice(0).map(({ message }) => message)
}

test('a warning is given once a period at the threshold, and once when all is spent', async () => {
  expect(await look(report(7.9))).toEqual([])
  expect(await look(report(8))).toEqual(['a budget has reached its warning threshold'])
  expect(await look(report(9))).toEqual([])
  expect(await look(report(10.5))).toEqual(['a budget is spent'])
  expect(await look(report(11))).toEqual([])
  expect(await look(report(8.5, 86_400_000))).toEqual(['a budget has reached its warning threshold'])
  expect(watch.warnings).toBe(3)
})

test('one that is spent at once is told once', async () => {
  expect(await look(report(12))).toEqual(['a budget is spent'])
  expect(await look(report(9.5))).toEqual([])
})

test('a warning names the budget, whose it is, and the figures', async () => {
  now = report(8)
  await watch.look()
  const fields = { budget: 'team', tag: 'red', period: 'day', amount: 10, spent: 8, leased: 1 }
  expect(told[0]?.fields).toEqual(fields)
})

test('what was seen last can be asked for, and old leases are let go once an hour', async () => {
  await look(report(3))
  expect(watch.seen).toEqual([{ budget, report: now }])
  await look(report(3))
  expect(tidied).toBe(1)
  clock.advance(3_600_000)
  await look(report(3))
  expect(tidied).toBe(2)
})
