import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { stateDigest } from '#contracts/commit/digest.ts'
import { decodeNodeReport, type NodeReport } from '#contracts/fleet/report.ts'
import { credentialAdded, keyIssued, providerRegistered, publish, TestLog } from '#test/model/log-builder.ts'
import {
  hasConverged,
  hops,
  MemoryDisk,
  pass,
  providersOf,
  startBeacon,
  startTestNode,
  startWorld,
  subjects,
  useFakeTime,
} from '#test/model/test-node.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

describe('a node that starts', () => {
  test('serves what is on disk before anybody was asked', async () => {
    const { log, link, broker } = await startWorld()
    const disk = new MemoryDisk({ snapshot: log.snapshot(), secrets: new Map(), discovered: new Map() })
    link.down = true
    await using node = await startTestNode({ link, broker, disk, faults: { down: true } })
    expect(node.holder.current?.commit).toBe(log.head)
    expect(node.follower.readout()).toMatchObject({ served: log.head, persisted: log.head })
    expect(node.follower.readiness().ready).toBe(true)
    expect(link.asked.snapshot).toBe(0)
  })

  test('says why it is not ready until a control plane answers, and keeps asking', async () => {
    const { log, link, start } = await startWorld()
    link.down = true
    await using node = await start()
    expect(node.follower.readiness()).toMatchObject({
      ready: false,
      reason: expect.stringContaining('no control plane'),
    })
    await pass(60_000)
    expect(node.holder.current).toBeNull()
    const asked = link.asked.snapshot
    expect(asked).toBeGreaterThan(10)
    expect(asked).toBeLessThan(30)
    link.down = false
    await pass(6_000)
    hasConverged(node, log)
    expect(node.follower.readiness().ready).toBe(true)
  })

  test('catches up from the stream with what was stored since its copy on disk', async () => {
    const { log, link, say, start } = await startWorld({
      disk: new MemoryDisk({ snapshot: new TestLog().snapshot(), secrets: new Map(), discovered: new Map() }),
    })
    for (let index = 0; index < 200; index++) log.append([keyIssued(`key_${index}`)])
    await say()
    await using node = await start()
    await pass(100)
    hasConverged(node, log)
    expect(link.asked).toMatchObject({ snapshot: 0, commits: 0 })
  })
})

