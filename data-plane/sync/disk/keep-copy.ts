/**
 * Keeps the copy on disk close behind what the node serves: at most one write a second, at once for what
 * must not be forgotten, one at a time, always the newest.
 */
import type { Clock } from '#contracts/process/clock.ts'
import type { Problems } from '../problems.ts'
import type { DiskCopy, NodeCopy } from './disk-copy.ts'

/** How often to write: the times lie between the starts of two writes, in milliseconds. */
type Pace = Readonly<{ least: number; most: number; share: number }>
/** A large copy is written less often, so that writing takes only a share of the time. */
const ORDINARY: Pace = { least: 1_000, most: 5_000, share: 0.1 }
/** When an acknowledgement waits for it: a hundred revocations make ten writes. */
const URGENT: Pace = { least: 100, most: 1_000, share: 0.5 }
/** After a write that failed. */
const RETRY: Pace = { least: 5_000, most: 5_000, share: 1 }

export type KeeperPorts = Readonly<{
  disk: DiskCopy
  clock: Clock
  problems: Problems
  /** A write has ended, well or not. */
  onAttempt: () => void
}>

/** A copy with its place in the row of copies offered: 1, 2, 3… */
type Offered = Readonly<{ serial: number; copy: NodeCopy }>

export class CopyKeeper implements AsyncDisposable {
  readonly #ports: KeeperPorts
  #newest: Offered | null = null
  #urgent = 0
  #attempted: Readonly<{ serial: number; commit: number }> = { serial: 0, commit: 0 }
  /** The last copy of a history that was given up: its commit numbers mean nothing in this one. */
  #givenUp = 0
  #persisted = 0
  #startedAt = -Infinity
  #tookMs = 0
  #failed = false
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | null = null
  #isClosed = false

  constructor(ports: KeeperPorts) {
    this.#ports = ports
  }

  /** The commit a restart would begin with; 0: none, or one of a history that was given up. */
  get persisted(): number {
    return this.#persisted
  }

  /** The newest copy whose writing has ended, well or not; commit 0: of a history that was given up. */
  get attempted(): Readonly<{ serial: number; commit: number }> {
    return this.#attempted
  }

  /** Did the last write fail? */
  get isFailing(): boolean {
    return this.#failed
  }

  /** What was found at the start is there already. */
  found(serial: number, copy: NodeCopy): void {
    this.#persisted = copy.snapshot.catalog.commit
    this.#attempted = { serial, commit: this.#persisted }
  }

  /** What is offered from now on is of another history, such as that of a restored log. */
  giveUp(): void {
    this.#givenUp = Math.max(this.#newest?.serial ?? 0, this.#attempted.serial)
    this.#attempted = { ...this.#attempted, commit: 0 }
    this.#persisted = 0
  }

  /** @param isUrgent something waits for it to be written. */
  offer(serial: number, copy: NodeCopy, isUrgent: boolean): void {
    this.#newest = { serial, copy }
    if (isUrgent) this.#urgent = serial
    this.#schedule()
  }

  /** Writes what was not written yet, and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#writing
    if (this.#newest !== null && (this.#newest.serial > this.#attempted.serial || this.#failed))
      await this.#write(this.#newest)
  }

  #schedule(): void {
    if (this.#isClosed || this.#writing !== null || this.#newest === null) return
    const isDone = this.#newest.serial <= this.#attempted.serial
    if (isDone && !this.#failed) return
    const { least, most, share } = this.#urgent > this.#attempted.serial ? URGENT : isDone ? RETRY : ORDINARY
    const interval = Math.max(least, Math.min(most, this.#tookMs / share))
    const wait = this.#startedAt + interval - this.#ports.clock.monotonic()
    clearTimeout(this.#timer)
    if (wait > 0) this.#timer = setTimeout(() => this.#begin(), wait)
    else this.#begin()
  }

  #begin(): void {
    if (this.#newest !== null) this.#writing = this.#writeNext(this.#newest)
  }

  async #writeNext(newest: Offered): Promise<void> {
    await this.#write(newest)
    this.#writing = null
    this.#schedule()
  }

  async #write({ serial, copy }: Offered): Promise<void> {
    const { disk, clock, problems, onAttempt } = this.#ports
    this.#startedAt = clock.monotonic()
    const commit = (): number => (serial > this.#givenUp ? copy.snapshot.catalog.commit : 0)
    try {
      await disk.save(copy)
      this.#persisted = commit()
      this.#failed = false
    } catch (error) {
      problems.note('disk_failed', { error })
      this.#failed = true
    }
    this.#tookMs = clock.monotonic() - this.#startedAt
    this.#attempted = { serial, commit: commit() }
    onAttempt()
  }
}
