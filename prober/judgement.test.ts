import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProviderProbe } from '#contracts/catalog/provider.ts'
import { encodeTelemetry } from '#contracts/telemetry/report.ts'
import { NO_SUMS } from '#contracts/telemetry/line.ts'
import { OUTCOMES, type OutcomeClass } from '#contracts/telemetry/outcome.ts'
import { openTable, signTable, type WeightTable } from '#contracts/weights/table.ts'
import { Consumer } from './consume.ts'
import { Judgement } from './judgement.ts'
import { decodeMemory, encodeMemory } from './judgement/memory.ts'
import type { Sample } from './judgement/window.ts'
import type { RosterEntry } from './probe/plan.ts'

type Counts = Partial<Record<OutcomeClass, number>>

/** @param firsts how many first contents came, as slow as ever. */
function sample(provider: string, counts: Counts, firsts = 0, node = 'n'): Sample {
  return {
    node,
    provider,
    model: 'm',
    credential: 'c',
    mode: 'sse',
    outcomes: OUTCOMES.map((outcome) => counts[outcome] ?? 0),
    slow: { count: firsts, sum: 0 },
    line: NO_SUMS,
    waiting: 0,
  }
}

const entry = (provider: string, more: Partial<RosterEntry> = {}): RosterEntry => ({
  provider,
  model: 'm',
  kind: 'openai',
  baseUrl: `https://${provider}.example/v1`,
  allowPrivate: false,
  weight: 1,
  routes: ['m'],
  probe: ProviderProbe.parse({}),
  credential: null,
  ...more,
})

/** Two providers, `a` and `b`, well until 30 s. */
function judging(roster: readonly RosterEntry[] = [entry('a'), entry('b')]) {
  const judgement = new Judgement(() => 0.5)
  judgement.know(roster)
  const time = { now: 0 }
  const second = (a: Counts, b: Counts = { success: 10 }): void => {
    time.now += 1_000
    judgement.observe(sample('a', a), time.now)
    judgement.observe(sample('b', b), time.now)
    for (let quarter = 0; quarter < 4; quarter++) judgement.step(time.now + quarter * 250)
  }
  for (let passed = 0; passed < 30; passed++) second({ success: 10 })
  const factor = (provider: string): number =>
    judgement.entries(time.now).find((one) => one.provider === provider)?.factor ?? Number.NaN
  /** Answers what is asked, until it is known how long a probe takes. */
  const calibrate = (): void => {
    for (let passed = 0; passed < 100; passed++) {
      second({ success: 10 })
      for (const { entry: one } of judgement.takeProbes(time.now, 8)) {
        judgement.probed(one.provider, one.model, { outcome: 'success', ms: 100 }, time.now)
      }
    }
  }
  return { judgement, time, second, factor, calibrate }
}

const KEY = new Uint8Array(32)
const table = (entries: WeightTable['entries']): WeightTable => ({
  v: 1,
  epoch: 1,
  seq: 1,
  at: 0,
  validForMs: 15_000,
  entries,
})