describe('a node that follows', () => {
  test('serves a commit as soon as the bus brings it', async () => {
    const { log, say, start } = await startWorld()
    await using node = await start()
    log.append([providerRegistered('fresh')])
    const told: (NodeReport | null)[] = []
    node.bus.subscribe(subjects.everyReport, (text) => {
      const report = decodeNodeReport(text)
      told.push(report.ok ? report.value : null)
    })
    await say()
    await hops()
    expect(providersOf(node)).toContain('fresh')
    await pass(60)
    expect(told).toMatchObject([
      { node: 'node_test', served: log.head, applied: log.head, digest: log.digest(), link: 'bus' },
    ])
  })

  test('asks the stream for a commit that was lost, when the next one shows the gap', async () => {
    let lost = 0
    const { log, link, say, start } = await startWorld({
      lose: (subject) => subject === 'commits.1' && lost-- > 0,
    })
    await using node = await start()
    lost = 1
    log.append([providerRegistered('lost')])
    log.append([providerRegistered('arrived')])
    await say()
    await pass(20)
    hasConverged(node, log)
    expect(link.asked.commits).toBe(0)
  })

  test('asks within a second for a commit that only a beacon tells of', async () => {
    const { log, broker, say, start } = await startWorld({ lose: (subject) => subject === 'commits.1' })
    await using node = await start()
    log.append([providerRegistered('lost')])
    await say()
    broker.connect().publish(subjects.head, JSON.stringify(log.beacon(12)))
    await pass(200)
    expect(node.follower.readout()).toMatchObject({ served: log.head - 1, fleetNodes: 12 })
    await pass(800)
    hasConverged(node, log)
  })

  test('asks at once for what a message that makes no sense stood for', async () => {
    let losing = true
    const { log, broker, link, say, start } = await startWorld({
      lose: (subject) => losing && subject === 'commits.1',
    })
    await using node = await start()
    link.hanging = true
    log.append([providerRegistered('garbled')])
    await say()
    await hops()
    losing = false
    broker.deliver('commits.1', '{"v":1,')
    await pass(50)
    hasConverged(node, log)
    expect(node.problems.of('malformed_message')).toBe(1)
  })

  test('does not forget what it looks for while nobody can be asked', async () => {
    const { log, broker, link, start } = await startWorld()
    await using node = await start()
    const stream = broker.streams.get(1)
    link.down = true
    broker.streams.delete(1)
    log.append([providerRegistered('missed')])
    log.append([providerRegistered('seen')])
    broker.deliver('commits.1', log.encoded(log.head))
    await pass(3_000)
    expect(node.follower.readout()).toMatchObject({ state: 'seeking', served: log.head - 2 })
    // Nobody says that the stream is back.
    stream?.messages.push(log.encoded(log.head - 1), log.encoded(log.head))
    broker.streams.set(1, stream ?? { first: 1, messages: [] })
    await pass(5_000)
    hasConverged(node, log)
  })

  test('leaves the log for the stream as soon as the bus is back', async () => {
    const { log, link, say, start } = await startWorld()
    await using node = await start()
    node.bus.setDown(true)
    await pass(100)
    link.hanging = true
    log.append([providerRegistered('missed')])
    await say()
    await pass(1_000)
    node.bus.setDown(false)
    await pass(20)
    hasConverged(node, log)
  })

  test('asks the log when the stream holds something else under the number', async () => {
    const { log, broker, start } = await startWorld()
    await using node = await start()
    node.bus.setDown(true)
    log.append([providerRegistered('true')])
    broker.streams.get(1)?.messages.push(log.encoded(1))
    // Long enough for nobody to tell, short enough for the beacon not to.
    node.bus.setDown(false)
    await pass(50)
    hasConverged(node, log)
  })

  test('asks the log for what the stream no longer holds', async () => {
    const { log, broker, link, start } = await startWorld()
    await using node = await start()
    node.bus.setDown(true)
    link.down = true
    for (let index = 0; index < 50; index++) log.append([keyIssued(`key_${index}`)])
    const relay = broker.connect()
    broker.streams.delete(1)
    await publish(log, relay.commits, log.head - 5).catch(() => undefined)
    await pass(10)
    link.down = false
    node.bus.setDown(false)
    await pass(100)
    hasConverged(node, log)
    expect(node.problems.of('stream_lacking')).toBe(1)
    expect(link.asked.snapshot).toBe(1) // the one it started with
  })

  test('asks for a snapshot when the log cannot be read either', async () => {
    const { log, broker, link, start } = await startWorld()
    await using node = await start()
    node.bus.setDown(true)
    log.append([providerRegistered('late')])
    broker.streams.clear()
    link.broken.add('commits')
    node.bus.setDown(false)
    await pass(1_000)
    hasConverged(node, log)
    expect(link.asked.snapshot).toBe(3) // one to start with, one that helps, one to see that it was the last
  })

  test('goes on over the control link while the bus is down', async () => {
    const { log, link, start } = await startWorld()
    await using node = await start()
    node.bus.setDown(true)
    await pass(100)
    log.append([providerRegistered('fresh')])
    await pass(30)
    hasConverged(node, log)
    expect(node.follower.readout().link).toBe('http')
    // Waits at the log instead of asking again and again.
    const asked = link.asked.commits
    await pass(10_000)
    expect(link.asked.commits - asked).toBeLessThanOrEqual(2)
  })

  test('asks the log when the bus is there but nobody speaks', async () => {
    const { log, broker, link, start } = await startWorld()
    await using node = await start()
    await pass(5_000)
    expect(node.follower.readout().link).toBe('bus')
    expect(link.asked.commits).toBe(0)
    log.append([providerRegistered('unheard')])
    await pass(2_000)
    hasConverged(node, log)
    await pass(7_000)
    expect(node.follower.readout().link).toBe('http')
    using beacon = startBeacon(broker, () => log)
    await pass(2_100)
    expect(beacon).toBeDefined()
    expect(node.follower.readout().link).toBe('bus')
    expect(node.follower.readout().configAgeMs).toBeLessThan(200)
  })

  test('forgets what does not fit while it waits for a missing commit, and fetches it again', async () => {
    const { log, broker, link, say, start } = await startWorld()
    link.hanging = true
    await using node = await start()
    for (let index = 0; index < 4_200; index++) log.append([keyIssued(`key_${index}`)])
    await say()
    // Hears nothing of its log yet, but of these.
    link.hanging = false
    await pass(200)
    const relay = broker.connect()
    for (let commit = 10; commit < 4_110; commit++) void relay.commits.append(1, commit, log.encoded(commit))
    await pass(70_000)
    hasConverged(node, log)
  })
})

