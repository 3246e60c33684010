/**
 * Lines on this node's disk, in segments: what the spool writes, and what an earlier process left.
 *
 * A segment is a file of lines. Only the newest is written to, and never one of an earlier process, whose last
 * line may be torn. What was written is in the kernel's cache at once, where it survives the process; `sync`
 * forces it to the disk, where it survives the machine.
 *
 * Two kinds of lines: records, and intents, which begin with `?` and say what is about to become a record. The
 * first write of a segment has all intents that are open then, and ends with a bare `?`, so that the newest segment
 * with one tells, with those after it, which were open at the end.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fdatasync,
  fsync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  unlink,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type Segment = {
  readonly name: string
  /** Its first write is all there: with those after it, it tells what is open. */
  readonly isWhole: boolean
  /** Whole lines of it, in bytes, and how many of them are records. */
  bytes: number
  records: number
  /** Published of it. */
  sentBytes: number
  sentRecords: number
}

const LINE_FEED = 0x0a
const INTENT = '?'
const INTENT_MARK = INTENT.charCodeAt(0)
/** Behind the first write of a segment: a disk that is full may have taken a part of it only. */
const HEAD_END = `${INTENT}\n`
/** A turn under load writes some hundred lines of a kilobyte, and thrice that could be needed. */
const WRITE_BYTES = 512 * 1024
/** In UTF-8, of one unit of UTF-16. */
const MOST_BYTES_OF_CHARACTER = 3
/** Of an intent its mark and its line feed; and there is room for the end of a head. */
const FRAME_BYTES = 2 + HEAD_END.length
const SEGMENT = /^\d{10}-[0-9a-f]{16}\.lines$/

const syncData = promisify(fdatasync)
const syncFile = promisify(fsync)
const removeFile = promisify(unlink)

/** Methods throw what the disk throws; what is known of the segments stays true all the same. */
export class Journal {
  /** Oldest first; the last is being written while `isOpen`. */
  readonly segments: Segment[] = []
  readonly #folder: string
  #file: number | null = null
  #number = 0
  /** Written and closed for writing, not yet forced to the disk. */
  #full: number[] = []
  /** What is being written, where it fits: one buffer for all writes. */
  readonly #room = Buffer.allocUnsafeSlow(WRITE_BYTES)
  #gone: Promise<void> = Promise.resolve()
  #isDirty = false
  #isNew = false