describe('Judgement', () => {
  test('takes a provider that fails out, lists it first and leaves the other alone', () => {
    const { judgement, time, second, factor } = judging()
    for (let passed = 0; passed < 5; passed++) second({ fault: 10 })
    expect(judgement.entries(time.now)[0]).toMatchObject({ provider: 'a', factor: 0 })
    expect(judgement.entries(time.now)[0]?.reason).toMatch(/^down for \d+ s: error rate/)
    expect(factor('b')).toBe(1)
  })

  test('holds mistakes of callers and refused keys against nobody', () => {
    const { second, factor } = judging()
    for (let passed = 0; passed < 20; passed++)
      second({ invalid: 50, cancelled: 20, unauthorised: 30, exhausted: 5, missing: 5 })
    expect(factor('a')).toBe(1)
  })

  test('does not take the last provider of a model out', () => {
    const { second, factor } = judging([entry('a', { routes: ['alone'] }), entry('b')])
    for (let passed = 0; passed < 10; passed++) second({ fault: 10 })
    expect(factor('a')).toBeGreaterThan(0)
  })

  test('blames the node, not the provider, when one of three cannot reach it', () => {
    const { judgement, time, factor } = judging()
    for (let passed = 0; passed < 20; passed++) {
      time.now += 1_000
      judgement.observe(sample('a', { success: 10 }, 0, 'n'), time.now)
      judgement.observe(sample('a', { success: 10 }, 0, 'o'), time.now)
      judgement.observe(sample('a', { fault: 5 }, 0, 'cut-off'), time.now)
      judgement.step(time.now)
    }
    expect(factor('a')).toBe(1)
  })

  test('probes a provider that fails, at once, and believes two good probes', () => {
    const { judgement, time, second, factor, calibrate } = judging()
    const probe = (): number =>
      judgement.takeProbes(time.now, 8).filter(({ entry: { provider } }) => provider === 'a').length
    calibrate()
    for (let passed = 0; passed < 4; passed++) second({ fault: 10 })
    expect(probe()).toBe(1)
    expect(probe()).toBe(0)
    judgement.probed('a', 'm', { outcome: 'success', ms: 100 }, time.now)
    for (let passed = 0; passed < 4; passed++) second({})
    expect(probe()).toBe(1)
    expect(factor('a')).toBe(0)
    judgement.probed('a', 'm', { outcome: 'success', ms: 100 }, time.now)
    judgement.step(time.now)
    expect(factor('a')).toBe(0.05)
  })

  test('is not misled by long answers that began before the trouble and end in it', () => {
    const { judgement, time, second, factor } = judging()
    for (let passed = 0; passed < 5; passed++) second({ fault: 10 })
    expect(factor('a')).toBe(0)
    time.now += 3_000
    // Ended, but not begun: first contents are what counts.
    judgement.observe(sample('a', { success: 9 }), time.now)
    expect(factor('a')).toBe(0)
    judgement.observe(sample('a', {}, 2), time.now)
    expect(factor('a')).toBe(0.05)
  })

  test('probes a provider that has fallen silent while the other is heard', () => {
    const { judgement, time, second, calibrate } = judging()
    const asked = (): readonly string[] =>
      judgement.takeProbes(time.now, 8).map(({ entry: { provider }, why }) => `${provider} ${why}`)
    calibrate()
    second({})
    expect(asked()).toEqual([])
    for (let passed = 0; passed < 4; passed++) second({})
    expect(asked()).toEqual(['a suspect'])
  })

  test('probes what a node has put aside, if it is known at all', () => {
    const { judgement, time, calibrate } = judging()
    calibrate()
    judgement.suspect('a', 'm')
    judgement.suspect('a', 'made up by a client')
    expect(judgement.takeProbes(time.now, 8).map(({ entry: one, why }) => [one.provider, why])).toEqual([
      ['a', 'suspect'],
    ])
    expect(judgement.size).toBe(2)
  })

  test('probes a provider that two requests in the fleet wait for, before anything has failed', () => {
    const { judgement, time, calibrate } = judging()
    const asked = (): readonly string[] =>
      judgement.takeProbes(time.now, 8).map(({ entry: { provider }, why }) => `${provider} ${why}`)
    calibrate()
    judgement.observe({ ...sample('a', {}), waiting: 1 }, time.now)
    expect(asked()).toEqual([])
    judgement.observe({ ...sample('a', {}, 0, 'other'), waiting: 1 }, time.now)
    expect(asked()).toEqual(['a suspect'])
  })

  test('does not hold it against a provider that it keeps a limit, but tells the limit', () => {
    const { judgement, time, second, factor } = judging()
    for (let passed = 0; passed < 20; passed++) second({ success: 10, throttled: 10 })
    expect(factor('a')).toBe(1)
    const cap = (): number | undefined =>
      judgement.entries(time.now).find(({ provider }) => provider === 'a')?.detail?.cap
    expect(cap()).toBeGreaterThan(8)
    expect(cap()).toBeLessThan(10)
    // Forgotten once nothing is refused any more and it has grown far beyond what is asked.
    for (let passed = 0; passed < 40; passed++) second({ success: 10 })
    expect(cap()).toBeUndefined()
  })

  test('tells what stands behind each factor', () => {
    const { judgement, time, second } = judging()
    for (let passed = 0; passed < 5; passed++) second({ fault: 10 })
    const [worst] = judgement.entries(time.now)
    expect(worst?.detail).toMatchObject({ state: 'down', errorsOfBest: 0, slownessOfAll: 1, usual: {} })
    expect(worst?.detail?.errors).toBeGreaterThan(0.3)
    expect(worst?.detail?.rate).toBeGreaterThan(5)
  })

  test('goes on from a published table, which counts less the older it is', () => {
    const at = (ageMs: number): number => {
      const judgement = new Judgement(() => 0.5)
      judgement.adopt(table([{ provider: 'a', model: 'm', factor: 0.2, reason: '' }]), ageMs, 0)
      return judgement.entries(0)[0]?.factor ?? Number.NaN
    }
    expect(at(0)).toBe(0.2)
    expect(at(30_000)).toBeCloseTo(1 - 0.8 / Math.E, 4)
    expect(at(600_000)).toBe(1)
    expect(at(-5_000)).toBe(0.2)
  })

  test('goes on from what was remembered, and believes yesterday’s trouble no more', () => {
    const { judgement, second } = judging()
    for (let passed = 0; passed < 3; passed++) second({ fault: 10 })
    const rawAfter = (ageMs: number): number => {
      const next = new Judgement(() => 0.5)
      next.know([entry('a'), entry('b')])
      next.recall(judgement.memory(), ageMs, 1_000_000)
      next.step(1_000_000)
      return next.entries(1_000_000)[0]?.factor ?? Number.NaN
    }
    expect(rawAfter(2_000)).toBe(0.05)
    expect(rawAfter(86_400_000)).toBe(1)
  })

  test('forgets after an hour what neither telemetry nor the roster mentions', () => {
    const { judgement, time } = judging([entry('b')])
    judgement.forget(time.now + 3_600_001)
    expect(judgement.entries(time.now).map(({ provider }) => provider)).toEqual(['b'])
  })

  test('makes a valid table of any report there can be', () => {
    const number = fc.oneof(fc.nat(1_000), fc.double({ min: 0, max: Number.MAX_VALUE, noNaN: true }))
    const series = fc.record({
      provider: fc.constantFrom('a', 'b', '', '__proto__'),
      credential: fc.string(),
      model: fc.constantFrom('m', 'n'),
      mode: fc.constantFrom('json' as const, 'sse' as const),
      outcomes: fc.array(number, { maxLength: 20 }),
      firstMs: fc.array(number, { maxLength: 20 }),
      totalMs: fc.constant<number[]>([]),
      slow: fc.tuple(number, fc.double({ noNaN: true, noDefaultInfinity: true })),
      line: fc.tuple(number, number, number, number, number),
      waiting: number,
    })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.array(series, { maxLength: 5 }), fc.nat(4_000)), { maxLength: 20 }),
        (reports) => {
          const consumer = new Consumer()
          const judgement = new Judgement(() => 0.5)
          judgement.know([entry('a'), entry('b')])
          let now = 0
          reports.forEach(([list, waited], at) => {
            now += waited
            const text = encodeTelemetry({
              v: 1,
              node: 'n',
              boot: 'b',
              seq: at + 1,
              series: list,
              edges: [],
              dropped: 0,
            })
            for (const one of consumer.accept(text, now).samples) judgement.observe(one, now)
            judgement.step(now)
            const entries = judgement.entries(now)
            for (const { reason } of entries) expect(reason).not.toMatch(/NaN|Infinity|undefined/)
            expect(openTable(signTable(table(entries), KEY), KEY)).toMatchObject({ ok: true })
          })
          expect(consumer.garbage).toBe(0)
          const memory = encodeMemory({ writtenAt: 0, entries: judgement.memory() })
          expect(decodeMemory(memory)).toMatchObject({ ok: true })
        },
      ),
    )
  })
})
