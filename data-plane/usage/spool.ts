/**
 * Records of requests on this node's disk, until the bus has them.
 *
 * A record is written at once, into the kernel's cache, where it survives the process; every 200 ms what was
 * written is forced to the disk, where it survives the machine, and what waits is published. Whatever may have
 * been published already is published again after a start: it is stored once by its id. Bounded: when the disk's share is used up, the oldest records go, and are counted.
 *
 * A segment is a file of lines. Only the newest is written to, and never one of an earlier process, whose last
 * line may be torn.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fdatasync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BusUnavailable, type UsageStream } from '#contracts/bus/bus.ts'

export type SpoolPorts = Readonly<{
  /** Made if it is not there. */
  folder: string
  stream: Pick<UsageStream, 'publish'>
  /** Of records not yet published, in bytes. */
  mostBytes: number
  onProblem: (message: string) => void
}>

const ROUND_MS = 200
const SEGMENT_BYTES = 4 * 1024 * 1024
/** One message on the bus; brokers refuse more than 1 MiB. */
const BATCH_BYTES = 256 * 1024
/** Held in memory while the disk refuses to be written. */
const HELD_BYTES = 4 * 1024 * 1024
/** When stopping: for what is still to be published, in milliseconds. */
const LAST_MS = 2_000
const LINE_FEED = 0x0a
const SEGMENT = /^\d{10}-[0-9a-f]{16}\.lines$/

type Segment = {
  readonly name: string
  /** Whole lines of it, in bytes, and how many. */
  bytes: number
  records: number
  /** Published of it. */
  sentBytes: number
  sentRecords: number
}

const syncData = promisify(fdatasync)

export class Spool implements AsyncDisposable {
  readonly #ports: SpoolPorts
  /** Oldest first; the last is being written, if `#file` is open. */
  readonly #segments: Segment[] = []
  readonly #timer: NodeJS.Timeout
  #file: number | null = null
  #number = 0
  #held: string[] = []
  #heldBytes = 0
  #willWrite = false
  #isDirty = false
  #round: Promise<void> | null = null
  #dropped = 0
  #published = 0
  #lastProblem = ''

  /** Reads what an earlier process left. Never throws: without a disk records are held in memory. */
  constructor(ports: SpoolPorts) {
    this.#ports = ports
    this.#attempt('cannot read the usage spool', () => this.#load())
    this.#timer = setInterval(() => void this.flush(), ROUND_MS).unref()
  }

  /** @param line without a line feed in it. */
  append(line: string): void {
    this.#held.push(`${line}\n`)
    this.#heldBytes += line.length + 1
    if (this.#willWrite) return
    this.#willWrite = true
    // Not a turn later: a client that has its answer may see this process killed before the turn comes.
    queueMicrotask(() => this.#write())
  }

  /** Records waiting to be published. */
  get waiting(): number {
    return this.#segments.reduce(
      (sum, { records, sentRecords }) => sum + records - sentRecords,
      this.#held.length,
    )
  }

  /** Records lost because there was no room for them, since the start. */
  get dropped(): number {
    return this.#dropped
  }

  get published(): number {
    return this.#published
  }

  /** Forces to disk what was written and publishes what can be. Never rejects. */
  flush(): Promise<void> {
    this.#round ??= this.#rounds().finally(() => {
      this.#round = null
    })
    return this.#round
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#write()
    const last = AbortSignal.timeout(LAST_MS)
    const tooLate = new Promise((resolve) => last.addEventListener('abort', resolve, { once: true }))
    await Promise.race([this.#round, tooLate])
    await Promise.race([this.flush(), tooLate])
    this.#closeFile()
    for (const segment of this.#segments.filter(isSent)) this.#remove(segment)
  }

  #load(): void {
    const { folder } = this.#ports
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(folder)
      .filter((file) => SEGMENT.test(file))
      .toSorted()) {
      const content = readFileSync(join(folder, name))
      const bytes = content.lastIndexOf(LINE_FEED) + 1
      const segment = { name, bytes, records: linesIn(content), sentBytes: 0, sentRecords: 0 }
      this.#segments.push(segment)
      this.#number = Number(name.slice(0, 10))
      if (isSent(segment)) this.#remove(segment)
    }
    this.#bound()
  }

