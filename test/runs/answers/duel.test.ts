import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { diceOf } from '#contracts/routing/dice.ts'
import { Duel, judge } from './duel.ts'
import { spelled, spoiled } from './spelled.ts'

let duel: Duel
beforeAll(async () => {
  duel = await Duel.start()
})
afterAll(() => duel[Symbol.asyncDispose]())

const COUNT = 300

describe('an answer', () => {
  test('is read as it was meant, however it is spelled and cut', async () => {
    const random = diceOf(1)
    for (let time = 1; time <= COUNT; time++) {
      const answer = spelled(random)
      const read = await duel.read(answer)
      expect([time, judge(answer, read)]).toEqual([time, null])
      expect([time, read.undicis]).toEqual([time, read.ours])
    }
  })

  test('that is spoiled is read as undici reads it, or not at all', async () => {
    const random = diceOf(2)
    let taken = 0
    for (let time = 1; time <= COUNT; time++) {
      const answer = spoiled(random)
      const read = await duel.read(answer)
      expect([time, judge(answer, read)]).toEqual([time, null])
      if (read.ours !== null) taken += 1
    }
    // Else it would say nothing.
    expect(taken).toBeGreaterThan(COUNT / 10)
    expect(taken).toBeLessThan(COUNT)
  })
})
