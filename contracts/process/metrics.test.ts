import { describe, expect, test } from 'vitest'
import { Metrics } from './metrics.ts'

describe('metrics', () => {
  test('are read when somebody asks, not before', async () => {
    const metrics = new Metrics()
    let reads = 0
    metrics.gauge('apiproxy_age_seconds', 'Age.', [], () => (reads += 1))
    expect(reads).toBe(0)
    expect(await metrics.text()).toContain('apiproxy_age_seconds 1\n')
    expect(await metrics.text()).toContain('apiproxy_age_seconds 2\n')
  })

  test('show a total as it stands, however often it is read', async () => {
    const metrics = new Metrics()
    metrics.counter('apiproxy_requests_total', 'Requests.', [], () => 41)
    await metrics.text()
    expect(await metrics.text()).toContain('apiproxy_requests_total 41\n')
  })

  test('show one line for each set of labels, and forget those that are gone', async () => {
    const metrics = new Metrics()
    let samples = [
      { labels: { provider: 'a', outcome: 'fault' }, value: 1 },
      { labels: { provider: 'b "quoted"\n', outcome: 'success' }, value: 2.5 },
    ]
    metrics.gauge('apiproxy_share', 'Share.', ['provider', 'outcome'], () => samples)
    const text = await metrics.text()
    expect(text).toContain('apiproxy_share{provider="a",outcome="fault"} 1\n')
    expect(text).toContain('apiproxy_share{provider="b \\"quoted\\"\\n",outcome="success"} 2.5\n')
    samples = samples.slice(1)
    expect(await metrics.text()).not.toContain('provider="a"')
  })

  test('count values by how large they are at most', async () => {
    const metrics = new Metrics()
    const observe = metrics.histogram('apiproxy_way_seconds', 'Way.', [0.01, 0.1])
    for (const value of [0.01, 0.05, 0.05, 3]) observe(value)
    expect(await metrics.text()).toContain(
      [
        '# TYPE apiproxy_way_seconds histogram',
        'apiproxy_way_seconds_bucket{le="0.01"} 1',
        'apiproxy_way_seconds_bucket{le="0.1"} 3',
        'apiproxy_way_seconds_bucket{le="+Inf"} 4',
        'apiproxy_way_seconds_sum 3.11',
        'apiproxy_way_seconds_count 4',
      ].join('\n'),
    )
  })

  test('of two processes in one do not get in each other’s way', async () => {
    const [one, other] = [new Metrics(), new Metrics()]
    one.counter('apiproxy_same_total', 'Same.', [], () => 1)
    other.counter('apiproxy_same_total', 'Same.', [], () => 2)
    expect(await one.text()).toContain('apiproxy_same_total 1\n')
    expect(await other.text()).toContain('apiproxy_same_total 2\n')
  })
})
