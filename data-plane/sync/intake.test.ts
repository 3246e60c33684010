import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { signCommit } from '#contracts/commit/signed.ts'
import { providerId } from '#contracts/ids.ts'
import { keyIssued, providerRegistered, TEST_KEYS, TestLog } from '#test/model/log-builder.ts'
import {
  hasConverged,
  pass,
  providersOf,
  startBeacon,
  startWorld,
  subjects,
  useFakeTime,
} from '#test/model/test-node.ts'
import { EarlyCommits } from './early.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

describe('a node that is told something wrong', () => {
  test('asks the log for a commit that was tampered with, and keeps serving meanwhile', async () => {
    const { log, broker, link, start } = await startWorld()
    await using node = await start()
    const commit = log.append([providerRegistered('honest')])
    const wire = log.commits[commit - 1]!
    const events = wire.events.map((event) => ({
      ...event,
      body: event.body.replace('honest.example', 'evil.example'),
    }))
    link.hanging = true
    broker.deliver('commits.1', signCommit({ ...wire, events }, TEST_KEYS.commits))
    await pass(100)
    expect(providersOf(node)).toEqual(['p0'])
    expect(node.problems.of('broken_commit')).toBe(1)
    link.hanging = false
    await pass(100)
    hasConverged(node, log)
    expect(link.asked.snapshot).toBe(1)
    expect(node.holder.current?.providers.get(providerId('honest'))?.source.definition.baseUrl).toContain(
      'honest.example',
    )
  })

  test('takes a snapshot when the log itself does not continue what it holds', async () => {
    const { log, broker, link, start } = await startWorld()
    await using node = await start()
    // An old backup, restored without a word: the log has the same numbers and other commits.
    log.append([providerRegistered('lost')])
    broker.deliver('commits.1', log.encoded(log.head))
    await pass(50)
    log.restoreTo(log.head - 1)
    log.append([providerRegistered('other')])
    log.append([providerRegistered('another')])
    broker.deliver('commits.1', log.encoded(log.head))
    await pass(100)
    hasConverged(node, log)
    expect(providersOf(node)).toEqual(['p0', 'other', 'another'])
    expect(node.problems.of('broken_log')).toBe(1)
    expect(link.asked.snapshot).toBe(2)
  })

  test('gives up a commit that was never in the log when a beacon shows it, and asks no more than needed', async () => {
    const { log, broker, link, start } = await startWorld()
    await using node = await start()
    // A forger who knows the chain can make the next link; only the log can tell.
    const forger = new TestLog()
    forger.append([providerRegistered('p0')])
    expect(forger.encoded(2)).toBe(log.encoded(2))
    forger.append([providerRegistered('evil')])
    broker.deliver('commits.1', forger.encoded(3))
    await pass(30)
    expect(providersOf(node)).toContain('evil')
    log.append([providerRegistered('honest')])
    broker.connect().publish(subjects.head, JSON.stringify(log.beacon()))
    await pass(50)
    hasConverged(node, log)
    expect(providersOf(node)).toEqual(['p0', 'honest'])
    // A forged beacon costs a snapshot now and then, not one each.
    const asked = link.asked.snapshot
    for (let count = 0; count < 50; count++) {
      broker.connect().publish(subjects.head, JSON.stringify({ ...log.beacon(), chain: 'f'.repeat(64) }))
      await pass(100)
    }
    expect(link.asked.snapshot - asked).toBeLessThanOrEqual(2)
    hasConverged(node, log)
  })

  test('is not held up by a commit number that nobody wrote', async () => {
    const { log, broker, say, start } = await startWorld()
    await using node = await start()
    const forged = { ...log.commits[log.head - 1]!, commit: Number.MAX_SAFE_INTEGER, epoch: 900 }
    for (let count = 0; count < 20; count++)
      broker.deliver('commits.1', signCommit(forged, TEST_KEYS.commits))
    await pass(30)
    log.append([providerRegistered('fresh')])
    await say()
    await pass(30)
    expect(providersOf(node)).toContain('fresh')
    await pass(10_000)
    expect(node.follower.readout()).toMatchObject({ state: 'following', epoch: 1 })
  })

  test('keeps what it serves when the control plane shows another log', async () => {
    const { log, link, start } = await startWorld()
    await using node = await start()
    const serving = log.head
    link.log = new TestLog('log-2')
    for (let index = 0; index < 10; index++) link.log.append([keyIssued(`key_${index}`)])
    node.bus.setDown(true)
    await pass(10_000)
    expect(node.follower.readout()).toMatchObject({ served: serving, state: 'broken' })
    expect(node.problems.of('other_log')).toBeGreaterThan(0)
    expect(node.follower.readiness().ready).toBe(true)
  })

  test('says so when the log ends before what it serves', async () => {
    const { log, broker, start } = await startWorld({ providers: 5 })
    await using node = await start()
    const serving = log.head
    log.restoreTo(2)
    using beacon = startBeacon(broker, () => log)
    await pass(10_000)
    expect(beacon).toBeDefined()
    expect(node.follower.readout().served).toBe(serving)
    expect(node.problems.of('log_behind')).toBeGreaterThan(0)
  })
})

