/**
 * A process that writes its copy on disk is killed in the middle, again and again. `KILLS` sets how often.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '#contracts/process/clock.ts'
import { FileDiskCopy } from '#data-plane/sync/disk/disk-copy.ts'

const key = randomBytes(32)
const KILLS = Number(process.env['KILLS'] ?? 30)
/** Processes writing at once, each to a folder of its own. */
const WRITERS = 3

test(
  'a copy loads after every kill, and holds what was last said to be written or what came after it',
  async () => {
    let killed = 0
    let midWrite = 0
    const oneAfterTheOther = async (): Promise<void> => {
      const folder = await mkdtemp(join(tmpdir(), 'apiproxy-kill-'))
      while (killed < KILLS) {
        killed += 1
        const said = await writeAndKill(folder)
        const { copy, refused } = await new FileDiskCopy(folder, key, systemClock).load()
        expect(copy).not.toBeNull()
        // A rename is all or nothing: no slot is ever torn, whatever became of the temporary file.
        expect(refused).toEqual([])
        const commit = copy?.snapshot.catalog.commit ?? 0
        expect([said, said + 1]).toContain(commit)
        expect(copy?.snapshot.catalog.keys.size).toBe(1_000)
        if ((await readdir(folder)).some((name) => name.endsWith('.tmp'))) midWrite += 1
      }
      await rm(folder, { recursive: true })
    }
    await Promise.all(Array.from({ length: WRITERS }, oneAfterTheOther))
    // Otherwise nothing was tried.
    expect(midWrite).toBeGreaterThan(KILLS / 4)
  },
  20_000 + KILLS * 2_000,
)

/** @returns the last commit that was said to be written. */
async function writeAndKill(folder: string): Promise<number> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'copy-writer.ts'), folder, key.toString('hex')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let said = 0
  const ended = new Promise((resolve) => child.once('close', resolve))
  const begun = new Promise<void>((resolve) => {
    child.stdout.on('data', (text: Buffer) => {
      said = Number(text.toString().trim().split('\n').at(-1))
      resolve()
    })
  })
  await Promise.race([begun, ended])
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 60))
  child.kill('SIGKILL')
  await ended
  return said
}
