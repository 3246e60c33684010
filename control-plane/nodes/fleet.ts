/**
 * The fleet view: where every node is, by what it says itself.
 *
 * Losable: it is rebuilt from the nodes' reports within seconds. A copy of the last reports in the database
 * only serves to know, after a restart, who should be there.
 */
import { FOLD_VERSION } from '#contracts/catalog/catalog.ts'
import { STALE_AFTER_MS, type NodeReport } from '#contracts/fleet/report.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { Propagation } from './propagation.ts'

/**
 * CURRENT: serves the head. LAGGING: behind, moving. STUCK: behind and not moving for 10 s. STALE: not heard
 * of. NACKED: serves, but holds an entity back. DIVERGED: another state than ours at the same commit.
 * AHEAD: knows commits that our log does not have. SKEWED: of a release that folds differently.
 * BLOCKED_BY_FLOOR: of a release below the floor; it serves what was before, and stays there.
 */
export type NodeState =
  | 'CURRENT'
  | 'LAGGING'
  | 'STUCK'
  | 'STALE'
  | 'NACKED'
  | 'DIVERGED'
  | 'AHEAD'
  | 'SKEWED'
  | 'BLOCKED_BY_FLOOR'

export type NodeView = Readonly<{
  state: NodeState
  report: NodeReport
  /** Epoch milliseconds, by our clock. */
  lastSeen: number
  /** Commits between the head and what the node serves. */
  lag: number
}>

type Entry = { report: NodeReport; lastSeen: number; seenAt: number; movedAt: number }

const STUCK_AFTER_MS = 10_000
/** Nodes that have been silent this long are forgotten, in milliseconds. */
const FORGET_AFTER_MS = 3_600_000

export type FleetLedger = Readonly<{
  catalog: Readonly<{ commit: number; epoch: number; floor: number }>
  digestAt(commit: number): string | undefined
}>

type Waiter = Readonly<{ commit: number; resolve: () => void }>

export class Fleet {
  readonly propagation: Propagation
  readonly #ledger: FleetLedger
  readonly #clock: Clock
  readonly #nodes = new Map<string, Entry>()
  readonly #waiters = new Set<Waiter>()
  readonly #watchers = new Set<() => void>()

  constructor(ledger: FleetLedger, clock: Clock) {
    this.propagation = new Propagation(clock)
    this.#ledger = ledger
    this.#clock = clock
  }

  onReport(report: NodeReport): void {
    const now = this.#clock.monotonic()
    const known = this.#nodes.get(report.node)
    const moved =
      known === undefined || known.report.boot !== report.boot || known.report.served !== report.served
    const movedAt = moved ? now : known.movedAt
    // A node that has just come, or come back, says nothing about how fast commits travel: it counts from the
    // first one it served.
    if (known !== undefined && known.report.boot === report.boot && known.report.served > 0)
      this.propagation.served(known.report.served, report.served)
    this.#nodes.set(report.node, { report, lastSeen: this.#clock.now(), seenAt: now, movedAt })
    for (const waiter of this.#waiters) if (!this.#isAwaited(waiter.commit)) this.#release(waiter)
    for (const watcher of this.#watchers) watcher()
  }

  /** Last commit of the log. */
  get head(): number {
    return this.#ledger.catalog.commit
  }

  get watchers(): number {
    return this.#watchers.size
  }

  /** @param onReport told after each report. @returns ends it. */
  watch(onReport: () => void): () => void {
    this.#watchers.add(onReport)
    return () => void this.#watchers.delete(onReport)
  }

  /** What was known before we started; a report of the node itself replaces it. */
  restore(report: NodeReport, lastSeen: number): void {
    if (this.#nodes.has(report.node)) return
    const age = this.#clock.now() - lastSeen
    if (age > FORGET_AFTER_MS) return
    const seenAt = this.#clock.monotonic() - age
    this.#nodes.set(report.node, { report, lastSeen, seenAt, movedAt: seenAt })
  }

  list(): readonly NodeView[] {
    const now = this.#clock.monotonic()
    for (const [node, entry] of this.#nodes) {
      if (now - entry.seenAt > FORGET_AFTER_MS) this.#nodes.delete(node)
    }
    return [...this.#nodes.values()].map((entry) => this.#view(entry, now))
  }

  /** Nodes heard of lately. */
  get live(): number {
    return this.list().filter(({ state }) => state !== 'STALE').length
  }

  /** Live nodes that do not serve the commit yet. */
  behind(commit: number): readonly NodeView[] {
    return this.list().filter(({ state, report }) => state !== 'STALE' && report.served < commit)
  }

  /** Live nodes that a floor at this fold version would leave behind. */
  below(foldVersion: number): readonly NodeView[] {
    return this.list().filter(({ state, report }) => state !== 'STALE' && report.foldVersion < foldVersion)
  }

  /**
   * Resolves when every live node serves the commit that ever will, or when the time is over; look at `behind`
   * then. Nobody waits for who is below the floor.
   */
  wait(commit: number, timeoutMs: number): Promise<void> {
    if (!this.#isAwaited(commit)) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#release(waiter), timeoutMs)
      const waiter: Waiter = {
        commit,
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
      }
      this.#waiters.add(waiter)
    })
  }

  #isAwaited(commit: number): boolean {
    return this.behind(commit).some(({ state }) => state !== 'BLOCKED_BY_FLOOR')
  }

  #release(waiter: Waiter): void {
    this.#waiters.delete(waiter)
    waiter.resolve()
  }

  #view(entry: Entry, now: number): NodeView {
    const { report, lastSeen } = entry
    const lag = Math.max(0, this.#ledger.catalog.commit - report.served)
    return { state: this.#state(entry, now, lag), report, lastSeen, lag }
  }

  #state({ report, seenAt, movedAt }: Entry, now: number, lag: number): NodeState {
    if (now - seenAt > STALE_AFTER_MS) return 'STALE'
    const { commit, epoch, floor } = this.#ledger.catalog
    if (report.foldVersion < floor) return 'BLOCKED_BY_FLOOR'
    if (report.foldVersion !== FOLD_VERSION) return 'SKEWED'
    if (report.epoch === epoch && report.applied > commit) return 'AHEAD'
    const digest = this.#ledger.digestAt(report.applied)
    if (digest !== undefined && digest !== report.digest) return 'DIVERGED'
    if (lag > 0) return now - movedAt > STUCK_AFTER_MS ? 'STUCK' : 'LAGGING'
    return report.nacks.length > 0 ? 'NACKED' : 'CURRENT'
  }
}
