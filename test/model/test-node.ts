/**
 * A data-plane node without its listener: the real follower, publisher and reporter on an in-process bus, a
 * `TestLink` and a disk in memory. Runs under fake timers; `pass` moves the time.
 */
import { expect, vi } from 'vitest'
import { MemoryBroker, type MemoryBus, type MemoryBusFaults } from '#contracts/bus/memory.ts'
import { subjectsOf } from '#contracts/bus/subjects.ts'
import { nodeId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { DiskCopy, LoadedCopy, NodeCopy } from '#data-plane/sync/disk/disk-copy.ts'
import { startFollowing, type CatalogFollower } from '#data-plane/sync/follow-catalog.ts'
import { SnapshotHolder } from '#data-plane/sync/holder.ts'
import { Problems } from '#data-plane/sync/problems.ts'
import { Reporter } from '#data-plane/sync/report.ts'
import { providerRegistered, publish, TEST_KEYS, TestLink, TestLog } from './log-builder.ts'

export const masterKey = TEST_KEYS
export const subjects = subjectsOf('test')

/** A disk that forgets nothing and does what a test wants. */
export class MemoryDisk implements DiskCopy {
  copy: NodeCopy | null
  saves = 0
  failing = false
  /** Is what it was given to begin with safe? */
  isDurable = true
  /** A save waits for this. */
  gate: Promise<void> = Promise.resolve()

  constructor(copy: NodeCopy | null = null) {
    this.copy = copy
  }

  async load(): Promise<LoadedCopy> {
    return { copy: this.copy, isDurable: this.isDurable, refused: [] }
  }

  async save(copy: NodeCopy): Promise<void> {
    this.saves += 1
    await this.gate
    if (this.failing) throw new Error('no space left on device')
    this.copy = copy
  }
}

export type TestNodeOptions = Readonly<{
  link: TestLink
  broker?: MemoryBroker
  disk?: MemoryDisk
  faults?: MemoryBusFaults
  slots?: { deployments: Slots; providers: Slots; lanes: Slots }
}>

export type TestNode = AsyncDisposable &
  Readonly<{
    bus: MemoryBus
    link: TestLink
    disk: MemoryDisk
    holder: SnapshotHolder
    problems: Problems
    follower: CatalogFollower
    /** Every commit swapped in, in order, with the epoch it was in. */
    swaps: readonly Readonly<{ epoch: number; commit: number; providers: number }>[]
  }>

export async function startTestNode(options: TestNodeOptions): Promise<TestNode> {
  const { link, broker = new MemoryBroker(), disk = new MemoryDisk(), faults = {} } = options
  const slots = options.slots ?? { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
  const bus = broker.connect(faults)
  const holder = new SnapshotHolder()
  const swaps: { epoch: number; commit: number; providers: number }[] = []
  holder.onSwap(({ epoch, commit, providers }) => swaps.push({ epoch, commit, providers: providers.size }))
  const clock = systemClock
  const random = (): number => 0.5
  const problems = new Problems(silentLogger, clock)
  const vaultKey = masterKey.vault
  const follower = await startFollowing({
    bus,
    subjects,
    link,
    disk,
    holder,
    slots,
    vaultKey,
    commitKey: masterKey.commits,
    clock,
    random,
    problems,
  })
  const node = nodeId('node_test')
  const who = { node, boot: 'boot', build: 'test', isAccepting: () => true }
  const reporter = new Reporter({ bus, subjects, link, follower, clock, random, problems, ...who })
  const dispose = async (): Promise<void> => {
    reporter[Symbol.dispose]()
    await follower[Symbol.asyncDispose]()
    await bus[Symbol.asyncDispose]()
  }
  return { bus, link, disk, holder, problems, follower, swaps, [Symbol.asyncDispose]: dispose }
}

/** Timers are fake and move only in `pass`; a hop on the bus is real and takes no time. */
export const useFakeTime = (): void =>
  void vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  })

/** Moves the time on in small steps, so that whatever it starts can also happen in it. */
export async function pass(ms: number): Promise<void> {
  const step = Math.max(5, ms / 200)
  for (let passed = 0; passed < ms; passed += step) {
    await vi.advanceTimersByTimeAsync(Math.min(step, ms - passed))
    await hops()
  }
}

/** Lets everything happen that needs no time. */
export async function hops(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** The control plane's beacon every two seconds, until disposed. */
export function startBeacon(broker: MemoryBroker, log: () => TestLog): Disposable {
  const bus = broker.connect()
  const timer = setInterval(() => bus.publish(subjects.head, JSON.stringify(log().beacon())), 2_000)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

export type WorldOptions = Readonly<{
  providers?: number
  disk?: MemoryDisk
  lose?: (subject: string) => boolean
}>

/** A log with one provider, its stream, its control plane, and a node that follows them. */
export async function startWorld(over: WorldOptions = {}) {
  const log = new TestLog()
  for (let index = 0; index < (over.providers ?? 1); index++) log.append([providerRegistered(`p${index}`)])
  const broker = new MemoryBroker()
  const relay = broker.connect()
  const link = new TestLink(log)
  const say = async (): Promise<void> => publish(log, relay.commits)
  await say()
  const start = async (): Promise<TestNode> => {
    const faults = over.lose === undefined ? {} : { lose: over.lose }
    const node = await startTestNode({ broker, link, disk: over.disk ?? new MemoryDisk(), faults })
    await pass(50)
    return node
  }
  return { log, broker, relay, link, say, start }
}

export const providersOf = (node: TestNode): readonly string[] => [
  ...(node.holder.current?.providers.keys() ?? []),
]
/** The node stands at the head of the log, with the digest of everything folded from the beginning. */
export const hasConverged = (node: TestNode, log: TestLog): void => {
  expect(node.follower.readout()).toMatchObject({ applied: log.head, served: log.head, digest: log.digest() })
}
