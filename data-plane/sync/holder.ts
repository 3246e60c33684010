/**
 * The one mutable reference of a node: which routing snapshot is in force.
 */
import type { RoutingSnapshot } from '../routing/snapshot.ts'

export class SnapshotHolder {
  #current: RoutingSnapshot | null = null
  readonly #listeners = new Set<(snapshot: RoutingSnapshot) => void>()

  /** Null until the first snapshot: the node is not ready, which is not the same as an empty table. */
  get current(): RoutingSnapshot | null {
    return this.#current
  }

  swap(next: RoutingSnapshot): void {
    this.#current = next
    for (const listener of this.#listeners) listener(next)
  }

  onSwap(listener: (snapshot: RoutingSnapshot) => void): void {
    this.#listeners.add(listener)
  }
}
