/**
 * A prober without its listener. Its probes are answered by dice.
 *
 * Loaded once for every release of the product that a world runs.
 */
import type { Bus } from '#contracts/bus/bus.ts'
import { ProviderProbe } from '#contracts/catalog/provider.ts'
import type { Clock, Random } from '#contracts/process/clock.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import type { MasterKey } from '#contracts/security/master-key.ts'
import { Prober } from '#prober/app.ts'
import type { RosterEntry } from '#prober/probe/plan.ts'

export type ProberPorts = Readonly<{
  bus: Bus
  keys: MasterKey
  clock: Clock
  random: Random
  /** Providers it knows. */
  providers: readonly string[]
}>

export type RunningProber = Readonly<{ prober: Prober; leads: () => boolean }>

export function startWorldProber({ bus, keys, clock, random, providers }: ProberPorts): RunningProber {
  const roster = { list: () => providers.map(entryOf) }
  const prober = new Prober(
    { host: '', port: 0, prefix: 'world', masterKey: keys },
    {
      bus,
      roster,
      send: () =>
        new Promise((resolve) => {
          const ms = 20 + 200 * random()
          setTimeout(() => resolve({ outcome: random() < 0.3 ? 'fault' : 'success', ms }), ms)
        }),
      clock,
      random,
      logger: silentLogger,
    },
  )
  prober.start()
  return {
    prober,
    leads: () => {
      const readiness = prober.readiness()
      return readiness.detail?.['leading'] === true
    },
  }
}

const entryOf = (provider: string): RosterEntry => ({
  provider,
  model: `${provider}-model`,
  kind: 'openai',
  baseUrl: `https://${provider}.example/v1`,
  allowPrivate: false,
  weight: 1,
  routes: ['m'],
  probe: ProviderProbe.parse({}),
  credential: null,
})
