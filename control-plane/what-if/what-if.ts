/**
 * What recorded traffic would have become under another configuration: shares, times, errors and cost, beside
 * what was recorded and beside what the present configuration makes of the same requests.
 *
 * Pure. Takes requests in the order of time, some at a call, so that whoever waits for it can do other things.
 */
import type { ModelPrice } from '#contracts/catalog/facts/known-models.ts'
import { Evidence } from './evidence.ts'
import { Knowledge, type FactorMove } from './knowledge.ts'
import { isAnswered, saysNothing, type PastRequest } from './past-request.ts'
import { recordedFate, replay, type Bindings, type Fate, type Past } from './replay.ts'
import { marginOf, Tally, timesOf, type Outlook } from './tally.ts'
import { Ways, type Setting } from './ways.ts'

export type Prediction = Readonly<{
  models: readonly ModelOutlook[]
  targets: readonly TargetOutlook[]
  total: ModelOutlook
  /** Requests that were served by an earlier configuration of their model than the present one. */
  outdated: number
}>

/** `recorded`: as it was. `present`, `changed`: as it would have been by these configurations. */
type Three<Value> = Readonly<{ recorded: Value; present: Value; changed: Value }>

export type ModelOutlook = Three<Outlook> & Readonly<{ model: string; requests: number }>

export type TargetOutlook = Readonly<{
  model: string
  deployment: string
  /** Part of the model's requests that are sent there first. */
  share: Three<number>
  /** Shares like these differ by as much from chance alone, in 19 cases of 20. */
  margin: number
  /** Part of the answered requests that it answers. */
  answered: Three<number>
  /** What was seen of it in the window, by all models. `prober`: no requests, but the prober's usual time. */
  seen: 'traffic' | 'prober' | 'unknown'
  attempts: number
  /** Part of its attempts that failed; null: none was seen. */
  errors: number | null
  /** To the first content, in milliseconds; null: not known. Of the prober's usual time nobody knows the tail. */
  firstMs: Readonly<{ p50: number; p95: number | null }> | null
  /** US dollars per million tokens after the change; null: not known. */
  price: Readonly<Pick<ModelPrice, 'input' | 'output'>> | null
}>

const CONFIGURATIONS = ['recorded', 'present', 'changed'] as const
type Configuration = (typeof CONFIGURATIONS)[number]

type Side = Readonly<{ ways: Ways; past: Past }>
type Counts = Readonly<Record<Configuration, Tally>> & Readonly<{ sessions: Set<string> }> & { alone: number }

export type WhatIfInput = Readonly<{
  present: Setting
  changed: Setting
  /** In the order of time; all of the window. */
  requests: readonly PastRequest[]
  /** What the prober said meanwhile and shortly before, in the order of time. */
  moves: readonly FactorMove[]
  /** Each request stands for so many; more than 1: they are a sample. */
  times: number
}>

/** A million tokens of each kind, to tell a price. */
const MILLION = { cacheRead: 0, cacheWrite: 0 } as const

export class WhatIf {
  readonly #input: WhatIfInput
  readonly #present: Side
  readonly #changed: Side
  readonly #evidence = new Evidence()
  readonly #knowledge: Knowledge
  readonly #counts = new Map<string, Counts>()
  readonly #total = newCounts()
  #outdated = 0
  #lastAt = 0

