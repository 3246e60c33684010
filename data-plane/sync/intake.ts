/**
 * Where everything that came in is judged, in whatever order it came: commits, snapshots, beacons.
 *
 * Holds the position (`cursor.ts` decides) and the commits that came too early; passes on what may be
 * folded. Synchronous, and asks nobody: that is `follow-catalog.ts`.
 */
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import type { Commit, WireCommit } from '#contracts/commit/commit.ts'
import { openCommit } from '#contracts/commit/signed.ts'
import type { CatalogSnapshot } from '#contracts/commit/snapshot.ts'
import type { Head } from '#contracts/fleet/link.ts'
import type { Nack } from '#contracts/fleet/report.ts'
import { SYSTEM_STREAM } from '#contracts/ids.ts'
import {
  EMPTY,
  onAnswer,
  onCommit,
  onDoubt,
  onHead,
  onNoSnapshot,
  onOtherState,
  onSnapshot,
  onStuck,
  type Extent,
  type FollowState,
  type HeadVerdict,
  type Position,
} from './cursor.ts'
import { EarlyCommits } from './early.ts'
import type { Problems } from './problems.ts'

export type IntakePorts = Readonly<{
  /** `MasterKey.commits`. */
  commitKey: Uint8Array
  problems: Problems
  /** Verified, in order, the first following what was passed on before. */
  onCommits: (commits: readonly Commit[]) => void
  /** The state may have changed. */
  onState: () => void
}>

/** Between two snapshots that are fetched because the state differs, in milliseconds. */
const DISOWN_MS = 30_000

export class Intake {
  readonly #ports: IntakePorts
  readonly #early = new EarlyCommits()
  #state: FollowState = EMPTY
  /** Monotonic milliseconds. */
  #disownNotBefore = -Infinity

  constructor(ports: IntakePorts) {
    this.#ports = ports
  }

  get state(): FollowState {
    return this.#state
  }

  /** The last commit held; 0: none. */
  get commit(): number {
    return this.#state.kind === 'empty' ? 0 : this.#state.at.commit
  }

  /** Why this node goes no further, for the control plane; empty while it may. */
  get nacks(): readonly Nack[] {
    const state = this.#state
    if (state.kind !== 'blocked') return []
    const reason = `needs a release that folds version ${state.minFold} or later; this one folds ${FOLD_VERSION}`
    return [{ commit: state.at.commit + 1, stream: SYSTEM_STREAM, reason }]
  }

  /** Takes signed commits, and those that had waited for them. */
  take(texts: readonly string[], via: 'bus' | 'log'): void {
    const commits: Commit[] = []
    for (const text of texts) {
      const decoded = openCommit(text, this.#ports.commitKey)
      if (decoded.ok) this.#judge(decoded.value, text.length, via, commits)
      else {
        this.#ports.problems.note('malformed_message', { reason: decoded.error })
        // It stood for something; what the log itself garbles is not asked for again.
        if (via === 'bus') this.#state = onDoubt(this.#state, null)
      }
      this.#takeEarly(commits)
    }
    this.#pass(commits)
  }

  /** @returns false when it is of no use; `take` is called back first when it is. */
  takeSnapshot(snapshot: CatalogSnapshot, take: (snapshot: CatalogSnapshot) => void): boolean {
    const { state, verdict } = onSnapshot(this.#state, positionOf(snapshot))
    this.#state = state
    if (verdict === 'take') {
      const commits: Commit[] = []
      take(snapshot)
      this.#early.dropThrough(snapshot.catalog.commit)
      this.#takeEarly(commits)
      this.#pass(commits)
    } else {
      if (verdict === 'other_log') this.#ports.problems.note('other_log', { commit: snapshot.catalog.commit })
      this.#ports.onState()
    }
    return verdict === 'take'
  }

  takeHead(head: Head): HeadVerdict {
    const { state, verdict } = onHead(this.#state, head)
    this.#set(state)
    return verdict
  }

  /** Something may be missing; see `onDoubt`. */
  doubt(wanted: Extent | null): void {
    this.#set(onDoubt(this.#state, wanted))
  }

  answered(from: 'stream' | 'log', gave: 'all' | 'some' | 'lacking'): void {
    this.#set(onAnswer(this.#state, from, gave))
  }

  noSnapshot(): void {
    this.#set(onNoSnapshot(this.#state))
  }

  /** What was passed on since `snapshot` cannot be folded. */
  fallBack(snapshot: CatalogSnapshot): void {
    this.#set(onStuck(positionOf(snapshot)))
  }

  /**
   * A beacon at our very commit, with our chain, tells another state than ours: only the control plane's own
   * helps then.
   *
   * @param now monotonic milliseconds.
   */
  differs(head: Head, held: CatalogSnapshot | null, now: number): boolean {
    const { commit, digest: theirs, foldVersion } = head
    if (theirs === undefined || foldVersion !== FOLD_VERSION) return false
    if (held?.catalog.commit !== commit || held.digest === theirs) return false
    // A release that folds otherwise under the same version would differ again at once.
    if (now < this.#disownNotBefore) return true
    this.#disownNotBefore = now + DISOWN_MS
    this.#ports.problems.note('other_state', { commit, ours: held.digest, theirs })
    this.#set(onOtherState(positionOf(held)))
    return true
  }

  #set(state: FollowState): void {
    this.#state = state
    this.#ports.onState()
  }

  #pass(commits: readonly Commit[]): void {
    if (commits.length > 0) this.#ports.onCommits(commits)
    this.#ports.onState()
  }

  #takeEarly(commits: Commit[]): void {
    while (this.#state.kind === 'following' || this.#state.kind === 'seeking') {
      const next = this.#early.take(this.#state.at.commit + 1)
      if (next === null) return
      this.#judge(next, 0, 'bus', commits)
    }
  }

  #judge(wire: WireCommit, chars: number, via: 'bus' | 'log', commits: Commit[]): void {
    const { problems } = this.#ports
    const { state, verdict } = onCommit(this.#state, wire, via)
    this.#state = state
    switch (verdict.kind) {
      case 'apply':
        commits.push(verdict.commit)
        return
      case 'gap':
      case 'no_base':
        // Forgetting loses nothing: whoever holds commits for later is already looking for what is before them.
        if (!this.#early.keep(wire, chars)) problems.note('early_overflow')
        return
      case 'broken':
        problems.note(via === 'log' ? 'broken_log' : 'broken_commit', {
          commit: wire.commit,
          reason: verdict.problem,
        })
        return
      case 'rewound':
        problems.note('rewound_log', { commit: wire.commit, epoch: wire.epoch })
        return
      case 'floor':
        problems.note('below_floor', { commit: wire.commit, needs: verdict.minFold, folds: FOLD_VERSION })
        this.#early.clear()
        return
      case 'duplicate':
      case 'old_epoch':
      case 'blocked':
        return
    }
  }
}

const positionOf = ({ catalog, chain }: CatalogSnapshot): Position => ({
  logId: catalog.genesis?.logId ?? null,
  epoch: catalog.epoch,
  commit: catalog.commit,
  chain,
})
