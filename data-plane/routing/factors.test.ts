import { describe, expect, test } from 'vitest'
import { deploymentId, providerId } from '#contracts/ids.ts'
import { FADE_MS, type WeightDetail, type WeightEntry, type WeightTable } from '#contracts/weights/table.ts'
import { WeightFactors } from './factors.ts'
import { Slots } from './slots.ts'

const entry = (provider: string, model: string, factor: number): WeightEntry => ({
  provider,
  model,
  factor,
  reason: 'test',
})
const table = (seq: number, entries: readonly WeightEntry[], epoch = 1): WeightTable => ({
  v: 1,
  epoch,
  seq,
  at: 0,
  validForMs: 10_000,
  entries,
})
const DETAIL: WeightDetail = {
  state: 'healthy',
  stateMs: 0,
  errors: 0,
  errorsOfBest: 0,
  slowness: 1,
  slownessOfAll: 1,
  floor: 0.03,
  rate: 1,
  usual: {},
}
const idOf = (provider: string, model: string) => deploymentId(providerId(provider), model)

describe('factors', () => {
  test('are 1 without a table, and for whom it does not name', () => {
    const slots = new Slots()
    const factors = new WeightFactors(slots)
    const [a, b] = [slots.of(idOf('a', 'm')), slots.of(idOf('b', 'm'))]
    expect([factors.of(a, 0), factors.ageMs(0), factors.table]).toEqual([1, null, null])
    factors.accept(table(1, [entry('a', 'm', 0.5)]), 0)
    expect([factors.of(a, 0), factors.of(b, 0), factors.of(99, 0)]).toEqual([0.5, 1, 1])
  })

  test('apply to deployments that this node gets to know later', () => {
    const slots = new Slots()
    const factors = new WeightFactors(slots)
    factors.accept(table(1, [entry('later', 'm', 0.25)]), 0)
    expect(factors.of(slots.of(idOf('later', 'm')), 0)).toBe(0.25)
  })

  test('fade to 1 when nobody renews them', () => {
    const slots = new Slots()
    const factors = new WeightFactors(slots)
    factors.accept(table(1, [entry('a', 'm', 0.2)]), 1_000)
    const a = slots.of(idOf('a', 'm'))
    expect(factors.of(a, 11_000)).toBe(0.2)
    expect(factors.of(a, 11_000 + FADE_MS)).toBeCloseTo(1 - 0.8 / Math.E)
    expect(factors.of(a, 1e9)).toBe(1)
    expect([factors.isFresh(11_000), factors.isFresh(11_000 + FADE_MS)]).toEqual([true, false])
    expect(factors.ageMs(11_000)).toBe(10_000)
  })

  test('of what is out of service are zero, and come back by themselves when nobody renews them', () => {
    const slots = new Slots()
    const factors = new WeightFactors(slots)
    factors.accept(table(1, [entry('a', 'm', 0)]), 0)
    const a = slots.of(idOf('a', 'm'))
    expect([factors.of(a, 0), factors.of(a, 10_000 + FADE_MS)]).toEqual([0, 1 - 1 / Math.E])
  })

  test('of a table without details say nothing about what is usual', () => {
    const slots = new Slots()
    const factors = new WeightFactors(slots)
    factors.accept(table(1, [entry('a', 'm', 0.5)]), 0)
    expect([factors.view(0)?.detail, factors.usual(0, 'sse'), factors.usual(7, 'sse')]).toEqual([
      null,
      null,
      null,
    ])
  })

  test('are one thing, habits another: what was said to be usual stays until something else is', () => {
    const slots = new Slots()
    const factors = new WeightFactors(slots)
    const detailed = (usual: WeightDetail['usual']): WeightEntry => ({
      ...entry('a', 'm', 1),
      detail: { ...DETAIL, usual },
    })
    factors.accept(table(1, [detailed({ sse: { t0: 100, perK: 5 } })]), 0)
    factors.accept(table(2, [detailed({ json: { t0: 900, perK: 0 } })]), 1_000)
    expect([factors.usual(0, 'sse'), factors.usual(0, 'json')]).toEqual([
      { t0: 100, perK: 5 },
      { t0: 900, perK: 0 },
    ])
  })

  test('are replaced by newer tables only, and as a whole', () => {
    const slots = new Slots()
    const factors = new WeightFactors(slots)
    const [a, b] = [slots.of(idOf('a', 'm')), slots.of(idOf('b', 'm'))]
    expect(factors.accept(table(5, [entry('a', 'm', 0.5)]), 0)).toBe(true)
    for (const old of [table(5, [entry('a', 'm', 0.1)]), table(4, []), table(99, [], 0)]) {
      expect(factors.accept(old, 5_000)).toBe(false)
    }
    expect([factors.of(a, 5_000), factors.ageMs(5_000)]).toEqual([0.5, 5_000])
    expect(factors.accept(table(1, [entry('b', 'm', 0.7)], 2), 6_000)).toBe(true)
    expect([factors.of(a, 6_000), factors.of(b, 6_000)]).toEqual([1, 0.7])
  })
})

describe('slots', () => {
  test('are given once, in order, and found by name', () => {
    const slots = new Slots()
    expect(['a', 'b', 'a', '__proto__', 'b'].map((name) => slots.of(name))).toEqual([0, 1, 0, 2, 1])
    expect([slots.size, slots.find('b'), slots.find('c'), slots.name(2), slots.name(3)]).toEqual([
      3,
      1,
      undefined,
      '__proto__',
      undefined,
    ])
  })
})
