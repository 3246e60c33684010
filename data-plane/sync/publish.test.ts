import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { readCommit } from '#contracts/commit/commit.ts'
import { providerId, secretId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { sealSecret } from '#contracts/security/seal.ts'
import { Secret } from '#contracts/security/secret.ts'
import {
  credentialAdded,
  keyIssued,
  keyRevoked,
  providerRegistered,
  publish,
  TestLink,
  TestLog,
} from '#test/model/log-builder.ts'
import { Slots } from '../routing/slots.ts'
import {
  hasConverged,
  masterKey,
  MemoryDisk,
  pass,
  providersOf,
  startTestNode,
  startWorld,
  useFakeTime,
} from '#test/model/test-node.ts'
import type { NodeSlots } from '../routing/compile.ts'
import { SnapshotHolder } from './holder.ts'
import { Problems } from './problems.ts'
import { CatalogPublisher } from './publish.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

/** A publisher alone, fed by hand. */
function publisherOf(disk: MemoryDisk, slots?: NodeSlots): CatalogPublisher {
  return new CatalogPublisher({
    disk,
    slots: slots ?? { deployments: new Slots(), providers: new Slots(), lanes: new Slots() },
    holder: new SnapshotHolder(),
    link: new TestLink(new TestLog()),
    vaultKey: masterKey.vault,
    clock: systemClock,
    problems: new Problems(silentLogger, systemClock),
    onMoved: () => undefined,
    onStuck: () => undefined,
  })
}

describe('a commit that cannot be taken over as it is', () => {
  test('freezes the one entity whose event this build does not know', async () => {
    const { log, say, start } = await startWorld()
    await using node = await start()
    log.append([{ type: 'ProviderTeleported', stream: 'provider-p0', body: { to: 'mars' } }])
    log.append([providerRegistered('fresh')])
    await say()
    await pass(50)
    hasConverged(node, log)
    expect(providersOf(node)).toEqual(['p0', 'fresh'])
    expect(node.follower.readout().nacks).toEqual([
      { commit: 3, stream: 'provider-p0', reason: 'ProviderTeleported: a type this build does not know' },
    ])
  })

  test('keeps a provider as it was until its secret arrives, and acknowledges meanwhile', async () => {
    const { log, link, say, start } = await startWorld()
    await using node = await start()
    log.append([credentialAdded('p0', 'secret-1')])
    await say()
    await pass(30)
    const lanes = (): string => {
      const provider = node.holder.current?.providers.get(providerId('p0'))
      return JSON.stringify(provider?.deployments.get('p0-model')?.lanes)
    }
    expect(lanes()).toContain('"credential":null')
    expect(node.follower.readout()).toMatchObject({ served: log.head, nacks: [{ stream: 'provider-p0' }] })
    const sealed = sealSecret(masterKey.vault, 'secret-1', new Secret('sk-upstream'))
    link.vault.set(secretId('secret-1'), sealed)
    await pass(1_100)
    expect(lanes()).toContain('Bearer sk-upstream')
    expect(node.follower.readout().nacks).toEqual([])
    await pass(1_100)
    expect(node.disk.copy?.secrets.get(secretId('secret-1'))).toBe(sealed)
  })

  test('does not acknowledge a provider before its secret was asked for', async () => {
    const { log, link, say, start } = await startWorld()
    await using node = await start()
    link.hanging = true
    link.vault.set(secretId('secret-1'), sealSecret(masterKey.vault, 'secret-1', new Secret('sk-upstream')))
    log.append([credentialAdded('p0', 'secret-1')])
    await say()
    await pass(500)
    expect(node.holder.current?.commit).toBe(log.head)
    expect(node.follower.readout()).toMatchObject({ served: log.head - 1, nacks: [] })
    link.hanging = false
    await pass(100)
    expect(node.follower.readout()).toMatchObject({ served: log.head, nacks: [] })
  })

  test('keeps the snapshot before a commit whose compilation throws, and names the commit', async () => {
    const log = new TestLog()
    const slots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
    log.append([providerRegistered('p0')])
    const broker = new MemoryBroker()
    await using node = await startTestNode({ link: new TestLink(log), broker, slots })
    await pass(50)
    const of = vi.spyOn(slots.deployments, 'of').mockImplementation(() => {
      throw new Error('a bug')
    })
    log.append([providerRegistered('poison')])
    await publish(log, broker.connect().commits)
    await pass(50)
    expect(node.holder.current?.commit).toBe(2)
    expect(node.follower.readout()).toMatchObject({
      applied: 3,
      served: 2,
      nacks: [{ commit: 3, stream: 'system', reason: 'not accepted: a bug' }],
    })
    of.mockRestore()
    log.append([keyIssued('key_1')])
    await publish(log, broker.connect().commits)
    await pass(50)
    hasConverged(node, log)
    expect(node.follower.readout().nacks).toEqual([])
  })
})

test('what waits to be folded is forgotten when a snapshot replaces everything', async () => {
  const log = new TestLog()
  log.append([providerRegistered('p0')])
  await using publisher = publisherOf(new MemoryDisk())
  publisher.take(log.snapshot())
  for (let index = 0; index < 3; index++) log.append([keyIssued(`key_${index}`)])
  publisher.add(log.commits.slice(2, 4).map(readCommit))
  expect(publisher.held?.catalog.commit).toBe(2)
  publisher.take(log.snapshot())
  await pass(50)
  expect(publisher.held).toEqual(log.snapshot())
})

/** Serves commit 4 of a log that was then restored to commit 2 and went on to commit 4 by another way. */
async function restoredUnder(
  disk: MemoryDisk,
  slots?: NodeSlots,
): Promise<Readonly<{ publisher: CatalogPublisher; log: TestLog }>> {
  const log = new TestLog()
  log.append([keyIssued('key_0')])
  const publisher = publisherOf(disk, slots)
  publisher.take(log.snapshot())
  for (const event of [keyIssued('key_1'), keyRevoked('key_0')]) {
    log.append([event])
    publisher.add([readCommit(log.commits.at(-1)!)])
  }
  await pass(2_000)
  expect([publisher.served, publisher.persisted]).toEqual([4, 4])
  log.restoreTo(2)
  log.advanceEpoch()
  log.append([keyRevoked('key_0')])
  return { publisher, log }
}

describe('a snapshot of another history', () => {
  test('takes back what was acknowledged and written until it is itself', async () => {
    const disk = new MemoryDisk()
    const { publisher, log } = await restoredUnder(disk)
    await using _ = publisher
    const gate = Promise.withResolvers<void>()
    disk.gate = gate.promise
    publisher.take(log.snapshot())
    expect(publisher.held?.catalog).toMatchObject({ epoch: 2, commit: 4 })
    await pass(1_500)
    expect([publisher.served, publisher.persisted]).toEqual([0, 0])
    gate.resolve()
    await pass(10)
    expect([publisher.served, publisher.persisted]).toEqual([4, 4])
  })

  test('is not taken for served when it could not be compiled', async () => {
    const slots: NodeSlots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
    const { publisher, log } = await restoredUnder(new MemoryDisk(), slots)
    await using _ = publisher
    expect(publisher.served).toBe(4)
    log.append([providerRegistered('p0')])
    vi.spyOn(slots.deployments, 'of').mockImplementation(() => {
      throw new Error('no room')
    })
    publisher.take(log.snapshot())
    await pass(1_500)
    expect(publisher.nacks).toMatchObject([{ commit: 5, reason: 'not accepted: no room' }])
    expect(publisher.served).toBe(0)
  })

  test('is not taken for written when a copy of the history before it is', async () => {
    const disk = new MemoryDisk()
    const { publisher, log } = await restoredUnder(disk)
    await using _ = publisher
    const saves = disk.saves
    const [old, young] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    disk.gate = old.promise
    publisher.learnModels(new Map())
    await pass(1_100)
    expect(disk.saves).toBe(saves + 1)
    disk.gate = young.promise
    publisher.take(log.snapshot())
    old.resolve()
    await pass(500)
    expect([disk.copy?.snapshot.catalog.epoch, publisher.served, publisher.persisted]).toEqual([1, 0, 0])
    young.resolve()
    await pass(5_000)
    expect([disk.copy?.snapshot.catalog.epoch, publisher.served, publisher.persisted]).toEqual([2, 4, 4])
  })
})

describe('the copy on disk', () => {
  test('is written at most once a second', async () => {
    const { log, say, start } = await startWorld()
    await using node = await start()
    for (let index = 0; index < 50; index++) {
      log.append([keyIssued(`key_${index}`)])
      await say()
      await pass(100)
    }
    expect(node.disk.saves).toBeGreaterThanOrEqual(5)
    expect(node.disk.saves).toBeLessThanOrEqual(7)
    await pass(1_000)
    expect(node.follower.readout().persisted).toBe(log.head)
  })

  test('holds a revocation before the node acknowledges it, though it takes effect at once', async () => {
    const { log, say, start } = await startWorld()
    log.append([keyIssued('key_1')])
    await say()
    await using node = await start()
    await pass(1_100)
    const gate = Promise.withResolvers<void>()
    node.disk.gate = gate.promise
    const revoked = log.append([keyRevoked('key_1')])
    await say()
    await pass(300)
    expect([...(node.holder.current?.keys.values() ?? [])]).toMatchObject([{ state: 'revoked' }])
    expect(node.follower.readout()).toMatchObject({
      applied: revoked,
      served: revoked - 1,
      persisted: revoked - 1,
    })
    gate.resolve()
    await pass(20)
    expect(node.follower.readout()).toMatchObject({ served: revoked, persisted: revoked })
  })

  test('holds a revocation that came among other commits before it is acknowledged', async () => {
    const log = new TestLog()
    log.append([keyIssued('key_0')])
    const disk = new MemoryDisk()
    await using publisher = publisherOf(disk)
    publisher.take(log.snapshot())
    await pass(2_000)
    const gate = Promise.withResolvers<void>()
    disk.gate = gate.promise
    // The first is built at once, the others together after it: neither may pass for harmless.
    for (const event of [keyIssued('key_1'), keyRevoked('key_0'), keyIssued('key_2')]) {
      log.append([event])
      publisher.add([readCommit(log.commits.at(-1)!)])
    }
    await pass(1_000)
    expect([publisher.held?.catalog.commit, publisher.served]).toEqual([5, 3])
    gate.resolve()
    // A disk this slow is asked again only after as long.
    await pass(1_000)
    expect(publisher.served).toBe(5)
  })

  test('holds a snapshot before it is acknowledged, because it may hold a revocation', async () => {
    const log = new TestLog()
    log.append([keyIssued('key_0'), keyRevoked('key_0')])
    const disk = new MemoryDisk()
    const gate = Promise.withResolvers<void>()
    disk.gate = gate.promise
    await using publisher = publisherOf(disk)
    publisher.take(log.snapshot())
    await pass(1_000)
    expect(publisher.served).toBe(0)
    gate.resolve()
    await pass(10)
    expect(publisher.served).toBe(2)
  })

  test('holds a revocation whose build failed before the next one is acknowledged', async () => {
    const log = new TestLog()
    log.append([providerRegistered('p0'), keyIssued('key_0')])
    const disk = new MemoryDisk()
    const slots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
    await using publisher = publisherOf(disk, slots)
    publisher.take(log.snapshot())
    await pass(2_000)
    const of = vi.spyOn(slots.deployments, 'of').mockImplementation(() => {
      throw new Error('a bug')
    })
    log.append([keyRevoked('key_0'), providerRegistered('p1')])
    publisher.add([readCommit(log.commits.at(-1)!)])
    of.mockRestore()
    const gate = Promise.withResolvers<void>()
    disk.gate = gate.promise
    log.append([keyIssued('key_1')])
    publisher.add([readCommit(log.commits.at(-1)!)])
    await pass(500)
    expect(publisher.served).toBe(2)
    gate.resolve()
    await pass(20)
    expect(publisher.served).toBe(4)
  })

  test('never holds what could not be compiled', async () => {
    const log = new TestLog()
    log.append([providerRegistered('p0')])
    const disk = new MemoryDisk()
    const slots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
    await using publisher = publisherOf(disk, slots)
    publisher.take(log.snapshot())
    await pass(2_000)
    vi.spyOn(slots.deployments, 'of').mockImplementation(() => {
      throw new Error('a bug')
    })
    log.append([providerRegistered('poison')])
    publisher.add(log.commits.slice(2).map(readCommit))
    await pass(2_000)
    expect(publisher.held?.catalog.commit).toBe(3)
    expect(disk.copy?.snapshot.catalog.commit).toBe(2)
  })

  test('that cannot be written is counted, said, tried again, and holds nothing up', async () => {
    const { log, say, start } = await startWorld()
    log.append([keyIssued('key_1')])
    await say()
    await using node = await start()
    await pass(1_100)
    const persisted = log.head
    node.disk.failing = true
    log.append([keyRevoked('key_1')])
    await say()
    await pass(300)
    expect(node.follower.readout()).toMatchObject({ served: log.head, persisted, isDiskFailing: true })
    expect(node.problems.of('disk_failed')).toBe(1)
    node.disk.failing = false
    await pass(6_000)
    expect(node.follower.readout()).toMatchObject({ persisted: log.head, isDiskFailing: false })
  })

  test('that was found and is not safe is served, and acknowledged when it was written again', async () => {
    const disk = new MemoryDisk()
    const { log, start } = await startWorld({ disk })
    Object.assign(disk, {
      copy: { snapshot: log.snapshot(), secrets: new Map(), discovered: new Map() },
      isDurable: false,
    })
    const gate = Promise.withResolvers<void>()
    disk.gate = gate.promise
    await using node = await start()
    await pass(300)
    expect(node.holder.current?.commit).toBe(log.head)
    expect(node.follower.readout()).toMatchObject({ served: 0, persisted: 0 })
    gate.resolve()
    await pass(20)
    expect(node.follower.readout()).toMatchObject({ served: log.head, persisted: log.head })
  })

  test('is written a last time when the node stops', async () => {
    const disk = new MemoryDisk()
    const { log, say, start } = await startWorld({ disk })
    const node = await start()
    log.append([keyIssued('key_1')])
    await say()
    await pass(30)
    expect(disk.copy?.snapshot.catalog.commit).toBe(log.head - 1)
    await node[Symbol.asyncDispose]()
    expect(disk.copy?.snapshot.catalog.commit).toBe(log.head)
  })
})
