/**
 * How long a commit takes from the log to a node that serves it, for every commit and every node.
 *
 * By our clock alone: from the moment the commit was appended until the node's report that it serves it, so
 * the figure includes the report's own way back.
 */
import type { Clock } from '#contracts/process/clock.ts'

/** Commits whose time is remembered: a node further behind is not measured. */
const REMEMBERED = 10_000

type Wire = Readonly<{ commit: number; events: readonly Readonly<{ type: string }>[] }>

export class Propagation {
  readonly #clock: Clock
  /** Monotonic milliseconds, by commit. */
  readonly #committedAt = new Map<number, number>()
  /** Of them, those that took a client key out of use: how long it may still be used. */
  readonly #refusing = new Set<number>()
  #onMeasured: (ms: number, refuses: boolean) => void = () => undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param listener told of each pair of commit and node: milliseconds, and whether a key went out of use. */
  onMeasured(listener: (ms: number, refuses: boolean) => void): void {
    this.#onMeasured = listener
  }

  heard(wires: readonly Wire[]): void {
    for (const { commit, events } of wires)
      this.committed(
        commit,
        events.some(({ type }) => REFUSING.has(type)),
      )
  }

  /** @param refuses it takes a client key out of use. */
  committed(commit: number, refuses = false): void {
    this.#committedAt.set(commit, this.#clock.monotonic())
    this.#committedAt.delete(commit - REMEMBERED)
    if (refuses) this.#refusing.add(commit)
    this.#refusing.delete(commit - REMEMBERED)
  }

  /** A node now serves the commits after `from` up to `to`. */
  served(from: number, to: number): void {
    const now = this.#clock.monotonic()
    for (let commit = Math.max(from + 1, to - REMEMBERED); commit <= to; commit++) {
      const at = this.#committedAt.get(commit)
      if (at !== undefined) this.#onMeasured(now - at, this.#refusing.has(commit))
    }
  }
}

const REFUSING: ReadonlySet<string> = new Set(['ClientKeySuspended', 'ClientKeyRevoked'])
