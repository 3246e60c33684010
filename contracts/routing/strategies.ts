/**
 * What each strategy means to the pick: exponents on latency and cost, relative to the best of the tier.
 *
 * Pure data. Cost squared is what OpenRouter settled on and our simulations found to move spending without
 * starving the dearer providers; latency to the first power already wins most of what there is to win.
 */
import type { RoutingStrategy } from '../catalog/model.ts'

/** How candidates of one tier are weighed, compiled: exponents of what is better than the others. */
export type CompiledStrategy = Readonly<{
  /** `weights`: dynamic factors are ignored too. */
  kind: RoutingStrategy
  gammaLatency: number
  gammaCost: number
}>

export const STRATEGIES: Readonly<Record<RoutingStrategy, CompiledStrategy>> = {
  balanced: { kind: 'balanced', gammaLatency: 0, gammaCost: 0 },
  latency: { kind: 'latency', gammaLatency: 1, gammaCost: 0 },
  cost: { kind: 'cost', gammaLatency: 0, gammaCost: 2 },
  weights: { kind: 'weights', gammaLatency: 0, gammaCost: 0 },
}