describe('a node whose state is not what its commits make', () => {
  /** Folded wrong by a build that is gone: at the head, by its chain, and without one provider. */
  async function startWrong(): Promise<
    Awaited<ReturnType<typeof startWorld>> & Readonly<{ disk: MemoryDisk; wrong: string }>
  > {
    const world = await startWorld()
    const { catalog, chain } = world.log.snapshot()
    const damaged = { ...catalog, providers: new Map([...catalog.providers].slice(1)) }
    const wrong = stateDigest(damaged)
    const snapshot = { catalog: damaged, chain, digest: wrong }
    return { ...world, wrong, disk: new MemoryDisk({ snapshot, secrets: new Map(), discovered: new Map() }) }
  }

  test('is shown so by the next beacon, and fetches the right one while it serves', async () => {
    const { log, link, broker, disk, wrong } = await startWrong()
    await using node = await startTestNode({ link, broker, disk })
    await pass(100)
    expect(node.follower.readout()).toMatchObject({ applied: log.head, digest: wrong })
    broker.connect().publish(subjects.head, JSON.stringify(log.beacon()))
    await pass(1_000)
    hasConverged(node, log)
    expect(node.follower.readout()).toMatchObject({ state: 'following', digest: log.digest() })
    expect(link.asked.snapshot).toBe(1)
    expect(node.problems.of('other_state')).toBe(1)
  })

  test('takes commits again afterwards', async () => {
    const { log, link, broker, say, disk } = await startWrong()
    await using node = await startTestNode({ link, broker, disk })
    broker.connect().publish(subjects.head, JSON.stringify(log.beacon()))
    await pass(1_000)
    log.append([providerRegistered('later')])
    await say()
    await pass(1_000)
    hasConverged(node, log)
    expect(providersOf(node)).toContain('later')
  })

  test('is not compared with a control plane that folds otherwise, or does not tell', async () => {
    const { log, link, broker, disk, wrong } = await startWrong()
    await using node = await startTestNode({ link, broker, disk })
    const { digest: _, foldVersion: __, ...older } = log.beacon()
    broker.connect().publish(subjects.head, JSON.stringify(older))
    broker.connect().publish(subjects.head, JSON.stringify({ ...log.beacon(), foldVersion: 99 }))
    await pass(1_000)
    expect(node.follower.readout()).toMatchObject({ digest: wrong })
    expect(link.asked.snapshot).toBe(0)
  })
})

test('a node that stops leaves no timer behind, whatever it was doing', async () => {
  for (const when of ['following', 'polling', 'starting'] as const) {
    const { log, link, say, start } = await startWorld()
    if (when === 'starting') link.down = true
    const node = await start()
    log.append([credentialAdded('p0', 'never-comes')])
    await say()
    if (when === 'polling') node.bus.setDown(true)
    await pass(100)
    await node[Symbol.asyncDispose]()
    await pass(10)
    expect([when, vi.getTimerCount()]).toEqual([when, 0])
  }
})
