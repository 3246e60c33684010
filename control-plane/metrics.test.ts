import { expect, test } from 'vitest'
import { ManualClock } from '#contracts/process/clock.ts'
import { Metrics } from '#contracts/process/metrics.ts'
import { nodeReport } from '#test/control-plane/node-report.ts'
import { addFleetMetrics } from './metrics.ts'
import { Fleet } from './nodes/fleet.ts'

test('how long a commit takes to be served is counted in seconds', async () => {
  const clock = new ManualClock()
  const fleet = new Fleet({ catalog: { commit: 9, epoch: 1, floor: 0 }, digestAt: () => undefined }, clock)
  const metrics = new Metrics()
  addFleetMetrics(metrics, fleet)
  fleet.onReport(nodeReport('n', { served: 8 }))
  fleet.propagation.committed(9)
  clock.advance(30)
  fleet.onReport(nodeReport('n', { served: 9 }))
  const text = await metrics.text()
  expect(text).toContain('apiproxy_propagation_seconds_bucket{le="0.025"} 0\n')
  expect(text).toContain('apiproxy_propagation_seconds_bucket{le="0.032"} 1\n')
  expect(text).toContain('apiproxy_propagation_seconds_sum 0.03\n')
})
