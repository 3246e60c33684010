/**
 * The simulated prober: the product's consumer, judgement and publisher, and what the last one left.
 */
import { ProviderProbe } from '#contracts/catalog/provider.ts'
import { silentLogger } from '#contracts/process/logger.ts'
import type { TelemetryReport } from '#contracts/telemetry/report.ts'
import { openTable, type WeightTable } from '#contracts/weights/table.ts'
import type { Candidate } from '#data-plane/routing/snapshot.ts'
import { Consumer } from '#prober/consume.ts'
import { Judgement } from '#prober/judgement.ts'
import type { RosterEntry } from '#prober/probe/plan.ts'
import { Publisher, PUBLISH_INTERVAL_MS } from '#prober/publish.ts'
import {
  KEY,
  MODEL,
  OUTCOME_OF,
  worldOf,
  type Env,
  type SimOutcome,
  type SimProvider,
  type World,
} from './world.ts'

const PROBES_AT_ONCE = 16

export class SimProber {
  readonly #world: World
  readonly #providers: readonly SimProvider[]
  readonly #judgement: Judgement
  readonly #consumer = new Consumer()
  readonly #publisher: Publisher
  readonly #epoch: number
  readonly #clock = { time: 0, now: () => this.#clock.time, monotonic: () => this.#clock.time }
  #published: WeightTable | null = null
  #publishAt = 0

  constructor(env: Env) {
    this.#world = worldOf(env)
    this.#providers = env.providers
    this.#world.epoch += 1
    this.#epoch = this.#world.epoch
    this.#judgement = new Judgement(() => env.rng.next())
    this.#judgement.know(this.#world.candidates.map(entryOf))
    this.#publisher = new Publisher({
      bus: {
        connected: false,
        publish: (_subject: string, text: string) => {
          const opened = openTable(text, KEY)
          this.#published = opened.ok ? opened.value : null
          return true
        },
      } as unknown as ConstructorParameters<typeof Publisher>[0]['bus'],
      subject: 'weights',
      key: KEY,
      clock: this.#clock,
      logger: silentLogger,
    })
  }

  ingest(_node: number, _events: unknown, reports: readonly TelemetryReport[] | null, now: number): void {
    for (const report of reports ?? []) {
      const { samples, edges } = this.#consumer.hear(report, now)
      for (const sample of samples) this.#judgement.observe(sample, now)
      for (const { kind, provider, model = '' } of edges)
        if (kind === 'ejected') this.#judgement.suspect(provider, model)
    }
  }

  onProbe(p: number, outcome: SimOutcome, now: number): void {
    const result = { outcome: OUTCOME_OF[outcome.kind], ms: outcome.ttft ?? 8_000 }
    this.#judgement.probed(this.#idOf(p), MODEL, result, now)
  }

  tick(now: number) {
    this.#clock.time = now
    this.#recall(now)
    this.#judgement.step(now)
    const probes = this.#judgement
      .takeProbes(now, PROBES_AT_ONCE)
      .map(({ entry }) => this.#providers.findIndex(({ id }) => id.toLowerCase() === entry.provider))
    if (now < this.#publishAt) return { probes }
    this.#publishAt = now + PUBLISH_INTERVAL_MS
    this.#publisher.publish(this.#epoch, this.#judgement.entries(now), () => [])
    const table = this.#published
    if (table === null) return { probes }
    this.#world.left = { table, memory: this.#judgement.memory(), at: now }
    return { probes, snapshot: table }
  }

  /** A prober that starts goes on from what the last one left. */
  #recall(now: number): void {
    if (this.#publishAt > 0 || this.#world.left === null) return
    const { table, memory, at } = this.#world.left
    this.#judgement.recall(memory, now - at, now)
    this.#judgement.adopt(table, now - at, now)
  }

  #idOf(p: number): string {
    return this.#providers[p]!.id.toLowerCase()
  }
}

const entryOf = ({ deployment: { provider, model }, weight }: Candidate): RosterEntry => ({
  provider,
  model,
  kind: 'openai',
  baseUrl: 'https://simulated.example/v1',
  allowPrivate: false,
  weight,
  routes: [MODEL],
  probe: ProviderProbe.parse({}),
  credential: null,
})
