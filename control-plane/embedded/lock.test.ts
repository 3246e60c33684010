import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OwnedProcess } from '#test/processes/owned.ts'
import { lockFolder, type FolderLock } from './lock.ts'

const LOCK = new URL('lock.ts', import.meta.url).href
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'apiproxy-lock-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** A process that takes the lock, says so or why not, and keeps it until it is killed. */
const holder = (at: string): Promise<OwnedProcess> =>
  OwnedProcess.start(process.execPath, [
    '--input-type=module',
    '-e',
    `const { lockFolder } = await import(${JSON.stringify(LOCK)})
     const lock = await lockFolder(${JSON.stringify(at)}, 0)
     console.log(lock.ok ? 'has it' : lock.error)
     if (lock.ok) setInterval(() => {}, 1000)`,
  ])

const taken = async (at: string): Promise<FolderLock> => {
  const lock = await lockFolder(at)
  if (!lock.ok) throw new Error(lock.error)
  return lock.value
}

describe('the lock of a data folder', () => {
  test('makes the folder, for its owner alone, and names the process', async () => {
    const inside = join(folder, 'a', 'b')
    await using _ = await taken(inside)
    expect((await stat(inside)).mode & 0o777).toBe(0o700)
    expect(await readFile(join(inside, 'lock'), 'utf8')).toBe(String(process.pid))
  })

  test('leaves nothing behind when it is given back', async () => {
    await (await taken(folder))[Symbol.asyncDispose]()
    expect(await readdir(folder)).toEqual([])
  })

  test('is refused while another process has it, and says which and what to do', async () => {
    await using other = await holder(folder)
    await other.waitForLine(/has it/)
    expect(await lockFolder(folder, 0)).toEqual({
      ok: false,
      error:
        `another apiproxy (process ${other.pid}) uses the data folder ${folder}; ` +
        'stop it, or set APIPROXY_DATA_DIR to another folder',
    })
    expect(await readdir(folder)).toEqual(['lock'])
  })

  test('is had by one of many that start together', async () => {
    const starters = await Promise.all(Array.from({ length: 5 }, () => holder(folder)))
    await using stack = new AsyncDisposableStack()
    for (const starter of starters) stack.use(starter)
    const said = await Promise.all(starters.map((starter) => starter.waitForLine(/has it|another/)))
    expect(said.filter((line) => line === 'has it')).toHaveLength(1)
  })

  test('is waited for while the process that has it is stopping', async () => {
    await using other = await holder(folder)
    await other.waitForLine(/has it/)
    const next = lockFolder(folder, 60_000)
    // It has looked by then: who would not wait has been refused.
    expect(await Promise.race([next, sleep(500, 'waits')])).toBe('waits')
    await other.stop('SIGTERM')
    const lock = await next
    expect(lock.ok).toBe(true)
    expect(await readFile(join(folder, 'lock'), 'utf8')).toBe(String(process.pid))
    if (lock.ok) await lock.value[Symbol.asyncDispose]()
    expect(await readdir(folder)).toEqual([])
  })

  test('is taken over from a process that was killed', async () => {
    await using other = await holder(folder)
    await other.waitForLine(/has it/)
    await other.stop('SIGKILL')
    await using _ = await taken(folder)
    expect(await readFile(join(folder, 'lock'), 'utf8')).toBe(String(process.pid))
    expect(await readdir(folder)).toEqual(['lock'])
  })

  test.each([
    ['holds nothing that is a process', 'rubbish'],
    ['is empty', ''],
    ['names our own process id, which was an earlier life', String(process.pid)],
  ])('is taken over when the file %s', async (_, content) => {
    await writeFile(join(folder, 'lock'), content)
    await using _lock = await taken(folder)
    expect(await readFile(join(folder, 'lock'), 'utf8')).toBe(String(process.pid))
  })
})
