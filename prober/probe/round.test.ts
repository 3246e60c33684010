import { describe, expect, test } from 'vitest'
import { ProviderProbe } from '#contracts/catalog/provider.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { silentLogger, type Logger } from '#contracts/process/logger.ts'
import { NO_SUMS } from '#contracts/telemetry/line.ts'
import type { ProbeResult } from '../judgement/window.ts'
import { Judgement } from '../judgement.ts'
import type { RosterEntry } from './plan.ts'
import { ProbeRound } from './round.ts'

type Pending = {
  entry: RosterEntry
  resolve: (result: ProbeResult | null) => void
  reject: (error: Error) => void
}

/** As many deployments as said, all of them due. */
function probing(count: number) {
  const clock = new ManualClock()
  const judgement = new Judgement(() => 0.5)
  const names = Array.from({ length: count }, (_, at) => `p${at}`)
  judgement.know(names.map(rosterEntry))
  for (const provider of names) {
    const sample = {
      node: 'n',
      provider,
      model: 'm',
      credential: 'c',
      mode: 'json' as const,
      outcomes: [1],
      slow: { count: 0, sum: 0 },
      line: NO_SUMS,
      waiting: 0,
    }
    judgement.observe(sample, clock.monotonic())
    judgement.suspect(provider, 'm')
  }
  const pending: Pending[] = []
  const warnings: string[] = []
  const logger: Logger = { ...silentLogger, warn: (_fields, message) => warnings.push(message) }
  const send = (entry: RosterEntry): Promise<ProbeResult | null> =>
    new Promise((resolve, reject) => pending.push({ entry, resolve, reject }))
  const round = new ProbeRound({ judgement, send, clock, logger })
  return { clock, judgement, round, pending, warnings }
}

const rosterEntry = (provider: string): RosterEntry => ({
  provider,
  model: 'm',
  kind: 'openai',
  baseUrl: `https://${provider}.example/v1`,
  allowPrivate: false,
  weight: 1,
  routes: [provider],
  probe: ProviderProbe.parse({}),
  credential: null,
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('ProbeRound', () => {
  test('keeps no more than sixteen probes under way, and leaves nobody out', async () => {
    const { round, pending } = probing(40)
    round.begin()
    round.begin()
    expect(pending).toHaveLength(16)
    for (let at = 0; at < 40; at++) {
      pending[at]?.resolve({ outcome: 'success', ms: 10 })
      await turn()
      round.begin()
    }
    expect(new Set(pending.map(({ entry }) => entry.provider)).size).toBe(40)
    expect(round.counts).toEqual(new Map([['success', 40]]))
  })

  test('counts a probe that could not be made, and goes on', async () => {
    const { clock, judgement, round, pending } = probing(1)
    round.begin()
    pending[0]?.reject(new Error('a bug'))
    await turn()
    expect(round.counts).toEqual(new Map([['broken', 1]]))
    clock.advance(2_000)
    judgement.suspect('p0', 'm')
    round.begin()
    expect(pending).toHaveLength(2)
  })

  test('warns once of probes that say nothing, not every time', async () => {
    const { clock, judgement, round, pending, warnings } = probing(1)
    for (const outcome of ['missing', 'missing', 'success', 'missing'] as const) {
      judgement.suspect('p0', 'm')
      round.begin()
      pending.at(-1)?.resolve({ outcome, ms: 1 })
      await turn()
      clock.advance(2_000)
    }
    expect(pending).toHaveLength(4)
    expect(warnings).toHaveLength(2)
  })
})