describe('a newer epoch', () => {
  test('is followed to its own stream when the log goes on', async () => {
    const { log, link, broker, say, start } = await startWorld()
    await using node = await start()
    log.advanceEpoch()
    await say()
    log.append([providerRegistered('after')])
    await say()
    broker.connect().publish(subjects.head, JSON.stringify(log.beacon()))
    await pass(30)
    hasConverged(node, log)
    expect(node.follower.readout().epoch).toBe(2)
    expect(link.asked.snapshot).toBe(1)
    log.append([providerRegistered('live')])
    await say()
    await pass(30)
    hasConverged(node, log)
    expect(link.asked.commits).toBe(0)
  })

  test('takes a node back when the log went back', async () => {
    const { log, broker, say, start } = await startWorld({ providers: 6 })
    await using node = await start()
    log.restoreTo(4)
    log.advanceEpoch()
    await say()
    broker.connect().publish(subjects.head, JSON.stringify(log.beacon()))
    await pass(100)
    hasConverged(node, log)
    expect(node.follower.readout()).toMatchObject({ epoch: 2, served: 5 })
    expect(providersOf(node)).toEqual(['p0', 'p1', 'p2'])
  })
})

describe('commits that came too early', () => {
  const log = new TestLog()
  for (let index = 0; index < 9; index++) log.append([keyIssued(`key_${index}`)])
  const [one, two, three] = log.commits.map((wire) => ({ ...wire }))
  if (one === undefined || two === undefined || three === undefined) throw new Error('no commits')

  test('are kept until the one before them is here', () => {
    const early = new EarlyCommits()
    for (const wire of [three, two, two]) expect(early.keep(wire, 100)).toBe(true)
    expect([early.take(1), early.take(2), early.take(2), early.take(3)]).toEqual([null, two, null, three])
  })

  test('are forgotten when they are held', () => {
    const early = new EarlyCommits()
    for (const wire of [one, two, three]) early.keep(wire, 100)
    early.dropThrough(2)
    expect([early.take(1), early.take(2), early.take(3)]).toEqual([null, null, three])
  })

  test('are all forgotten when there are too many, or they are too large', () => {
    const many = new EarlyCommits()
    for (let commit = 1; commit <= 4_096; commit++) expect(many.keep({ ...one, commit }, 100)).toBe(true)
    expect(many.keep({ ...one, commit: 5_000 }, 100)).toBe(false)
    expect([many.take(1), many.take(5_000)]).toEqual([null, null])
    const large = new EarlyCommits()
    for (let commit = 1; commit <= 64; commit++) expect(large.keep({ ...one, commit }, 512 * 1024)).toBe(true)
    expect(large.keep({ ...one, commit: 64 }, 512 * 1024)).toBe(true)
    expect(large.keep({ ...one, commit: 65 }, 1)).toBe(false)
  })
})
