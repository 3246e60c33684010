/**
 * The product as a policy of the scheduling simulator: its own pick, health, breaker, budget, counters,
 * telemetry, consumer, judgement and publisher, driven by the simulator's clock, network and dice.
 *
 * Nothing is decided here. What the processes do around that code (timers, sockets, the bus) is what this
 * file stands in for, in the same order and at the same intervals.
 */
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import type { CompiledStrategy } from '#contracts/routing/strategies.ts'
import { SimNode } from './node.ts'
import { SimProber } from './prober.ts'
import type { Env } from './world.ts'

const policyOf = (name: string, note: string, taste: CompiledStrategy, hasProber: boolean) => ({
  name,
  note,
  createNode: (env: Env) => new SimNode(env, taste),
  ...(hasProber ? { createProber: (env: Env) => new SimProber(env) } : {}),
})

export const policies = [
  policyOf('apiproxy', 'this product', STRATEGIES.balanced, true),
  { ...policyOf('apiproxy-alone', 'the same without a prober', STRATEGIES.balanced, false), ablation: true },
  {
    ...policyOf('apiproxy-latency', 'the same, taste for speed', STRATEGIES.latency, true),
    ablation: true,
  },
]
