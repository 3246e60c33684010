import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { diceOf } from '#contracts/routing/dice.ts'
import { Duel, judge } from './duel.ts'
import { spelled, spoiled } from './spelled.ts'

let duel: Duel
beforeAll(async () => {
  duel = await Duel.start()
})
afterAll(() => duel[Symbol.asyncDispose]())

const COUNT = 400

describe.each([
  ['requests as clients spell them', spelled, 1],
  ['requests of which one is spoiled', spoiled, 2],
])('%s', (_, make, seed) => {
  test('are the same behind our listener as behind Node alone, however they are cut', async () => {
    const random = diceOf(seed)
    let [ours, nodes] = [0, 0]
    for (let time = 1; time <= COUNT; time++) {
      const seen = await duel.see(make(random))
      expect([time, judge(seen)]).toEqual([time, null])
      ours += seen.ours.ways.filter((way) => way === 'ours').length
      nodes += seen.ours.ways.filter((way) => way === 'nodes').length
    }
    // Else it would say nothing of the one, or of handing over to the other.
    expect(ours).toBeGreaterThan(COUNT / 3)
    expect(nodes).toBeGreaterThan(COUNT / 3)
  })
})