  constructor(input: WhatIfInput) {
    this.#input = input
    this.#knowledge = new Knowledge(input.moves, this.#evidence)
    for (const request of input.requests) {
      this.#evidence.add(request)
      this.#knowledge.add(request)
      this.#lastAt = request.at
    }
    const hasTimes = (request: PastRequest): boolean => this.#hadTimes(request)
    const side = (setting: Setting): Side => {
      const bindings: Bindings = new Map()
      const isWhole = input.times === 1
      const past = { evidence: this.#evidence, knowledge: this.#knowledge, bindings, hasTimes, isWhole }
      return { ways: new Ways(setting), past }
    }
    this.#present = side(input.present)
    this.#changed = side(input.changed)
  }

  /** Makes requests again, `from` to `to` of the input's, `to` not included. Each once, in their order. */
  make(from: number, to: number): void {
    for (const request of this.#input.requests.slice(from, to)) this.#make(request)
  }

  get prediction(): Prediction {
    const models = [...this.#counts].toSorted(
      ([a, one], [b, other]) => other.recorded.requests - one.recorded.requests || (a < b ? -1 : 1),
    )
    return {
      models: models.map(([model, counts]) => this.#model(model, counts)),
      targets: models.flatMap(([model, counts]) => this.#targets(model, counts)),
      total: this.#model('', this.#total),
      outdated: this.#outdated * this.#input.times,
    }
  }

  #make(request: PastRequest): void {
    const counts = this.#countsOf(request.model)
    for (const one of [counts, this.#total]) {
      if (request.session === null) one.alone += 1
      else one.sessions.add(request.session)
    }
    const name = this.#nameOf(request)
    const way = this.#present.ways.of(request, name)
    if (way !== null && way.changedAt > request.commit) this.#outdated += 1
    const recorded = recordedFate(request)
    this.#count(counts, 'recorded', recorded, request.served === null ? 0 : request.cost)
    const present = replay(request, way, this.#present.past)
    this.#count(counts, 'present', present, this.#costOf(this.#present, request, present))
    const changed = replay(request, this.#changed.ways.of(request, name), this.#changed.past)
    this.#count(counts, 'changed', changed, this.#costOf(this.#changed, request, changed))
  }

  #count(counts: Counts, configuration: Configuration, fate: Fate, cost: number | null): void {
    counts[configuration].add(fate, cost)
    this.#total[configuration].add(fate, cost)
  }

  /** What the client wrote, unless that leads elsewhere than the request went: a budget may have moved it. */
  #nameOf({ asked, model }: PastRequest): string {
    return this.#present.ways.modelOf(asked) === model ? asked : model
  }

  #hadTimes(request: PastRequest): boolean {
    const way = this.#present.ways.of(request, this.#nameOf(request))
    if (way !== null && way.changedAt > 0 && way.changedAt <= request.commit)
      return way.taste.gammaLatency !== 0
    for (const { expectedMs } of request.choices[0]?.standings.values() ?? [])
      if (expectedMs !== null) return true
    return false
  }

  /** By what the request was seen to use; of one that nobody had answered that is not known. */
  #costOf({ ways }: Side, request: PastRequest, { served, end }: Fate): number | null {
    const { tokens } = request
    const isUsed = tokens.input > 0 || tokens.output > 0
    if (served === null) return end === 'unknown' ? null : 0
    if (!isUsed) return end === 'own' || isAnswered(request) ? 0 : null
    return ways.costOf(served, tokens)
  }

  #countsOf(model: string): Counts {
    const known = this.#counts.get(model) ?? newCounts()
    this.#counts.set(model, known)
    return known
  }

  #model(model: string, counts: Counts): ModelOutlook {
    const { times } = this.#input
    const { recorded, present, changed } = counts
    return {
      model,
      requests: recorded.requests * times,
      recorded: recorded.outlook(times),
      present: present.outlook(times),
      changed: changed.outlook(times),
    }
  }

  #targets(model: string, counts: Counts): readonly TargetOutlook[] {
    const { recorded, present, changed } = counts
    const names = new Set([...recorded.deployments, ...present.deployments, ...changed.deployments])
    const units = counts.alone + counts.sessions.size
    return [...names].toSorted().map((deployment) => {
      const share = three((of) => counts[of].share(deployment))
      return {
        model,
        deployment,
        share,
        margin: marginOf(share.changed, units),
        answered: three((of) => counts[of].answered(deployment)),
        ...this.#seenOf(deployment),
        price: this.#priceOf(deployment),
      }
    })
  }

  #seenOf(deployment: string): Pick<TargetOutlook, 'seen' | 'attempts' | 'errors' | 'firstMs'> {
    const attempts = this.#evidence.attempts(deployment)
    if (attempts.length > 0) {
      const failed = attempts.filter((one) => one.outcome !== 'success' && !saysNothing(one)).length
      const firstMs = timesOf(attempts.flatMap((one) => one.firstMs ?? []))
      return { seen: 'traffic', attempts: attempts.length, errors: failed / attempts.length, firstMs }
    }
    const line =
      this.#knowledge.told(deployment, 'sse', this.#lastAt) ??
      this.#knowledge.told(deployment, 'json', this.#lastAt)
    const none = { attempts: 0, errors: null }
    if (line === null) return { seen: 'unknown', ...none, firstMs: null }
    return { seen: 'prober', ...none, firstMs: { p50: line.t0, p95: null } }
  }

  #priceOf(deployment: string): TargetOutlook['price'] {
    const input = this.#changed.ways.costOf(deployment, { ...MILLION, input: 1_000_000, output: 0 })
    const output = this.#changed.ways.costOf(deployment, { ...MILLION, input: 0, output: 1_000_000 })
    return input === null || output === null ? null : { input, output }
  }
}

const newCounts = (): Counts => ({
  recorded: new Tally(),
  present: new Tally(),
  changed: new Tally(),
  sessions: new Set(),
  alone: 0,
})

const three = <Value>(of: (configuration: Configuration) => Value): Three<Value> => ({
  recorded: of('recorded'),
  present: of('present'),
  changed: of('changed'),
})
