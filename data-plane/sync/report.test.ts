import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import { decodeNodeReport, type NodeReport } from '#contracts/fleet/report.ts'
import { nodeId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { TestLink, TestLog } from '#test/model/log-builder.ts'
import { hops, pass, subjects, useFakeTime } from '#test/model/test-node.ts'
import type { FollowReadout } from './follow-catalog.ts'
import { Problems } from './problems.ts'
import { Reporter } from './report.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

/** A node whose watermarks a test sets. */
function world() {
  const broker = new MemoryBroker()
  const bus = broker.connect()
  const link = new TestLink(new TestLog())
  const problems = new Problems(silentLogger, systemClock)
  const heard: NodeReport[] = []
  broker.connect().subscribe(subjects.everyReport, (text) => {
    const report = decodeNodeReport(text)
    if (report.ok) heard.push(report.value)
  })
  const marks = { received: 0, applied: 0, served: 0, persisted: 0, epoch: 0 }
  const rest = { configAgeMs: null, fleetNodes: 0, isDiskFailing: false, digest: EMPTY_DIGEST }
  let readout: FollowReadout = { state: 'empty', ...marks, ...rest, nacks: [], link: 'bus' }
  let moved = (): void => undefined
  const follower = { readout: () => readout, onMoved: (listener: () => void) => void (moved = listener) }
  const accepting = { now: true }
  const who = { node: nodeId('node_1'), boot: 'boot-1', build: 'build-1', isAccepting: () => accepting.now }
  const reporter = new Reporter({
    bus,
    subjects,
    link,
    follower,
    clock: systemClock,
    random: () => 0.5,
    problems,
    ...who,
  })
  const move = (over: Partial<FollowReadout>): void => {
    readout = { ...readout, ...over }
    moved()
  }
  return { bus, link, problems, heard, reporter, move, accepting }
}

describe('the reports of a node', () => {
  test('come at the start and every few seconds', async () => {
    const { heard, reporter } = world()
    using _ = reporter
    await hops()
    expect(heard).toMatchObject([
      { v: 1, node: 'node_1', boot: 'boot-1', build: 'build-1', served: 0, accepting: true },
    ])
    await pass(60_000)
    expect(heard.length).toBeGreaterThanOrEqual(13)
    expect(heard.length).toBeLessThanOrEqual(16)
  })

  test('come at once when the node serves another commit, and at most twenty-five a second', async () => {
    const { heard, reporter, move } = world()
    using _ = reporter
    await pass(100)
    move({ served: 1 })
    await hops()
    expect(heard.at(-1)).toMatchObject({ served: 1 })
    for (let commit = 2; commit <= 201; commit++) {
      move({ served: commit })
      await pass(5)
    }
    await pass(60)
    expect(heard.at(-1)).toMatchObject({ served: 201 })
    expect(heard.length).toBeLessThanOrEqual(30)
  })

  test('do not wait for each other where commits come evenly, and one of them late', async () => {
    const { heard, reporter, move } = world()
    using _ = reporter
    await pass(100)
    for (let commit = 1; commit <= 40; commit++) {
      if (commit === 10) await pass(40)
      move({ served: commit, persisted: commit - 1 })
      await hops()
      expect(heard.at(-1)).toMatchObject({ served: commit })
      await pass(commit === 10 ? 10 : 50)
    }
  })

  test('say what was written without haste, and with what else there is to say', async () => {
    const { heard, reporter, move } = world()
    using _ = reporter
    await pass(100)
    move({ persisted: 1 })
    await pass(400)
    expect(heard).toHaveLength(1)
    await pass(150)
    expect(heard.at(-1)).toMatchObject({ persisted: 1 })
    move({ persisted: 2 })
    move({ served: 2 })
    await pass(2_000)
    expect(heard).toHaveLength(3)
  })

  test('do not come early when nothing moved that anybody waits for', async () => {
    const { heard, reporter, move } = world()
    using _ = reporter
    await pass(100)
    for (let commit = 1; commit <= 50; commit++) move({ received: commit, applied: commit })
    await pass(100)
    expect(heard).toHaveLength(1)
  })

  test('name at most ten refusals', async () => {
    const { heard, reporter, move } = world()
    using _ = reporter
    await pass(100)
    move({
      nacks: Array.from({ length: 30 }, (_unused, commit) => ({
        commit,
        stream: 'provider-x',
        reason: 'broken',
      })),
    })
    await pass(10)
    expect(heard.at(-1)?.nacks).toHaveLength(10)
  })

  test('go over the control link while the bus is down', async () => {
    const { bus, link, heard, reporter, move } = world()
    using _ = reporter
    bus.setDown(true)
    await pass(100)
    move({ served: 7, link: 'http' })
    await pass(10)
    expect(link.reports).toMatchObject([{ served: 7, link: 'http' }])
    expect(heard.at(-1)?.served).not.toBe(7)
  })

  test('go both ways when the bus is there but brings nothing', async () => {
    const { link, heard, reporter, move } = world()
    using _ = reporter
    await pass(100)
    move({ served: 7, link: 'http' })
    await pass(10)
    expect([heard.at(-1)?.served, link.reports.at(-1)?.served]).toEqual([7, 7])
  })

  test('that cannot be delivered are counted, never piled up, and made up for when the link is back', async () => {
    const { bus, link, problems, reporter, move } = world()
    using _ = reporter
    bus.setDown(true)
    link.hanging = true
    for (let commit = 1; commit <= 100; commit++) {
      move({ served: commit, link: 'none' })
      await pass(100)
    }
    // Each waits two seconds for an answer; the next is sent after it.
    expect(link.asked.report).toBeLessThanOrEqual(6)
    expect(problems.of('report_failed')).toBeGreaterThanOrEqual(4)
    link.hanging = false
    await pass(2_200)
    expect(link.reports.at(-1)).toMatchObject({ served: 100 })
  })

  test('say at once that the node drains, when told to', async () => {
    const { heard, reporter, accepting } = world()
    using _ = reporter
    await pass(100)
    accepting.now = false
    reporter.tell()
    await hops()
    expect(heard.at(-1)).toMatchObject({ accepting: false })
  })

  test('end with the node', async () => {
    const { reporter, move } = world()
    await pass(100)
    reporter[Symbol.dispose]()
    move({ served: 1 })
    reporter.tell()
    await pass(10)
    expect(vi.getTimerCount()).toBe(0)
  })
})
