import { describe, expect, test } from 'vitest'
import { credentialId, providerId } from '#contracts/ids.ts'
import { percentile, total } from '#contracts/telemetry/histogram.ts'
import { outcomeIndex } from '#contracts/telemetry/outcome.ts'
import { laneName } from '../routing/compile.ts'
import { Slots } from '../routing/slots.ts'
import { Counters, type Ended } from './counters.ts'

const ended = (outcome: number, firstMs: number, totalMs: number): Ended => ({
  outcome,
  firstMs,
  slowness: null,
  totalMs,
  habit: null,
})

const SUCCESS = outcomeIndex('success')
const FAULT = outcomeIndex('fault')

function counting(...models: string[]): { counters: Counters; lanes: number[] } {
  const slots = new Slots()
  const lanes = models.map((model) => slots.of(laneName(providerId('p'), model, credentialId('c'))))
  return { counters: new Counters(slots), lanes }
}

describe('Counters', () => {
  test('counts outcomes and durations by lane and mode, under the names of the lane', () => {
    const { counters, lanes } = counting('x', 'y')
    const [x = 0, y = 0] = lanes
    counters.record(x, 'json', ended(SUCCESS, 100, 200))
    counters.record(x, 'json', ended(FAULT, -1, 50))
    counters.record(y, 'sse', ended(SUCCESS, 10, 30))

    const [first, second, ...rest] = [...counters.series()]
    expect(rest).toEqual([])
    expect(first).toMatchObject({ provider: 'p', model: 'x', credential: 'c', mode: 'json' })
    expect(first?.outcomes[SUCCESS]).toBe(1)
    expect(first?.outcomes[FAULT]).toBe(1)
    expect(total(first!.firstMs)).toBe(1)
    expect(total(first!.totalMs)).toBe(2)
    expect(percentile(first!.firstMs, 0.5)).toBeCloseTo(100, -1)
    expect(second).toMatchObject({ model: 'y', mode: 'sse' })
  })

  test('counts a first content before the attempt has ended, and only once', () => {
    const { counters, lanes } = counting('x')
    const [x = 0] = lanes
    counters.recordFirst(x, 'sse', 100, null)
    const [begun] = [...counters.series()]
    expect(total(begun!.firstMs)).toBe(1)
    expect(begun!.outcomes.every((count) => count === 0)).toBe(true)
    counters.record(x, 'sse', ended(SUCCESS, -1, 900))
    expect(total(begun!.firstMs)).toBe(1)
    expect(begun!.outcomes[SUCCESS]).toBe(1)
  })

  test('tells the series that changed in a generation from those that did not', () => {
    const { counters, lanes } = counting('x', 'y')
    const [x = 0, y = 0] = lanes
    counters.record(x, 'json', ended(SUCCESS, 1, 1))
    const generation = counters.nextGeneration()
    counters.record(y, 'json', ended(SUCCESS, 1, 1))
    expect([...counters.series(generation)].map(({ model }) => model)).toEqual(['y'])
    expect([...counters.series()].map(({ model }) => model)).toEqual(['x', 'y'])
  })

  test('sums up how slow first contents were, and what whole answers add to what is usual', () => {
    const { counters, lanes } = counting('x')
    const [x = 0] = lanes
    counters.recordFirst(x, 'sse', 100, 0.5)
    counters.recordFirst(x, 'sse', 300, null)
    counters.record(x, 'sse', { ...ended(SUCCESS, -1, 900), habit: { size: 2, ms: 100 } })
    counters.record(x, 'sse', { ...ended(SUCCESS, -1, 900), habit: { size: 1, ms: 300 } })
    counters.record(x, 'sse', ended(FAULT, -1, 900))
    const [series] = [...counters.series()]
    expect([...series!.slow]).toEqual([1, 0.5])
    expect([...series!.line]).toEqual([2, 3, 5, 400, 500])
  })

  test('takes down who waits, anew each time', () => {
    const { counters, lanes } = counting('x')
    const [x = 0] = lanes
    counters.countWaiting((waits) => [waits(x, 'sse'), waits(x, 'sse')])
    expect([...counters.series()].map(({ waiting }) => waiting[0])).toEqual([2])
    const generation = counters.nextGeneration()
    counters.countWaiting(() => undefined)
    // That nobody waits any more is news, once.
    expect([...counters.series(generation)].map(({ waiting }) => waiting[0])).toEqual([0])
    const later = counters.nextGeneration()
    counters.countWaiting(() => undefined)
    expect([...counters.series(later)]).toEqual([])
  })

  test('forgets lanes that are gone and begins at zero should they return', () => {
    const { counters, lanes } = counting('x', 'y')
    const [x = 0, y = 0] = lanes
    for (const lane of [x, y, y]) counters.record(lane, 'json', ended(SUCCESS, 1, 1))
    counters.keepOnly(new Set([x]))
    expect([...counters.series()].map(({ model }) => model)).toEqual(['x'])
    counters.record(y, 'json', ended(SUCCESS, 1, 1))
    expect([...counters.series()].map(({ outcomes }) => outcomes[SUCCESS])).toEqual([1, 1])
  })
})
