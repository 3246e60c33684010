import { expect, test } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import { Metrics } from '#contracts/process/metrics.ts'
import { nodeReport } from '#test/control-plane/node-report.ts'
import { addFleetMetrics } from './metrics.ts'
import { Fleet } from './nodes/fleet.ts'

test('how long commits and refusals of keys take to reach a node is counted in seconds', async () => {
  const clock = new ManualClock()
  const fleet = new Fleet({ catalog: { commit: 9, epoch: 1, floor: 0 }, digestAt: () => undefined }, clock)
  const metrics = new Metrics()
  addFleetMetrics(metrics, fleet)
  fleet.onReport(nodeReport('n', { served: 8 }))
  fleet.propagation.committed(9)
  clock.advance(30)
  fleet.onReport(nodeReport('n', { served: 9 }))
  fleet.propagation.committed(10, true)
  clock.advance(50)
  fleet.onReport(nodeReport('n', { served: 10 }))
  const text = await metrics.text()
  expect(text).toContain('apiproxy_propagation_seconds_bucket{le="0.025"} 0\n')
  expect(text).toContain('apiproxy_propagation_seconds_bucket{le="0.032"} 1\n')
  expect(text).toContain('apiproxy_propagation_seconds_sum 0.08\n')
  expect(text).toContain('apiproxy_key_refusal_seconds_bucket{le="0.04"} 0\n')
  expect(text).toContain('apiproxy_key_refusal_seconds_bucket{le="0.05"} 1\n')
  expect(text).toContain('apiproxy_key_refusal_seconds_count 1\n')
})
