import { describe, expect, test } from 'vitest'
import { decodeTelemetry, encodeTelemetry } from '#contracts/telemetry/report.ts'
import { Slots } from '../routing/slots.ts'
import { REPORT_BYTES, toReports, toShortReports } from './batch.ts'
import { Counters, type Ended } from './counters.ts'

const ended = (outcome: number, firstMs: number, totalMs: number): Ended => ({
  outcome,
  firstMs,
  slowness: null,
  totalMs,
  habit: null,
})

const header = { node: 'n', boot: 'b', seq: 5, dropped: 2 }

/** Many lanes with wide histograms and names of three bytes a character. */
function busyCounters(lanes: number): Counters {
  const slots = new Slots()
  const counters = new Counters(slots)
  for (let lane = 0; lane < lanes; lane++) {
    slots.of(`p\n${'模'.repeat(150)}${lane}\nc`)
    for (let ms = 1; ms < 100_000; ms *= 1.03) counters.record(lane, 'json', ended(0, ms, ms * 2))
  }
  return counters
}

describe('toReports', () => {
  test('says that the node is alive when there is nothing else to say', () => {
    expect(toReports(header, [])).toEqual([{ v: 1, ...header, series: [], edges: [] }])
  })

  test('splits what is too large for one message, without losing or doubling a series', () => {
    const reports = toReports(header, busyCounters(60).series())
    expect(reports.length).toBeGreaterThan(2)
    expect(reports.map(({ seq }) => seq)).toEqual(reports.map((_, at) => 5 + at))
    const names = reports.flatMap(({ series }) => series.map(({ model }) => model))
    expect(new Set(names).size).toBe(60)
    expect(names).toHaveLength(60)
    for (const report of reports) {
      const text = encodeTelemetry(report)
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(REPORT_BYTES)
      expect(decodeTelemetry(text)).toEqual({ ok: true, value: report })
    }
  })
})

describe('toShortReports', () => {
  test('says nothing when there is nothing to say', () => {
    expect(toShortReports(header, [])).toEqual([])
  })

  test('leaves the histograms out', () => {
    const [report] = toShortReports(header, busyCounters(1).series())
    expect(report).toMatchObject({
      v: 2,
      seq: 5,
      series: [{ provider: 'p', waiting: 0, line: [0, 0, 0, 0, 0] }],
    })
    expect(encodeTelemetry(report!).length).toBeLessThan(1_000)
    expect(decodeTelemetry(encodeTelemetry(report!))).toEqual({ ok: true, value: report })
  })
})
