/**
 * A small fleet in virtual time: clients, nodes, providers and a prober, with the real counters, reports,
 * judgement, tables and ranking, and nothing in between but a delay.
 *
 * The nodes' own ejection is left out on purpose: what is seen here is the loop through the prober alone.
 */
import { EMPTY_CATALOG } from '#contracts/catalog/catalog.ts'
import { ProviderDefinition, ProviderProbe, type Provider } from '#contracts/catalog/provider.ts'
import { providerId } from '#contracts/ids.ts'
import { ManualClock } from '#contracts/process/clock.ts'
import { outcomeIndex } from '#contracts/telemetry/outcome.ts'
import type { Mode } from '#contracts/telemetry/report.ts'
import { openTable, signTable, type WeightTable } from '#contracts/weights/table.ts'
import { compileSnapshot, type NodeSlots } from '#data-plane/routing/compile.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import { pick } from '#contracts/routing/pick.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { SOUND } from '#contracts/routing/standing.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { Candidate } from '#data-plane/routing/snapshot.ts'
import { Counters } from '#data-plane/telemetry/counters.ts'
import { Emitter } from '#data-plane/telemetry/emit.ts'
import { failure } from '#data-plane/upstream/classify.ts'
import { Health } from '#data-plane/upstream/health/health.ts'
import { Consumer } from '#prober/consume.ts'
import { Judgement } from '#prober/judgement.ts'
import { decodeMemory, encodeMemory } from '#prober/judgement/memory.ts'
import type { RosterEntry } from '#prober/probe/plan.ts'

export type Weather = {
  /** Times as slow as ever. */
  slow: number
  /** Share of requests that fail at once. */
  failing: number
  /** Takes requests and says nothing more. */
  isSilent: boolean
}

export type WorldOptions = Readonly<{
  seed: number
  /** Requests a second over the fleet. */
  rate: number
  nodes: number
  mode: Mode
  /** Middle of the time to the first content, in milliseconds. */
  firstMs: number
  /** Spread of its logarithm: 0.4 for first tokens of like prompts, 0.8 for whole answers of all lengths. */
  spread: number
  isProbing: boolean
  weights?: readonly [number, number]
}>

type Node = { counters: Counters; health: Health; factors: WeightFactors; candidates: readonly Candidate[] }
type Prober = { consumer: Consumer; judgement: Judgement; epoch: number; seq: number }

const MODEL = 'm'
const KEY = new Uint8Array(32)
const PROVIDERS = ['a', 'b'] as const
export type ProviderName = (typeof PROVIDERS)[number]
/** After so long a node gives an attempt up, in milliseconds. */
const GIVE_UP_MS = 60_000
/** A probe's answer is short: so much of the usual time to the first content. */
const PROBE_SHARE = 0.5

export class World {
  readonly clock = new ManualClock()
  readonly weather: Record<ProviderName, Weather> = {
    a: { slow: 1, failing: 0, isSilent: false },
    b: { slow: 1, failing: 0, isSilent: false },
  }
  /** First choices of clients. */
  readonly picks: { at: number; provider: string }[] = []
  /** Requests that no provider answered. */
  unanswered = 0
  probes = 0
  table: WeightTable | null = null
  memory = ''
  readonly #options: WorldOptions
  readonly #random: () => number
  readonly #nodes: readonly Node[]
  readonly #weights: readonly [number, number]
  #prober: Prober | null = null
  /** Pending events, soonest last. */
  #events: { at: number; run: () => void }[] = []
  #proberLife = 0

  constructor(options: WorldOptions) {
    this.#options = options
    this.#random = diceOf(options.seed)
    this.#weights = options.weights ?? [1, 1]
    this.#nodes = Array.from({ length: options.nodes }, (_, index) => this.#makeNode(index))
    this.#arrive()
    this.startProber()
  }

  get now(): number {
    return this.clock.monotonic()
  }

  run(ms: number): void {
    const until = this.now + ms
    for (let next = this.#events.at(-1); next !== undefined && next.at <= until; next = this.#events.at(-1)) {
      this.#events.pop()
      this.clock.advance(next.at - this.now)
      next.run()
    }
    this.clock.advance(until - this.now)
  }

  /** Runs until `reached`, looking every 100 ms. @returns seconds, or Infinity. */
  secondsUntil(reached: () => boolean, mostSeconds: number): number {
    const begin = this.now
    while (!reached()) {
      if (this.now - begin >= mostSeconds * 1_000) return Infinity
      this.run(100)
    }
    return (this.now - begin) / 1_000
  }

