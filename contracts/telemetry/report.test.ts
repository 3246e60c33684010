import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isProviderFault, outcomeIndex, OUTCOMES } from './outcome.ts'
import { decodeTelemetry, encodeTelemetry, type TelemetryReport, type TelemetrySeries } from './report.ts'

const report: TelemetryReport = {
  v: 1,
  node: 'node-1',
  boot: 'boot-1',
  seq: 7,
  series: [
    {
      provider: 'openai',
      credential: 'cred_1',
      model: 'gpt',
      mode: 'sse',
      outcomes: [5, 0, 1],
      firstMs: [100, 5],
      totalMs: [300, 5],
    },
  ],
  edges: [{ kind: 'credential_refused', provider: 'openai', credential: 'cred_1' }],
  dropped: 0,
}

const changed = (change: object): string => JSON.stringify({ ...report, ...change })
const series = (change: object): string => changed({ series: [{ ...report.series[0], ...change }] })
const isRead = (text: string): boolean => decodeTelemetry(text).ok

describe('a telemetry report', () => {
  test('brings back what was sent', () => {
    expect(decodeTelemetry(encodeTelemetry(report))).toEqual({ ok: true, value: report })
  })

  test('may be a short one: what the prober judges by, without histograms', () => {
    const [{ firstMs: _, totalMs: __, ...short }] = report.series as [TelemetrySeries]
    const text = changed({
      v: 2,
      series: [{ ...short, slow: [3, -0.5], line: [3, 1, 0.5, 300, 120], waiting: 2 }],
    })
    expect(decodeTelemetry(text)).toMatchObject({ ok: true, value: { v: 2, series: [{ slow: [3, -0.5] }] } })
  })

  test('of a build that knew no more than histograms is read', () => {
    expect(isRead(JSON.stringify(report))).toBe(true)
    expect(isRead(changed({ v: 2 }))).toBe(true)
    expect(isRead(changed({ v: 3 }))).toBe(false)
  })

  test('may have outcomes that this build does not know yet, at the end', () => {
    expect(isRead(series({ outcomes: Array.from({ length: OUTCOMES.length + 3 }, () => 1) }))).toBe(true)
  })

  test.each<[string, string]>([
    ['nothing', ''],
    ['null', 'null'],
    ['another version', changed({ v: 3 })],
    ['a sequence of zero', changed({ seq: 0 })],
    ['no node', changed({ node: undefined })],
    ['negative drops', changed({ dropped: -1 })],
    ['a negative count', series({ outcomes: [-1] })],
    ['a count that is no number', series({ firstMs: ['1', 2] })],
    ['a count without end', changed({}).replace('"dropped":0', '"dropped":1e999')],
    ['an unknown mode', series({ mode: 'carrier pigeon' })],
    ['an unknown edge', changed({ edges: [{ kind: 'exploded', provider: 'x' }] })],
    ['endless outcomes', series({ outcomes: Array.from({ length: 1_000 }, () => 1) })],
    ['endless histograms', series({ totalMs: Array.from({ length: 5_000 }, () => 1) })],
    ['endless series', changed({ series: Array.from({ length: 10_001 }, () => report.series[0]) })],
  ])('with %s is refused', (_what, text) => {
    expect(isRead(text)).toBe(false)
  })

  test('never throws on any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((text) => changed({ series: JSON.parse(text) as unknown })),
        ),
        (text) => {
          expect(decodeTelemetry(text)).toHaveProperty('ok')
        },
      ),
    )
  })
})

describe('outcomes', () => {
  test('have the order that is on the wire, for ever', () => {
    expect(OUTCOMES.slice(0, 11).join()).toBe(
      'success,throttled,overloaded,fault,timeout,cut,unauthorised,exhausted,missing,invalid,cancelled',
    )
    expect(OUTCOMES.map(outcomeIndex)).toEqual(OUTCOMES.map((_, at) => at))
  })

  test('of the client or the key never count against the provider', () => {
    expect(OUTCOMES.filter(isProviderFault)).toEqual(['overloaded', 'fault', 'timeout', 'cut'])
  })
})
