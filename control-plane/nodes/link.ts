/**
 * What nodes ask of the control plane: `ControlLink`, answered from memory wherever that is possible, so
 * that nodes can start and follow while the database is away.
 */
import type { ControlLink } from '#contracts/fleet/link.ts'
import { COMMITS_PER_ANSWER } from '#contracts/fleet/link.ts'
import type { WireCommit } from '#contracts/commit/commit.ts'
import { signCommit } from '#contracts/commit/signed.ts'
import { encodeSnapshot } from '#contracts/commit/snapshot.ts'
import { secretId, type SecretId } from '#contracts/ids.ts'
import type { LeaseAnswer, LeaseAsk } from '#contracts/fleet/leases.ts'
import type { NodeReport } from '#contracts/fleet/report.ts'
import type { BudgetDesk } from '../budgets/desk.ts'
import type { Ledger } from '../commands/ledger.ts'
import type { EventLog } from '../store/event-log.ts'
import type { Fleet } from './fleet.ts'

/** Commits kept at hand; older ones are read from the database. */
const RECENT = 10_000
/** Nodes that may wait for the next commit at once. */
const WAITING_AT_MOST = 1_000

export type NodeLinkPorts = Readonly<{
  ledger: Ledger
  log: Pick<EventLog, 'read' | 'secrets'>
  fleet: Fleet
  /** `MasterKey.commits`. */
  key: Uint8Array
  /** What providers were seen to serve, signed. */
  lists: () => readonly string[]
  budgets: Pick<BudgetDesk, 'ask'>
}>

export class NodeLink implements ControlLink {
  readonly #ledger: Ledger
  readonly #log: Pick<EventLog, 'read' | 'secrets'>
  readonly #fleet: Fleet
  readonly #key: Uint8Array
  readonly #lists: () => readonly string[]
  readonly #budgets: Pick<BudgetDesk, 'ask'>
  readonly #recent: WireCommit[] = []
  readonly #waiting = new Set<() => void>()
  /** Vault texts on their way from the database, by the ids asked for: all nodes ask for the same at once. */
  readonly #reading = new Map<string, Promise<ReadonlyMap<string, string>>>()
  /** The last snapshot made, and the commit it is of: many nodes starting together are served one. */
  #snapshot: Readonly<{ commit: number; text: string }> | null = null

  constructor({ ledger, log, fleet, key, lists, budgets }: NodeLinkPorts) {
    this.#ledger = ledger
    this.#log = log
    this.#fleet = fleet
    this.#key = key
    this.#lists = lists
    this.#budgets = budgets
    ledger.onCommits((wires) => {
      this.#recent.push(...wires)
      this.#recent.splice(0, this.#recent.length - RECENT)
      for (const wake of this.#waiting) wake()
    })
  }

  /** Rejects before the log has been read: an empty catalog is not a configuration. */
  async snapshot(): Promise<string> {
    const { commit } = this.#ledger.catalog
    if (commit === 0) throw new Error('the log has not been read yet')
    if (this.#snapshot?.commit !== commit) {
      this.#snapshot = { commit, text: encodeSnapshot(this.#ledger.snapshot) }
    }
    return this.#snapshot.text
  }

  async commits(after: number, waitMs: number, signal: AbortSignal): Promise<readonly string[]> {
    if (this.#ledger.catalog.commit <= after && waitMs > 0) await this.#nextCommit(waitMs, signal)
    const first = this.#recent[0]?.commit ?? Infinity
    const isBeyond = this.#ledger.catalog.commit <= after
    if (isBeyond && this.#ledger.stop === null) return []
    // What this release cannot follow any more, later ones can: they get it as it is.
    if (!isBeyond && first <= after + 1) {
      const from = after + 1 - first
      return this.#recent.slice(from, from + COMMITS_PER_ANSWER).map((wire) => signCommit(wire, this.#key))
    }
    const records = await this.#log.read(after, COMMITS_PER_ANSWER)
    return records.map(({ wire }) => signCommit(wire, this.#key))
  }

  async secrets(ids: readonly SecretId[]): Promise<ReadonlyMap<SecretId, string>> {
    const sealed = await this.#readSecrets(ids)
    return new Map([...sealed].map(([id, text]) => [secretId(id), text]))
  }

  #readSecrets(ids: readonly SecretId[]): Promise<ReadonlyMap<string, string>> {
    const asked = ids.join()
    const underWay = this.#reading.get(asked)
    if (underWay !== undefined) return underWay
    const reading = this.#log.secrets(ids).finally(() => this.#reading.delete(asked))
    this.#reading.set(asked, reading)
    return reading
  }

  async report(report: NodeReport): Promise<void> {
    this.#fleet.onReport(report)
  }

  async modelLists(): Promise<readonly string[]> {
    return this.#lists()
  }

  leases(ask: LeaseAsk): Promise<LeaseAnswer> {
    return this.#budgets.ask(ask)
  }

  #nextCommit(waitMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#waiting.size >= WAITING_AT_MOST) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        this.#waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, waitMs)
      signal.addEventListener('abort', wake)
      this.#waiting.add(wake)
    })
  }
}
