import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ManualClock, type Clock } from '#contracts/process/clock.ts'
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

function emitting(clock: Clock = new ManualClock()) {
  const slots = new Slots()
  slots.of('p\nm\nc')
  slots.of('p\nother\nc')
  const counters = new Counters(slots)
  const beats: number[] = []
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
  const beforeReport = (): void => void beats.push(clock.monotonic())
  const emitter = new Emitter({ bus, subject: 's', node: 'n', boot: 'b', counters, beforeReport, clock })
  return { emitter, counters, slots, beats, reports, bus }
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
    const clock = new ManualClock()
    const { emitter, reports } = emitting(clock)
    emitter.edge({ kind: 'ejected', provider: 'p', model: 'm' })
    emitter.edge({ kind: 'ejected', provider: 'p', model: 'm' })
    emitter.edge({ kind: 'restored', provider: 'p', model: 'm' })
    expect(reports.map(({ edges }) => edges.map(({ kind }) => kind))).toEqual([['ejected'], ['restored']])
    clock.advance(1_000)
    emitter.edge({ kind: 'ejected', provider: 'p', model: 'm' })
    expect(reports).toHaveLength(3)
  })

  test('sends no more than 20 edges a second and counts the others', () => {
    const clock = new ManualClock()
    const { emitter, reports } = emitting(clock)
    for (let edge = 0; edge < 50; edge++) emitter.edge({ kind: 'ejected', provider: 'p', model: `m${edge}` })
    expect(reports).toHaveLength(20)
    expect(emitter.dropped).toBe(30)
    clock.advance(1_000)
    emitter.edge({ kind: 'ejected', provider: 'p', model: 'm' })
    expect(reports.at(-1)?.dropped).toBe(30)
  })

  describe('once started', () => {
    beforeEach(() =>
      vi.useFakeTimers({
        toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'],
      }),
    )
    afterEach(() => vi.useRealTimers())

    /** Goes with the timers, but for what these are late. */
    function timed() {
      const from = performance.now()
      const late = { ms: 0 }
      const clock = { now: () => 0, monotonic: () => performance.now() - from + late.ms }
      return { ...emitting(clock), late }
    }

    /** More than goes into one report. */
    function countMuch({ counters, slots }: ReturnType<typeof timed>): readonly string[] {
      const models = Array.from({ length: 30 }, (_, at) => `model-${at}`)
      for (const model of models) {
        const lane = slots.of(`p\n${model}\nc`)
        for (let ms = 1; ms < 100_000; ms *= 1.03) counters.record(lane, 'json', ended(0, ms, ms * 2))
      }
      return models
    }

    test('reports in full every second, and once more when it stops', async () => {
      const { emitter, counters, reports } = timed()
      emitter.start()
      vi.advanceTimersByTime(3_100)
      expect(reports).toHaveLength(3)
      counters.record(0, 'json', ended(0, 10, 20))
      await emitter[Symbol.asyncDispose]()
      expect(reports.at(-1)?.series).toHaveLength(1)
      vi.advanceTimersByTime(3_000)
      expect(reports).toHaveLength(4)
    })

    test('keeps its beat between the multiples of the interval when a timer is late or early', () => {
      const { emitter, beats, late } = timed()
      emitter.start()
      vi.advanceTimersByTime(300)
      late.ms += 70
      vi.advanceTimersByTime(200 + 130)
      late.ms -= 1
      vi.advanceTimersByTime(200 + 201)
      expect(beats).toEqual([300, 570, 700, 899, 1_100])
    })

    test('makes each report in a turn of its own', () => {
      const all = timed()
      const { emitter, reports } = all
      emitter.start()
      vi.advanceTimersByTime(1_000)
      const models = countMuch(all)
      vi.advanceTimersToNextTimer()
      for (let turns = 1; turns <= 4; turns++) {
        expect(reports).toHaveLength(turns)
        vi.advanceTimersToNextTimer()
      }
      vi.advanceTimersByTime(100)
      expect(reports.flatMap(({ series }) => series.map(({ model }) => model))).toEqual(models)
      expect(reports.every(({ v }) => v === 1)).toBe(true)
      expect(reports.map(({ seq }) => seq)).toEqual(reports.map((_, at) => at + 1))
    })

    test('tells again, soon after, what was counted while its reports were being sent', () => {
      const all = timed()
      const { emitter, counters, reports } = all
      emitter.start()
      vi.advanceTimersByTime(1_000)
      countMuch(all)
      vi.advanceTimersToNextTimer()
      const told = reports[0]?.series[0]
      expect(told?.outcomes[1]).toBe(0)
      const lane = all.slots.of(`p\n${told?.model}\nc`)
      counters.record(lane, 'json', ended(1, 10, 20))
      vi.advanceTimersByTime(200)
      expect(reports.at(-1)).toMatchObject({ v: 2, series: [{ model: told?.model }] })
      expect(reports.at(-1)?.series[0]?.outcomes[1]).toBe(1)
    })

    test('does not lose what an edge interrupts, nor give two reports one number', () => {
      const all = timed()
      const { emitter, reports } = all
      emitter.start()
      vi.advanceTimersByTime(1_000)
      countMuch(all)
      vi.advanceTimersToNextTimer()
      emitter.edge({ kind: 'ejected', provider: 'p' })
      vi.advanceTimersByTime(100)
      expect(reports.map(({ seq }) => seq)).toEqual(reports.map((_, at) => at + 1))
      expect(reports.findIndex(({ edges }) => edges.length > 0)).toBe(1)
    })

    test('tells all of it again after a round that the bus did not take whole', () => {
      const all = timed()
      const { emitter, reports, bus } = all
      emitter.start()
      vi.advanceTimersByTime(1_000)
      const models = countMuch(all)
      vi.advanceTimersToNextTimer()
      bus.connected = false
      vi.advanceTimersByTime(100)
      expect(reports).toHaveLength(1)
      expect(emitter.dropped).toBe(1)
      bus.connected = true
      vi.advanceTimersByTime(1_000)
      const whole = reports.slice(1).filter(({ v }) => v === 1)
      expect(whole.flatMap(({ series }) => series.map(({ model }) => model))).toEqual(models)
    })

    test('stops in the middle of its reports and tells everything at once', async () => {
      const all = timed()
      const { emitter, reports } = all
      emitter.start()
      vi.advanceTimersByTime(1_000)
      const models = countMuch(all)
      vi.advanceTimersToNextTimer()
      await emitter[Symbol.asyncDispose]()
      expect(reports.slice(1).flatMap(({ series }) => series.map(({ model }) => model))).toEqual(models)
      expect(vi.getTimerCount()).toBe(0)
    })
  })
})
