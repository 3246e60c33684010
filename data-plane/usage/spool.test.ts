import { spawn } from 'node:child_process'
import { appendFileSync, chmodSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { turns } from '#test/eventually.ts'
import { BusUnavailable } from '#contracts/bus/bus.ts'
import { systemClock } from '#contracts/process/clock.ts'
import { Line, Shelf, Told } from '#test/model/shelf.ts'
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
const add = (spool: Spool, line: string): void => new Told(idOf(line), line).end(spool)
const open = (stream: SpoolPorts['stream'], mostBytes = 64 * 1024 * 1024, at = folder): Spool =>
  new Spool({
    folder: at,
    stream,
    mostBytes,
    idOf,
    clock: systemClock,
    onProblem: (message) => problems.push(message),
  })
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
        if (at % 100 === 0) await turns(1)
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
      if (at % 500 === 0) await turns(1)
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
      const [one, two, six] = [new Told('one'), new Told('two'), new Told('six')]
      for (const request of [one, two, six]) request.begin(spool)
      one.end(spool)
      await turns(1)
      two.again().begin(spool)
      spool.writeIntents()
      copyTo(copy)
    }
    const restarted = new Shelf()
    for (let starts = 0; starts < 2; starts++) {
      await using spool = open(restarted, undefined, copy)
      await spool.flush()
      expect(spool.recovered).toBe(starts === 0 ? 2 : 0)
    }
    const [record, ...intents] = restarted.lines
    expect([record, ...intents.toSorted()]).toEqual(['one recorded', 'six intended', 'two intended again'])
  })

  test('has written nothing of an intent whose request was never sent, and its record all the same', async () => {
    const shelf = new Shelf()
    await using spool = open(shelf)
    const [sent, unsent] = [new Told('sent'), new Told('unsent')]
    for (const request of [sent, unsent]) {
      request.begin(spool)
      copyTo(`${copy}-${request.id}`)
      if (request === sent) spool.writeIntents()
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
    unsent.end(spool)
    await turns(1)
    copyTo(copy)
    expect(await left(copy)).toEqual(['unsent recorded', 'sent intended'])
  })

  test('is drained when the bus has what earlier processes left, whatever this one has added', async () => {
    {
      await using spool = open(new Shelf())
      const [one, two] = [new Told('one'), new Told('two')]
      for (const request of [one, two]) request.begin(spool)
      one.end(spool)
      await turns(1)
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
    await turns(1)
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
        await turns(1)
      }
    }
    const most = 10 * 1024 * 1024
    {
      await using spool = open(shelf, most)
      expect(spool.dropped).toBe(0)
      for (let at = 80; at < 160; at++) {
        add(spool, `${at} ${'x'.repeat(100_000)}`)
        await turns(1)
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
    const long = new Told('long')
    long.begin(spool)
    const text = 'x'.repeat(1_000)
    for (let at = 0; at < 10_000; at++) {
      const request = new Told(`r${at}`, `r${at} ${text}`)
      request.begin(spool)
      if (at % 3 === 0) spool.writeIntents()
      request.end(spool)
      if (at % 500 === 0) await turns(1)
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
    long.end(spool)
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
        const underWay: Told[] = []
        /** Ended, and a turn went by: nothing may take that back. */
        const [ended, sure] = [new Set<string>(), new Set<string>()]
        const settle = (): void => ended.forEach((id) => sure.add(id))
        for (const one of steps) {
          if (one === 'begin') {
            const request = new Told(`r${(begun += 1)}`)
            request.begin(spool)
            spool.writeIntents()
            underWay.push(request)
          } else if (one === 'end') {
            const request = underWay.shift()
            if (request === undefined) continue
            request.end(spool)
            ended.add(request.id)
          } else if (one === 'flush') await spool.flush().then(settle)
          else if (one === 'away') shelf.isAway = true
          else if (one === 'deaf') shelf.isDeaf = true
          else if (one === 'turn') await turns(1).then(settle)
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
        for (const request of underWay) {
          request.end(spool)
          sure.add(request.id)
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
    import { Told } from ${JSON.stringify(fileURLToPath(new URL('../../test/model/shelf.ts', import.meta.url)))}
    const never = { publish: () => new Promise(() => undefined) }
    const spool = new Spool({ folder: ${JSON.stringify(folder)}, stream: never, mostBytes: 1e9,
      idOf: () => null, onProblem: () => undefined, clock: { monotonic: () => performance.now() } })
    let at = 0
    const go = () => {
      const begun = Array.from({ length: 20 }, () => new Told(String(at++)))
      for (const request of begun) request.begin(spool)
      spool.writeIntents()
      for (const request of begun) if (Number(request.id) % 2 === 0) request.end(spool)
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
