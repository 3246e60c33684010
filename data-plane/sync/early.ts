/**
 * Commits that came before the one they follow, until it is here.
 *
 * Bounded in number and in size: what does not fit is forgotten altogether and fetched again later.
 */
import type { WireCommit } from '#contracts/commit/commit.ts'

const MOST_COMMITS = 4_096
/** In characters as received: 4,096 commits of ordinary size, or 64 of the largest. */
const MOST_CHARS = 32 * 1024 * 1024

export class EarlyCommits {
  readonly #commits = new Map<number, Readonly<{ wire: WireCommit; chars: number }>>()
  #chars = 0

  /** @returns false when it did not fit; everything is forgotten then. */
  keep(wire: WireCommit, chars: number): boolean {
    this.take(wire.commit)
    if (this.#commits.size >= MOST_COMMITS || this.#chars + chars > MOST_CHARS) {
      this.clear()
      return false
    }
    this.#commits.set(wire.commit, { wire, chars })
    this.#chars += chars
    return true
  }

  take(commit: number): WireCommit | null {
    const found = this.#commits.get(commit)
    if (found === undefined) return null
    this.#commits.delete(commit)
    this.#chars -= found.chars
    return found.wire
  }

  /** Forgets those that are held by now. */
  dropThrough(commit: number): void {
    for (const early of this.#commits.keys()) if (early <= commit) this.take(early)
  }

  clear(): void {
    this.#commits.clear()
    this.#chars = 0
  }
}
