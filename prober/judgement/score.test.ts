import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { learnLine, NO_LINE } from './estimate.ts'
import { floorOf, NO_PEERS, read, referenceOf, score, type Reading } from './score.ts'
import { newWindow } from './window.ts'

const reading = (more: Partial<Reading> = {}): Reading => ({
  errors: 0,
  slowness: 1,
  rate: 1,
  isSure: true,
  window: newWindow(0),
  ...more,
})

const rawOf = (more: Partial<Reading>, reference = NO_PEERS): number =>
  score(reading(more), reference, 0.01, true).raw

describe('score', () => {
  test.each([
    [0, 1],
    [0.03, 1],
    [0.105, 0.5],
    [0.18, 0.01],
    [1, 0.01],
  ])('keeps of the weight at an error rate of %d: %d', (errors, raw) => {
    expect(rawOf({ errors })).toBeCloseTo(raw, 10)
  })

  test.each([
    [0.3, 1],
    [1.5, 1],
    [3, 0.125],
    [10, 0.01],
  ])('keeps of the weight at %d times the usual time: %d', (slowness, raw) => {
    expect(rawOf({ slowness })).toBeCloseTo(raw, 10)
  })

  test('forgives what all peers have in common', () => {
    const peers = [reading({ errors: 0.3, slowness: 4 }), reading({ errors: 0.32, slowness: 4 })]
    expect(rawOf({ errors: 0.32, slowness: 4 }, referenceOf(peers))).toBe(1)
  })

  test('does not take the word of a peer that has hardly been tried', () => {
    const peers = [reading({ errors: 0.3 }), reading({ errors: 0, isSure: false })]
    expect(referenceOf(peers).errors).toBe(0)
  })

  test('calls a deployment broken by its errors or eight faults in a row, if somebody else can serve', () => {
    const failing = { ...newWindow(0), errors: { value: 0.8, count: 8, at: 0 } }
    const inARow = { ...newWindow(0), faultsInARow: 8 }
    for (const window of [failing, inARow]) {
      const bad = reading({ errors: 0.5, window })
      expect(score(bad, NO_PEERS, 0.01, true).isBroken).toBe(true)
      expect(score(bad, NO_PEERS, 0.01, false).isBroken).toBe(false)
      expect(score(bad, { errors: 0.4, slowness: 1 }, 0.01, true).isBroken).toBe(false)
    }
  })

  test('says what is wrong in numbers', () => {
    const first = learnLine(NO_LINE, [15, 7.5, 3.75, 15 * 210, 7.5 * 210], true, 0)
    const sse = learnLine(first, [15, 7.5, 3.75, 15 * 210, 7.5 * 210], true, 10_000)
    const window = { ...newWindow(0), usual: { json: NO_LINE, sse } }
    const bad = reading({ errors: 0.31, slowness: 9.8, window })
    expect(score(bad, NO_PEERS, 0.01, true).trouble).toBe(
      'error rate 31 % in the last seconds; first token 9.8 times its usual 210 ms',
    )
    expect(score(reading(), NO_PEERS, 0.01, true).trouble).toBe('')
  })

  const errors = fc.double({ min: 0, max: 3, noNaN: true })
  const slowness = fc.double({ min: 0.3, max: 10, noNaN: true })
  const floor = fc.double({ min: 0.003, max: 0.05, noNaN: true })

  test('lies between the floor and 1, and more errors or more slowness never raise it', () => {
    fc.assert(
      fc.property(errors, errors, slowness, slowness, floor, (e1, e2, s1, s2, least) => {
        const at = (e: number, s: number): number =>
          score(reading({ errors: e, slowness: s }), NO_PEERS, least, true).raw
        const better = at(Math.min(e1, e2), Math.min(s1, s2))
        const worse = at(Math.max(e1, e2), Math.max(s1, s2))
        expect(worse).toBeGreaterThanOrEqual(least)
        expect(better).toBeLessThanOrEqual(1)
        expect(worse).toBeLessThanOrEqual(better)
      }),
    )
  })

  test('a reference never makes anything worse than it would be alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(errors, slowness, fc.boolean()), { minLength: 1, maxLength: 6 }),
        (rows) => {
          const peers = rows.map(([e, s, isSure]) => reading({ errors: e, slowness: s, isSure }))
          const reference = referenceOf(peers)
          for (const peer of peers) {
            const alone = score(peer, NO_PEERS, 0.01, true).raw
            expect(score(peer, reference, 0.01, true).raw).toBeGreaterThanOrEqual(alone)
          }
        },
      ),
    )
  })
})

describe('the floor', () => {
  test.each([
    [0, 0.05],
    [2, 0.05],
    [20, 0.01],
    [1_000, 0.003],
  ])('of a deployment that would get %d requests a second is %d', (rate, floor) => {
    expect(floorOf(rate)).toBe(floor)
  })
})

test('a window without evidence reads as well', () => {
  expect(score(read(newWindow(0), 0), NO_PEERS, 0.01, true)).toMatchObject({
    raw: 1,
    isBroken: false,
    trouble: '',
  })
})
