/**
 * What the operator allows of each provider: requests a second and requests at once, of which this node takes
 * its share of the fleet.
 *
 * By provider slot: all models of a provider count together. Time is an argument.
 */
import type { Out } from '#contracts/routing/standing.ts'
import type { Deployment } from '../../routing/snapshot.ts'

type Pace = { tokens: number; filledAt: number; underWay: number }

export class ProviderPace {
  readonly #providers: (Pace | undefined)[] = []
  #nodes = 1

  setNodes(nodes: number): void {
    this.#nodes = nodes
  }

  /** Why the provider may not be asked now; null: it may. */
  blocks(deployment: Deployment, now: number): Extract<Out, 'full' | 'pace'> | null {
    const { maxConcurrency, maxQps } = deployment
    if (maxConcurrency === Infinity && maxQps === Infinity) return null
    const pace = this.#of(deployment)
    if (pace.underWay >= this.#shareOf(maxConcurrency)) return 'full'
    return this.#filled(pace, maxQps, now) < 1 ? 'pace' : null
  }

  /** Takes one request. @returns false when this node's share of the second is used up. */
  take(deployment: Deployment, now: number): boolean {
    if (deployment.maxQps === Infinity) return true
    const pace = this.#of(deployment)
    if (this.#filled(pace, deployment.maxQps, now) < 1) return false
    pace.tokens -= 1
    return true
  }

  begin(deployment: Deployment): void {
    this.#of(deployment).underWay += 1
  }

  end(deployment: Deployment): void {
    this.#of(deployment).underWay -= 1
  }

  /** Whole requests, and never less than one: a node that may not ask at all could not serve. */
  #shareOf(most: number): number {
    return most === Infinity ? Infinity : Math.max(1, Math.floor(most / this.#nodes))
  }

  #filled(pace: Pace, maxQps: number, now: number): number {
    const rate = maxQps / this.#nodes
    // A burst of one second's worth, and never less than one request.
    const depth = Math.max(1, rate)
    const grown = pace.filledAt < 0 ? depth : pace.tokens + (Math.max(0, now - pace.filledAt) / 1_000) * rate
    pace.tokens = Math.min(depth, grown)
    pace.filledAt = now
    return pace.tokens
  }

  #of({ providerSlot }: Deployment): Pace {
    while (this.#providers.length <= providerSlot) this.#providers.push(undefined)
    return (this.#providers[providerSlot] ??= { tokens: 0, filledAt: -1, underWay: 0 })
  }
}
