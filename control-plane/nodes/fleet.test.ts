import { beforeEach, describe, expect, test } from 'vitest'
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { STALE_AFTER_MS, type NodeReport } from '#contracts/fleet/report.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { nodeReport } from '#test/control-plane/node-report.ts'
import { Fleet } from './fleet.ts'

const OURS = 'a'.repeat(64)
const OTHERS = 'b'.repeat(64)
const HOUR_MS = 3_600_000

let clock: ManualClock
/** The log ends with commit 10; digests are known from 5 on. */
let ledger: {
  catalog: { commit: number; epoch: number; floor: number }
  digestAt: (commit: number) => string | undefined
}
let fleet: Fleet
beforeEach(() => {
  clock = new ManualClock()
  ledger = {
    catalog: { commit: 10, epoch: 1, floor: 0 },
    digestAt: (commit) => (commit >= 5 && commit <= ledger.catalog.commit ? OURS : undefined),
  }
  fleet = new Fleet(ledger, clock)
})

const at = (served: number, more: Partial<NodeReport> = {}): NodeReport =>
  nodeReport('n', { received: served, applied: served, served, persisted: served, digest: OURS, ...more })
const state = (): string | undefined => fleet.list()[0]?.state

describe('a node', () => {
  test.each([
    ['serves the head', at(10), 'CURRENT'],
    ['is behind', at(9), 'LAGGING'],
    [
      'serves all but holds an entity back',
      at(10, { nacks: [{ commit: 9, stream: 'provider-a', reason: 'r' }] }),
      'NACKED',
    ],
    ['has another state at the same commit', at(10, { digest: OTHERS }), 'DIVERGED'],
    ['is behind with another state', at(7, { digest: OTHERS }), 'DIVERGED'],
    ['is so far behind that its state cannot be compared', at(3, { digest: OTHERS }), 'LAGGING'],
    ['knows commits that the log does not have', at(11), 'AHEAD'],
    ['knows more commits of an older epoch', at(11, { epoch: 0 }), 'CURRENT'],
    ['folds as another release does', at(10, { foldVersion: 99, digest: OTHERS }), 'SKEWED'],
  ])('that %s is told from others (%#)', (_, report, expected) => {
    fleet.onReport(report)
    expect(state()).toBe(expected)
  })

  test('of a release below the floor is told from those that only fold otherwise, and named', () => {
    ledger.catalog = { commit: 10, epoch: 1, floor: FOLD_VERSION }
    fleet.onReport(at(6, { foldVersion: FOLD_VERSION - 1 }))
    expect(state()).toBe('BLOCKED_BY_FLOOR')
    expect(fleet.below(FOLD_VERSION).map(({ report }) => report.node)).toEqual(['n'])
    clock.advance(STALE_AFTER_MS + 1)
    expect(state()).toBe('STALE')
    expect(fleet.below(FOLD_VERSION)).toEqual([])
  })

  test('below the floor is not waited for, and is behind all the same', async () => {
    ledger.catalog = { commit: 10, epoch: 1, floor: FOLD_VERSION }
    fleet.onReport(at(6, { foldVersion: FOLD_VERSION - 1 }))
    await fleet.wait(10, 3_600_000)
    expect(fleet.behind(10).map(({ state: is }) => is)).toEqual(['BLOCKED_BY_FLOOR'])
  })

  test('is stuck when it does not move for ten seconds, whatever it reports', () => {
    fleet.onReport(at(8))
    for (let second = 0; second < 10; second++) {
      clock.advance(1_000)
      fleet.onReport(at(8))
      expect(state()).toBe('LAGGING')
    }
    clock.advance(1)
    fleet.onReport(at(8))
    expect(state()).toBe('STUCK')
    fleet.onReport(at(9))
    expect(state()).toBe('LAGGING')
  })

  test('is stale when it is not heard of, and back with its next report', () => {
    fleet.onReport(at(10))
    clock.advance(STALE_AFTER_MS)
    expect(state()).toBe('CURRENT')
    clock.advance(1)
    expect([state(), fleet.live]).toEqual(['STALE', 0])
    fleet.onReport(at(10))
    expect([state(), fleet.live]).toEqual(['CURRENT', 1])
  })

  test('is forgotten after an hour of silence', () => {
    fleet.onReport(at(10))
    clock.advance(HOUR_MS + 1)
    expect(fleet.list()).toEqual([])
  })

  test('known from before is expected, as old as it is', () => {
    fleet.restore(at(10), clock.now() - 20_000)
    expect(fleet.list()).toMatchObject([{ state: 'STALE', lastSeen: clock.now() - 20_000, lag: 0 }])
    fleet.onReport(at(9))
    fleet.restore(at(10), clock.now())
    expect(fleet.list()).toMatchObject([{ state: 'LAGGING', lag: 1 }])
    fleet.restore(nodeReport('old'), clock.now() - HOUR_MS - 1)
    expect(fleet.list()).toHaveLength(1)
  })
})

