/**
 * What really happened in a world: every state its log ever had, what was acknowledged, what was revoked.
 *
 * Checks I1, I2 and the rule that a command is carried out once, as commits are appended; tells the checks of
 * the nodes what would have been right.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { REVOCATIONS } from '#contracts/catalog/event.ts'
import type { RecordedCommit } from '#control-plane/store/event-log.ts'
import { NOTHING, problemOf, see, type Seen } from './release/oracle.ts'
import type { Oracle } from './release/releases.ts'

export type Moment = Readonly<{
  commit: number
  /** As the newest release sees it. */
  catalog: Catalog
  chain: string
  /** State digest by fold version. */
  digests: ReadonlyMap<number, string>
  isRevocation: boolean
  /** The fold version that whoever goes beyond this commit must have. */
  floor: number
}>

/** What a release makes of a moment. */
type State = Readonly<{ foldVersion: number; digest: string }>

export class History {
  readonly violations: string[] = []
  readonly #oracles: readonly Oracle[]
  /** Newest first: until a restored log begins an epoch, it has other commits under the numbers of the lost ones. */
  readonly #moments = new Map<string, Moment[]>()
  /** First commit of each epoch. */
  readonly #beginnings = new Map<number, number>()
  /** The states at the head, by release. */
  #seen: Seen[]
  #stack: Readonly<{ seen: readonly Seen[]; moment: Moment }>[] = []
  readonly #commandIds = new Map<string, number>()

  constructor(oracles: readonly Oracle[]) {
    this.#oracles = oracles
    this.#seen = oracles.map(() => NOTHING)
  }

  get head(): Moment | null {
    return this.#stack.at(-1)?.moment ?? null
  }

  get catalog(): Catalog {
    return (this.#seen[0] ?? NOTHING).catalog
  }

  /** The moment the log had this commit under this epoch, in this state if it was in several; null: it never had. */
  at(epoch: number, commit: number, state?: State): Moment | null {
    const moments = this.#moments.get(`${epoch}:${commit}`) ?? []
    const same = moments.find(({ digests }) => digests.get(state?.foldVersion ?? -1) === state?.digest)
    return same ?? moments[0] ?? null
  }

  /** The same for whoever follows this epoch: what came before it is of the epochs before. */
  on(epoch: number, commit: number, state?: State): Moment | null {
    for (let at = epoch; at >= 0; at--)
      if (commit >= (this.#beginnings.get(at) ?? Infinity)) return this.at(at, commit, state)
    return null
  }

  /** Of the log as it is now. */
  commit(commit: number): Moment | null {
    return this.#stack[commit - 1]?.moment ?? null
  }

  /** The commit a command was carried out by, in the log as it is now. */
  commitOf(commandId: string): number | null {
    return this.#commandIds.get(commandId) ?? null
  }

  append({ wire, meta }: RecordedCommit): void {
    const { head } = this
    const problem = problemOf(wire, head?.chain ?? null)
    if (wire.commit !== (head?.commit ?? 0) + 1)
      this.violations.push(`I2: commit ${wire.commit} leaves a gap`)
    if (problem !== null) this.violations.push(`I2: commit ${wire.commit} is appended with a ${problem}`)
    const before = this.#commandIds.get(meta.commandId)
    if (before !== undefined)
      this.violations.push(
        `I1: command ${meta.commandId} is carried out by commit ${before} and ${wire.commit}`,
      )
    this.#commandIds.set(meta.commandId, wire.commit)
    const seen = this.#seen.map((last, index) => (this.#oracles[index]?.see ?? see)(last, wire))
    const catalog = (seen[0] ?? NOTHING).catalog
    const floors = wire.events.map(({ type, body }) =>
      type === 'SchemaFloorRaised' ? (JSON.parse(body) as { minFold: number }).minFold : 0,
    )
    const moment: Moment = {
      commit: wire.commit,
      catalog,
      chain: wire.chain,
      digests: new Map(seen.map(({ digest }, index) => [this.#oracles[index]?.foldVersion ?? 0, digest])),
      isRevocation: wire.events.some(({ type }) => REVOCATIONS.has(type)),
      floor: Math.max(head?.floor ?? -Infinity, ...floors),
    }
    this.#seen = seen
    this.#stack.push({ seen, moment })
    const place = `${catalog.epoch}:${wire.commit}`
    this.#moments.set(place, [moment, ...(this.#moments.get(place) ?? [])])
    if (catalog.epoch !== (head?.catalog.epoch ?? -1)) this.#beginnings.set(catalog.epoch, wire.commit)
  }

  /** What an old backup does: what came after has never been. */
  restoreTo(commit: number): void {
    this.#stack.length = commit
    this.#seen = [...(this.#stack.at(-1)?.seen ?? this.#oracles.map(() => NOTHING))]
    for (const [id, at] of this.#commandIds) if (at > commit) this.#commandIds.delete(id)
  }

  /** The last commit at which whoever folds as `foldVersion` must stop, or the head. */
  reachOf(foldVersion: number): number {
    const beyond = this.#stack.findIndex(({ moment }) => moment.floor > foldVersion)
    return beyond === -1 ? this.#stack.length : beyond
  }

  /** The newest revocation up to a commit; 0: none. */
  lastRevocation(upTo: number): number {
    for (let commit = Math.min(upTo, this.#stack.length); commit > 0; commit--)
      if (this.#stack[commit - 1]?.moment.isRevocation === true) return commit
    return 0
  }
}
