import { afterEach, describe, expect, test, vi } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { openTable, WEIGHTS_REGISTER, type WeightEntry, type WeightTable } from '#contracts/weights/table.ts'
import type { Remembered } from './judgement/memory.ts'
import { learnLine } from './judgement/estimate.ts'
import { newWindow } from './judgement/window.ts'
import { Publisher, readLast } from './publish.ts'

const KEY = new Uint8Array(32).fill(1)
const ENTRIES: readonly WeightEntry[] = [{ provider: 'p', model: 'm', factor: 0.5, reason: 'slow' }]

function remembered(model = 'm'): Remembered {
  const { errors, slowness, usual, usualProbe } = newWindow(0)
  const sse = learnLine(usual.sse, [40, 20, 10, 8_000, 4_000], true, 0)
  return { provider: 'p', model, errors, slowness, usual: { ...usual, sse }, usualProbe }
}

function publishing() {
  const broker = new MemoryBroker()
  const bus = broker.connect()
  const clock = new ManualClock()
  const heard: WeightTable[] = []
  broker.connect().subscribe('wts', (text) => {
    const opened = openTable(text, KEY)
    if (!opened.ok) throw new Error(opened.error)
    heard.push(opened.value)
  })
  const publisher = new Publisher({ bus, subject: 'wts', key: KEY, clock, logger: silentLogger })
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return { broker, bus, clock, heard, publisher, settled }
}

afterEach(() => vi.restoreAllMocks())

describe('Publisher', () => {
  test('numbers the tables of an epoch from one', async () => {
    const { publisher, heard, settled } = publishing()
    for (const epoch of [3, 3, 4, 4]) publisher.publish(epoch, ENTRIES, () => [])
    await settled()
    expect(heard.map(({ epoch, seq }) => [epoch, seq])).toEqual([
      [3, 1],
      [3, 2],
      [4, 1],
      [4, 2],
    ])
    expect(heard[0]).toMatchObject({ validForMs: 3_500, entries: ENTRIES })
  })

  test('writes the register every five seconds at most', async () => {
    const { publisher, bus, clock, settled } = publishing()
    const put = vi.spyOn(bus.registers, 'put')
    for (let second = 0; second < 21; second++) {
      publisher.publish(1, ENTRIES, () => [])
      await settled()
      clock.advance(1_000)
    }
    const keys = put.mock.calls.map(([key]) => key)
    expect(keys.filter((key) => key === WEIGHTS_REGISTER)).toHaveLength(5)
    expect(keys.filter((key) => key !== WEIGHTS_REGISTER)).toHaveLength(2)
  })

  test('leaves table and memory to the next prober', async () => {
    const { publisher, bus, clock } = publishing()
    await publisher.leave(7, ENTRIES, () => [remembered()])
    const left = await readLast(bus, KEY, silentLogger)
    expect(left.table).toMatchObject({ epoch: 7, seq: 1, entries: ENTRIES })
    expect(left.memory).toEqual({ v: 2, writtenAt: clock.now(), entries: [remembered()] })
  })

  test('finds nothing where nothing was left, and takes no table with a foreign signature', async () => {
    const { publisher, bus } = publishing()
    expect(await readLast(bus, KEY, silentLogger)).toEqual({ table: null, memory: null })
    await publisher.leave(7, ENTRIES, () => [])
    const left = await readLast(bus, new Uint8Array(32), silentLogger)
    expect(left.table).toBeNull()
    expect(left.memory?.entries).toEqual([])
  })

  test('goes on without a memory that is damaged', async () => {
    const { bus } = publishing()
    for (const text of [
      'garbage',
      '{"v":2,"writtenAt":0,"entries":[{"provider":"p"}]}',
      '{"v":1,"writtenAt":0,"entries":[]}',
    ]) {
      await bus.registers.put('prober-memory', text, 'any')
      expect((await readLast(bus, KEY, silentLogger)).memory).toBeNull()
    }
  })

  test('drops tables while the bus is away, and goes on counting', async () => {
    const { publisher, bus, heard, settled } = publishing()
    bus.setDown(true)
    publisher.publish(1, ENTRIES, () => [])
    bus.setDown(false)
    publisher.publish(1, ENTRIES, () => [])
    await settled()
    expect(heard.map(({ seq }) => seq)).toEqual([2])
    expect(publisher.published).toBe(1)
  })

  test('keeps messages below what a broker takes, and leaves the healthy out first', async () => {
    const { publisher, broker, heard, settled } = publishing()
    const many = Array.from({ length: 20_000 }, (_, at) => ({
      provider: 'p',
      model: `model-${at}`,
      factor: Math.min(1, (at + 1) / 1_000),
      reason: 'healthy',
    }))
    publisher.publish(1, many, () => many.map(({ model }) => remembered(model)))
    await settled()
    const sizes = [...broker.registers.values()].map(({ value }) => Buffer.byteLength(value))
    expect(sizes).toHaveLength(2)
    for (const size of sizes) expect(size).toBeLessThan(900_000)
    expect(heard[0]?.entries.length).toBeGreaterThan(1_000)
    expect(heard[0]?.entries[0]?.factor).toBe(0.001)
  })
})