  /** @param folder made if it is not there. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Reads what an earlier process left. @returns lines that tell which intents are open, with their mark. */
  load(): readonly string[] {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    let telling: string[] = []
    for (const name of readdirSync(this.#folder)
      .filter((file) => SEGMENT.test(file))
      .toSorted()) {
      const content = readFileSync(join(this.#folder, name))
      const bytes = content.lastIndexOf(LINE_FEED) + 1
      const isWhole = content.includes(`\n${HEAD_END}`) || content.indexOf(HEAD_END) === 0
      const records = recordsIn(content)
      this.segments.push({ name, isWhole, bytes, records, sentBytes: 0, sentRecords: 0 })
      this.#number = Number(name.slice(0, 10))
      if (isWhole) telling = []
      telling.push(content.toString('utf8', 0, bytes))
    }
    return telling.join('').split('\n').slice(0, -1)
  }

  /** The segments that a later process reads to know what was open. */
  get telling(): readonly Segment[] {
    const newest = this.segments.findLastIndex(({ isWhole }) => isWhole)
    return this.segments.slice(Math.max(0, newest))
  }

  /** Is there a segment to write to? The next write begins one if not. */
  get isOpen(): boolean {
    return this.#file !== null
  }

  isWriting(segment: Segment): boolean {
    return this.isOpen && segment === this.segments.at(-1)
  }

  /**
   * @param intents without their mark; of the first write of a segment all that are open. None of the lines has a
   * line feed in it. Throws after a write in part, which is never continued.
   */
  write(intents: readonly string[], records: readonly string[]): void {
    const isFirst = this.#file === null
    try {
      this.#file ??= this.#begin()
      const bytes = this.#encode(intents, records, isFirst)
      for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at)
      const segment = this.segments.at(-1)
      if (segment === undefined) return
      segment.bytes += bytes.length
      segment.records += records.length
      this.#isDirty = true
    } catch (error) {
      this.#abandon()
      throw error
    }
  }

  /** Ends the segment that is being written; the next write begins another. */
  close(): void {
    if (this.#file !== null) this.#full.push(this.#file)
    this.#file = null
  }

  /** Forces to the disk what was written. */
  async sync(): Promise<void> {
    const isFolderNew = this.#isNew
    this.#isNew = false
    for (let file = this.#full.shift(); file !== undefined; file = this.#full.shift()) {
      try {
        await syncData(file)
      } finally {
        closeSync(file)
      }
    }
    if (this.#file !== null && this.#isDirty) {
      this.#isDirty = false
      await syncData(this.#file)
    }
    if (!isFolderNew) return
    const folder = openSync(this.#folder, 'r')
    try {
      await syncFile(folder)
    } finally {
      closeSync(folder)
    }
  }

  /**
   * @param into filled with as many whole lines of what is not published of a segment as there is room for.
   * @returns what it has of them; null: there are none.
   */
  read(segment: Segment, into: Buffer): Buffer | null {
    const most = Math.min(into.length, segment.bytes - segment.sentBytes)
    const file = openSync(join(this.#folder, segment.name), 'r')
    try {
      const batch = into.subarray(0, readSync(file, into, 0, most, segment.sentBytes))
      const end = batch.lastIndexOf(LINE_FEED) + 1
      return end === 0 ? null : batch.subarray(0, end)
    } finally {
      closeSync(file)
    }
  }

  /** What it took of the disk is free when this returns. */
  remove(segment: Segment): void {
    this.#forget(segment)
    unlinkSync(join(this.#folder, segment.name))
  }

  /**
   * Removes it beside the traffic, which would stand still for milliseconds. Files go in the order of calls: of a
   * process that dies meanwhile the newest stay. @param onError given what the disk throws.
   */
  letGo(segment: Segment, onError: (error: unknown) => void): void {
    this.#forget(segment)
    this.#gone = this.#gone.then(() => removeFile(join(this.#folder, segment.name))).catch(onError)
  }

  /** Resolves when all that was let go is gone. */
  get gone(): Promise<void> {
    return this.#gone
  }

  #forget(segment: Segment): void {
    if (this.isWriting(segment)) this.close()
    const at = this.segments.indexOf(segment)
    if (at !== -1) this.segments.splice(at, 1)
  }

  /**
   * Line by line, with marks and line feeds between them: joined first they would be copied twice more, into memory
   * that the collector has to go through. @returns what is only there until the next call.
   */
  #encode(intents: readonly string[], records: readonly string[], isFirst: boolean): Buffer {
    const room = this.#room
    let end = 0
    for (const lines of [intents, records]) {
      for (const line of lines) {
        if (line.length * MOST_BYTES_OF_CHARACTER + FRAME_BYTES > room.length - end)
          return Buffer.from(joined(intents, records, isFirst))
        if (lines === intents) room[end++] = INTENT_MARK
        end += room.write(line, end)
        room[end++] = LINE_FEED
      }
    }
    if (isFirst) end += room.write(HEAD_END, end)
    return room.subarray(0, end)
  }

  /** Ends the segment after a write that failed. Of one that holds nothing else nothing is left. */
  #abandon(): void {
    const [file, segment] = [this.#file, this.segments.at(-1)]
    if (file === null || segment === undefined || segment.bytes > 0) {
      this.close()
      return
    }
    this.#file = null
    this.segments.pop()
    closeSync(file)
    unlinkSync(join(this.#folder, segment.name))
  }

  #begin(): number {
    this.#number += 1
    // The random part keeps apart what is published from segments of one number.
    const name = `${String(this.#number).padStart(10, '0')}-${randomBytes(8).toString('hex')}.lines`
    const file = openSync(join(this.#folder, name), 'ax', 0o600)
    this.segments.push({ name, isWhole: true, bytes: 0, records: 0, sentBytes: 0, sentRecords: 0 })
    this.#isNew = true
    return file
  }
}

/** As it is written where there is no room for it. */
const joined = (intents: readonly string[], records: readonly string[], isFirst: boolean): string =>
  [...intents.map((line) => `${INTENT}${line}\n`), ...records.map((line) => `${line}\n`)].join('') +
  (isFirst ? HEAD_END : '')

/**
 * Moves the records of a batch together, over the intents between them.
 *
 * @param batch whole lines. @returns its beginning, where the records are now, with line feeds between them.
 */
export function takeRecords(batch: Buffer): Readonly<{ bytes: Buffer; records: number }> {
  let records = 0
  let end = 0
  for (let at = 0; at < batch.length;) {
    const next = batch.indexOf(LINE_FEED, at) + 1
    if (batch[at] !== INTENT_MARK) {
      if (end !== at) batch.copyWithin(end, at, next)
      end += next - at
      records += 1
    }
    at = next
  }
  return { bytes: batch.subarray(0, Math.max(0, end - 1)), records }
}

/**
 * @param lines of a segment, from its beginning. @param idOf of a record or an intent; null: it has none.
 * @returns intents without a record.
 */
export function openIntents(
  lines: readonly string[],
  idOf: (line: string) => string | null,
): ReadonlyMap<string, string> {
  const open = new Map<string, string>()
  for (const line of lines) {
    const isIntent = line.startsWith(INTENT)
    const text = isIntent ? line.slice(INTENT.length) : line
    const id = text === '' ? null : idOf(text)
    if (id === null) continue
    if (isIntent) open.set(id, text)
    else open.delete(id)
  }
  return open
}

function recordsIn(content: Buffer): number {
  let records = 0
  let start = 0
  for (let at = content.indexOf(LINE_FEED); at !== -1; at = content.indexOf(LINE_FEED, start)) {
    if (content[start] !== INTENT_MARK) records += 1
    start = at + 1
  }
  return records
}
