import { describe, expect, test } from 'vitest'
import { MemoryBroker, type MemoryBus } from '#contracts/bus/memory.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { Lease, LEASE_KEY } from './lease.ts'

type Contender = { lease: Lease; clock: ManualClock; bus: MemoryBus }

function contenders(
  count: number,
  lastEpoch = 0,
  random: () => number = () => 0.5,
): { all: Contender[]; broker: MemoryBroker; pass: (ms: number) => Promise<void> } {
  const broker = new MemoryBroker()
  const all = Array.from({ length: count }, (_, index): Contender => {
    const bus = broker.connect()
    // Clocks of different machines agree on nothing.
    const clock = new ManualClock(1_700_000_000_000 + index * 1_000_000)
    const ports = {
      registers: bus.registers,
      clock,
      random,
      holder: `prober-${index}`,
      lastEpoch: () => lastEpoch,
    }
    return { lease: new Lease(ports), clock, bus }
  })
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 1_000) {
      for (const { lease, clock } of all) {
        clock.advance(1_000)
        await lease.step().catch(() => undefined)
      }
    }
  }
  return { all, broker, pass }
}

const holders = (all: readonly Contender[]): number[] =>
  all.flatMap(({ lease }, at) => (lease.epoch === null ? [] : [at]))

describe('Lease', () => {
  test('is had at once where nobody holds it, by one only, and kept', async () => {
    const { all, pass } = contenders(3)
    await pass(1_000)
    expect(holders(all)).toEqual([0])
    const epoch = all[0]!.lease.epoch
    for (let minute = 0; minute < 60; minute++) {
      await pass(1_000)
      expect(holders(all)).toEqual([0])
    }
    expect(all[0]!.lease.epoch).toBe(epoch)
  })

  test('passes to a standby ten seconds after the holder has gone, under a higher epoch', async () => {
    const { all, pass } = contenders(2)
    await pass(5_000)
    const before = all[0]!.lease.epoch ?? 0
    all[0]!.bus.setDown(true)
    await pass(7_000)
    expect(holders(all)).not.toContain(1)
    await pass(7_000)
    expect(holders(all)).toEqual([1])
    expect(all[1]!.lease.epoch).toBe(before + 1)
  })

  test('falls silent after eight seconds without renewal, before anybody can have taken over', async () => {
    const { all, pass } = contenders(2)
    await pass(1_000)
    all[0]!.bus.setDown(true)
    for (let second = 0; second < 30; second++) {
      await pass(1_000)
      expect(holders(all).length).toBeLessThanOrEqual(1)
    }
    expect(holders(all)).toEqual([1])
    all[0]!.bus.setDown(false)
    await pass(10_000)
    expect(holders(all)).toEqual([1])
  })

  test('goes on under the same epoch when the bus was away and nobody else came', async () => {
    const { all, pass } = contenders(1)
    await pass(1_000)
    const epoch = all[0]!.lease.epoch
    all[0]!.bus.setDown(true)
    await pass(60_000)
    expect(all[0]!.lease.epoch).toBeNull()
    all[0]!.bus.setDown(false)
    await pass(2_000)
    expect(all[0]!.lease.epoch).toBe(epoch)
  })

  test('recognises its own renewal whose acknowledgement was lost', async () => {
    const { all, broker, pass } = contenders(1)
    await pass(1_000)
    const { lease } = all[0]!
    const epoch = lease.epoch
    const register = broker.registers.get(LEASE_KEY)!
    broker.registers.set(LEASE_KEY, { ...register, revision: register.revision + 1 })
    await pass(10_000)
    expect(lease.epoch).toBe(epoch)
  })

  test('is taken at once when it was given back', async () => {
    const { all, pass } = contenders(2)
    await pass(1_000)
    const before = all[0]!.lease.epoch ?? 0
    await all[0]!.lease.release()
    await all[1]!.lease.step()
    expect(holders(all)).toEqual([1])
    expect(all[1]!.lease.epoch).toBe(before + 1)
  })

  test('begins far above any counted epoch when the broker has lost its memory', async () => {
    const { all, broker, pass } = contenders(1)
    await pass(1_000)
    const first = all[0]!.lease.epoch ?? 0
    expect(first).toBeGreaterThan(1_700_000_000_000_000)
    broker.registers.clear()
    await pass(10_000)
    expect(all[0]!.lease.epoch).toBeGreaterThan(first)
  })

  test('begins above every epoch that was ever heard of', async () => {
    const { all, pass } = contenders(1, 5e15)
    await pass(1_000)
    expect(all[0]!.lease.epoch).toBeGreaterThan(5e15)
  })

  test.each([0, 5e15])(
    'begins apart from who takes it in the same moment, the memory lost in between',
    async (heard) => {
      const dice = [0.1, 0.2, 0.3, 0.4]
      const { all, broker } = contenders(2, heard, () => dice.shift() ?? 0)
      for (const { lease, clock } of all) {
        clock.advance(1_700_000_100_000 - clock.now())
        await lease.step()
        broker.registers.clear()
      }
      expect(holders(all)).toEqual([0, 1])
      expect(all[0]!.lease.epoch).not.toBe(all[1]!.lease.epoch)
    },
  )

  test('takes a register over that holds no lease, once it has stood still', async () => {
    const { all, broker, pass } = contenders(1)
    broker.registers.set(LEASE_KEY, { value: 'garbage', revision: 3 })
    broker.revision = 3
    await pass(9_000)
    expect(holders(all)).toEqual([])
    await pass(3_000)
    expect(all[0]!.lease.epoch).toBeGreaterThan(1_700_000_000)
  })
})
