/**
 * From verified commits to what the node serves: fold, compile, swap, and acknowledge when it is safe to.
 *
 * The first change after a quiet time is built at once, a storm in as few builds as keep up with it. A swap
 * takes effect immediately; it is acknowledged after the secrets it needs were asked for and, if it takes a
 * right away from somebody, after it was written to disk. What throws here keeps the old snapshot in force.
 */
import type { ListedModels } from '#contracts/catalog/facts/listed-model.ts'
import { REVOCATIONS } from '#contracts/catalog/event.ts'
import { foldOnto } from '#contracts/catalog/fold.ts'
import type { Commit } from '#contracts/commit/commit.ts'
import type { CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import type { ControlLink } from '#contracts/fleet/link.ts'
import type { Nack } from '#contracts/fleet/report.ts'
import { SYSTEM_STREAM, type ProviderId } from '#contracts/ids.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { compileSnapshot, type NodeSlots } from '../routing/compile.ts'
import type { DiskCopy, NodeCopy } from './disk/disk-copy.ts'
import { CopyKeeper } from './disk/keep-copy.ts'
import type { SnapshotHolder } from './holder.ts'
import type { Problems } from './problems.ts'
import { NodeSecrets } from './secrets.ts'

/** Between the starts of two builds, in milliseconds. */
const BUILD_INTERVAL_MS = 20
/** Building takes at most this share of the time, however large the catalog and however long the storm. */
const BUILD_SHARE = 0.2
/** Longest time an acknowledgement waits for secrets that keep being added, in milliseconds. */
const HOLD_MS = 2_000

export type PublisherPorts = Readonly<{
  holder: SnapshotHolder
  slots: NodeSlots
  disk: DiskCopy
  link: Pick<ControlLink, 'secrets'>
  /** `MasterKey.vault`. */
  vaultKey: Uint8Array
  clock: Clock
  problems: Problems
  /** A watermark or the list of refusals has changed. */
  onMoved: () => void
  /** The commits since `held` could not be folded: they are as good as not received. */
  onStuck: (held: CatalogSnapshot) => void
}>

/** Models each provider was seen to serve. */
export type LearnedLists = Pick<CatalogPublisher, 'discovered' | 'learnModels'>

/** What a build put in force. `serial` counts builds, so that an unchanged commit with new secrets is a new one. */
type Swap = Readonly<{
  serial: number
  commit: number
  nacks: readonly Nack[]
  /** Commits up to this one had all their secrets asked for when it was built; Infinity: all of them. */
  askedThrough: number
}>

export class CatalogPublisher implements AsyncDisposable {
  readonly #ports: PublisherPorts
  readonly #secrets: NodeSecrets
  readonly #keeper: CopyKeeper
  #held: CatalogSnapshot | null = null
  /** Verified, not folded yet. */
  #queue: Commit[] = []
  #discovered: ReadonlyMap<ProviderId, ListedModels> = new Map()
  #swapped: Swap = { serial: 0, commit: 0, nacks: [], askedThrough: 0 }
  #acknowledged: Swap = this.#swapped
  #failure: Nack | null = null
  /** Does what is to be built take a right away? */
  #isUrgent = false
  /** The newest swap that took a right away; the newest whose copy was handed to the keeper. */
  #urgentSerial = 0
  #offeredSerial = 0
  #heldBackSince: number | null = null
  #nextBuildAt = -Infinity
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(ports: PublisherPorts) {
    const { disk, link, vaultKey, clock, problems } = ports
    this.#ports = ports
    this.#keeper = new CopyKeeper({ disk, clock, problems, onAttempt: () => this.#settle() })
    const onAsked = (arrived: boolean): void => (arrived ? this.#request() : this.#settle())
    this.#secrets = new NodeSecrets({ link, vaultKey, problems, onAsked })
  }

  /** Folded so far. */
  get held(): CatalogSnapshot | null {
    return this.#held
  }

  /** Acknowledged: in force, with its secrets, and written if it had to be. */
  get served(): number {
    return this.#acknowledged.commit
  }

  get persisted(): number {
    return this.#keeper.persisted
  }

  get isDiskFailing(): boolean {
    return this.#keeper.isFailing
  }

  get nacks(): readonly Nack[] {
    return this.#failure === null ? this.#acknowledged.nacks : [this.#failure, ...this.#acknowledged.nacks]
  }

  /** Begins with what was on disk. @param isDurable a power failure would leave it there. */
  restore(copy: NodeCopy, isDurable: boolean): void {
    this.#secrets.restore(copy.secrets)
    this.#discovered = copy.discovered
    if (isDurable) {
      // What the first build puts in force is what the disk holds.
      this.#offeredSerial = 1
      this.#keeper.found(1, copy)
    }
    this.take(copy.snapshot)
  }

  /** Replaces everything held. */
  take(snapshot: CatalogSnapshot): void {
    if (this.#held !== null && !isLater(snapshot, this.#held)) this.#giveUp()
    this.#held = snapshot
    this.#queue = []
    // It may hold the revocation that the commits in between would have brought.
    this.#isUrgent = true
    clearTimeout(this.#timer)
    this.#build()
  }

  /** @param commits verified, in order, the first following what was added or taken last. */
  add(commits: readonly Commit[]): void {
    this.#queue.push(...commits)
    this.#request()
  }

  /** Models each provider was seen to serve. */
  get discovered(): ReadonlyMap<ProviderId, ListedModels> {
    return this.#discovered
  }

  learnModels(discovered: ReadonlyMap<ProviderId, ListedModels>): void {
    this.#discovered = discovered
    if (this.#held !== null) this.#request()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#secrets[Symbol.dispose]()
    await this.#keeper[Symbol.asyncDispose]()
  }

  /** A commit number that was served or written is one of another history: it must not be told as this one's. */
  #giveUp(): void {
    this.#keeper.giveUp()
    // The last build, too: it is what is told when the next one fails.
    this.#swapped = { ...this.#swapped, commit: 0, nacks: [] }
    this.#acknowledged = { ...this.#acknowledged, commit: 0, nacks: [] }
  }

  #request(): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    const wait = this.#nextBuildAt - this.#ports.clock.monotonic()
    if (wait <= 0) this.#build()
    else this.#timer = setTimeout(() => this.#build(), wait)
  }

  #build(): void {
    const { clock, onMoved } = this.#ports
    const startedAt = clock.monotonic()
    const held = this.#fold()
    if (held !== null) this.#swap(held)
    const endedAt = clock.monotonic()
    this.#nextBuildAt = startedAt + Math.max(BUILD_INTERVAL_MS, (endedAt - startedAt) / BUILD_SHARE)
    this.#settle()
    onMoved()
  }

  /** @returns null when there is nothing to compile. */
  #fold(): CatalogSnapshot | null {
    const commits = this.#queue
    this.#queue = []
    const last = commits.at(-1)
    if (this.#held === null || last === undefined) return this.#held
    try {
      this.#held = foldOnto(this.#held, commits)
    } catch (error) {
      this.#fail(last.commit, error)
      this.#ports.onStuck(this.#held)
      return null
    }
    this.#isUrgent ||= commits.some(({ events }) => events.some(({ type }) => REVOCATIONS.has(type)))
    return this.#held
  }

  #swap({ catalog, digest }: CatalogSnapshot): void {
    const { holder, slots } = this.#ports
    this.#secrets.want(catalog.providers.values(), this.#swapped.commit)
    const { askedThrough } = this.#secrets
    const secret = this.#secrets.reveal
    const discovered = this.#discovered
    const serial = this.#swapped.serial + 1
    try {
      const snapshot = compileSnapshot({
        catalog,
        digest,
        secret,
        discovered,
        slots,
        previous: holder.current,
      })
      holder.swap(snapshot)
      this.#failure = null
      this.#swapped = { serial, commit: snapshot.commit, nacks: snapshot.nacks, askedThrough }
      if (this.#isUrgent) this.#urgentSerial = serial
      this.#isUrgent = false
    } catch (error) {
      this.#swapped = { ...this.#swapped, serial }
      this.#fail(catalog.commit, error)
    }
  }

  #fail(commit: number, error: unknown): void {
    this.#ports.problems.note('compile_failed', { commit, error })
    const reason = `not accepted: ${error instanceof Error ? error.message : String(error)}`
    this.#failure = { commit, stream: SYSTEM_STREAM, reason: reason.slice(0, 500) }
  }

  /** Acknowledges what may be. Called whenever something it waits for ends. */
  #settle(): void {
    const before = this.#acknowledged
    this.#acknowledged = this.#isHeldBack() ? this.#asFarAsAsked() : this.#asFarAsWritten()
    if (this.#acknowledged !== before) this.#ports.onMoved()
  }

  /** Does the newest swap wait for secrets that were not asked for yet? */
  #isHeldBack(): boolean {
    if (this.#secrets.isWaiting) {
      const now = this.#ports.clock.monotonic()
      this.#heldBackSince ??= now
      if (now - this.#heldBackSince < HOLD_MS) return true
    }
    this.#heldBackSince = null
    return false
  }

  /** A storm of new providers: those before the ones whose secrets are on their way do not wait for them. */
  #asFarAsAsked(): Swap {
    const { commit, askedThrough, nacks } = this.#swapped
    const through = Math.min(commit, askedThrough)
    const isWritten = this.#keeper.attempted.serial >= this.#urgentSerial
    if (!isWritten || through <= this.#acknowledged.commit) return this.#acknowledged
    return { ...this.#swapped, commit: through, nacks: nacks.filter((nack) => nack.commit <= through) }
  }

  /** Hands the newest swap to the disk first. */
  #asFarAsWritten(): Swap {
    this.#offer()
    const before = this.#acknowledged
    const { attempted } = this.#keeper
    if (attempted.serial >= this.#urgentSerial) return this.#swapped
    // A storm of revocations: what was written meanwhile is acknowledged meanwhile.
    return attempted.serial > before.serial ? { ...before, ...attempted } : before
  }

  #offer(): void {
    if (this.#held === null || this.#failure !== null || this.#swapped.serial <= this.#offeredSerial) return
    this.#offeredSerial = this.#swapped.serial
    const copy = { snapshot: this.#held, secrets: this.#secrets.vaultTexts(), discovered: this.#discovered }
    this.#keeper.offer(this.#offeredSerial, copy, this.#urgentSerial > this.#keeper.attempted.serial)
  }
}

/** Surely of the same history; under a newer epoch the log may have gone back and on again. */
const isLater = ({ catalog }: CatalogSnapshot, held: CatalogSnapshot): boolean =>
  catalog.epoch === held.catalog.epoch && catalog.commit > held.catalog.commit
