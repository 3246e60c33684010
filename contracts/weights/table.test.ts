import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isNewer, openTable, FADE_MS, relaxedFactor, signTable, type WeightTable } from './table.ts'

const KEY = Buffer.alloc(32, 1)
const table: WeightTable = {
  v: 1,
  epoch: 3,
  seq: 17,
  at: 1_700_000_000_000,
  validForMs: 15_000,
  entries: [{ provider: 'openai', model: 'gpt', factor: 0.25, reason: 'slow: “p50 ×2”' }],
}

const open = (text: string, key = KEY): string => {
  const opened = openTable(text, key)
  return opened.ok ? 'accepted' : (opened.error.split('\n')[0] ?? '')
}
/** A table that is signed correctly and says something else. */
const signed = (change: object): string => signTable({ ...table, ...change }, KEY)

describe('a weight table', () => {
  test('brings back what was signed', () => {
    expect(openTable(signTable(table, KEY), KEY)).toEqual({ ok: true, value: table })
  })

  test('under another key is refused', () => {
    expect(open(signTable(table, Buffer.alloc(32, 2)))).toBe('wrong signature')
  })

  test('with any character changed is refused', () => {
    const text = signTable(table, KEY)
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
        fc.pre(text[at] !== character)
        const changed = text.slice(0, at) + character + text.slice(at + 1)
        // The signature's own spelling has spare bits; whatever is accepted must say exactly the same.
        const opened = openTable(changed, KEY)
        if (opened.ok) expect(opened.value).toEqual(table)
      }),
      { numRuns: 500 },
    )
  })

  test('cut short, empty or of another kind is malformed', () => {
    for (const text of [
      '',
      '{}',
      'null',
      '[]',
      '{"table":1,"mac":"x"}',
      signTable(table, KEY).slice(0, -5),
    ]) {
      expect(open(text)).toBe('malformed')
    }
    expect(open('{"table":"{}","mac":""}')).toBe('wrong signature')
  })

  test.each<[string, object]>([
    ['version', { v: 2 }],
    ['epoch', { epoch: 0 }],
    ['sequence', { seq: 0.5 }],
    ['time to live', { validForMs: 0 }],
    ['factor above 1', { entries: [{ ...table.entries[0], factor: 1.01 }] }],
    ['factor below 0', { entries: [{ ...table.entries[0], factor: -0.01 }] }],
    ['factor that is no number', { entries: [{ ...table.entries[0], factor: null }] }],
    ['number of entries', { entries: Array.from({ length: 100_001 }, () => table.entries[0]) }],
  ])('that is signed but has a wrong %s is refused', (_what, change) => {
    expect(open(signed(change))).not.toBe('accepted')
  })

  test('never throws on any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(openTable(text, KEY).ok).toBe(false)
      }),
    )
  })
})

describe('the order of tables', () => {
  const place = (epoch: number, seq: number) => ({ epoch, seq })

  test('counts the epoch first, then the sequence; equal is not newer', () => {
    expect(isNewer(place(1, 1), null)).toBe(true)
    expect(isNewer(place(1, 2), place(1, 1))).toBe(true)
    expect(isNewer(place(2, 1), place(1, 99))).toBe(true)
    expect(isNewer(place(1, 99), place(2, 1))).toBe(false)
    expect(isNewer(place(1, 1), place(1, 1))).toBe(false)
  })

  test('is a strict order, so that two probers cannot swing a node to and fro', () => {
    const anyPlace = fc.record({ epoch: fc.integer({ min: 1, max: 4 }), seq: fc.integer({ min: 1, max: 4 }) })
    fc.assert(
      fc.property(anyPlace, anyPlace, anyPlace, (a, b, c) => {
        expect(isNewer(a, b) && isNewer(b, a)).toBe(false)
        if (isNewer(a, b) && isNewer(b, c)) expect(isNewer(a, c)).toBe(true)
      }),
    )
  })
})

describe('a factor', () => {
  test('counts in full until its table expires, then fades to 1', () => {
    const at = (ageMs: number): number => relaxedFactor(0.2, ageMs, 3_500)
    expect(at(0)).toBeCloseTo(0.2, 12)
    expect(at(3_500)).toBe(at(0))
    expect(at(3_500 + FADE_MS)).toBeCloseTo(1 - 0.8 / Math.E)
    expect(at(1e9)).toBe(1)
  })

  test('stays between itself and 1, and never falls with age', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    const age = fc.double({ min: 0, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(share, age, age, fc.integer({ min: 1, max: 60_000 }), (factor, one, other, validForMs) => {
        const [young, old] = one < other ? [one, other] : [other, one]
        const [before, after] = [
          relaxedFactor(factor, young, validForMs),
          relaxedFactor(factor, old, validForMs),
        ]
        expect(before).toBeGreaterThanOrEqual(factor - 1e-12)
        expect(after).toBeLessThanOrEqual(1)
        expect(after).toBeGreaterThanOrEqual(before)
      }),
    )
  })
})
