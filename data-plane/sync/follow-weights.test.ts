import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { deploymentId, providerId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { FADE_MS, signTable, WEIGHTS_REGISTER, type WeightTable } from '#contracts/weights/table.ts'
import { hops, masterKey, pass, subjects, useFakeTime } from '#test/model/test-node.ts'
import { WeightFactors } from '../routing/factors.ts'
import { Slots } from '../routing/slots.ts'
import { followWeights } from './follow-weights.ts'
import { Problems } from './problems.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

const table = (seq: number, factor: number, over: Partial<WeightTable> = {}): string =>
  signTable(
    {
      v: 1,
      epoch: 1,
      seq,
      at: Date.now(),
      validForMs: 15_000,
      entries: [{ provider: 'p0', model: 'm', factor, reason: 'test' }],
      ...over,
    },
    masterKey.weights,
  )

function world(broker = new MemoryBroker()) {
  const bus = broker.connect()
  const prober = broker.connect()
  const deployments = new Slots()
  const factors = new WeightFactors(deployments)
  const problems = new Problems(silentLogger, systemClock)
  const factor = (): number =>
    factors.of(deployments.of(deploymentId(providerId('p0'), 'm')), systemClock.monotonic())
  const follow = (): Disposable =>
    followWeights({ bus, subjects, factors, key: masterKey.weights, clock: systemClock, problems })
  return { broker, bus, prober, factor, problems, follow }
}

describe('the weights a node follows', () => {
  test('are in force as soon as the bus brings them', async () => {
    const { prober, factor, follow } = world()
    using _ = follow()
    prober.publish(subjects.weights, table(1, 0.25))
    await hops()
    expect(factor()).toBe(0.25)
    prober.publish(subjects.weights, table(2, 0.5))
    await hops()
    expect(factor()).toBe(0.5)
  })

  test('are not taken from whoever cannot sign them, nor when they make no sense', async () => {
    const { prober, factor, problems, follow } = world()
    using _ = follow()
    prober.publish(subjects.weights, table(1, 0.25).replace('0.25', '0.99'))
    prober.publish(subjects.weights, 'rubbish')
    await hops()
    expect([factor(), problems.of('weights_refused')]).toEqual([1, 2])
  })

  test('are not taken again, nor from before', async () => {
    const { prober, factor, problems, follow } = world()
    using _ = follow()
    for (const seq of [5, 5, 4]) prober.publish(subjects.weights, table(seq, seq / 10))
    await hops()
    expect([factor(), problems.of('weights_stale')]).toEqual([0.5, 2])
  })

  test('begin with the last table that was stored', async () => {
    const { prober, factor, follow } = world()
    await prober.registers.put(WEIGHTS_REGISTER, table(1, 0.25), 'any')
    using _ = follow()
    await hops()
    expect(factor()).toBe(0.25)
  })

  test('that were stored long ago have no say', async () => {
    const { prober, factor, follow } = world()
    await prober.registers.put(WEIGHTS_REGISTER, table(1, 0.25), 'any')
    await pass(15_000 + 20 * FADE_MS)
    using _ = follow()
    await hops()
    expect(factor()).toBeCloseTo(1, 6)
  })

  test('are read again when the bus comes back', async () => {
    const { bus, prober, factor, follow } = world()
    bus.setDown(true)
    using _ = follow()
    await prober.registers.put(WEIGHTS_REGISTER, table(3, 0.75), 'any')
    await hops()
    expect(factor()).toBe(1)
    bus.setDown(false)
    await hops()
    expect(factor()).toBe(0.75)
  })

  test('are no longer taken at the end', async () => {
    const { prober, factor, follow } = world()
    follow()[Symbol.dispose]()
    prober.publish(subjects.weights, table(1, 0.25))
    await hops()
    expect(factor()).toBe(1)
  })
})
