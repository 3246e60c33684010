/**
 * What all counters of limits must do. Run on those in memory and on Redis by `limit-counters.test.ts`.
 */
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Limits } from '#contracts/catalog/limits.ts'
import { systemClock } from '#contracts/process/clock.ts'
import type { Entry, LimitCounters, Verdict } from '#data-plane/admission/counters.ts'
import { MeterTable } from '#data-plane/admission/meters.ts'

export type CountersHost = AsyncDisposable & Readonly<{ counters: LimitCounters }>

let count = 0
const next = (): number => (count += 1)

/** One whose meter no other test uses. */
export const anEntry = (limits: Limits, tokens = 1, name = `key\nkey_${next()}`): Entry => ({
  id: `req_${next()}`,
  meters: [{ name, limits }],
  tokens,
})

/** Another request to the same meters. */
export const another = (entry: Entry, tokens = entry.tokens): Entry => ({
  ...entry,
  id: `req_${next()}`,
  tokens,
})

async function enter(counters: LimitCounters, entry: Entry): Promise<Verdict> {
  const verdict = await counters.enter(entry)
  if (verdict === null) throw new Error('the counters did not answer')
  return verdict
}

export function limitCountersContract(where: string, start: () => Promise<CountersHost>): void {
  describe(`counters of limits, ${where}`, () => {
    let host: CountersHost
    let counters: LimitCounters
    let failuresAtFirst: number

    beforeAll(async () => {
      host = await start()
      counters = host.counters
      failuresAtFirst = counters.failures
    })
    afterAll(() => host[Symbol.asyncDispose]())

    const kinds = async (entries: readonly Entry[]): Promise<readonly string[]> => {
      const verdicts: string[] = []
      for (const entry of entries) verdicts.push((await enter(counters, entry)).kind)
      return verdicts
    }
    const leave = async (entry: Entry, tokens = 0): Promise<void> => {
      const verdict = await enter(counters, entry)
      if (verdict.kind === 'in') counters.leave(entry, verdict.piece, tokens)
    }

    test('let in as many requests as a minute takes, and say how long the others wait', async () => {
      const first = anEntry({ requestsPerMinute: 3 })
      expect(await kinds([first, another(first), another(first)])).toEqual(['in', 'in', 'in'])
      const verdict = await enter(counters, another(first))
      if (verdict.kind !== 'out') throw new Error('was let in')
      expect(verdict.level).toMatchObject({ kind: 'requests', limit: 3, used: 3 })
      expect(verdict.waitMs).toBeGreaterThan(55_000)
      expect(verdict.waitMs).toBeLessThanOrEqual(61_000)
    })

    test('count requests that have left, but not as under way', async () => {
      const first = anEntry({ requestsPerMinute: 2 })
      await leave(first)
      await leave(another(first))
      expect((await enter(counters, another(first))).kind).toBe('out')
      const busy = anEntry({ concurrency: 1 })
      for (let time = 0; time < 5; time++) await leave(another(busy))
      expect(await kinds([busy, another(busy)])).toEqual(['in', 'out'])
    })

    test('count tokens as they are known: said before, put right after', async () => {
      const first = anEntry({ tokensPerMinute: 100 }, 60)
      await leave(first, -50)
      const second = another(first, 80)
      expect((await enter(counters, second)).levels).toMatchObject([{ kind: 'tokens', limit: 100, used: 90 }])
      expect(await kinds([another(first, 20)])).toEqual(['out'])
      await leave(another(first, 5), 100)
      expect(await kinds([another(first, 1)])).toEqual(['out'])
    })

    test('let in what is larger than the whole limit when nothing else is counted', async () => {
      const first = anEntry({ tokensPerMinute: 10 }, 1_000)
      expect(await kinds([first, another(first, 1)])).toEqual(['in', 'out'])
    })

    test('count a request in all its meters or in none', async () => {
      const [key, model] = [`key\nkey_${next()}`, `model\nmodel_${next()}`]
      const both = (): Entry => ({
        id: `req_${next()}`,
        meters: [
          { name: key, limits: { requestsPerMinute: 100 } },
          { name: model, limits: { concurrency: 1 } },
        ],
        tokens: 1,
      })
      const [first, second] = [both(), both()]
      expect(await kinds([first, second, both(), both()])).toEqual(['in', 'out', 'out', 'out'])
      const { levels } = await enter(counters, both())
      expect(levels.map(({ used }) => used)).toEqual([1, 1])
    })

    test('keep meters apart, and a key from a model of its name', async () => {
      const first = anEntry({ requestsPerMinute: 1 }, 1, 'key\nsame')
      const others = ['model\nsame', 'key\nsame2', 'key\n__proto__', 'key\nsame\n', 'key\né {x}']
      expect(await kinds([first, another(first)])).toEqual(['in', 'out'])
      for (const name of others)
        expect(await kinds([anEntry({ requestsPerMinute: 1 }, 1, name)]), name).toEqual(['in'])
    })

    test('let in exactly as many of those that come at once', async () => {
      const first = anEntry({ requestsPerMinute: 20, concurrency: 10 })
      const verdicts = await Promise.all(Array.from({ length: 50 }, () => enter(counters, another(first))))
      expect(verdicts.filter((verdict) => verdict.kind === 'in')).toHaveLength(10)
    })

    test('say the same as the arithmetic, whatever comes', async () => {
      const limits = fc.record(
        {
          requestsPerMinute: fc.integer({ min: 1, max: 6 }),
          tokensPerMinute: fc.integer({ min: 1, max: 40 }),
          concurrency: fc.integer({ min: 1, max: 3 }),
        },
        { requiredKeys: [] },
      )
      const steps = fc.array(
        fc.record({
          tokens: fc.integer({ min: 1, max: 30 }),
          leaves: fc.boolean(),
          more: fc.integer({ min: -30, max: 30 }),
        }),
        { maxLength: 12 },
      )
      await fc.assert(
        fc.asyncProperty(limits, steps, async (limit, coming) => {
          const table = new MeterTable(systemClock)
          const first = anEntry(limit)
          for (const { tokens, leaves, more } of coming) {
            const entry = another(first, tokens)
            const [told, right] = [await enter(counters, entry), table.enter(entry)]
            expect([told.kind, told.levels.map(({ used }) => used)]).toEqual([
              right.kind,
              right.levels.map(({ used }) => used),
            ])
            if (!leaves || told.kind === 'out' || right.kind === 'out') continue
            const by = Math.max(-tokens, more)
            counters.leave(entry, told.piece, by)
            table.leave(entry, right.piece, by)
          }
        }),
        { numRuns: 40 },
      )
    })

    test('have failed at none of it', () => {
      expect(counters.failures).toBe(failuresAtFirst)
    })
  })
}