describe('waiting for a commit', () => {
  const settled = async (waiting: Promise<void>): Promise<boolean> =>
    Promise.race([waiting.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))])

  test('ends when the last live node serves it', async () => {
    fleet.onReport({ ...at(9), node: 'a' })
    fleet.onReport({ ...at(9), node: 'b' })
    const waiting = fleet.wait(10, 60_000)
    fleet.onReport({ ...at(10), node: 'a' })
    expect(await settled(waiting)).toBe(false)
    expect(fleet.behind(10).map(({ report }) => report.node)).toEqual(['b'])
    fleet.onReport({ ...at(10), node: 'b' })
    expect(await settled(waiting)).toBe(true)
  })

  test('does not wait for the stale, nor where there is nobody', async () => {
    expect(await settled(fleet.wait(10, 60_000))).toBe(true)
    fleet.onReport(at(1))
    clock.advance(STALE_AFTER_MS + 1)
    expect(await settled(fleet.wait(10, 60_000))).toBe(true)
  })

  test('ends with its time, and tells who is behind', async () => {
    fleet.onReport(at(9))
    await fleet.wait(10, 5)
    expect(fleet.behind(10)).toHaveLength(1)
  })
})

describe('how long commits travel', () => {
  /** Milliseconds of each pair of commit and node, and of those that took a key out of use. */
  let [travelled, refused]: [number[], number[]] = [[], []]
  beforeEach(() => {
    ;[travelled, refused] = [[], []]
    fleet.propagation.onMeasured((ms, refuses) => {
      travelled.push(ms)
      if (refuses) refused.push(ms)
    })
  })

  test('is measured from the log to each node, for every commit between two reports', () => {
    fleet.onReport(at(8))
    fleet.propagation.committed(9)
    clock.advance(10)
    fleet.propagation.committed(10)
    clock.advance(20)
    fleet.onReport(at(10))
    expect(travelled).toEqual([30, 20])
    expect(refused).toEqual([])
  })

  test('is told apart for what takes client keys out of use', () => {
    fleet.onReport(at(8))
    fleet.propagation.heard([{ commit: 9, events: [{ type: 'ClientKeyIssued' }] }])
    clock.advance(100)
    fleet.onReport(at(9))
    expect(refused).toEqual([])
    fleet.propagation.heard([
      { commit: 10, events: [{ type: 'RouteTargetsSet' }, { type: 'ClientKeyRevoked' }] },
      { commit: 11, events: [{ type: 'ClientKeySuspended' }] },
    ])
    clock.advance(5)
    fleet.onReport(at(11))
    expect(refused).toEqual([5, 5])
    expect(travelled).toEqual([100, 5, 5])
  })

  test('leaves out what was decided before a node served anything', () => {
    fleet.propagation.committed(1)
    clock.advance(60_000)
    fleet.onReport(at(0))
    fleet.onReport(at(1))
    expect(travelled).toEqual([])
  })

  test('is not measured by nodes that have just come, or come back', () => {
    fleet.propagation.committed(9)
    fleet.onReport(at(9))
    fleet.propagation.committed(10)
    fleet.onReport(at(10, { boot: 'another' }))
    expect(travelled).toEqual([])
  })
})
