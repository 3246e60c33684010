/**
 * One process per data folder. PGlite has no lock of its own, and two openers lose rows without an error.
 *
 * The lock is a file with the holder's process id, made exclusively. It is taken over only when that process
 * is gone, never by age: a busy process can look idle for seconds.
 */
import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { err, ok, type Result } from '#contracts/result.ts'

export type FolderLock = AsyncDisposable

/** For a holder that is stopping: whoever starts us again need not know how long that takes. In milliseconds. */
const WAIT_MS = 2_000
/** How often it is looked for, in milliseconds. */
const LOOK_MS = 50

/**
 * @param waitMs for a process that has it, to let go of it.
 * @returns the lock, or a sentence that says who has it.
 */
export async function lockFolder(folder: string, waitMs = WAIT_MS): Promise<Result<FolderLock, string>> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'lock')
  for (let looksLeft = Math.ceil(waitMs / LOOK_MS); ; looksLeft--) {
    const holder = await take(path)
    if (holder === 'us') return ok({ [Symbol.asyncDispose]: () => rm(path, { force: true }) })
    if (holder === 'nobody') return err(`the lock file ${path} cannot be taken`)
    if (looksLeft <= 0)
      return err(
        `another apiproxy (process ${holder}) uses the data folder ${folder}; ` +
          'stop it, or set APIPROXY_DATA_DIR to another folder',
      )
    await sleep(LOOK_MS)
  }
}

/** @returns who has the lock now; a process id: another process that is alive. */
async function take(path: string): Promise<'us' | 'nobody' | number> {
  const mine = `${path}.${randomUUID()}`
  await writeFile(mine, String(process.pid), { mode: 0o600 })
  try {
    for (let round = 0; round < 10; round++) {
      if (await linked(mine, path)) return 'us'
      const holder = await holderOf(path)
      if (holder !== null && isAlive(holder)) return holder
      await removeStale(path, holder)
    }
    return 'nobody'
  } finally {
    await rm(mine, { force: true })
  }
}

/** A hard link appears whole or not at all, so no reader ever sees a lock without its process id. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

/** @returns null when the file is gone or holds no process id. */
async function holderOf(path: string): Promise<number | null> {
  try {
    const pid = Number(await readFile(path, 'utf8'))
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null
  } catch {
    return null
  }
}

function isAlive(pid: number): boolean {
  // In a container every start has the same id: our own name in the file is an earlier life's.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isCode(error, 'EPERM')
  }
}

/** Moves the dead lock aside and looks once more: another process may have replaced it meanwhile. */
async function removeStale(path: string, holder: number | null): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    throw error
  }
  if ((await holderOf(aside)) !== holder) await linked(aside, path)
  await rm(aside, { force: true })
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
