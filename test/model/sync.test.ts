/**
 * The follower against everything a bus, a link and a disk can do to it.
 *
 * Each run draws a schedule of faults and of what the operator does meanwhile, plays it under fake timers,
 * stops the faults, and compares the node with the log. `SYNC_RUNS` sets how many.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as fc from 'fast-check'
import { MemoryBroker } from '#contracts/bus/memory.ts'
import { keyIssued, keyRevoked, providerRegistered, publish, TestLink, TestLog } from './log-builder.ts'
import {
  hops,
  MemoryDisk,
  pass,
  startBeacon,
  startTestNode,
  useFakeTime,
  type TestNode,
} from './test-node.ts'

const RUNS = Number(process.env['SYNC_RUNS'] ?? 60)
/** Beacons come every two seconds, an answer that failed is asked for again within five. */
const CONVERGES_MS = 12_000

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

const Step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('commit' as const), count: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('bus' as const, 'link' as const, 'disk' as const),
      down: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('live' as const),
      lose: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('repeat' as const, 'trim' as const, 'tamper' as const),
      at: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('epoch' as const, 'rewind' as const, 'wipe' as const, 'restart' as const),
    }),
  },
)
type Step = typeof Step extends fc.Arbitrary<infer Value> ? Value : never

/** The world one schedule is played in. */
class Play implements AsyncDisposable {
  readonly log = new TestLog()
  readonly link = new TestLink(this.log)
  readonly broker = new MemoryBroker()
  readonly disk = new MemoryDisk()
  /** Digest of the log at every commit it ever had, by epoch and commit: a prefix is one of these. */
  readonly #digests = new Map<string, string>()
  /** What a node did that it must never do. */
  readonly violations: string[] = []
  readonly #relay = this.broker.connect()
  readonly #beacon = startBeacon(this.broker, () => this.log)
  readonly #random: () => number
  #lose = 0
  #key = 0
  node!: TestNode

  constructor(seed: number) {
    let state = seed
    // A small generator of its own: the schedule decides, not the order of callbacks in the library.
    this.#random = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
      return state / 0x7fff_ffff
    }
    this.#remember()
    this.#append(() => this.log.append([providerRegistered('always')]))
  }

  async start(): Promise<void> {
    const lose = (): boolean => this.#random() < this.#lose
    this.node = await startTestNode({
      broker: this.broker,
      link: this.link,
      disk: this.disk,
      faults: { lose },
    })
    let before = this.node.holder.current
    this.node.holder.onSwap((snapshot) => {
      const { epoch, commit, digest, providers } = snapshot
      const name = `${epoch}:${commit}`
      if (digest !== this.#digests.get(name))
        this.violations.push(`served ${name}, which is no prefix of the log`)
      if (providers.size === 0) this.violations.push(`served an empty table at ${name}`)
      if (before !== null && epoch <= before.epoch && commit < before.commit)
        this.violations.push(`went back to ${name}`)
      before = snapshot
    })
  }

  async play(step: Step): Promise<void> {
    switch (step.do) {
      case 'commit':
        for (let count = 0; count < step.count; count++) this.#commit()
        return this.#publish()
      case 'wait':
        return pass(step.ms)
      case 'bus':
        return this.node.bus.setDown(step.down)
      case 'link':
        this.link.down = step.down
        return
      case 'disk':
        this.disk.failing = step.down
        return
      case 'live':
        this.#lose = step.lose
        return
      case 'repeat':
        // Late, doubled and out of order.
        return this.broker.deliver(
          `commits.${this.log.epoch}`,
          this.log.encoded(1 + (step.at % this.log.head)),
        )
      case 'tamper':
        return this.#tamper(1 + (step.at % this.log.head))
      case 'trim':
        return this.#trim(step.at)
      case 'wipe':
        this.broker.streams.clear()
        return
      case 'epoch':
        this.#append(() => this.log.advanceEpoch())
        return this.#publish()
      case 'rewind':
        this.log.restoreTo(Math.max(2, this.log.head - 3))
        this.#append(() => this.log.advanceEpoch())
        return this.#publish()
      case 'restart':
        await this.node[Symbol.asyncDispose]()
        return this.start()
    }
  }

  /** No more faults; the last beacon has been heard by then. */
  async calm(): Promise<void> {
    this.#lose = 0
    this.link.down = false
    this.disk.failing = false
    this.node.bus.setDown(false)
    await this.#publish()
    await pass(CONVERGES_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#beacon[Symbol.dispose]()
    await this.node[Symbol.asyncDispose]()
  }

  #append(append: () => number): void {
    append()
    this.#remember()
  }

  #remember(): void {
    this.#digests.set(`${this.log.epoch}:${this.log.head}`, this.log.digest())
  }

  #commit(): void {
    const key = this.#key++
    this.#append(() =>
      this.log.append([key % 3 === 2 ? keyRevoked(`key_${key - 1}`) : keyIssued(`key_${key}`)]),
    )
  }

  async #publish(): Promise<void> {
    await publish(this.log, this.#relay.commits)
    await hops()
  }

  #tamper(commit: number): void {
    const text = this.log.encoded(commit).replace('sk-test', 'sk-evil')
    this.broker.deliver(`commits.${this.log.epoch}`, text)
    // Damage in the stream itself, too.
    const stream = this.broker.streams.get(this.log.epoch)
    if (stream !== undefined && commit >= stream.first) stream.messages[commit - stream.first] = text
  }

  #trim(at: number): void {
    const stream = this.broker.streams.get(this.log.epoch)
    if (stream === undefined || stream.messages.length === 0) return
    const dropped = at % stream.messages.length
    stream.messages.splice(0, dropped)
    stream.first += dropped
  }
}

describe('a node under any schedule of loss, repetition, disorder, damage and outages', () => {
  test('ends at the head of the log with the digest of its fold, never serves an older commit, never serves an empty table', async () => {
    const schedules = fc.record({ seed: fc.nat(), steps: fc.array(Step, { minLength: 5, maxLength: 40 }) })
    const play = fc.asyncProperty(schedules, async ({ seed, steps }) => {
      await using world = new Play(seed)
      await world.start()
      for (const step of steps) await world.play(step)
      await world.calm()
      const { log, node } = world
      expect(node.follower.readout()).toMatchObject({
        state: 'following',
        epoch: log.epoch,
        received: log.head,
        applied: log.head,
        served: log.head,
        persisted: log.head,
        digest: log.digest(),
      })
      expect(node.holder.current?.digest).toBe(log.digest())
      for (const [index, swap] of node.swaps.entries()) {
        const before = node.swaps[index - 1] ?? swap
        expect(swap.epoch > before.epoch || swap.commit >= before.commit).toBe(true)
      }
    })
    await fc.assert(play, { numRuns: RUNS, interruptAfterTimeLimit: 240_000 })
  }, 300_000)
})
