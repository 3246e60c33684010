import { spawn } from 'node:child_process'
import { appendFileSync, chmodSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BusUnavailable } from '#contracts/bus/bus.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { Line, Shelf } from '#test/model/shelf.ts'
import { Spool, type SpoolPorts } from './spool.ts'

let folder = ''
let copy = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spool-'))
  copy = `${folder}-copy`
})
afterEach(() => {
  for (const place of [folder, copy]) rmSync(place, { recursive: true, force: true })
})

const problems: string[] = []
/** Lines of these tests begin with their id. */
const idOf = (line: string): string => line.split(' ', 1)[0] ?? ''
/** A record of a request that had no intent. */
const add = (spool: Spool, line: string): void => spool.append(idOf(line), line)
const open = (stream: SpoolPorts['stream'], mostBytes = 64 * 1024 * 1024, at = folder): Spool =>
  new Spool({
    folder: at,
    stream,
    mostBytes,
    idOf,
    clock: systemClock,
    onProblem: (message) => problems.push(message),
  })
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const files = (): readonly string[] => readdirSync(folder)
/** As the disk is when the process is killed at this moment. */
const copyTo = (place: string): void => cpSync(folder, place, { recursive: true })

describe('the spool', () => {
  test('publishes every record once, in order, and leaves nothing behind', async () => {
    const shelf = new Shelf()
    {
      await using spool = open(shelf)
      for (let at = 0; at < 1_000; at++) {
        add(spool, `${at} record`)
        if (at % 100 === 0) await turn()
      }
      await spool.flush()
      expect(spool.waiting).toBe(0)
      expect(spool.published).toBe(1_000)
    }
    expect(shelf.lines).toEqual(Array.from({ length: 1_000 }, (_, at) => `${at} record`))
    expect(files()).toEqual([])
  })

  test('keeps records while the bus is away, over a restart, and publishes them when it is back', async () => {
    const shelf = new Shelf()
    shelf.isAway = true
    {
      await using spool = open(shelf)
      add(spool, 'one')
      await spool.flush()
      add(spool, 'two')
      expect(spool.waiting).toBe(2)
    }
    expect(files()).toHaveLength(1)
    await using spool = open(shelf)
    expect(spool.waiting).toBe(2)
    shelf.isAway = false
    add(spool, 'three')
    await spool.flush()
    expect(shelf.lines).toEqual(['one', 'two', 'three'])
    expect(spool.waiting).toBe(0)
  })

  test('loses nothing when the answer of the bus is lost and there is more by the next try', async () => {
    const shelf = new Shelf()
    await using spool = open(shelf)
    shelf.isDeaf = true
    add(spool, 'one')
    await spool.flush()
    add(spool, 'two')
    shelf.isDeaf = false
    await spool.flush()
    expect(new Set(shelf.lines)).toEqual(new Set(['one', 'two']))
  })

  test('leaves alone the bytes of a message that is not answered: they may still be on their way', async () => {
    const sent: Uint8Array[] = []
    await using spool = open({
      publish: async (_id, bytes) => {
        if (sent.push(bytes) === 1) throw new BusUnavailable('no answer')
      },
    })
    for (const line of ['1 record', '2 record', '3 record']) {
      add(spool, line)
      await spool.flush()
    }
    expect(sent).toHaveLength(3)
    expect(new TextDecoder().decode(sent[0])).toBe('1 record')
  })

  test('never confuses records of two processes, though all files were gone in between', async () => {
    const shelf = new Shelf()
    for (const text of ['one', 'two', 'six']) {
      await using spool = open(shelf)
      add(spool, text)
      await spool.flush()
    }
    expect(shelf.lines).toEqual(['one', 'two', 'six'])
  })

  test('leaves out a line that was torn by a crash, and goes on in a new file', async () => {
    const shelf = new Shelf()
    shelf.isAway = true
    {
      await using spool = open(shelf)
      add(spool, 'whole')
    }
    appendFileSync(join(folder, files()[0] ?? ''), '{"torn":')
    await using spool = open(shelf)
    shelf.isAway = false
    add(spool, 'next')
    await spool.flush()
    expect(shelf.lines).toEqual(['whole', 'next'])
  })

  test('drops the oldest when its room is used up, and counts them', async () => {
    const shelf = new Shelf()
    shelf.isAway = true
    await using spool = open(shelf, 10 * 1024 * 1024)
    const text = 'x'.repeat(1_000)
    for (let at = 0; at < 20_000; at++) {
      add(spool, `${String(at).padStart(6, '0')} ${text}`)
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
      add(spool, 'one')
      await spool.flush()
      expect(spool.waiting).toBe(1)
      expect(problems.at(-1)).toMatch(/cannot write/)
      chmodSync(folder, 0o700)
      await spool.flush()
      expect(shelf.lines).toEqual(['one'])
    },
  )

  test('publishes what was begun and never ended as it was intended, once, after a restart', async () => {
    const shelf = new Shelf()
    {
      await using spool = open(shelf)
      for (const id of ['one', 'two', 'six']) spool.intend(id, `${id} intended`)
      spool.append('one', 'one recorded')
      await turn()
      // Another try of the same request.
      spool.intend('two', 'two intended again')
      spool.writeIntents()
      copyTo(copy)
    }
    const restarted = new Shelf()
    for (let starts = 0; starts < 2; starts++) {
      await using spool = open(restarted, undefined, copy)
      await spool.flush()
      expect(spool.recovered).toBe(starts === 0 ? 2 : 0)
    }
    expect(restarted.lines).toEqual(['one recorded', 'two intended again', 'six intended'])
  })

  test('has written nothing of an intent whose request was never sent, and its record all the same', async () => {
    const shelf = new Shelf()
    await using spool = open(shelf)
    for (const id of ['sent', 'unsent']) {
      spool.intend(id, `${id} intended`)
      copyTo(`${copy}-${id}`)
      if (id === 'sent') spool.writeIntents()
    }
    const left = async (place: string): Promise<readonly string[]> => {
      const restarted = new Shelf()
      await using other = open(restarted, undefined, place)
      await other.flush()
      rmSync(place, { recursive: true })
      return restarted.lines
    }
    expect(await left(`${copy}-sent`)).toEqual([])
    expect(await left(`${copy}-unsent`)).toEqual(['sent intended'])
    spool.append('unsent', 'unsent recorded')
    await turn()
    copyTo(copy)
    expect(await left(copy)).toEqual(['unsent recorded', 'sent intended'])
  })

  test('is drained when the bus has what earlier processes left, whatever this one has added', async () => {
    {
      await using spool = open(new Shelf())
      for (const id of ['one', 'two']) spool.intend(id, `${id} intended`)
      spool.append('one', 'one recorded')
      await turn()
      copyTo(copy)
    }
    const shelf = new Shelf()
    shelf.isAway = true
    await using spool = open(shelf, undefined, copy)
    add(spool, 'new')
    await spool.flush()
    expect(spool.isDrained).toBe(false)
    shelf.isAway = false
    await spool.flush()
    add(spool, 'newer')
    await turn()
    expect(shelf.lines).toEqual(expect.arrayContaining(['one recorded', 'two intended']))
    expect([spool.isDrained, spool.waiting > 0]).toEqual([true, true])
  })

  test('is not drained when what an earlier process left had to go unpublished', async () => {
    const shelf = new Shelf()
    shelf.isAway = true
    {
      await using spool = open(shelf)
      for (let at = 0; at < 80; at++) {
        add(spool, `${at} ${'x'.repeat(100_000)}`)
        await turn()
      }
    }
    const most = 10 * 1024 * 1024
    {
      await using spool = open(shelf, most)
      expect(spool.dropped).toBe(0)
      for (let at = 80; at < 160; at++) {
        add(spool, `${at} ${'x'.repeat(100_000)}`)
        await turn()
      }
      expect(spool.dropped).toBeGreaterThan(0)
      shelf.isAway = false
      await spool.flush()
      expect([spool.isDrained, spool.waiting]).toEqual([false, 0])
    }
    await using spool = open(shelf, most)
    expect(spool.isDrained).toBe(true)
  })

  test('publishes no intent while its request is under way, and keeps it over the end of a segment', async () => {
    const shelf = new Shelf()
    await using spool = open(shelf)
    spool.intend('long', 'long intended')
    const text = 'x'.repeat(1_000)
    for (let at = 0; at < 10_000; at++) {
      spool.intend(`r${at}`, `r${at} intended`)
      if (at % 3 === 0) spool.writeIntents()
      spool.append(`r${at}`, `r${at} ${text}`)
      if (at % 500 === 0) await turn()
    }
    await spool.flush()
    await spool.flush()
    expect(shelf.lines).toHaveLength(10_000)
    expect(files()).toHaveLength(1)
    copyTo(copy)
    const restarted = new Shelf()
    await using other = open(restarted, undefined, copy)
    await other.flush()
    expect(restarted.lines.filter((line) => line.startsWith('long'))).toEqual(['long intended'])
    spool.append('long', 'long recorded')
    await spool.flush()
    expect(shelf.lines.filter((line) => line.startsWith('long'))).toEqual(['long recorded'])
  })

  test('has of every request one line, whatever the order of writes, absences, restarts and kills', async () => {
    const step = fc.constantFrom('begin', 'end', 'flush', 'away', 'back', 'deaf', 'restart', 'kill', 'turn')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const place = mkdtempSync(join(tmpdir(), 'spool-any-'))
        const shelf = new Shelf()
        const killed: Spool[] = []
        let [lives, line] = [0, new Line(shelf)]
        let at = join(place, 'life-0')
        let spool = open(line, undefined, at)
        let begun = 0
        const underWay: string[] = []
        /** Ended, and a turn went by: nothing may take that back. */
        const [ended, sure] = [new Set<string>(), new Set<string>()]
        const settle = (): void => ended.forEach((id) => sure.add(id))
        for (const one of steps) {
          if (one === 'begin') {
            const id = `r${(begun += 1)}`
            spool.intend(id, `${id} intended`)
            spool.writeIntents()
            underWay.push(id)
          } else if (one === 'end') {
            const id = underWay.shift()
            if (id === undefined) continue
            spool.append(id, `${id} recorded`)
            ended.add(id)
          } else if (one === 'flush') await spool.flush().then(settle)
          else if (one === 'away') shelf.isAway = true
          else if (one === 'deaf') shelf.isDeaf = true
          else if (one === 'turn') await turn().then(settle)
          else if (one === 'back') Object.assign(shelf, { isAway: false, isDeaf: false })
          else {
            if (one === 'kill') {
              line.isCut = true
              const next = join(place, `life-${(lives += 1)}`)
              cpSync(at, next, { recursive: true })
              at = next
              killed.push(spool)
              ended.clear()
            } else {
              await spool[Symbol.asyncDispose]()
              settle()
            }
            underWay.length = 0
            line = new Line(shelf)
            spool = open(line, undefined, at)
          }
        }
        Object.assign(shelf, { isAway: false, isDeaf: false })
        for (const id of underWay) {
          spool.append(id, `${id} recorded`)
          sure.add(id)
        }
        await spool.flush()
        for (const one of [spool, ...killed]) await one[Symbol.asyncDispose]()
        const told = new Map<string, Set<string>>()
        for (const text of shelf.lines) told.set(idOf(text), (told.get(idOf(text)) ?? new Set()).add(text))
        expect(told.size).toBe(begun)
        for (const [id, texts] of told) {
          expect([id, texts.size]).toEqual([id, 1])
          if (sure.has(id)) expect([...texts]).toEqual([`${id} recorded`])
        }
        expect(readdirSync(at)).toEqual([])
        rmSync(place, { recursive: true })
      }),
      { numRuns: 100 },
    )
  })
})

