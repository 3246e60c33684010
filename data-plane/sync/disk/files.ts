/**
 * The files below a node's copy, as a port: what is durable after which call is the whole point of it.
 *
 * Bytes are durable after `sync` of their file, a name after `syncFolder`; until then a power failure may leave
 * the old, the new or a part.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'

/** A new file being written. Closed when disposed of. */
export type OpenFile = AsyncDisposable &
  Readonly<{
    write: (pieces: readonly Uint8Array[]) => Promise<void>
    sync: () => Promise<void>
  }>

/** Every call rejects as the system does, with a `code`. */
export type DiskFiles = Readonly<{
  /** With everything above it; private to the process's user. */
  makeFolder: (path: string) => Promise<void>
  read: (path: string) => Promise<Buffer>
  /** Empty, whatever was there before. */
  create: (path: string) => Promise<OpenFile>
  /** Replaces what has the new name, in one step. */
  rename: (from: string, to: string) => Promise<void>
  /** No error when it is not there. */
  remove: (path: string) => Promise<void>
  /** A rename survives a power failure only when its folder was synced. */
  syncFolder: (path: string) => Promise<void>
}>

export const nodeFiles: DiskFiles = {
  makeFolder: async (path) => void (await mkdir(path, { recursive: true, mode: 0o700 })),
  read: (path) => readFile(path),
  create: async (path) => {
    const handle = await open(path, 'w', 0o600)
    return {
      write: async (pieces) => {
        const { bytesWritten } = await handle.writev([...pieces])
        // A disk that fills up takes a part and says so only the next time.
        if (bytesWritten < pieces.reduce((sum, { length }) => sum + length, 0))
          throw Object.assign(new Error('the disk took only a part'), { code: 'ENOSPC' })
      },
      sync: () => handle.sync(),
      [Symbol.asyncDispose]: () => handle.close(),
    }
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { force: true }),
  syncFolder: async (path) => {
    await using handle = await open(path, 'r')
    await handle.sync()
  },
}
