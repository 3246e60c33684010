import fs, { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { turns } from '#test/eventually.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { Shelf, Told } from '#test/model/shelf.ts'
import { Spool } from './spool.ts'

/** Lines of these tests begin with their id. */
const idOf = (line: string): string => line.split(' ', 1)[0] ?? ''
const open = (stream: Shelf, folder: string): Spool =>
  new Spool({
    folder,
    stream,
    mostBytes: 64 * 1024 * 1024,
    idOf,
    onProblem: () => undefined,
    clock: systemClock,
  })

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spool-disk-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
  vi.restoreAllMocks()
  syncBuiltinESMExports()
})

/** @param take how many of so many bytes the disk takes of a write; none: it is full. */
function useDisk(take: (bytes: number) => number): void {
  const write = fs.writeSync
  vi.spyOn(fs, 'writeSync').mockImplementation((file: number, text: unknown, at: unknown = 0) => {
    if (!Buffer.isBuffer(text) || typeof at !== 'number') throw new Error('not written like this here')
    const bytes = take(text.length - at)
    if (bytes <= 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    return write(file, text, at, bytes)
  })
  syncBuiltinESMExports()
}

describe('the spool on a disk that takes a part of a write and then no more', () => {
  /** Takes `room` bytes of the next write and refuses the rest of it; null: takes everything. */
  let room: number | null = null
  beforeEach(() => {
    room = null
    useDisk((bytes) => {
      const taken = Math.min(bytes, room ?? bytes)
      if (room !== null) room -= taken
      return taken
    })
  })

  test('leaves no file behind, whatever it took, and publishes everything when there is room again', async () => {
    const shelf = new Shelf()
    await using spool = open(shelf, folder)
    for (const bytes of [0, 7]) {
      room = bytes
      new Told(`refused-${bytes}`).end(spool)
      await spool.flush()
      expect(spool.waiting).toBe(1)
      room = null
      await spool.flush()
      expect(spool.waiting).toBe(0)
    }
    new Told('first').end(spool)
    await spool.flush()
    room = 7
    new Told('torn').end(spool)
    await spool.flush()
    room = null
    await spool.flush()
    expect(shelf.lines).toEqual(['refused-0', 'refused-7', 'first', 'torn'].map((id) => `${id} recorded`))
    new Told('last').end(spool)
    await spool.flush()
    // The one that is being written.
    expect(readdirSync(folder)).toHaveLength(1)
  })

  test('has all intents that were written, when the process is killed after any part of a write', async () => {
    const place = mkdtempSync(join(tmpdir(), 'spool-torn-'))
    for (let bytes = 0; bytes < 60; bytes++) {
      const at = join(place, String(bytes))
      await using spool = open(new Shelf(), join(at, 'first'))
      const [one, two] = [new Told('one'), new Told('two')]
      for (const request of [one, two]) request.begin(spool)
      spool.writeIntents()
      two.end(spool)
      room = 3 // this segment ends here
      await turns(1)
      await spool.flush()
      room = bytes
      await spool.flush()
      cpSync(join(at, 'first'), join(at, 'second'), { recursive: true })
      room = null
      const restarted = new Shelf()
      await using other = open(restarted, join(at, 'second'))
      await other.flush()
      expect([bytes, new Set(restarted.lines.map(idOf))]).toEqual([bytes, new Set(['one', 'two'])])
    }
    rmSync(place, { recursive: true })
  })
})

describe('the spool on a disk that it has filled itself', () => {
  const MOST_BYTES = 9_000_000
  const used = (): number =>
    readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  beforeEach(() => useDisk((bytes) => Math.min(bytes, MOST_BYTES - used())))

  test('has room again when the bus is back, whoever is still under way', async () => {
    const shelf = new Shelf()
    shelf.isAway = true
    await using spool = open(shelf, folder)
    const long = new Told('long')
    long.begin(spool)
    spool.writeIntents()
    const text = 'x'.repeat(1_000)
    for (let at = 0; at < 9_500; at++) {
      new Told(`r${at}`, `r${at} ${text}`).end(spool)
      if (at % 100 === 0) await spool.flush()
    }
    await spool.flush()
    shelf.isAway = false
    for (let round = 0; round < 5; round++) await spool.flush()
    expect([spool.waiting, spool.dropped, new Set(shelf.lines).size]).toEqual([0, 0, 9_500])
    expect(used()).toBeLessThan(MOST_BYTES / 2)
    long.end(spool)
  })
})

test('a segment that is published is removed, and nothing stands still for it', async () => {
  const remove = vi.spyOn(fs, 'unlinkSync')
  syncBuiltinESMExports()
  await using spool = open(new Shelf(), folder)
  // More than a segment.
  for (let at = 0; at < 50; at++) {
    new Told(`r${at}`, `r${at} ${'x'.repeat(100_000)}`).end(spool)
    await turns(1)
  }
  expect(readdirSync(folder)).toHaveLength(2)
  await spool.flush()
  expect([spool.waiting, spool.published]).toEqual([0, 50])
  expect(readdirSync(folder)).toHaveLength(1)
  expect(remove).not.toHaveBeenCalled()
})

test('who is still under way when it stops is published as was intended, and nothing is left on the disk', async () => {
  const shelf = new Shelf()
  {
    await using spool = open(shelf, folder)
    const [one, two] = [new Told('one'), new Told('two')]
    for (const request of [one, two]) request.begin(spool)
    spool.writeIntents()
    one.end(spool)
  }
  expect(shelf.lines).toEqual(['one recorded', 'two intended'])
  expect(readdirSync(folder)).toEqual([])
})
