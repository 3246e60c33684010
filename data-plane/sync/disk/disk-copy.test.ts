import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeSnapshot, snapshotPieces } from '#contracts/commit/snapshot.ts'
import { providerId, secretId } from '#contracts/ids.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { deriveKeys } from '#contracts/security/master-key.ts'
import { keyIssued, providerRegistered, TestLog } from '#test/model/log-builder.ts'
import { FileDiskCopy, type NodeCopy } from './disk-copy.ts'
import { nodeFiles } from './files.ts'
import { loadNodeId } from './node-id.ts'

const key = deriveKeys(Buffer.alloc(32, 1)).disk
let folder = ''

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'apiproxy-disk-')), 'node')
})
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }))

const open = (diskKey: Uint8Array = key): FileDiskCopy => new FileDiskCopy(folder, diskKey, systemClock)
const slot = (name: 'a' | 'b'): string => join(folder, `slot-${name}`)

/** A copy of a log with as many keys as wanted. */
function copyOf(keys: number): NodeCopy {
  const log = new TestLog()
  log.append([providerRegistered('p0')])
  log.append(Array.from({ length: keys }, (_, index) => keyIssued(`key_${index}`)))
  return {
    snapshot: log.snapshot(),
    secrets: new Map([[secretId('secret-1'), 'v1.sealed']]),
    discovered: new Map([[providerId('p0'), { at: 7, models: [{ id: 'seen-model', contextWindow: 9 }] }]]),
  }
}

