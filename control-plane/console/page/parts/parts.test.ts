import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { barsOf, stacked } from './chart.ts'
import { firstRequest, modelToTry } from './first-request.ts'
import { limitsIn, limitWords } from './limits.ts'
import { byDay } from './usage.ts'

const FRAME = { width: 280, height: 56 }

describe('bars', () => {
  test('stand side by side in their frame, the tallest as high as it is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e12, noNaN: true }), { minLength: 1, maxLength: 60 }),
        (values) => {
          const bars = barsOf(values, FRAME)
          expect(bars).toHaveLength(values.length)
          for (const [at, { x, y, width, height }] of bars.entries()) {
            expect(x).toBeGreaterThanOrEqual(
              bars[at - 1] === undefined ? 0 : (bars[at - 1]?.x ?? 0) + width - 0.2,
            )
            expect(x + width).toBeLessThanOrEqual(FRAME.width + 0.1)
            expect(y + height).toBeCloseTo(FRAME.height, 5)
            expect(height > 0).toBe((values[at] ?? 0) > 0)
          }
          if (Math.max(...values) > 0)
            expect(Math.max(...bars.map(({ height }) => height))).toBe(FRAME.height)
        },
      ),
    )
  })

  test('of nothing, of less than nothing and of no number lie on the floor', () => {
    expect(barsOf([], FRAME)).toEqual([])
    expect(barsOf([0, -1, Number.NaN], FRAME).map(({ height }) => height)).toEqual([0, 0, 0])
  })

  test('have their part within them', () => {
    const [first, second] = stacked([10, 4], [5, 0], FRAME)
    expect([first?.whole.height, first?.part.height, second?.part.height]).toEqual([56, 28, 0])
    expect(first?.part.y).toBe(first?.whole.y)
    expect(stacked([1], [7], FRAME)[0]?.part.height).toBe(FRAME.height)
  })
})

test('days without requests are there, with nothing', () => {
  const row = { name: '2026-11-28', requests: 2, failed: 1, input: 3, output: 4, cost: 5, unpriced: 0 }
  expect(byDay(['2026-11-27', '2026-11-28'], [row])).toEqual([
    { name: '2026-11-27', requests: 0, failed: 0, input: 0, output: 0, cost: 0, unpriced: 0 },
    row,
  ])
})

describe('the first request', () => {
  const of = (id: string, state: string, models: readonly string[]) => ({
    id,
    state,
    definition: { models: { static: models } },
  })

  test('asks for a logical model, else for one that an enabled provider was said to have', () => {
    expect(modelToTry([{ name: 'fast' }], [of('a', 'enabled', ['m'])])).toBe('fast')
    expect(modelToTry([], [of('a', 'disabled', ['no']), of('b', 'enabled', ['yes'])])).toBe('yes')
    expect(modelToTry([], [])).toBeNull()
  })

  test('is one line for a shell, whatever the model is called', () => {
    const line = firstRequest({ gateway: 'http://127.0.0.1:8080/', model: "it's", key: 'sk-ap-1' })
    expect(line.replaceAll(/ \\\n\s*/g, ' ')).toBe(
      'curl http://127.0.0.1:8080/v1/chat/completions -H "authorization: Bearer sk-ap-1" ' +
        `-H "content-type: application/json" -d '{"model":"it'\\''s","messages":[{"role":"user","content":"Hello!"}]}'`,
    )
  })

  test('lists the models where none is known', () => {
    expect(firstRequest({ gateway: null, model: null, key: null })).toBe(
      'curl https://your-gateway/v1/models -H "authorization: Bearer $APIPROXY_KEY"',
    )
  })
})

test('limits that are left empty are not set', () => {
  const given = new Map([['limits.requestsPerMinute', 60]])
  const limits = limitsIn({ number: (name) => given.get(name) })
  expect(limits).toEqual({ requestsPerMinute: 60 })
  expect([limitWords(limits), limitWords({})]).toEqual(['60 requests a minute', 'none'])
})
