/**
 * What if, and then really, in simulated time: traffic over the product's own choice and health, a change that
 * is asked about over what was recorded, then made, and the same traffic again.
 */
import { expect, test } from 'vitest'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { modelName, providerId } from '#contracts/ids.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { MOST_TRIES, type Pick } from '#contracts/routing/pick.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'
import { recordChoice, type RecordedChoice } from '#contracts/usage/choice.ts'
import type { RecordedAttempt, UsageRecord } from '#contracts/usage/record.ts'
import type { Command } from '#control-plane/commands/command.ts'
import { PastReader } from '#control-plane/what-if/past-request.ts'
import { WhatIf } from '#control-plane/what-if/what-if.ts'
import { WeightFactors } from '#data-plane/routing/factors.ts'
import { Slots } from '#data-plane/routing/slots.ts'
import type { Candidate, Deployment } from '#data-plane/routing/snapshot.ts'
import { choose } from '#data-plane/upstream/choose.ts'
import { failure } from '#data-plane/upstream/classify.ts'
import { Health } from '#data-plane/upstream/health/health.ts'
import {
  after,
  create,
  EMPTY,
  GAP_MS,
  recordOf,
  register,
  targetsOf,
  UPSTREAM,
  type Target,
} from '../control-plane/driven-traffic.ts'
import { deployment as deploymentOf } from '../fakes/deployment.ts'

const REQUESTS = 9_000
const MOST_OFF = 0.03
/** Until a node has the measure of everybody. */
const WARM_UP = 600
const NATURES: Readonly<Record<string, Readonly<{ ms: number; errors: number }>>> = {
  a: { ms: 60, errors: 0 },
  b: { ms: 120, errors: 0.01 },
  c: { ms: 240, errors: 0 },
}
const FAULT_MS = 5
const ASK = { mode: 'sse', size: 1 } as const

type Waiting = Readonly<{ at: number; go: (now: number) => void }>

/** One node and its providers. Every fifth request is for `other`, the rest for `fast`. */
class Simulation {
  readonly #catalog: Catalog
  readonly #seed: number
  readonly #random
  readonly #health: Health
  readonly #deployments = new Map<string, Deployment>()
  readonly #slots = new Slots()
  #waiting: Waiting[] = []
  readonly #records: UsageRecord[] = []

  constructor(catalog: Catalog, seed: number) {
    this.#catalog = catalog
    this.#seed = seed
    this.#random = diceOf(seed)
    const factors = new WeightFactors(this.#slots)
    this.#health = new Health({ factors, random: this.#random, onEdge: () => undefined })
  }

  run(): readonly UsageRecord[] {
    for (let at = 0; at < REQUESTS + WARM_UP; at++) {
      this.#until(at * GAP_MS)
      this.#arrive(at, at % 5 === 4 ? 'other' : 'fast')
    }
    this.#until(Infinity)
    return this.#records.toSorted((one, other) => one.at - other.at).slice(WARM_UP)
  }

  #until(now: number): void {
    for (;;) {
      const next = this.#waiting[0]
      if (next === undefined || next.at > now) return
      this.#waiting = this.#waiting.slice(1)
      next.go(next.at)
    }
  }