  #write(): void {
    this.#willWrite = false
    if (this.#held.length === 0) return
    const text = Buffer.from(this.#held.join(''))
    const isWritten = this.#attempt('cannot write the usage spool', () => {
      this.#file ??= this.#newSegment()
      const current = this.#segments.at(-1)
      if (current === undefined) return
      for (let at = 0; at < text.length;) at += writeSync(this.#file, text, at)
      current.bytes += text.length
      current.records += this.#held.length
    })
    if (!isWritten) {
      // What was written in part is never continued.
      this.#closeFile()
      this.#boundHeld()
      return
    }
    this.#held = []
    this.#heldBytes = 0
    this.#isDirty = true
    if ((this.#segments.at(-1)?.bytes ?? 0) >= SEGMENT_BYTES) this.#closeFile()
    this.#bound()
  }

  #newSegment(): number {
    this.#number += 1
    // The random part keeps apart what is published from segments of one number.
    const name = `${String(this.#number).padStart(10, '0')}-${randomBytes(8).toString('hex')}.lines`
    const { folder } = this.#ports
    const file = openSync(join(folder, name), 'ax', 0o600)
    const parent = openSync(folder, 'r')
    fsyncSync(parent)
    closeSync(parent)
    this.#segments.push({ name, bytes: 0, records: 0, sentBytes: 0, sentRecords: 0 })
    return file
  }

  #closeFile(): void {
    const file = this.#file
    this.#file = null
    if (file === null) return
    this.#attempt('cannot close the usage spool', () => {
      fsyncSync(file)
      closeSync(file)
    })
  }

  /** Oldest segments go first; the one being written is small. */
  #bound(): void {
    let bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0)
    while (bytes > this.#ports.mostBytes && this.#segments.length > 1) {
      const oldest = this.#segments[0]
      if (oldest === undefined) return
      this.#dropped += oldest.records - oldest.sentRecords
      bytes -= oldest.bytes
      this.#remove(oldest)
    }
  }

  #boundHeld(): void {
    while (this.#heldBytes > HELD_BYTES) {
      this.#heldBytes -= this.#held.shift()?.length ?? this.#heldBytes
      this.#dropped += 1
    }
  }

  #remove(segment: Segment): void {
    const at = this.#segments.indexOf(segment)
    if (at !== -1) this.#segments.splice(at, 1)
    this.#attempt('cannot remove a usage segment', () => unlinkSync(join(this.#ports.folder, segment.name)))
  }

  async #rounds(): Promise<void> {
    this.#write()
    if (this.#isDirty && this.#file !== null) {
      this.#isDirty = false
      await syncData(this.#file).catch((error: unknown) =>
        this.#problem('cannot sync the usage spool', error),
      )
    }
    while (await this.#publishNext());
  }

  /** @returns false when there is nothing more to publish, or nobody to publish to. */
  async #publishNext(): Promise<boolean> {
    const segment = this.#segments.find((one) => !isSent(one))
    if (segment === undefined) return false
    const batch = this.#read(segment)
    if (batch === null) return true
    const records = linesIn(batch)
    const end = segment.sentBytes + batch.length
    try {
      // Bounds that change with every try would be other messages; the same ones are the same message.
      const id = `${segment.name}.${segment.sentBytes}-${end}`
      await this.#ports.stream.publish(id, batch.toString('utf8', 0, batch.length - 1))
    } catch (error) {
      if (!(error instanceof BusUnavailable)) this.#problem('cannot publish usage', error)
      return false
    }
    segment.sentBytes = end
    segment.sentRecords += records
    this.#published += records
    const isWriting = this.#file !== null && segment === this.#segments.at(-1)
    if (isSent(segment) && !isWriting) this.#remove(segment)
    return true
  }

  /** @returns the next lines; null: they cannot be read, and are given up. */
  #read(segment: Segment): Buffer | null {
    const batch = Buffer.alloc(Math.min(BATCH_BYTES, segment.bytes - segment.sentBytes))
    const isRead = this.#attempt('cannot read the usage spool', () => {
      const file = openSync(join(this.#ports.folder, segment.name), 'r')
      try {
        readSync(file, batch, 0, batch.length, segment.sentBytes)
      } finally {
        closeSync(file)
      }
    })
    const end = batch.lastIndexOf(LINE_FEED) + 1
    if (isRead && end > 0) return batch.subarray(0, end)
    this.#dropped += segment.records - segment.sentRecords
    if (segment === this.#segments.at(-1)) this.#closeFile()
    this.#remove(segment)
    return null
  }

  #attempt(what: string, work: () => void): boolean {
    try {
      work()
      return true
    } catch (error) {
      this.#problem(what, error)
      return false
    }
  }

  /** A disk that is full for an hour is one problem, not one for every record. */
  #problem(what: string, error: unknown): void {
    const message = `${what}: ${error instanceof Error ? error.message : String(error)}`
    if (message === this.#lastProblem) return
    this.#lastProblem = message
    this.#ports.onProblem(message)
  }
}

const isSent = ({ bytes, sentBytes }: Segment): boolean => sentBytes >= bytes

function linesIn(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) lines += 1
  return lines
}
