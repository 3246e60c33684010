import { describe, expect, test } from 'vitest'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { NodeReport } from '#contracts/fleet/report.ts'
import { nodeId } from '#contracts/ids.ts'
import { Fleet } from './fleet.ts'

/** A fleet on a clock that is moved. */
function fleetAt(): Readonly<{
  fleet: Fleet
  commit: (commit: number) => void
  after: (ms: number) => void
}> {
  let now = 0
  const clock = { now: () => now, monotonic: () => now }
  const fleet = new Fleet({ catalog: { commit: 100, epoch: 1 }, digestAt: () => undefined }, clock)
  return { fleet, commit: (number) => fleet.propagation.committed(number), after: (ms) => void (now += ms) }
}

const report = (served: number, boot = 'first'): NodeReport => ({
  v: 1,
  node: nodeId('node_0123456789abcdef'),
  boot,
  build: 'test',
  foldVersion: FOLD_VERSION,
  epoch: 1,
  received: served,
  applied: served,
  persisted: served,
  served,
  digest: EMPTY_DIGEST,
  link: 'bus',
  nacks: [],
  accepting: true,
})

describe('the time from commit to served', () => {
  test('is measured for every commit a node moved over', () => {
    const { fleet, commit, after } = fleetAt()
    fleet.onReport(report(1))
    commit(2)
    after(40)
    commit(3)
    after(10)
    fleet.onReport(report(3))
    expect(fleet.propagation.count).toBe(2)
    expect(fleet.propagation.quantile(1)).toBeCloseTo(50, 0)
    expect(fleet.propagation.quantile(0.5)).toBeCloseTo(10, 0)
  })

  test('leaves out what was decided before a node served anything', () => {
    const { fleet, commit, after } = fleetAt()
    commit(1)
    after(60_000)
    fleet.onReport(report(0))
    fleet.onReport(report(1))
    expect(fleet.propagation.count).toBe(0)
  })

  test('leaves out what a node missed while it was away', () => {
    const { fleet, commit, after } = fleetAt()
    fleet.onReport(report(1))
    commit(2)
    after(60_000)
    fleet.onReport(report(2, 'second'))
    expect(fleet.propagation.count).toBe(0)
  })
})
