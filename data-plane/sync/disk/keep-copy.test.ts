import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import { keyIssued, TestLog } from '#test/model/log-builder.ts'
import { MemoryDisk, pass, useFakeTime } from '#test/model/test-node.ts'
import { Problems } from '../problems.ts'
import type { NodeCopy } from './disk-copy.ts'
import { CopyKeeper } from './keep-copy.ts'

beforeEach(useFakeTime)
afterEach(() => void vi.useRealTimers())

const log = new TestLog()
for (let index = 0; index < 9; index++) log.append([keyIssued(`key_${index}`)])
const copyAt = (commit: number): NodeCopy => ({
  snapshot: log.snapshot(commit),
  secrets: new Map(),
  discovered: new Map(),
})

/** A disk on which every write takes a while, and who watches that there is one at a time. */
class SlowDisk extends MemoryDisk {
  readonly ms: number
  atOnce = 0
  most = 0

  constructor(ms: number) {
    super()
    this.ms = ms
  }

  override async save(copy: NodeCopy): Promise<void> {
    this.atOnce += 1
    this.most = Math.max(this.most, this.atOnce)
    await new Promise((resolve) => setTimeout(resolve, this.ms))
    await super.save(copy)
    this.atOnce -= 1
  }
}

const keeperOf = (disk: MemoryDisk): CopyKeeper =>
  new CopyKeeper({
    disk,
    clock: systemClock,
    problems: new Problems(silentLogger, systemClock),
    onAttempt: () => undefined,
  })

describe('keeping the copy on disk close behind', () => {
  test('writes the first at once, and of those within a second the newest', async () => {
    const disk = new MemoryDisk()
    await using keeper = keeperOf(disk)
    for (let serial = 1; serial <= 5; serial++) keeper.offer(serial, copyAt(serial), false)
    await pass(900)
    expect([disk.saves, keeper.persisted]).toEqual([1, 1])
    await pass(200)
    expect([disk.saves, keeper.persisted]).toEqual([2, 5])
    await pass(5_000)
    expect(disk.saves).toBe(2)
  })

  test('does not make what is urgent wait for the second to be over, nor write it in a hundred pieces', async () => {
    const disk = new MemoryDisk()
    await using keeper = keeperOf(disk)
    for (let serial = 1; serial <= 5; serial++) keeper.offer(serial, copyAt(serial), true)
    await pass(150)
    expect([disk.saves, keeper.attempted]).toEqual([2, { serial: 5, commit: 5 }])
  })

  test('writes one at a time', async () => {
    const disk = new SlowDisk(300)
    await using keeper = keeperOf(disk)
    for (let serial = 1; serial <= 9; serial++) {
      keeper.offer(serial, copyAt(serial), true)
      await pass(50)
    }
    await pass(2_000)
    expect([disk.most, keeper.persisted]).toEqual([1, 9])
  })

  test('writes less often when a write takes long', async () => {
    const disk = new SlowDisk(400)
    const keeper = keeperOf(disk)
    for (let serial = 1; serial <= 8; serial++) {
      keeper.offer(serial, copyAt(serial), false)
      await pass(1_000)
    }
    // A write of 0.4 s begins every 4 s.
    expect(disk.saves).toBe(2)
    await Promise.all([keeper[Symbol.asyncDispose](), pass(1_000)])
    expect(keeper.persisted).toBe(8)
  })

  test('tries again what failed, and what was not written when it ends', async () => {
    const disk = new MemoryDisk()
    const keeper = keeperOf(disk)
    disk.failing = true
    keeper.offer(1, copyAt(1), true)
    await pass(100)
    expect([keeper.isFailing, keeper.attempted.serial, keeper.persisted]).toEqual([true, 1, 0])
    disk.failing = false
    await pass(5_000)
    expect([keeper.isFailing, keeper.persisted]).toEqual([false, 1])
    keeper.offer(2, copyAt(2), false)
    keeper.offer(3, copyAt(3), false)
    await keeper[Symbol.asyncDispose]()
    expect(disk.copy?.snapshot.catalog.commit).toBe(3)
    expect(vi.getTimerCount()).toBe(0)
  })
})