test('what a process said it had begun is there after it was killed with SIGKILL, and what it had recorded', async () => {
  const script = `
    import { Spool } from ${JSON.stringify(fileURLToPath(new URL('spool.ts', import.meta.url)))}
    const never = { publish: () => new Promise(() => undefined) }
    const spool = new Spool({ folder: ${JSON.stringify(folder)}, stream: never, mostBytes: 1e9,
      idOf: () => null, onProblem: () => undefined, clock: { monotonic: () => performance.now() } })
    let at = 0
    const go = () => {
      const first = at
      for (let more = 0; more < 20; more++) { spool.intend(String(at), at + ' intended'); at++ }
      spool.writeIntents()
      for (let id = first; id < at; id += 2) spool.append(String(id), id + ' recorded')
      process.stdout.write('begun ' + at + '\\n')
      setImmediate(() => { process.stdout.write('ended ' + at + '\\n'); setImmediate(go) })
    }
    go()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = { begun: 0, ended: 0 }
  let rest = ''
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = `${rest}${chunk.toString()}`.split('\n')
      rest = lines.pop() ?? ''
      for (const [, what, count] of lines.map((line) => /^(begun|ended) (\d+)$/.exec(line) ?? []))
        if (what === 'begun' || what === 'ended') said[what] = Number(count)
      if (said.ended > 5_000) child.kill('SIGKILL')
    })
    child.once('close', () => resolve())
  })
  const shelf = new Shelf()
  await using spool = open(shelf)
  await spool.flush()
  expect(said.ended).toBeGreaterThan(5_000)
  const told = new Map(shelf.lines.map((line) => [Number(idOf(line)), line]))
  expect(told.size).toBe(shelf.lines.length)
  for (let id = 0; id < said.begun; id++) {
    const isRecorded = id < said.ended && id % 2 === 0
    expect(told.get(id)).toMatch(isRecorded ? / recorded$/ : / (intended|recorded)$/)
  }
})
