/**
 * A node's disk: bytes and names that are durable only when they were synced, and fail when they are told to.
 */
import type { DiskFiles, OpenFile } from '#data-plane/sync/disk/files.ts'
import type { Dice } from './dice.ts'
import type { Life, VirtualTime } from './time.ts'

/** `synced`: as much as is durable. */
type File = { bytes: Buffer; synced: Buffer | null }

const failure = (code: string): Error => Object.assign(new Error(code), { code })

export class Disk {
  /** As the running system sees it. */
  #names = new Map<string, File>()
  /** As it would be found after a power failure. */
  #durableNames = new Map<string, File>()
  isFull = false
  /** Something happened to it that no program can answer for: it may have forgotten what it had acknowledged. */
  isSpoiled = false
  /** A write has failed since the process on it began. */
  hasFailed = false
  readonly #time: VirtualTime
  readonly #dice: Dice

  constructor(time: VirtualTime, dice: Dice) {
    this.#time = time
    this.#dice = dice
  }

  open(life: Life): DiskFiles {
    const wait = (): Promise<void> => this.#wait(life)
    return {
      makeFolder: async () => wait(),
      read: async (path) => {
        await wait()
        const file = this.#names.get(path)
        if (file === undefined) throw failure('ENOENT')
        return file.bytes
      },
      create: async (path) => {
        await wait()
        this.#check()
        const file: File = { bytes: Buffer.alloc(0), synced: null }
        // Who truncates a file that is there truncates the very one that is durable under its name.
        const there = this.#names.get(path)
        if (there !== undefined) Object.assign(there, { bytes: file.bytes })
        const target = there ?? file
        this.#names.set(path, target)
        return this.#opened(target, wait)
      },
      rename: async (from, to) => {
        await wait()
        this.#check()
        const file = this.#names.get(from)
        if (file === undefined) throw failure('ENOENT')
        this.#names.delete(from)
        this.#names.set(to, file)
      },
      remove: async (path) => {
        await wait()
        this.#names.delete(path)
      },
      syncFolder: async () => {
        await wait()
        this.#check()
        this.#durableNames = new Map(this.#names)
      },
    }
  }

  /** The machine loses its power: what was not synced is there, in part, or not. */
  losePower(): void {
    const dice = this.#dice
    const kept = new Map<string, File>()
    const paths = new Set([...this.#names.keys(), ...this.#durableNames.keys()])
    for (const path of paths) {
      const now = this.#names.get(path)
      const durable = this.#durableNames.get(path)
      const file = now === durable || dice.chance(0.5) ? now : durable
      if (file !== undefined) kept.set(path, { bytes: tornOf(file, dice), synced: null })
    }
    for (const file of kept.values()) file.synced = file.bytes
    this.#names = kept
    this.#durableNames = new Map(kept)
  }

  /** A bit of some file turns over. */
  damage(): void {
    const files = [...this.#names.values()].filter(({ bytes }) => bytes.length > 0)
    if (files.length === 0) return
    const file = this.#dice.of(files)
    const bytes = Buffer.from(file.bytes)
    const at = this.#dice.below(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#dice.below(8))
    file.bytes = bytes
    file.synced = bytes
    this.isSpoiled = true
  }

  /** A new disk. */
  wipe(): void {
    this.#names.clear()
    this.#durableNames.clear()
    this.isSpoiled = true
    this.hasFailed = true
  }

  #opened(file: File, wait: () => Promise<void>): OpenFile {
    return {
      write: async (pieces) => {
        await wait()
        this.#check()
        file.bytes = Buffer.concat([file.bytes, ...pieces])
      },
      sync: async () => {
        await wait()
        this.#check()
        file.synced = file.bytes
      },
      [Symbol.asyncDispose]: async () => wait(),
    }
  }

  #check(): void {
    if (!this.isFull) return
    this.hasFailed = true
    throw failure('ENOSPC')
  }

  #wait(life: Life): Promise<void> {
    // A busy disk now and then: what is killed meanwhile is killed in the middle of a write.
    const ms = this.#dice.chance(0.2) ? this.#dice.between(1, 150) : this.#dice.between(0.05, 0.5)
    return new Promise((resolve) => this.#time.after(ms, life, resolve))
  }
}

/** Of what is not synced yet a part reached the disk, or none. */
function tornOf({ bytes, synced }: File, dice: Dice): Buffer {
  if (synced === bytes) return bytes
  const durable = synced ?? Buffer.alloc(0)
  return dice.chance(0.5) ? durable : bytes.subarray(0, dice.below(bytes.length + 1))
}
