import { beforeEach, describe, expect, test } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { FADE_MS, signTable, WEIGHTS_REGISTER } from '#contracts/weights/table.ts'
import { hops } from '#test/model/test-node.ts'
import { TEST_KEYS } from '#test/model/log-builder.ts'
import { WeightsView } from './weights.ts'

const subjects = subjectsOf('test')
const VALID_MS = 15_000

let broker: MemoryBroker
let clock: ManualClock
beforeEach(() => {
  broker = new MemoryBroker()
  clock = new ManualClock()
})

const table = (seq: number, factor: number): string =>
  signTable(
    {
      v: 1,
      epoch: 1,
      seq,
      at: clock.now(),
      validForMs: VALID_MS,
      entries: [{ provider: 'a', model: 'v/m', factor, reason: 'errors' }],
    },
    TEST_KEYS.weights,
  )
const view = () => new WeightsView({ bus: broker.connect(), subjects, key: TEST_KEYS.weights, clock })
const say = async (text: string): Promise<void> => {
  broker.connect().publish(subjects.weights, text)
  await hops()
}

describe('the weights an admin sees', () => {
  test('are those the prober said last, of the deployments it named', async () => {
    using seen = view()
    expect(seen.of('a', 'v/m')).toBeNull()
    await say(table(2, 0.5))
    await say(table(1, 0.9))
    expect(seen.of('a', 'v/m')).toEqual({ factor: 0.5, reason: 'errors' })
    expect(seen.of('a', 'other')).toBeNull()
  })

  test('fade when the prober falls silent', async () => {
    using seen = view()
    await say(table(1, 0.2))
    clock.advance(VALID_MS + 10_000)
    const factor = seen.of('a', 'v/m')?.factor ?? 0
    expect(factor).toBeGreaterThan(0.2)
    expect(factor).toBeLessThan(1)
    clock.advance(600_000)
    expect(seen.of('a', 'v/m')?.factor).toBeCloseTo(1)
  })

  test('are known at the start from what the broker kept, as old as they are', async () => {
    await broker.connect().registers.put(WEIGHTS_REGISTER, table(1, 0.2), 'any')
    clock.advance(600_000)
    using seen = view()
    await hops()
    expect(seen.of('a', 'v/m')?.factor).toBeCloseTo(1)
  })

  test('are told as a whole, with what they said at first and how much of it still counts', async () => {
    using seen = view()
    expect(seen.current()).toBeNull()
    await say(table(3, 0.2))
    clock.advance(VALID_MS + FADE_MS)
    expect(seen.current()).toMatchObject({
      epoch: 1,
      seq: 3,
      ageMs: VALID_MS + FADE_MS,
      say: expect.closeTo(1 / Math.E),
      factors: [{ provider: 'a', model: 'v/m', published: 0.2, factor: expect.closeTo(1 - 0.8 / Math.E) }],
    })
  })

  test('are nobody’s who cannot sign them', async () => {
    using seen = view()
    await say(table(1, 0.2).replace('0.2', '0.9'))
    await say('rubbish')
    expect(seen.of('a', 'v/m')).toBeNull()
  })
})
