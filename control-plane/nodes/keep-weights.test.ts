import { afterAll, beforeAll, expect, test } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import type { WeightTable } from '#contracts/weights/table.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { WeightKeeper } from './keep-weights.ts'

let plane: AdminPlane
beforeAll(async () => {
  plane = await openAdminPlane()
})
afterAll(() => plane[Symbol.asyncDispose]())

const table = (seq: number, factors: Readonly<Record<string, number>>, epoch = 1): WeightTable => ({
  v: 1,
  epoch,
  seq,
  at: 1_000_000 + seq * 1_000,
  validForMs: 3_500,
  entries: Object.entries(factors).map(([provider, factor]) => ({
    provider,
    model: 'm',
    factor,
    reason: 'said',
  })),
})

const names = (...providers: readonly string[]) => providers.map((provider) => ({ provider, model: 'm' }))

test('what the prober said is known table by table, and what was missed is not made up', async () => {
  const { weightTables: tables } = plane.ports
  const clock = new ManualClock(1_000_000)
  const keeper = new WeightKeeper({ tables, clock, logger: silentLogger, retentionMs: 86_400_000 })
  const factorsAt = async (epoch: number, seq: number) => {
    const entries = await tables.entriesOf(epoch, seq, names('a', 'b'))
    return entries === null
      ? null
      : Object.fromEntries(entries.map(({ provider, factor }) => [provider, factor]))
  }
  keeper.take(table(10, { a: 1, b: 1 }))
  keeper.take(table(11, { a: 1, b: 0.5 }))
  keeper.take(table(12, { a: 1, b: 0.5 }))
  await keeper.tick()
  keeper.take(table(13, { a: 0.1 }))
  // 14 was never heard.
  keeper.take(table(15, { a: 0.2, b: 0.7 }))
  keeper.take(table(1, { a: 0.9 }, 2))
  await keeper.tick()

  expect(await factorsAt(1, 9)).toBeNull()
  expect(await factorsAt(1, 10)).toEqual({ a: 1, b: 1 })
  expect(await factorsAt(1, 12)).toEqual({ a: 1, b: 0.5 })
  expect(await factorsAt(1, 13)).toEqual({ a: 0.1, b: 1 })
  expect(await factorsAt(1, 14)).toBeNull()
  expect(await factorsAt(1, 15)).toEqual({ a: 0.2, b: 0.7 })
  expect(await factorsAt(2, 1)).toEqual({ a: 0.9 })

  const { moves, since } = await tables.changes(1_000_000, 1_013_500, { provider: 'b' }, 10)
  expect(moves.map(({ seq, factor }) => [seq, factor])).toEqual([
    [10, 1],
    [11, 0.5],
    [13, 1],
  ])
  expect(since).toBe(1_000_000)
  const newest = await tables.changes(1_000_000, 1_013_500, { provider: 'b' }, 2)
  expect(newest.moves.map(({ seq }) => seq)).toEqual([11, 13])
  expect(newest.since).toBe(1_010_001)
  await tables.dropBefore(1_014_000)
  expect(await factorsAt(1, 13)).toBeNull()
  expect(await factorsAt(1, 15)).toEqual({ a: 0.2, b: 0.7 })
})

test('a database that is away for long costs what was said meanwhile, and nothing after it', async () => {
  const kept: (readonly [number, number, number])[] = []
  let isAway = true
  const keeper = new WeightKeeper({
    tables: {
      keep: async (_writer, tables) => {
        if (isAway) throw new Error('away')
        kept.push(...tables.map(({ seq, firstSeq, entries }) => [seq, firstSeq, entries.length] as const))
      },
      dropBefore: async () => undefined,
    },
    clock: new ManualClock(),
    logger: silentLogger,
    retentionMs: 1,
  })
  keeper.take(table(1, { a: 1 }))
  await keeper.tick()
  isAway = false
  keeper.take(table(2, { a: 1 }))
  await keeper.tick()
  expect(kept).toEqual([
    [1, 1, 1],
    [2, 1, 0],
  ])
  isAway = true
  for (let seq = 3; seq < 400; seq++) keeper.take(table(seq, { a: 1 }))
  await keeper.tick()
  isAway = false
  kept.length = 0
  await keeper.tick()
  const [first] = kept
  // The first that is kept again begins a run of its own, with all it says.
  expect(first).toEqual([304, 304, 1])
})
