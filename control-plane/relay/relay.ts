/**
 * Carries commits from the log to the bus, in order, exactly once in effect.
 *
 * The stream's own last sequence is the position, because a commit's sequence is its number and every write
 * expects the number before: where we think that it ends is only ever a guess, which the broker refuses when it
 * is wrong. Any number of relays may run; what the broker forgot is written again; what it holds and we do not
 * is never written over.
 */
import type { WireCommit } from '#contracts/commit/commit.ts'
import { openCommit, signCommit } from '#contracts/commit/signed.ts'
import { BusUnavailable, type CommitStream, type StreamRange } from '#contracts/bus/bus.ts'
import type { Logger } from '#contracts/process/logger.ts'

export type RelayState =
  | Readonly<{ kind: 'idle' | 'current' }>
  /** The broker cannot be asked now; retried for ever. */
  | Readonly<{ kind: 'waiting'; reason: string }>
  /** The stream holds commits that the log does not have. A person has to decide: see `system.advanceEpoch`. */
  | Readonly<{ kind: 'diverged'; reason: string }>

export type LogHead = Readonly<{ commit: number; epoch: number; chain: string }>

export type RelayPorts = Readonly<{
  stream: CommitStream
  /** Where the log is now; null: beyond what this release can follow, so that others have to carry it. */
  head: () => LogHead | null
  read: (after: number, limit: number) => Promise<readonly WireCommit[]>
  /** `MasterKey.commits`. */
  key: Uint8Array
  logger: Logger
}>

/** Written without waiting for each other's answer. */
const PIPELINE = 256
/** A new stream begins this far back, if the broker can: nodes further behind take a snapshot. */
const HISTORY = 10_000
/** Of its last messages the broker may have lost so many before we stop looking for one that tells. */
const LOST_AT_MOST = 8
/** How often we look, in milliseconds, when nobody rings: finds what the broker lost and what others wrote. */
const POLL_MS = 250
/** Commits written one after the other before we look again. */
const UNSEEN_AT_MOST = 32
const RETRY_MS = 500

export class Relay implements AsyncDisposable {
  readonly #ports: RelayPorts
  #state: RelayState = { kind: 'idle' }
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  #rung = false
  #stopped = false
  #published = 0
  /** Commits that rang and wait for the next round. */
  #news: WireCommit[] = []
  /** The stream ends here, with a commit of ours; null: not known. */
  #end: Pick<LogHead, 'epoch' | 'commit'> | null = null
  /** Commits written since the stream was looked at. */
  #unseen = 0

  constructor(ports: RelayPorts) {
    this.#ports = ports
    this.#schedule(0)
  }

  get state(): RelayState {
    return this.#state
  }

  /** Commits written to the bus since the start, repeated ones included. */
  get published(): number {
    return this.#published
  }

  /**
   * There is something new: go at once.
   * @param news the newest commits of the log, in order; without them they are read.
   */
  ring(news: readonly WireCommit[] = []): void {
    this.#news.push(...news)
    this.#rung = true
    if (this.#running === null) this.#schedule(0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#rung = false
      this.#running = this.#round().then((wait) => {
        this.#running = null
        this.#schedule(this.#rung ? 0 : wait)
      })
    }, delayMs)
  }

  /** @returns how long to wait before the next look. Never rejects. */
  async #round(): Promise<number> {
    try {
      await this.#relay()
      return POLL_MS
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (!(error instanceof BusUnavailable)) this.#ports.logger.warn({ error }, 'relay round failed')
      this.#setState({ kind: 'waiting', reason })
      return RETRY_MS
    }
  }

  async #relay(): Promise<void> {
    const news = this.#news
    this.#news = []
    if (await this.#goOn(news)) return
    const { head } = this.#ports
    const epoch = head()?.epoch
    for (let round = 0; !this.#stopped; round++) {
      const now = head()
      if (now === null || epoch === undefined)
        return this.#setState({ kind: 'waiting', reason: 'the log goes on with a later release' })
      const { commit } = now
      const range = await this.#openStream(epoch, commit)
      if (range.last > commit)
        return this.#diverged(`it ends with commit ${range.last}, the log with ${commit}`)
      const foreign = await this.#foreign(now, range)
      if (foreign !== null) return this.#diverged(`its commit ${foreign} is not the log's`)
      if (range.last === commit) {
        this.#end = { epoch, commit }
        this.#unseen = 0
        return this.#setState({ kind: 'current' })
      }
      const wires = await this.#ports.read(range.last, PIPELINE)
      const stored = await this.#write(epoch, wires)
      // Conflicts mean that another relay writes too, or that the broker lost its tail: look again.
      if (stored < wires.length && round > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /**
   * Writes what follows the end that is known, without looking before and after: the broker refuses it where the
   * stream ends elsewhere.
   * @returns false when the stream has to be looked at.
   */
  async #goOn(news: readonly WireCommit[]): Promise<boolean> {
    const end = this.#end
    const last = news.at(-1)
    this.#end = null
    if (end === null || last === undefined || news[0]?.commit !== end.commit + 1) return false
    if (this.#ports.head()?.epoch !== end.epoch || news.some(({ epoch }) => epoch !== end.epoch)) return false
    if (news.length > PIPELINE || this.#unseen >= UNSEEN_AT_MOST) return false
    if ((await this.#write(end.epoch, news)) < news.length) return false
    this.#end = { epoch: end.epoch, commit: last.commit }
    this.#unseen += news.length
    return true
  }

  /** @returns how many were stored: not all of them where the stream does not end with the commit before. */
  async #write(epoch: number, wires: readonly WireCommit[]): Promise<number> {
    const { stream, key } = this.#ports
    const results = await Promise.all(
      wires.map((wire) => stream.append(epoch, wire.commit, signCommit(wire, key))),
    )
    const stored = results.filter((result) => result === 'stored').length
    this.#published += stored
    return stored
  }

  async #openStream(epoch: number, commit: number): Promise<StreamRange> {
    const { stream, logger } = this.#ports
    const range = await stream.range(epoch)
    if (range !== null) return range
    await stream.create(epoch, Math.max(1, commit - HISTORY))
    logger.info({ epoch, commit }, 'commit stream made')
    const made = await stream.range(epoch)
    if (made === null) throw new BusUnavailable('the stream was made and is not there')
    return made
  }

  /**
   * Does the stream end as the log does? Told by the last of its messages that can be read.
   * @returns the commit that is not the log's, or null.
   */
  async #foreign(head: LogHead, { first, last }: StreamRange): Promise<number | null> {
    for (let commit = last; commit >= Math.max(first, last - LOST_AT_MOST); commit--) {
      const text = await this.#ports.stream.read(head.epoch, commit)
      if (text !== null) return (await this.#isOurs(head, text, commit)) ? null : commit
    }
    // A number is taken for good, its message can be lost. What follows is checked by whoever reads it.
    return null
  }

  async #isOurs(head: LogHead, text: string, commit: number): Promise<boolean> {
    const held = openCommit(text, this.#ports.key)
    const chain = head.commit === commit ? head.chain : (await this.#ports.read(commit - 1, 1))[0]?.chain
    return held.ok && held.value.chain === chain
  }

  #diverged(reason: string): void {
    this.#setState({ kind: 'diverged', reason })
  }

  #setState(state: RelayState): void {
    if (state.kind === 'diverged' && this.#state.kind !== 'diverged') {
      this.#ports.logger.error(
        { reason: state.reason },
        'the commit stream holds another history than the log; nothing is published',
      )
    }
    this.#state = state
  }
}
