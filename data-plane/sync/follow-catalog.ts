/**
 * Follows the log: boots from disk, listens to the bus, fetches what is missing, never goes back.
 *
 * One loop asks `nextMove` what to do and does it, one thing at a time; commits that the bus brings are
 * taken in beside it. What may be believed and where to look next is decided in `cursor.ts`, what becomes of
 * a commit in `publish.ts`.
 */
import type { Bus, Unsubscribe } from '#contracts/bus/bus.ts'
import type { Subjects } from '#contracts/bus/subjects.ts'
import { EMPTY_DIGEST } from '#contracts/commit/digest.ts'
import { decodeSnapshot, type CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import { Head, HEAD_INTERVAL_MS, type ControlLink } from '#contracts/fleet/link.ts'
import type { Nack, NodeReport } from '#contracts/fleet/report.ts'
import { ok } from '#contracts/result.ts'
import type { Clock, Random } from '#contracts/process/clock.ts'
import type { Readiness } from '#contracts/process/health.ts'
import type { NodeSlots } from '../routing/compile.ts'
import { nextMove, type FollowState, type Move } from './cursor.ts'
import type { DiskCopy } from './disk/disk-copy.ts'
import type { SnapshotHolder } from './holder.ts'
import { Intake } from './intake.ts'
import type { Problems } from './problems.ts'
import { CatalogPublisher, type LearnedLists } from './publish.ts'
import { BATCH, readStream } from './sources/stream.ts'
import { foldWholeLog } from './sources/whole-log.ts'
import { askWithin, Backoff, Bell, turn } from './waits.ts'

export type FollowPorts = Readonly<{
  bus: Bus
  subjects: Pick<Subjects, 'head'>
  link: ControlLink
  disk: DiskCopy
  holder: SnapshotHolder
  slots: NodeSlots
  /** `MasterKey.vault`. */
  vaultKey: Uint8Array
  /** `MasterKey.commits`. */
  commitKey: Uint8Array
  clock: Clock
  random: Random
  problems: Problems
}>

/** For health, metrics and reports. Commits are numbers; 0 is none. */
export type FollowReadout = Readonly<{
  state: FollowState['kind']
  epoch: number
  /** Verified; folded; in force and acknowledged; on disk. */
  received: number
  applied: number
  served: number
  persisted: number
  /** State digest at `applied`. */
  digest: string
  nacks: readonly Nack[]
  /** How commits reach the node now. */
  link: NodeReport['link']
  /** Milliseconds since something last proved that the configuration is current; null: never yet. */
  configAgeMs: number | null
  /** Nodes the control plane hears of; 0: not told yet. */
  fleetNodes: number
  /** True while the copy on disk cannot be written. */
  isDiskFailing: boolean
}>

/** How long a commit may be known of and not here before it is asked for, in milliseconds. */
const GRACE_MS = 250
/** Connected, but this long without proof of being current: the log is asked beside the bus, in milliseconds. */
const SILENT_MS = 3 * HEAD_INTERVAL_MS
/** How long one question to the log may wait for the next commit, in milliseconds. */
const POLL_MS = 20_000
/** For an answer beyond what it may wait, in milliseconds. */
const ANSWER_MS = 5_000
/** For a snapshot, in milliseconds. A large one over a slow link must still arrive. */
const SNAPSHOT_MS = 60_000
/** Waits after an answer that did not help, in milliseconds. */
const BACKOFF_MS = { least: 200, most: 5_000 } as const

/** Resolves as soon as the disk was tried: listen then, and ask `readiness()`. Never waits for the network. */
export async function startFollowing(ports: FollowPorts): Promise<CatalogFollower> {
  const follower = new CatalogFollower(ports)
  await follower.boot()
  return follower
}

export class CatalogFollower implements AsyncDisposable {
  readonly #ports: FollowPorts
  readonly #publisher: CatalogPublisher
  readonly #intake: Intake
  readonly #bell = new Bell()
  readonly #backoff: Backoff
  readonly #stop = new AbortController()
  readonly #listeners = new Set<() => void>()
  readonly #subscriptions: Unsubscribe[] = []
  #wasFollowing = false
  #live: Readonly<{ epoch: number; end: Unsubscribe }> | null = null
  /** Ends a question to the log that waits for what the bus now brings. */
  #poll: AbortController | null = null
  #grace: NodeJS.Timeout | undefined
  /** While only seeking, a snapshot that did not help is not asked for again before this, monotonic milliseconds. */
  #snapshotNotBefore = -Infinity
  #provedAt: number | null = null
  /** Last proof or connection, monotonic milliseconds. */
  #quietSince: number
  #logAnswers = false
  #fleetNodes = 0
  #loop: Promise<void> = Promise.resolve()

  constructor(ports: FollowPorts) {
    const { holder, slots, disk, link, vaultKey, clock, problems, random } = ports
    this.#ports = ports
    this.#backoff = new Backoff(BACKOFF_MS.least, BACKOFF_MS.most, random)
    this.#quietSince = clock.monotonic()
    const publisherPorts = { holder, slots, disk, link, vaultKey, clock, problems }
    this.#publisher = new CatalogPublisher({
      ...publisherPorts,
      onMoved: () => {
        for (const listener of this.#listeners) listener()
      },
      onStuck: (held) => this.#intake.fallBack(held),
    })
    this.#intake = new Intake({
      commitKey: ports.commitKey,
      problems,
      onCommits: (commits) => {
        this.#prove()
        this.#publisher.add(commits)
      },
      onState: () => this.#onState(),
    })
  }

  /** Serves what the disk holds, then begins to follow. */
  async boot(): Promise<void> {
    const { bus, disk, subjects, problems } = this.#ports
    const { copy, isDurable, refused } = await disk.load()
    for (const slot of refused) problems.note('slot_refused', slot)
    if (copy !== null)
      this.#intake.takeSnapshot(copy.snapshot, () => this.#publisher.restore(copy, isDurable))
    this.#subscriptions.push(
      bus.subscribe(subjects.head, (text) => this.#hear(text)),
      bus.onStatus((connected) => this.#onStatus(connected)),
    )
    this.#loop = this.#run()
  }

  /** Calls back whenever a watermark or the refusals of `readout()` may have changed. */
  onMoved(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Where it is learned which models providers were seen to serve. */
  get lists(): LearnedLists {
    return this.#publisher
  }

  readout(): FollowReadout {
    const { state, commit } = this.#intake
    const { held, served, persisted, isDiskFailing } = this.#publisher
    const nacks = [...this.#intake.nacks, ...this.#publisher.nacks]
    return {
      state: state.kind,
      epoch: state.kind === 'empty' ? 0 : state.at.epoch,
      received: commit,
      applied: held?.catalog.commit ?? 0,
      served,
      persisted,
      digest: held?.digest ?? EMPTY_DIGEST,
      nacks,
      link: this.#busState() === 'live' ? 'bus' : this.#logAnswers ? 'http' : 'none',
      configAgeMs: this.#provedAt === null ? null : this.#ports.clock.monotonic() - this.#provedAt,
      fleetNodes: this.#fleetNodes,
      isDiskFailing,
    }
  }

  /** A node serves whatever it last had; it is unready only while it never had anything. */
  readiness(): Readiness {
    const { state, link, configAgeMs } = this.readout()
    const snapshot = this.#ports.holder.current
    const detail = { commit: snapshot?.commit ?? null, link, configAgeMs }
    if (snapshot !== null) return { ready: true, detail }
    const reason =
      state === 'empty'
        ? 'no configuration yet: nothing usable on disk, and no control plane has answered'
        : 'the configuration could not be compiled'
    return { ready: false, reason, detail }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#bell.ring()
    clearTimeout(this.#grace)
    for (const unsubscribe of this.#subscriptions) unsubscribe()
    this.#live?.end()
    await this.#loop
    await this.#publisher[Symbol.asyncDispose]()
  }

  #onStatus(connected: boolean): void {
    if (connected) {
      this.#quietSince = this.#ports.clock.monotonic()
      // Whatever was said meanwhile was not said to us.
      this.#intake.doubt(null)
      this.#poll?.abort()
    }
    this.#bell.ring()
  }

  /** A beacon: how far the log is, by the control plane's word. */
  #hear(text: string): void {
    const { problems, clock } = this.#ports
    const head = decodeHead(text)
    if (head === null) return problems.note('malformed_message', { reason: 'not a head beacon' })
    this.#fleetNodes = head.nodes
    const verdict = this.#intake.takeHead(head)
    if (verdict === 'current' && this.#intake.differs(head, this.#publisher.held, clock.monotonic())) return
    if (verdict === 'current') this.#prove()
    else if (verdict === 'behind') this.#awaitCommit(head)
    else if (verdict === 'blocked') this.#quietSince = clock.monotonic()
    else if (verdict === 'diverged') problems.note('diverged', { commit: head.commit })
    // A beacon and a commit may overtake each other; a log that ends earlier stays so.
    else if (verdict === 'ahead' && this.#quietMs() > HEAD_INTERVAL_MS)
      problems.note('log_behind', { commit: head.commit })
  }

  /** Gives a commit that is known of a moment to arrive by itself. */
  #awaitCommit(head: Head): void {
    this.#grace ??= setTimeout(() => {
      this.#grace = undefined
      if (this.#intake.takeHead(head) !== 'behind') return
      this.#intake.doubt(head)
      // Whoever speaks can also answer: no use in waiting longer after an answer that did not come.
      this.#bell.ring()
    }, GRACE_MS)
  }

  #onState(): void {
    const { state } = this.#intake
    // Only then: whoever waits after an answer that did not help is not woken by every commit that cannot.
    if (this.#wasFollowing && state.kind !== 'following') this.#bell.ring()
    this.#wasFollowing = state.kind === 'following'
    if (state.kind === 'blocked') for (const listener of this.#listeners) listener()
    if (state.kind === 'empty') return
    const { epoch } = state.at
    if (epoch === this.#live?.epoch) return
    // To the new stream before the old one ends.
    const end = this.#ports.bus.commits.live(epoch, (text) => this.#intake.take([text], 'bus'))
    this.#live?.end()
    this.#live = { epoch, end }
  }

  /** Something just showed that nothing is missing. */
  #prove(): void {
    this.#provedAt = this.#ports.clock.monotonic()
    this.#quietSince = this.#provedAt
    if (this.#ports.bus.connected) this.#poll?.abort()
  }

  #quietMs(): number {
    return this.#ports.clock.monotonic() - this.#quietSince
  }

  #busState(): 'live' | 'silent' | 'down' {
    if (!this.#ports.bus.connected) return 'down'
    return this.#quietMs() > SILENT_MS ? 'silent' : 'live'
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const helped = await this.#make(nextMove(this.#intake.state, this.#busState()))
      if (helped) this.#backoff.reset()
      else await this.#bell.wait(this.#backoff.step())
    }
  }

  /** @returns false when it was of no use, and the same would be so again at once. */
  async #make(move: Move): Promise<boolean> {
    switch (move) {
      case 'rest':
        await this.#bell.wait(Math.max(1, SILENT_MS - this.#quietMs()))
        return true
      case 'stay':
        await this.#bell.wait(SILENT_MS)
        return true
      case 'stream':
        return this.#askStream()
      case 'log':
        return this.#askLog(0)
      case 'poll':
        return this.#askLog(POLL_MS)
      case 'snapshot':
        return this.#askSnapshot()
    }
  }

  async #askStream(): Promise<boolean> {
    const { state } = this.#intake
    if (state.kind !== 'seeking') return true
    const { bus, problems } = this.#ports
    const stream = { commits: bus.commits, intake: this.#intake, problems, stop: this.#stop.signal }
    this.#intake.answered('stream', await readStream(stream, state))
    return true
  }

  async #askLog(waitMs: number): Promise<boolean> {
    const { link, clock, problems } = this.#ports
    const intake = this.#intake
    const after = intake.commit
    const wasBroken = intake.state.kind === 'broken'
    const startedAt = clock.monotonic()
    const poll = new AbortController()
    if (waitMs > 0) this.#poll = poll
    let texts: readonly string[]
    try {
      const stop = AbortSignal.any([this.#stop.signal, poll.signal])
      texts = await askWithin(waitMs + ANSWER_MS, stop, (signal) => link.commits(after, waitMs, signal))
    } catch (error) {
      if (poll.signal.aborted || this.#stop.signal.aborted) return true
      problems.note('link_failed', { asked: 'commits', error })
      this.#logAnswers = false
      intake.answered('log', 'lacking')
      return intake.state.kind === 'seeking'
    } finally {
      this.#poll = null
    }
    this.#logAnswers = true
    if (texts.length === 0) {
      this.#prove()
      intake.answered('log', 'all')
      // Whoever answers a waiting question at once with nothing would be asked without a pause.
      return !wasBroken && (waitMs === 0 || clock.monotonic() - startedAt > BACKOFF_MS.most)
    }
    for (let index = 0; index < texts.length; index += BATCH) {
      intake.take(texts.slice(index, index + BATCH), 'log')
      await turn()
    }
    const isFurther = intake.commit > after
    if (!isFurther) intake.doubt(null)
    intake.answered('log', isFurther ? 'some' : 'lacking')
    return isFurther || !wasBroken
  }

  async #askSnapshot(): Promise<boolean> {
    const { link, clock, problems } = this.#ports
    const intake = this.#intake
    if (intake.state.kind === 'seeking' && clock.monotonic() < this.#snapshotNotBefore) {
      intake.noSnapshot()
      return false
    }
    try {
      const text = await askWithin(SNAPSHOT_MS, this.#stop.signal, (signal) => link.snapshot(signal))
      this.#logAnswers = true
      const decoded = await this.#snapshotOf(text)
      const take = (snapshot: CatalogSnapshot): void => this.#publisher.take(snapshot)
      if (decoded.ok && intake.takeSnapshot(decoded.value, take)) return true
      this.#snapshotNotBefore = clock.monotonic() + BACKOFF_MS.most
      if (decoded.ok) return false
      problems.note('snapshot_refused', decoded.error)
    } catch (error) {
      if (this.#stop.signal.aborted) return true
      problems.note('link_failed', { asked: 'snapshot', error })
      this.#logAnswers = false
    }
    intake.noSnapshot()
    return false
  }

  /** A control plane of another release folds otherwise, and has the same log: we fold it ourselves then. */
  async #snapshotOf(text: string): Promise<ReturnType<typeof decodeSnapshot>> {
    const decoded = decodeSnapshot(text, true)
    if (decoded.ok || decoded.error.kind !== 'other_fold_version') return decoded
    const { link, commitKey } = this.#ports
    const signal = this.#stop.signal
    const read = (after: number): Promise<readonly string[]> =>
      askWithin(ANSWER_MS, signal, (stop) => link.commits(after, 0, stop))
    const folded = await foldWholeLog(read, commitKey)
    return folded === null ? decoded : ok(folded)
  }
}

function decodeHead(text: string): Head | null {
  try {
    return Head.parse(JSON.parse(text))
  } catch {
    return null
  }
}
