import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accountOf, periodAt } from '#contracts/catalog/money/budget.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { entry, usageRecord } from '#test/control-plane/usage-record.ts'

let plane: AdminPlane
let key: string
beforeAll(async () => {
  plane = await openAdminPlane()
  key = (await plane.api.keys.issue({ name: 'ci', tags: ['red'] })).ids['key'] ?? ''
})
afterAll(() => plane[Symbol.asyncDispose]())

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'accepted',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )

describe('budgets', () => {
  test('are made, changed, told with what is spent of them, and removed', async () => {
    const { api, clock, ports } = plane
    const { version, events } = await api.budgets.create({ id: 'ci-day', key, period: 'day', amount: 2 })
    expect([version, events]).toEqual([1, ['BudgetCreated']])
    const at = clock.now()
    await ports.books.enter([entry(usageRecord('r1', { key, at }))])
    const { budget } = await api.budgets.get({ id: 'ci-day' })
    expect(budget).toMatchObject({
      subject: { key },
      terms: { amount: 2, warnAt: 0.8, whenSpent: 429, onUnreachable: 'refuse', unpriced: 'allow' },
      now: {
        ...periodAt('day', at),
        amount: 2,
        spent: 0.0022,
        leased: 0,
        remaining: 1.9978,
        isWarning: false,
      },
    })
    const holding = {
      account: accountOf(budget),
      start: periodAt('day', at).start,
      spent: 0,
      least: 0,
      need: 500_000_000,
    }
    const ask = {
      node: 'n',
      boot: 'b',
      seq: 1,
      isDrained: false,
      holdings: [{ ...holding, ceiling: 500_000_000 }],
    }
    await plane.desk.ask(ask)
    const listed = await api.budgets.list()
    expect(listed.budgets[0]?.now).toMatchObject({ leased: 0.5, leases: [{ node: 'n', outstanding: 0.5 }] })

    const changed = await api.budgets.update({ id: 'ci-day', expectedVersion: 1, whenSpent: 402 })
    expect(changed.events).toEqual(['BudgetTermsSet'])
    expect((await api.budgets.get({ id: 'ci-day' })).budget.terms).toMatchObject({
      amount: 2,
      whenSpent: 402,
    })
    expect((await api.budgets.update({ id: 'ci-day', expectedVersion: 2, amount: 2 })).events).toEqual([])
    await api.budgets.remove({ id: 'ci-day', expectedVersion: 2 })
    expect(await refusal(api.budgets.get({ id: 'ci-day' }))).toBe('budget ci-day does not exist')
  })

  test('are refused where they would be nobody’s, or two’s', async () => {
    const { create } = plane.api.budgets
    const terms = { period: 'month', amount: 1 } as const
    expect(await refusal(create({ id: 'x', ...terms }))).toContain('say either a key or a tag')
    expect(await refusal(create({ id: 'x', key, tag: 'red', ...terms }))).toContain(
      'say either a key or a tag',
    )
    expect(await refusal(create({ id: 'x', key: 'key_none', ...terms }))).toContain('there is no such key')
    await create({ id: 'x', tag: 'nobody-has-it-yet', ...terms })
    expect(await refusal(create({ id: 'x', tag: 'red', ...terms }))).toBe(
      'budget x exists already, at version 1',
    )
    const stale = plane.api.budgets.update({ id: 'x', expectedVersion: 9, amount: 3 })
    expect(await refusal(stale)).toContain('budget x is at version 1, not 9')
  })
})
