import { describe, expect, test } from 'vitest'
import { encodeTelemetry, type TelemetryReport, type TelemetrySeries } from '#contracts/telemetry/report.ts'
import { Consumer, FORGET_NODE_MS } from './consume.ts'

function series(
  successes: number,
  logs: readonly number[] = [],
  more: Partial<TelemetrySeries> = {},
): TelemetrySeries {
  return {
    provider: 'p',
    credential: 'c',
    model: 'm',
    mode: 'json',
    outcomes: [successes],
    firstMs: [],
    totalMs: [],
    slow: [logs.length, logs.reduce((sum, log) => sum + log, 0)],
    ...more,
  }
}

type Header = Partial<Pick<TelemetryReport, 'node' | 'boot' | 'edges'>>
const report = (seq: number, list: TelemetrySeries[], more: Header = {}): string =>
  encodeTelemetry({ v: 1, node: 'n', boot: 'b', seq, series: list, edges: [], dropped: 0, ...more })

describe('Consumer', () => {
  test('turns cumulative counts into what came since the report before', () => {
    const consumer = new Consumer()
    expect(consumer.accept(report(1, [series(3, [0.5])]), 0).samples[0]?.outcomes[0]).toBe(3)
    const line: TelemetrySeries['line'] = [2, 3, 5, 400, 700]
    const [sample] = consumer.accept(
      report(2, [series(5, [0.5, 1, -2], { line, waiting: 4 })]),
      1_000,
    ).samples
    expect(sample).toMatchObject({ node: 'n', provider: 'p', model: 'm', mode: 'json' })
    expect(sample?.outcomes[0]).toBe(2)
    expect(sample).toMatchObject({ slow: { count: 2, sum: -1 }, line, waiting: 4 })
  })

  test('loses resolution and no counts when a report is lost', () => {
    const consumer = new Consumer()
    consumer.accept(report(1, [series(1)]), 0)
    const { samples } = consumer.accept(report(4, [series(8)]), 3_000)
    expect(samples[0]?.outcomes[0]).toBe(7)
    expect(consumer.lost).toBe(2)
  })

  test('tells a first content before any attempt has ended', () => {
    const consumer = new Consumer()
    expect(consumer.accept(report(1, [series(0, [0.1])]), 0).samples[0]?.slow).toEqual({ count: 1, sum: 0.1 })
  })

  test('reads short reports and whole ones as one sequence', () => {
    const consumer = new Consumer()
    consumer.accept(report(1, [series(1)]), 0)
    const { firstMs: _, totalMs: __, ...short } = series(4)
    const text = encodeTelemetry({
      v: 2,
      node: 'n',
      boot: 'b',
      seq: 2,
      series: [short],
      edges: [],
      dropped: 0,
    })
    expect(consumer.accept(text, 200).samples[0]?.outcomes[0]).toBe(3)
    expect(consumer.accept(report(3, [series(6)]), 1_000).samples[0]?.outcomes[0]).toBe(2)
    expect([consumer.lost, consumer.garbage]).toEqual([0, 0])
  })

  test('takes a build that tells neither slowness nor sizes for one that has seen none', () => {
    const { slow: _, ...old } = series(2)
    const [sample] = new Consumer().accept(report(1, [old]), 0).samples
    expect(sample).toMatchObject({ slow: { count: 0, sum: 0 }, line: [0, 0, 0, 0, 0], waiting: 0 })
  })

  test('begins at zero with a node that has just started, and in the middle with one that has not', () => {
    const consumer = new Consumer()
    expect(consumer.accept(report(900, [series(10_000)]), 0).samples).toEqual([])
    expect(consumer.accept(report(901, [series(10_001)]), 1_000).samples[0]?.outcomes[0]).toBe(1)
    expect(consumer.accept(report(1, [series(2)], { boot: 'later' }), 2_000).samples[0]?.outcomes[0]).toBe(2)
  })

  test('does not judge today what a node counted while it was cut off', () => {
    const consumer = new Consumer()
    consumer.accept(report(1, [series(1)]), 0)
    expect(consumer.accept(report(2, [series(500)]), 30_000).samples).toEqual([])
    expect(consumer.accept(report(3, [series(501)]), 31_000).samples[0]?.outcomes[0]).toBe(1)
  })

  test('keeps modes, credentials and nodes apart', () => {
    const consumer = new Consumer()
    const list = [series(1), series(2, [], { mode: 'sse' }), series(3, [], { credential: 'd' })]
    consumer.accept(report(1, list), 0)
    consumer.accept(report(1, [series(9)], { node: 'other' }), 0)
    const { samples } = consumer.accept(
      report(2, [series(2), series(4, [], { mode: 'sse' }), series(6, [], { credential: 'd' })]),
      1,
    )
    expect(samples.map(({ outcomes }) => outcomes[0])).toEqual([1, 2, 3])
    expect(consumer.nodes).toBe(2)
  })

  test('passes a repeated report over', () => {
    const consumer = new Consumer()
    consumer.accept(report(1, [series(1)]), 0)
    consumer.accept(report(2, [series(2)]), 1)
    expect(consumer.accept(report(2, [series(2)]), 2)).toEqual({ samples: [], edges: [] })
    expect(consumer.reports).toBe(2)
  })

  test('counts what it cannot read, and goes on', () => {
    const consumer = new Consumer()
    for (const text of ['', '{}', 'null', '{"v":2}', report(1, [series(-1)])]) consumer.accept(text, 0)
    expect(consumer.garbage).toBe(5)
    expect(consumer.accept(report(1, [series(1)]), 1).samples).toHaveLength(1)
  })

  test('cannot be made to count more than a node can do', () => {
    const consumer = new Consumer()
    consumer.accept(report(1, []), 0)
    const { samples } = consumer.accept(report(2, [series(1e300)]), 1)
    expect(samples[0]?.outcomes[0]).toBe(1_000_000)
  })

  test('ignores names longer than any real one', () => {
    const consumer = new Consumer()
    expect(consumer.accept(report(1, [series(1, [], { model: 'm'.repeat(1_000) })]), 0).samples).toEqual([])
    expect(consumer.ignored).toBe(1)
  })

  test('forgets a node that has been silent for a minute', () => {
    const consumer = new Consumer()
    consumer.accept(report(1, [series(1)]), 0)
    consumer.forget(FORGET_NODE_MS)
    expect(consumer.nodes).toBe(1)
    consumer.forget(FORGET_NODE_MS + 1)
    expect(consumer.nodes).toBe(0)
  })

  test('passes sharp edges on', () => {
    const edge = { kind: 'ejected', provider: 'p', model: 'm' } as const
    expect(new Consumer().accept(report(1, [], { edges: [edge] }), 0).edges).toEqual([edge])
  })
})