  /** @returns the probability with which clients are sent to the provider first, now. */
  share(provider: ProviderName): number {
    const shares = this.#nodes.map(({ candidates, factors }) => {
      const parts = candidates.map(({ deployment, weight }) => weight * factors.of(deployment.slot, this.now))
      const own = parts[candidates.findIndex(({ deployment }) => deployment.provider === provider)] ?? 0
      return own / parts.reduce((sum, part) => sum + part, 0)
    })
    return shares.reduce((sum, share) => sum + share, 0) / shares.length
  }

  /** @returns the share of first choices since a time. */
  picked(provider: ProviderName, since: number): number {
    const picks = this.picks.filter(({ at }) => at >= since)
    return picks.filter((one) => one.provider === provider).length / picks.length
  }

  reason(provider: ProviderName): string {
    return this.table?.entries.find((entry) => entry.provider === provider)?.reason ?? ''
  }

  stopProber(): void {
    this.#prober = null
    this.#proberLife += 1
  }

  /** A new process, which knows only what the last one left in the registers. */
  startProber(): void {
    const life = ++this.#proberLife
    const judgement = new Judgement(this.#random)
    if (this.#options.isProbing)
      judgement.know(PROVIDERS.map((name, at) => rosterEntry(name, this.#weights[at] ?? 1)))
    const left = decodeMemory(this.memory)
    if (left.ok) judgement.recall(left.value.entries, this.clock.now() - left.value.writtenAt, this.now)
    if (this.table !== null) judgement.adopt(this.table, this.clock.now() - this.table.at, this.now)
    const prober = { consumer: new Consumer(), judgement, epoch: (this.table?.epoch ?? 0) + 1, seq: 0 }
    this.#prober = prober
    this.#every(250, life, () => this.#step(prober))
    this.#every(1_000, life, () => this.#publish(prober))
  }

  get prober(): Prober | null {
    return this.#prober
  }

  #makeNode(index: number): Node {
    const slots: NodeSlots = { deployments: new Slots(), providers: new Slots(), lanes: new Slots() }
    const snapshot = compileSnapshot({
      catalog: {
        ...EMPTY_CATALOG,
        providers: new Map(
          PROVIDERS.map((name, at) => [providerId(name), catalogEntry(name, this.#weights[at] ?? 1)]),
        ),
      },
      digest: '',
      secret: () => undefined,
      discovered: new Map(),
      slots,
      previous: null,
    })
    const counters = new Counters(slots.lanes)
    const factors = new WeightFactors(slots.deployments)
    const health: Health = new Health({ factors, random: this.#random, onEdge: () => undefined })
    const bus = {
      connected: true,
      publish: (_subject: string, text: string): boolean => {
        this.#later(5 + 45 * this.#random(), () => this.#hear(text))
        return true
      },
    }
    const emitter = new Emitter({
      bus,
      subject: '',
      node: `node-${index}`,
      boot: 'boot',
      counters,
      beforeReport: () =>
        counters.countWaiting((waits) =>
          health.overdue(this.now, ({ lane, mode }) => waits(lane.slot, mode)),
        ),
      clock: this.clock,
    })
    this.#later(1_000 * this.#random(), () => this.#every(1_000, null, () => emitter.flush()))
    this.#later(1_000 * this.#random(), () => this.#every(200, null, () => emitter.pulse()))
    const candidates = snapshot.routes.get(MODEL)?.candidates ?? []
    return { counters, health, factors, candidates }
  }

  /** Poisson arrivals. */
  #arrive(): void {
    this.#later((-Math.log(1 - this.#random()) / this.#options.rate) * 1_000, () => {
      this.#request()
      this.#arrive()
    })
  }

  /** By the prober's factors alone: what a node finds out by itself is not what is modelled here. */
  #request(): void {
    const node = this.#nodes[Math.floor(this.#random() * this.#nodes.length)]
    if (node === undefined) return
    const tried: Candidate[] = []
    const next = (): void => {
      const left = node.candidates.filter((one) => !tried.includes(one))
      const picked = pick(left, {
        standing: ({ deployment }) => ({ ...SOUND, fleet: node.factors.of(deployment.slot, this.now) }),
        futility: () => 0,
        dice: this.#random,
        session: null,
        taste: STRATEGIES.balanced,
        region: null,
      })
      if (picked.kind === 'refused') {
        if (tried.length === 0) throw new Error(picked.why)
        this.unanswered += 1
        return
      }
      const { candidate } = picked.chosen
      if (tried.length === 0) this.picks.push({ at: this.now, provider: candidate.deployment.provider })
      tried.push(candidate)
      this.#attempt(node, candidate, next)
    }
    next()
  }

  #attempt({ health, counters }: Node, { deployment }: Candidate, next: () => void): void {
    const weather = this.weather[deployment.provider === 'a' ? 'a' : 'b']
    const lane = deployment.lanes[0]
    if (lane === undefined) throw new Error('a deployment has a lane')
    const { mode } = this.#options
    const ticket = health.begin(deployment, lane, { mode, size: 0.5 }, 'cold', this.now)
    const end = (
      outcome: 'success' | 'fault' | 'timeout',
      firstMs: number,
      slowness: number | null,
      totalMs: number,
    ): void => {
      const failed = outcome === 'success' ? null : failure(outcome)
      const habit = health.end(ticket, failed, null, this.now)
      counters.record(lane.slot, mode, { outcome: outcomeIndex(outcome), firstMs, slowness, totalMs, habit })
    }
    const fails = (outcome: 'fault' | 'timeout', afterMs: number): void =>
      this.#later(afterMs, () => {
        end(outcome, -1, null, afterMs)
        next()
      })
    if (weather.isSilent) return fails('timeout', GIVE_UP_MS)
    if (this.#random() < weather.failing) return fails('fault', 50)
    const firstMs = this.#options.firstMs * weather.slow * Math.exp(this.#options.spread * this.#normal())
    if (mode === 'json') {
      this.#later(firstMs, () => end('success', firstMs, health.first(ticket, firstMs, this.now), firstMs))
      return
    }
    this.#later(firstMs, () =>
      counters.recordFirst(lane.slot, 'sse', firstMs, health.first(ticket, firstMs, this.now)),
    )
    // A streamed answer is counted when it has ended, long after its first token.
    const totalMs = firstMs + 1_500
    this.#later(totalMs, () => end('success', -1, null, totalMs))
  }

  #hear(text: string): void {
    if (this.#prober === null) return
    const { consumer, judgement } = this.#prober
    for (const sample of consumer.accept(text, this.now).samples) judgement.observe(sample, this.now)
  }

  #step({ judgement }: Prober): void {
    judgement.step(this.now)
    for (const { entry, timeoutMs } of judgement.takeProbes(this.now, 8)) {
      this.probes += 1
      const weather = this.weather[entry.provider === 'a' ? 'a' : 'b']
      const isFailing = this.#random() < weather.failing
      const usual = this.#options.firstMs * PROBE_SHARE * Math.exp(0.3 * this.#normal())
      const ms = isFailing ? 50 : weather.isSilent ? Infinity : usual * weather.slow
      const outcome = isFailing ? 'fault' : ms > timeoutMs ? 'timeout' : 'success'
      this.#later(Math.min(ms, timeoutMs), () =>
        judgement.probed(entry.provider, entry.model, { outcome, ms }, this.now),
      )
    }
  }

  #publish(prober: Prober): void {
    prober.seq += 1
    const entries = prober.judgement.entries(this.now)
    const table: WeightTable = {
      v: 1,
      epoch: prober.epoch,
      seq: prober.seq,
      at: this.clock.now(),
      validForMs: 3_500,
      entries,
    }
    const text = signTable(table, KEY)
    this.table = table
    if (prober.seq % 15 === 0) this.#remember(prober)
    for (const { factors } of this.#nodes) {
      this.#later(5 + 45 * this.#random(), () => {
        const opened = openTable(text, KEY)
        if (!opened.ok) throw new Error(opened.error)
        factors.accept(opened.value, this.now)
      })
    }
  }

  #remember({ judgement }: Prober): void {
    this.memory = encodeMemory({ writtenAt: this.clock.now(), entries: judgement.memory() })
  }

  #every(ms: number, life: number | null, run: () => void): void {
    this.#later(ms, () => {
      if (life !== null && life !== this.#proberLife) return
      run()
      this.#every(ms, life, run)
    })
  }

  #later(ms: number, run: () => void): void {
    const event = { at: this.now + ms, run }
    let low = 0
    for (let high = this.#events.length; low < high;) {
      const middle = (low + high) >> 1
      if ((this.#events[middle]?.at ?? 0) > event.at) low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
  }

  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
  }
}

function catalogEntry(name: ProviderName, weight: number): Provider {
  const definition = ProviderDefinition.parse({
    name,
    kind: 'openai',
    baseUrl: `https://${name}.example/v1`,
    routing: { weight },
    models: { static: [MODEL] },
  })
  return {
    id: providerId(name),
    version: 1,
    origin: 'api',
    state: 'enabled',
    definition,
    credentials: [],
    createdAt: 1,
    changedAt: 1,
  }
}

const rosterEntry = (name: ProviderName, weight: number): RosterEntry => ({
  provider: name,
  model: MODEL,
  kind: 'openai',
  baseUrl: `https://${name}.example/v1`,
  allowPrivate: false,
  weight,
  routes: [MODEL],
  probe: ProviderProbe.parse({}),
  credential: null,
})
