import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { correct, emptyIn, pieceAt, shareOf, use, usedIn, waitFor, type Minute } from './limits.ts'

const MINUTE_MS = 60_000
const START = 1_000_000

type Arrival = Readonly<{ afterMs: number; amount: number }>
const arrivals = (amount: fc.Arbitrary<number>): fc.Arbitrary<Arrival[]> =>
  fc.array(fc.record({ afterMs: fc.oneof(fc.nat(50), fc.nat(5_000), fc.nat(70_000)), amount }), {
    minLength: 1,
    maxLength: 200,
  })

/** Lets in whatever fits. @returns when, and how much. */
function letIn(limit: number, coming: readonly Arrival[]): (readonly [at: number, amount: number])[] {
  const minute: Minute = new Map()
  let now = START
  return coming.flatMap(({ afterMs, amount }) => {
    now += afterMs
    if (waitFor(minute, now, amount, limit) > 0) return []
    use(minute, pieceAt(now), amount)
    return [[now, amount] as const]
  })
}

describe('a sliding minute', () => {
  test('never holds more than the limit, wherever it begins', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 60 }),
        arrivals(fc.integer({ min: 1, max: 5 })),
        (limit, coming) => {
          const taken = letIn(limit, coming)
          for (const [from] of taken) {
            const within = taken.filter(([at]) => at >= from && at < from + MINUTE_MS)
            expect(within.reduce((sum, [, amount]) => sum + amount, 0)).toBeLessThanOrEqual(limit)
          }
        },
      ),
    )
  })

  test('gives away all of the limit, and again a second after the minute is over', () => {
    const burst = (count: number, afterMs: number): Arrival[] =>
      Array.from({ length: count }, (_one, at) => ({ afterMs: at === 0 ? afterMs : 0, amount: 1 }))
    const taken = letIn(100, [...burst(150, 0), ...burst(150, MINUTE_MS + 1_000)])
    expect(taken.filter(([at]) => at === START)).toHaveLength(100)
    expect(taken).toHaveLength(200)
  })

  test('says how long to wait: then it fits, and a second before it does not', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(70_000), amount: fc.integer({ min: 1, max: 9 }) }), {
          maxLength: 40,
        }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 40 }),
        (used, amount, limit) => {
          const minute: Minute = new Map()
          for (const one of used) use(minute, pieceAt(START - one.at), one.amount)
          const wait = waitFor(minute, START, amount, limit)
          expect(wait).toBeGreaterThanOrEqual(0)
          expect(wait).toBeLessThanOrEqual(MINUTE_MS + 1_000)
          if (wait === 0) return
          expect(waitFor(new Map(minute), START + wait, amount, limit)).toBe(0)
          expect(waitFor(new Map(minute), START + wait - 1, amount, limit)).toBeGreaterThan(0)
        },
      ),
    )
  })

  test('lets what is larger than the whole limit in when it is empty', () => {
    expect(waitFor(new Map(), START, 5_000, 100)).toBe(0)
    expect(waitFor(new Map([[pieceAt(START), 1]]), START, 5_000, 100)).toBe(61_000)
  })

  test('is empty when its newest second has left it', () => {
    expect(emptyIn(new Map(), START)).toBe(0)
    const minute: Minute = new Map([
      [pieceAt(START) - 30, 4],
      [pieceAt(START), 0],
    ])
    expect(emptyIn(minute, START)).toBe(31_000)
  })

  test('keeps no second that counts no more', () => {
    const minute: Minute = new Map()
    for (let second = 0; second < 500; second++) {
      use(minute, second, 1)
      expect(usedIn(minute, second)).toBe(Math.min(second + 1, 61))
    }
    expect(minute.size).toBe(61)
  })
})

describe('what is known of a cost afterwards', () => {
  const piece = pieceAt(START)

  test.each([
    ['more, within the minute: where it was counted', 30_000, 50, [[piece, 150]]],
    ['less, within the minute: where it was counted', 30_000, -60, [[piece, 40]]],
    ['less than nothing: nothing', 0, -500, [[piece, 0]]],
  ])('is put right: %s', (_what, afterMs, by, pieces) => {
    const minute: Minute = new Map([[piece, 100]])
    correct(minute, piece, START + afterMs, by)
    expect([...minute]).toEqual(pieces)
  })

  test('counts now, when it is more and its minute is over; less gives nothing back', () => {
    const minute: Minute = new Map()
    correct(minute, piece, START + 90_000, 70)
    correct(minute, piece, START + 90_000, -70)
    expect([...minute]).toEqual([[piece + 90, 70]])
  })
})

describe('the share of a node', () => {
  test('adds up to the whole at most, unless there are more nodes than there is to share', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 0, max: 50 }), (limit, nodes) => {
        const {
          requestsPerMinute = 0,
          tokensPerMinute,
          concurrency,
        } = shareOf({ requestsPerMinute: limit }, nodes)
        expect([tokensPerMinute, concurrency]).toEqual([undefined, undefined])
        expect(requestsPerMinute).toBeGreaterThanOrEqual(1)
        if (limit >= nodes) expect(requestsPerMinute * nodes).toBeLessThanOrEqual(limit)
        if (nodes <= 1) expect(requestsPerMinute).toBe(limit)
      }),
    )
  })
})