  #wait(at: number, go: Waiting['go']): void {
    this.#waiting = [...this.#waiting, { at, go }].toSorted((one, other) => one.at - other.at)
  }

  #arrive(at: number, model: string): void {
    const found = this.#catalog.models.get(modelName(model))
    const taste = STRATEGIES[found?.strategy ?? 'balanced']
    const candidates = this.#candidates(model)
    const seed = Math.floor(this.#random() * 2 ** 32)
    const [tried, choices, attempts]: [Set<Deployment>, RecordedChoice[], RecordedAttempt[]] = [
      new Set(),
      [],
      [],
    ]
    const cast = diceOf(seed)
    let [first, drawn]: [Pick | null, number] = [null, 0]
    const dice = (): number => {
      drawn += 1
      return cast()
    }
    const about = { at, of: this.#seed, seed, model, session: null, kept: null, commit: this.#catalog.commit }
    const end = (): void => void this.#records.push(recordOf({ ...about, first, choices, attempts }))
    const ask = (now: number): void => {
      const before = drawn
      const made = choose(
        this.#health,
        { candidates, taste, region: null, session: null, ask: ASK, dice },
        tried,
        now,
      )
      first ??= made
      choices.push(recordChoice(made, { taste, drawn: before, table: null }, 64))
      if (made.kind === 'refused') return end()
      const { deployment } = made.chosen.candidate
      tried.add(deployment)
      this.#attempt(deployment, now, (outcome, ms, endedAt) => {
        const isGood = outcome === 'success'
        const { provider, model: upstream } = deployment
        attempts.push({
          provider,
          model: upstream,
          credential: '',
          dialect: 'openai-chat',
          why: made.why,
          outcome,
          status: isGood ? 0 : 500,
          firstMs: isGood ? ms : null,
          totalMs: ms,
        })
        if (isGood || tried.size === MOST_TRIES) end()
        else ask(endedAt)
      })
    }
    this.#health.arrived(ASK, at * GAP_MS)
    ask(at * GAP_MS)
  }

  #attempt(
    deployment: Deployment,
    now: number,
    ended: (outcome: 'success' | 'fault', ms: number, now: number) => void,
  ): void {
    const [lane] = deployment.lanes
    const { ms: usual, errors } = NATURES[deployment.provider] ?? { ms: 1, errors: 0 }
    if (lane === undefined) return
    const ticket = this.#health.begin(deployment, lane, ASK, 'cold', now)
    const isBad = this.#random() < errors
    const ms = isBad ? FAULT_MS : usual * (0.8 + 0.4 * this.#random())
    this.#wait(now + ms, (at) => {
      if (!isBad) this.#health.first(ticket, ms, at)
      this.#health.end(ticket, isBad ? failure('fault') : null, null, at)
      ended(isBad ? 'fault' : 'success', ms, at)
    })
  }

  #candidates(model: string): readonly Candidate[] {
    const targets = this.#catalog.models.get(modelName(model))?.targets ?? []
    return targets.flatMap(({ provider: id, weight, tier }): Candidate[] => {
      const provider = this.#catalog.providers.get(id)
      if (provider === undefined || provider.state === 'disabled') return []
      const { costInput = 0, costOutput = 0 } = provider.definition.routing
      const known =
        this.#deployments.get(id) ?? deploymentOf(id, { model: UPSTREAM, slot: this.#slots.of(id) })
      this.#deployments.set(id, known)
      return [
        {
          deployment: Object.assign(known, { cost: { input: costInput, output: costOutput } }),
          weight,
          tier,
        },
      ]
    })
  }
}

const sharesOf = (records: readonly UsageRecord[], provider: string): number => {
  const fast = records.filter(({ model }) => model === 'fast')
  const sent = fast.filter(({ candidates, choices: [first] = [] }) =>
    candidates[first?.chosen ?? -1]?.deployment.startsWith(`${provider}/`),
  )
  return sent.length / fast.length
}

function predicted(present: Catalog, changed: Catalog, records: readonly UsageRecord[]) {
  const reader = new PastReader()
  const requests = records.map((record) => reader.read(record, null))
  const known = { seen: () => null, pricesAt: 0 }
  const sides = { present: { ...known, catalog: present }, changed: { ...known, catalog: changed } }
  const whatIf = new WhatIf({ ...sides, requests, moves: [], times: 1 })
  whatIf.make(0, requests.length)
  const { targets } = whatIf.prediction
  return (provider: string): number =>
    targets.find((one) => one.model === 'fast' && one.deployment === `${provider}/${UPSTREAM}`)?.share
      .changed ?? 0
}

const [name, expectedVersion] = [modelName('fast'), 1]
const to = (weights: Readonly<Record<string, number>>): readonly Target[] =>
  Object.entries(weights).map(([provider, weight]) => ({ provider, weight }))
const targets = (weights: Readonly<Record<string, number>>): Command => {
  return { type: 'SetTargets', name, targets: targetsOf(to(weights)), expectedVersion }
}

test.each<[string, Parameters<typeof create>[2], readonly Command[]]>([
  ['weights are shifted', 'balanced', [targets({ a: 2, b: 6 })]],
  ['a target is removed', 'balanced', [targets({ b: 3 })]],
  ['a target is added that another model uses', 'balanced', [targets({ a: 5, b: 3, c: 8 })]],
  ['a target is added where latency decides', 'latency', [targets({ a: 5, b: 3, c: 8 })]],
  ['a provider is disabled', 'balanced', [{ type: 'DisableProvider', id: providerId('a'), expectedVersion }]],
  ['latency decides', 'balanced', [{ type: 'SetStrategy', name, strategy: 'latency', expectedVersion }]],
  ['price decides', 'balanced', [{ type: 'SetStrategy', name, strategy: 'cost', expectedVersion }]],
  ['weights alone decide', 'latency', [{ type: 'SetStrategy', name, strategy: 'weights', expectedVersion }]],
])(
  'what is said before %s is what comes then, within 3 points',
  (_, strategy, commands) => {
    const providers = after(
      EMPTY,
      register('a', { costInput: 2 }),
      register('b', { costInput: 3 }),
      register('c'),
    )
    const present = after(
      providers,
      create('fast', to({ a: 5, b: 3 }), strategy),
      create('other', to({ c: 1 })),
    )
    const changed = after(present, ...commands)
    const said = predicted(present, changed, new Simulation(present, 1).run())
    const came = new Simulation(changed, 2).run()
    for (const provider of ['a', 'b', 'c'])
      expect(Math.abs(said(provider) - sharesOf(came, provider))).toBeLessThan(MOST_OFF)
  },
  120_000,
)
