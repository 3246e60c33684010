import { describe, expect, test } from 'vitest'
import { deploymentId, providerId } from '#contracts/ids.ts'
import { RELAX_MS, type WeightEntry, type WeightTable } from '#contracts/weights/table.ts'
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
    expect(factors.of(a, 11_000 + RELAX_MS / 2)).toBeCloseTo(0.6)
    expect(factors.of(a, 11_000 + RELAX_MS)).toBe(1)
    expect(factors.ageMs(11_000)).toBe(10_000)
  })

  test('never reach zero: a table makes a deployment rare, it does not take it out', () => {
    const slots = new Slots()
    const factors = new WeightFactors(slots)
    factors.accept(table(1, [entry('a', 'm', 0)]), 0)
    expect(factors.of(slots.of(idOf('a', 'm')), 0)).toBe(0.001)
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
