import { describe, expect, test } from 'vitest'
import { BUCKETS } from '#contracts/telemetry/histogram.ts'
import { OUTCOMES } from '#contracts/telemetry/outcome.ts'
import { decodeTelemetry, encodeTelemetry } from '#contracts/telemetry/report.ts'
import { Slots } from '../routing/slots.ts'
import { REPORT_BYTES, toReports, toShortReports, type ReportHeader } from './batch.ts'
import { Counters, type Ended } from './counters.ts'

const ended = (outcome: number, firstMs: number, totalMs: number): Ended => ({
  outcome,
  firstMs,
  slowness: null,
  totalMs,
  habit: null,
})

const header = { node: 'n', boot: 'b', seq: 5, dropped: 2 }

/** Of the first report, of the second, … */
function headers(): () => ReportHeader {
  let { seq } = header
  return () => ({ ...header, seq: seq++ })
}

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
    expect([...toReports(headers(), [])]).toEqual([{ v: 1, ...header, series: [], edges: [] }])
  })

  test('splits what is too large for one message, without losing or doubling a series', () => {
    const reports = [...toReports(headers(), busyCounters(60).series())]
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

describe('a report', () => {
  test('fits into one message whatever its names and numbers are', () => {
    const most = Number.MAX_SAFE_INTEGER
    const sums = (length: number) => new Float64Array(length).fill(-Number.MIN_VALUE)
    const full = () => new Uint32Array(BUCKETS).fill(2 ** 32 - 1)
    const series = ['\u0001', '模', '"', 'a'].flatMap((letter) =>
      Array.from({ length: 20 }, () => ({
        provider: letter.repeat(50),
        model: letter.repeat(200),
        credential: letter.repeat(30),
        mode: 'json' as const,
        outcomes: new Float64Array(OUTCOMES.length).fill(most),
        firstMs: full(),
        totalMs: full(),
        slow: sums(2),
        line: sums(5),
        waiting: new Float64Array(1).fill(most),
      })),
    )
    const reports = [...toReports(headers(), series), ...toShortReports(headers(), series)]
    const bytes = reports.map((report) => Buffer.byteLength(encodeTelemetry(report)))
    expect(Math.max(...bytes)).toBeLessThanOrEqual(REPORT_BYTES)
    expect(reports.flatMap((report) => report.series)).toHaveLength(2 * series.length)
  })

  test('tells the counts of the moment it is asked for', () => {
    const counters = busyCounters(60)
    const reports = toReports(headers(), counters.series())
    const first = reports.next()
    counters.record(59, 'json', ended(3, 10, 20))
    const last = [...reports].at(-1)?.series.at(-1)
    expect(first.done).toBe(false)
    expect(last?.outcomes[3]).toBe(1)
  })
})

describe('toShortReports', () => {
  test('says nothing when there is nothing to say', () => {
    expect([...toShortReports(headers(), [])]).toEqual([])
  })

  test('leaves the histograms out', () => {
    const [report] = [...toShortReports(headers(), busyCounters(1).series())]
    expect(report).toMatchObject({
      v: 2,
      seq: 5,
      series: [{ provider: 'p', waiting: 0, line: [0, 0, 0, 0, 0] }],
    })
    expect(encodeTelemetry(report!).length).toBeLessThan(1_000)
    expect(decodeTelemetry(encodeTelemetry(report!))).toEqual({ ok: true, value: report })
  })
})
