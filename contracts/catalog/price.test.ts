import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { definition } from '#test/control-plane/given.ts'
import { priceAt, priceSpans } from './price.ts'
import type { ProviderDefinitionInput } from './provider.ts'

const over = (more: Partial<ProviderDefinitionInput>) => ({ definition: definition(more) })
const own = (model: string, from: number, input: number) => ({ model, from, input, output: input * 4 })

test('the operator’s price wins, then that of the routing, then the public one', () => {
  const prices = [own('gpt-4o', 0, 9)]
  const routing = { costInput: 7 }
  expect(priceAt(over({ prices, routing }), 'gpt-4o', 5)).toEqual({ input: 9, output: 36 })
  expect(priceAt(over({ prices, routing }), 'other', 5)).toEqual({ input: 7, output: 0 })
  expect(priceAt(over({ prices }), 'gpt-4o-mini', 5)).toMatchObject({ input: 0.15, output: 0.6 })
  expect(priceAt(over({}), 'nobody-knows', 5)).toBeNull()
})

test('a price is in force from its time until that of the next', () => {
  const priced = over({ prices: [own('m', 200, 3), own('m', 100, 2), own('*', 150, 5), own('*', 100, 4)] })
  const at = (time: number) => priceAt(priced, 'm', time)?.input
  expect([99, 100, 149, 150, 199, 200, 999].map(at)).toEqual([undefined, 2, 2, 5, 5, 3, 3])
})

const entry = fc.record({
  model: fc.constantFrom('m', '*', 'n'),
  from: fc.nat(20),
  input: fc.nat(9),
  output: fc.nat(9),
})

test('of all that fit the latest counts, of those of one time the model’s own, of those the last', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.nat(25), (prices, at) => {
      const fitting = prices.filter(({ model, from }) => from <= at && (model === 'm' || model === '*'))
      const latest = fitting.filter(({ from }) => fitting.every((other) => other.from <= from))
      const best = latest.findLast(({ model }) => model === 'm') ?? latest[0]
      const found = priceAt(over({ prices }), 'm', at)
      expect(found).toEqual(best === undefined ? null : { input: best.input, output: best.output })
    }),
  )
})

test('a list is looked through once, however often it is asked of', () => {
  let looks = 0
  const prices = [own('m', 0, 1), own('n', 0, 2), own('*', 0, 3)].map((price) => ({
    ...price,
    get model() {
      looks += 1
      return price.model
    },
  }))
  const priced = { definition: { ...definition({}), prices } }
  const inputs = ['m', 'n', 'other', 'm'].map((model) => priceAt(priced, model, 5)?.input)
  expect([inputs, looks]).toEqual([[1, 2, 3, 1], prices.length])
})

test('spans tell the price of every moment between two', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 6 }),
      fc.nat(10),
      fc.integer({ min: 1, max: 20 }),
      (prices, from, length) => {
        const priced = over({ prices })
        const spans = priceSpans(priced, 'm', from, from + length)
        expect([spans[0]?.from, spans.at(-1)?.to]).toEqual([from, from + length])
        for (let at = from; at < from + length; at++) {
          const span = spans.filter((one) => one.from <= at && at < one.to)
          expect(span.map(({ price }) => price)).toEqual([priceAt(priced, 'm', at)])
        }
      },
    ),
  )
})
