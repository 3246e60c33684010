/**
 * Carries commits from the log to the bus, in order, exactly once in effect.
 *
 * It has no cursor: the stream's own last sequence is the position, because a commit's sequence is its
 * number and every write expects the number before. Any number of relays may run; what the broker forgot is
 * written again; what it holds and we do not is never written over.
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
const RETRY_MS = 500

export class Relay implements AsyncDisposable {
  readonly #ports: RelayPorts
  #state: RelayState = { kind: 'idle' }
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  #rung = false
  #stopped = false
  #published = 0

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

  /** There is something new: go at once. */
  ring(): void {
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
    const { stream, head } = this.#ports
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
      if (range.last === commit) return this.#setState({ kind: 'current' })
      const wires = await this.#ports.read(range.last, PIPELINE)
      const results = await Promise.all(
        wires.map((wire) => stream.append(epoch, wire.commit, signCommit(wire, this.#ports.key))),
      )
      this.#published += results.filter((result) => result === 'stored').length
      // Conflicts mean that another relay writes too, or that the broker lost its tail: look again.
      if (results.includes('conflict') && round > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
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