describe('a copy on disk', () => {
  test('comes back as it was written', async () => {
    const copy = copyOf(2_000)
    await open().save(copy)
    expect(await open().load()).toEqual({ copy, isDurable: true, refused: [] })
  })

  test('holds nothing in the clear but its header', async () => {
    await open().save(copyOf(3))
    const bytes = await readFile(slot('a'))
    expect(bytes.includes('key_1')).toBe(false)
    expect(bytes.includes('v1.sealed')).toBe(false)
    expect((await stat(slot('a'))).mode & 0o777).toBe(0o600)
  })

  test('is absent on a new machine, without a complaint', async () => {
    expect(await open().load()).toEqual({ copy: null, isDurable: true, refused: [] })
  })

  test('is written to the other slot each time, and the newest is taken', async () => {
    const disk = open()
    for (const keys of [1, 2, 3]) await disk.save(copyOf(keys))
    const loaded = await open().load()
    expect(loaded.copy?.snapshot.catalog.keys.size).toBe(3)
    await rm(slot('a'))
    expect((await open().load()).copy?.snapshot.catalog.keys.size).toBe(2)
  })

  test('goes on with the older slot after a restart', async () => {
    await open().save(copyOf(1))
    const restarted = open()
    await restarted.load()
    await restarted.save(copyOf(2))
    await rm(slot('b'))
    expect((await open().load()).copy?.snapshot.catalog.keys.size).toBe(1)
  })

  test('of another master key is refused', async () => {
    await open().save(copyOf(1))
    const loaded = await open(deriveKeys(Buffer.alloc(32, 2)).disk).load()
    expect(loaded).toEqual({
      copy: null,
      isDurable: true,
      refused: [{ slot: 'a', reason: 'wrong key or damaged' }],
    })
  })

  test('of another fold version or format is refused by name', async () => {
    await open().save(copyOf(1))
    const bytes = await readFile(slot('a'), 'latin1')
    for (const [from, to, reason] of [
      ['"fold":1', '"fold":9', 'written by fold 9, this build folds 1'],
      ['"format":2', '"format":9', 'written in format 9, this build reads 2'],
    ] as const) {
      await writeFile(slot('a'), bytes.replace(from, to), 'latin1')
      expect(await open().load()).toEqual({ copy: null, isDurable: true, refused: [{ slot: 'a', reason }] })
    }
  })

  test('that was cut off anywhere is refused, and the one before it is taken', async () => {
    const disk = open()
    await disk.save(copyOf(1_500))
    await disk.save(copyOf(2_000))
    const whole = await readFile(slot('b'))
    for (const share of [0, 0.0001, 0.01, 0.3, 0.5, 0.9, 0.999_99]) {
      await writeFile(slot('b'), whole.subarray(0, Math.floor(whole.length * share)))
      const loaded = await open().load()
      expect([share, loaded.copy?.snapshot.catalog.keys.size, loaded.refused.length]).toEqual([
        share,
        1_500,
        1,
      ])
    }
  })

  test('that was cut off exactly between two sections is refused', async () => {
    await open().save(copyOf(2_000))
    const whole = await readFile(slot('a'))
    const start = whole.indexOf('\n') + 1
    const firstEnds = start + 4 + whole.readUInt32BE(start)
    expect(firstEnds).toBeLessThan(whole.length)
    await writeFile(slot('a'), whole.subarray(0, firstEnds))
    expect((await open().load()).refused).toEqual([{ slot: 'a', reason: 'wrong key or damaged' }])
  })

  test('with sections of another copy, or its own in another order, is refused', async () => {
    const disk = open()
    await disk.save(copyOf(2_000))
    await disk.save(copyOf(2_000))
    const [one, other] = await Promise.all([readFile(slot('a')), readFile(slot('b'))])
    const start = one.indexOf('\n') + 1
    const mixed = Buffer.concat([one.subarray(0, start), other.subarray(other.indexOf('\n') + 1)])
    await rm(slot('b'))
    await writeFile(slot('a'), mixed)
    expect((await open().load()).copy).toBeNull()

    const first = one.subarray(start, start + 4 + one.readUInt32BE(start))
    const rest = one.subarray(start + first.length)
    await writeFile(slot('a'), Buffer.concat([one.subarray(0, start), rest, first]))
    expect((await open().load()).copy).toBeNull()
  })

  test('is unharmed by rubbish in the other slot, which is then written over', async () => {
    const disk = open()
    await disk.save(copyOf(1))
    await disk.save(copyOf(2))
    await writeFile(slot('a'), 'rubbish'.repeat(100))
    const restarted = open()
    expect(await restarted.load()).toMatchObject({ refused: [{ slot: 'a', reason: 'not a node copy' }] })
    await restarted.save(copyOf(3))
    const again = await open().load()
    expect([again.copy?.snapshot.catalog.keys.size, again.refused]).toEqual([3, []])
  })

  test('that cannot be written rejects and leaves the one before it', async () => {
    const disk = open()
    await disk.save(copyOf(1))
    await rm(folder, { recursive: true })
    await writeFile(folder, 'a file where the folder should be')
    await expect(disk.save(copyOf(2))).rejects.toThrow()
    await rm(folder)
    await disk.save(copyOf(3))
    expect((await open().load()).copy?.snapshot.catalog.keys.size).toBe(3)
  })

  test('is made safe against a power failure when it is found, and is called unsafe when it cannot be', async () => {
    await open().save(copyOf(1))
    const synced: string[] = []
    const watched = { ...nodeFiles, syncFolder: async (path: string) => void synced.push(path) }
    const found = await new FileDiskCopy(folder, key, systemClock, watched).load()
    expect([found.isDurable, synced]).toEqual([true, [folder]])
    const syncFolder = async (): Promise<void> => Promise.reject(new Error('EIO'))
    const unsafe = await new FileDiskCopy(folder, key, systemClock, { ...nodeFiles, syncFolder }).load()
    expect([unsafe.isDurable, unsafe.copy?.snapshot.catalog.keys.size]).toEqual([false, 1])
  })

  test('gives the event loop back every two milliseconds while it is written', async () => {
    // A clock on which every entity takes a tenth of a millisecond.
    let pieces = 0
    const clock = { now: () => 0, monotonic: () => (pieces += 1) / 10 }
    let [last, most] = [0, 0]
    const watch = (): void => {
      most = Math.max(most, pieces - last)
      last = pieces
      next = setImmediate(watch)
    }
    let next = setImmediate(watch)
    await new FileDiskCopy(folder, key, clock).save(copyOf(2_000))
    clearImmediate(next)
    expect(pieces).toBeGreaterThan(4_000)
    // Two slices may fall into one turn when the disk answers at once.
    expect(most).toBeLessThan(60)
  })
})

test('a snapshot written in pieces is the canonical text', () => {
  const { snapshot } = copyOf(3)
  const text = [...snapshotPieces(snapshot)].join('')
  expect(encodeSnapshot(snapshot)).toBe(text)
  expect(Object.keys(JSON.parse(text))).toEqual(Object.keys(JSON.parse(text)).toSorted())
})

describe('the id of a node', () => {
  test('stays the same', async () => {
    const first = await loadNodeId(folder)
    expect(first).toMatchObject({ id: expect.stringMatching(/^node_[a-z0-9]{16}$/), isKept: true })
    expect(await loadNodeId(folder)).toEqual(first)
  })

  test('is made anew when its file makes no sense', async () => {
    const first = await loadNodeId(folder)
    await writeFile(join(folder, 'id'), 'node.*.>')
    const second = await loadNodeId(folder)
    expect(second.isKept).toBe(true)
    expect(second.id).not.toBe(first.id)
  })

  test('serves for one run when it cannot be written', async () => {
    await writeFile(folder, 'a file where the folder should be')
    expect(await loadNodeId(folder)).toMatchObject({ isKept: false })
  })
})
