/**
 * The configuration as it was at any commit.
 *
 * Folded from the nearest state that is known: in memory, in the database, else from nothing. States are
 * kept every few thousand commits, signed: whoever can write to the database cannot give us another past.
 */
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { CHAIN_START } from '#contracts/commit/chain.ts'
import { stateDigest } from '#contracts/commit/digest.ts'
import { decodeSnapshot, encodeSnapshot } from '#contracts/commit/snapshot.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { Past } from '../store/past.ts'
import type { Signer } from './signer.ts'

export type HistoryPorts = Readonly<{
  past: Past
  signer: Signer
  /** The state at the head, which needs no folding. */
  head: () => Catalog
  logger: Logger
}>

/** Commits between two states that are kept: folding as many takes some 50 ms. */
const KEEP_EVERY = 5_000
/** States in memory. What is compared is often compared again. */
const IN_MEMORY = 4

export class History {
  readonly #ports: HistoryPorts
  readonly #keepEvery: number
  readonly #memory = new Map<number, Catalog>()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(ports: HistoryPorts, keepEvery = KEEP_EVERY) {
    this.#ports = ports
    this.#keepEvery = keepEvery
  }

  /**
   * One question after the other: each may read the whole log. Rejects when the database cannot be read.
   *
   * @param commit at most the head.
   */
  at(commit: number): Promise<Catalog> {
    const turn = this.#queue.then(() => this.#at(commit))
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  async #at(commit: number): Promise<Catalog> {
    const head = this.#ports.head()
    if (commit === head.commit) return head
    let catalog = await this.#nearest(commit)
    for await (const commits of this.#ports.past.commits(catalog.commit, commit, this.#keepEvery)) {
      catalog = foldCommits(catalog, commits)
      if (catalog.commit % this.#keepEvery === 0) await this.#keep(catalog)
    }
    if (catalog.commit !== commit) throw new Error(`the log has no commit ${commit}`)
    this.#remember(catalog)
    return catalog
  }

  async #nearest(commit: number): Promise<Catalog> {
    const inMemory = [...this.#memory.values()]
      .filter((catalog) => catalog.commit <= commit)
      .reduce((best, catalog) => (catalog.commit > best.commit ? catalog : best), EMPTY_CATALOG)
    if (commit - inMemory.commit < this.#keepEvery) return inMemory
    const kept = await this.#ports.past.snapshotBefore(commit)
    if (kept === null) return inMemory
    const { signer, logger } = this.#ports
    const decoded = signer.verifier.accepts('snapshot', kept) ? decodeSnapshot(kept.body, false) : null
    if (decoded?.ok !== true) {
      logger.error({ before: commit }, 'a state kept in the database is not what was written; it is not used')
      return inMemory
    }
    return decoded.value.catalog.commit > inMemory.commit ? decoded.value.catalog : inMemory
  }

  async #keep(catalog: Catalog): Promise<void> {
    const { past, signer } = this.#ports
    const chain = (await past.chainAt(catalog.commit)) ?? CHAIN_START
    const body = encodeSnapshot({ catalog, chain, digest: stateDigest(catalog) })
    await past.keepSnapshot(catalog.commit, signer.sign('snapshot', body))
  }

  #remember(catalog: Catalog): void {
    this.#memory.delete(catalog.commit)
    this.#memory.set(catalog.commit, catalog)
    const [oldest] = this.#memory.keys()
    if (this.#memory.size > IN_MEMORY && oldest !== undefined) this.#memory.delete(oldest)
  }
}
