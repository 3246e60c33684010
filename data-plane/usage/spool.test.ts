import { spawn } from 'node:child_process'
import { appendFileSync, chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BusUnavailable } from '#contracts/bus/bus.ts'
import { Spool } from './spool.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spool-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A bus that keeps what it is told once by its id, and can be away. */
class Shelf {
  readonly messages = new Map<string, string>()
  isAway = false
  /** Stores, and loses the answer. */
  isDeaf = false

  async publish(id: string, text: string): Promise<void> {
    if (this.isAway) throw new BusUnavailable('away')
    this.messages.set(id, this.messages.get(id) ?? text)
    if (this.isDeaf) throw new BusUnavailable('no answer')
  }

  get lines(): readonly string[] {
    return [...this.messages.values()].flatMap((text) => text.split('\n'))
  }
}

const problems: string[] = []
const open = (stream: Shelf, mostBytes = 64 * 1024 * 1024): Spool =>
  new Spool({ folder, stream, mostBytes, onProblem: (message) => problems.push(message) })
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const files = (): readonly string[] => readdirSync(folder)

describe('the spool', () => {
  test('publishes every record once, in order, and leaves nothing behind', async () => {
    const shelf = new Shelf()
    {
      await using spool = open(shelf)
      for (let at = 0; at < 1_000; at++) {
        spool.append(`record ${at}`)
        if (at % 100 === 0) await turn()
      }
      await spool.flush()
      expect(spool.waiting).toBe(0)
      expect(spool.published).toBe(1_000)
    }
    expect(shelf.lines).toEqual(Array.from({ length: 1_000 }, (_, at) => `record ${at}`))
    expect(files()).toEqual([])
  })

  test('keeps records while the bus is away, over a restart, and publishes them when it is back', async () => {
    const shelf = new Shelf()
    shelf.isAway = true
    {
      await using spool = open(shelf)
      spool.append('one')
      await spool.flush()
      spool.append('two')
      expect(spool.waiting).toBe(2)
    }
    expect(files()).toHaveLength(1)
    await using spool = open(shelf)
    expect(spool.waiting).toBe(2)
    shelf.isAway = false
    spool.append('three')
    await spool.flush()
    expect(shelf.lines).toEqual(['one', 'two', 'three'])
    expect(spool.waiting).toBe(0)
  })

  test('loses nothing when the answer of the bus is lost and there is more by the next try', async () => {
    const shelf = new Shelf()
    await using spool = open(shelf)
    shelf.isDeaf = true
    spool.append('one')
    await spool.flush()
    spool.append('two')
    shelf.isDeaf = false
    await spool.flush()
    expect(new Set(shelf.lines)).toEqual(new Set(['one', 'two']))
  })

  test('never confuses records of two processes, though all files were gone in between', async () => {
    const shelf = new Shelf()
    for (const text of ['one', 'two', 'six']) {
      await using spool = open(shelf)
      spool.append(text)
      await spool.flush()
    }
    expect(shelf.lines).toEqual(['one', 'two', 'six'])
  })

  test('leaves out a line that was torn by a crash, and goes on in a new file', async () => {
    const shelf = new Shelf()
    shelf.isAway = true
    {
      await using spool = open(shelf)
      spool.append('whole')
    }
    appendFileSync(join(folder, files()[0] ?? ''), '{"torn":')
    await using spool = open(shelf)
    shelf.isAway = false
    spool.append('next')
    await spool.flush()
    expect(shelf.lines).toEqual(['whole', 'next'])
  })

  test('drops the oldest when its room is used up, and counts them', async () => {
    const shelf = new Shelf()
    shelf.isAway = true
    await using spool = open(shelf, 10 * 1024 * 1024)
    const text = 'x'.repeat(1_000)
    for (let at = 0; at < 20_000; at++) {
      spool.append(`${String(at).padStart(6, '0')} ${text}`)
      if (at % 500 === 0) await turn()
    }
    await spool.flush()
    expect(spool.dropped).toBeGreaterThan(0)
    expect(spool.waiting + spool.dropped).toBe(20_000)
    shelf.isAway = false
    await spool.flush()
    const numbers = shelf.lines.map((line) => Number(line.slice(0, 6)))
    expect(numbers).toEqual(Array.from({ length: 20_000 - spool.dropped }, (_, at) => at + spool.dropped))
  })

  test.skipIf(process.getuid?.() === 0)(
    'holds records in memory while the disk cannot be written',
    async () => {
      const shelf = new Shelf()
      await using spool = open(shelf)
      chmodSync(folder, 0o500)
      spool.append('one')
      await spool.flush()
      expect(spool.waiting).toBe(1)
      expect(problems.at(-1)).toMatch(/cannot write/)
      chmodSync(folder, 0o700)
      await spool.flush()
      expect(shelf.lines).toEqual(['one'])
    },
  )

  test('keeps every record through any order of writes, losses, absences and restarts', async () => {
    const step = fc.constantFrom('append', 'flush', 'away', 'back', 'deaf', 'restart', 'turn')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const shelf = new Shelf()
        let spool = open(shelf)
        let count = 0
        for (const one of steps) {
          if (one === 'append') spool.append(`r${(count += 1)}`)
          else if (one === 'flush') await spool.flush()
          else if (one === 'away') shelf.isAway = true
          else if (one === 'deaf') shelf.isDeaf = true
          else if (one === 'turn') await turn()
          else if (one === 'back') Object.assign(shelf, { isAway: false, isDeaf: false })
          else {
            await spool[Symbol.asyncDispose]()
            spool = open(shelf)
          }
        }
        Object.assign(shelf, { isAway: false, isDeaf: false })
        await spool.flush()
        await spool[Symbol.asyncDispose]()
        expect(new Set(shelf.lines)).toEqual(new Set(Array.from({ length: count }, (_, at) => `r${at + 1}`)))
        expect(files()).toEqual([])
      }),
      { numRuns: 50 },
    )
  })
})

test('what a process said it had recorded is there after it was killed with SIGKILL', async () => {
  const script = `
    import { Spool } from ${JSON.stringify(fileURLToPath(new URL('spool.ts', import.meta.url)))}
    const never = { publish: () => new Promise(() => undefined) }
    const spool = new Spool({ folder: ${JSON.stringify(folder)}, stream: never, mostBytes: 1e9, onProblem: () => undefined })
    let at = 0
    const go = () => {
      const from = at
      for (let more = 0; more < 20; more++) spool.append('record ' + at++)
      setImmediate(() => { process.stdout.write(at + '\\n'); setImmediate(go) })
    }
    go()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = 0
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said = Math.max(said, ...chunk.toString().trim().split('\n').slice(0, -1).map(Number))
      if (said > 2_000) child.kill('SIGKILL')
    })
    child.once('close', () => resolve())
  })
  const shelf = new Shelf()
  await using spool = open(shelf)
  await spool.flush()
  expect(said).toBeGreaterThan(2_000)
  expect(shelf.lines.slice(0, said)).toEqual(Array.from({ length: said }, (_, at) => `record ${at}`))
})
