import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import { decodeTelemetry, type TelemetryReport } from '#contracts/telemetry/report.ts'
import { Slots } from '../routing/slots.ts'
import { Counters, type Ended } from './counters.ts'
import { Emitter } from './emit.ts'

const ended = (outcome: number, firstMs: number, totalMs: number): Ended => ({
  outcome,
  firstMs,
  slowness: null,
  totalMs,
  habit: null,
})

function emitting() {
  const slots = new Slots()
  slots.of('p\nm\nc')
  slots.of('p\nother\nc')
  const counters = new Counters(slots)
  const clock = new ManualClock()
  const reports: TelemetryReport[] = []
  const bus = {
    connected: true,
    publish: (_subject: string, text: string): boolean => {
      const report = decodeTelemetry(text)
      if (!report.ok) throw new Error(report.error)
      if (bus.connected) reports.push(report.value)
      return bus.connected
    },
  }
  const beforeReport = (): void => undefined
  const emitter = new Emitter({ bus, subject: 's', node: 'n', boot: 'b', counters, beforeReport, clock })
  return { emitter, counters, clock, reports, bus }
}

describe('Emitter', () => {
  test('sends only what changed, and cumulative counts', () => {
    const { emitter, counters, reports } = emitting()
    counters.record(0, 'json', ended(0, 10, 20))
    emitter.flush()
    counters.record(0, 'json', ended(0, 10, 20))
    counters.record(1, 'json', ended(0, 10, 20))
    emitter.flush()
    emitter.flush()
    expect(reports.map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(reports.map(({ series }) => series.map(({ model, outcomes }) => [model, outcomes[0]]))).toEqual([
      [['m', 1]],
      [
        ['m', 2],
        ['other', 1],
      ],
      [],
    ])
  })

  test('tells everything it counted while the bus was away, and how many reports that cost', () => {
    const { emitter, counters, reports, bus } = emitting()
    emitter.flush()
    bus.connected = false
    counters.record(0, 'json', ended(0, 10, 20))
    emitter.flush()
    counters.record(1, 'json', ended(0, 10, 20))
    emitter.flush()
    bus.connected = true
    emitter.flush()
    expect(reports.map(({ seq, dropped }) => [seq, dropped])).toEqual([
      [1, 0],
      [2, 2],
    ])
    expect(reports[1]?.series.map(({ model }) => model)).toEqual(['m', 'other'])
  })

  test('tells in between what changed since it was last told, in short', () => {
    const { emitter, counters, reports } = emitting()
    counters.record(0, 'json', ended(0, 10, 20))
    emitter.pulse()
    emitter.pulse()
    counters.record(1, 'json', ended(0, 10, 20))
    emitter.pulse()
    emitter.flush()
    expect(reports.map(({ v, seq }) => [v, seq])).toEqual([
      [2, 1],
      [2, 2],
      [1, 3],
    ])
    expect(reports.map(({ series }) => series.map(({ model }) => model))).toEqual([
      ['m'],
      ['other'],
      ['m', 'other'],
    ])
  })

  test('sends an edge at once, and the same edge once a second', () => {
    const { emitter, clock, reports } = emitting()
    emitter.edge({ kind: 'ejected', provider: 'p', model: 'm' })
    emitter.edge({ kind: 'ejected', provider: 'p', model: 'm' })
    emitter.edge({ kind: 'restored', provider: 'p', model: 'm' })
    expect(reports.map(({ edges }) => edges.map(({ kind }) => kind))).toEqual([['ejected'], ['restored']])
    clock.advance(1_000)
    emitter.edge({ kind: 'ejected', provider: 'p', model: 'm' })
    expect(reports).toHaveLength(3)
  })

  test('sends no more than 20 edges a second and counts the others', () => {
    const { emitter, clock, reports } = emitting()
    for (let edge = 0; edge < 50; edge++) emitter.edge({ kind: 'ejected', provider: 'p', model: `m${edge}` })
    expect(reports).toHaveLength(20)
    expect(emitter.dropped).toBe(30)
    clock.advance(1_000)
    emitter.edge({ kind: 'ejected', provider: 'p', model: 'm' })
    expect(reports.at(-1)?.dropped).toBe(30)
  })

  describe('once started', () => {
    beforeEach(() => vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
    afterEach(() => vi.useRealTimers())

    test('reports in full every second, and once more when it stops', async () => {
      const { emitter, counters, reports } = emitting()
      emitter.start()
      vi.advanceTimersByTime(3_000)
      expect(reports).toHaveLength(3)
      counters.record(0, 'json', ended(0, 10, 20))
      await emitter[Symbol.asyncDispose]()
      expect(reports.at(-1)?.series).toHaveLength(1)
      vi.advanceTimersByTime(3_000)
      expect(reports).toHaveLength(4)
    })
  })
})
