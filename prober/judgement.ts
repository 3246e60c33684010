/**
 * Everything the prober believes about every deployment, at one moment.
 *
 * No I/O, no clock and no dice of its own: the same calls at the same times make the same table. It holds
 * what `window`, `score`, `damp` and `probe/plan` compute, by deployment.
 */
import {
  relaxedFactor,
  type WeightDetail,
  type WeightEntry,
  type WeightTable,
} from '#contracts/weights/table.ts'
import { noteCapacity, stepCapacity, UNLIMITED, type Capacity } from './judgement/capacity.ts'
import {
  newHealth,
  overloaded,
  probed,
  reasonOf,
  resumed,
  served,
  step,
  type Health,
} from './judgement/damp.ts'
import { faultsApart, noteNode, type NodeRows } from './judgement/isolation.ts'
import type { Remembered } from './judgement/memory.ts'
import { scoreAll } from './judgement/peers.ts'
import { read, type Score } from './judgement/score.ts'
import { areWaiting, noteWaiting, type WaitingRows } from './judgement/waiting.ts'
import {
  answersOf,
  forgetIncident,
  newWindow,
  observe,
  observeProbe,
  rateOf,
  verdictsOf,
} from './judgement/window.ts'
import type { ProbeResult, Sample, Window } from './judgement/window.ts'
import { OUTCOMES } from '#contracts/telemetry/outcome.ts'
import { ended, newPlan, started, THIN_FACTOR, timeoutOf, whyProbe } from './probe/plan.ts'
import type { DueProbe, Plan, RosterEntry } from './probe/plan.ts'

type Deployment = {
  readonly provider: string
  /** Upstream model. */
  readonly model: string
  window: Window
  health: Health
  plan: Plan
  capacity: Capacity
  /** Of the last step; null: it is new. */
  score: Score | null
  isSuspect: boolean
  readonly nodes: NodeRows
  readonly waiting: WaitingRows
}

/** More deployments than any installation has; beyond it telemetry is damaged or forged, and ignored. */
const MOST_DEPLOYMENTS = 10_000
/** A deployment nobody mentions for this long is forgotten, unless the roster has it. */
const FORGET_MS = 3_600_000
/** A fault is suspicious when nothing was answered for this long. */
const UNANSWERED_MS = 1_500
/** So many times slower than usual and rising is suspicious. */
const SLOWING = 1.5
/** What still arrives this soon after it went down was asked for before, in milliseconds. */
const LATE_MS = 2_000
/** Silence is suspicious when so many attempts should have ended since the last, … */
const MISSED_ATTEMPTS = 5
/** … and for this long, while others were heard. */
const SILENCE_MS = 3_000

export class Judgement {
  readonly #deployments = new Map<string, Deployment>()
  readonly #random: () => number
  /** By deployment name; what is not in it is judged by traffic alone. */
  #roster: ReadonlyMap<string, RosterEntry> = new Map()
  #ignored = 0

  constructor(random: () => number) {
    this.#random = random
  }

  know(roster: readonly RosterEntry[]): void {
    this.#roster = new Map(roster.map((entry) => [nameOf(entry.provider, entry.model), entry]))
  }

  observe(sample: Sample, now: number): void {
    const deployment = this.#find(sample.provider, sample.model, now)
    if (deployment === null) return
    const verdicts = verdictsOf(sample.outcomes)
    this.#noteCapacity(deployment, sample, now)
    noteWaiting(
      deployment.waiting,
      `${sample.node}\n${sample.credential}\n${sample.mode}`,
      sample.waiting,
      now,
    )
    noteNode(deployment.nodes, sample.node, verdicts, now)
    // A node that cannot reach what the others reach has a problem of its own.
    if (faultsApart(deployment.nodes, sample.node, now)) return
    const { window: before, health } = deployment
    deployment.window = observe(before, sample, health.state === 'healthy', now)
    if (verdicts.overloads > 0) deployment.health = overloaded(deployment.health, now)
    // Answers that began before it went down say nothing about now, though many end long after.
    const isLate = health.state === 'down' && now - health.since < LATE_MS
    const answers = isLate ? 0 : health.state === 'down' ? answersOf(sample) : verdicts.answered
    this.#setHealth(deployment, served(deployment.health, answers, verdicts.faults, now))
    if (verdicts.faults > 0 && now - deployment.window.lastSuccessAt > UNANSWERED_MS)
      deployment.isSuspect = true
    if (sample.waiting > 0 && areWaiting(deployment.waiting, now)) deployment.isSuspect = true
    // Traffic may be too thin to say it soon enough; once the factor is low, probes come by themselves.
    if (health.factor >= THIN_FACTOR && isSlowing(before, deployment.window, now)) deployment.isSuspect = true
  }

  /** A node has put the deployment aside. Deployments nobody has used are not known, and stay so. */
  suspect(provider: string, model: string): void {
    const deployment = this.#deployments.get(nameOf(provider, model))
    if (deployment !== undefined) deployment.isSuspect = true
  }

  /** @param result null: the probe could not be sent or says nothing about the provider. */
  probed(provider: string, model: string, result: ProbeResult | null, now: number): void {
    const deployment = this.#deployments.get(nameOf(provider, model))
    if (deployment === undefined) return
    deployment.plan = ended(deployment.plan)
    if (result === null) return
    const before = deployment.window
    deployment.window = observeProbe(before, result, deployment.health.state === 'healthy', now)
    if (deployment.window === before) return
    const isGood = result.outcome === 'success'
    // Out of capacity is not out of order: it lowers the score, and never takes a deployment down.
    if (result.outcome !== 'overloaded') this.#setHealth(deployment, probed(deployment.health, isGood, now))
  }

  /** Lets every factor follow what is known now. Call a few times a second. */
  step(now: number): void {
    const deployments = [...this.#deployments.values()]
    const scores = scoreAll(
      deployments.map((deployment) => {
        const entry = this.#roster.get(nameOf(deployment.provider, deployment.model))
        // Without a roster, deployments of the same upstream model are taken to stand in for each other.
        const routes = entry?.routes ?? [deployment.model]
        return { reading: read(deployment.window, now), routes, weight: entry?.weight ?? 1 }
      }),
    )
    deployments.forEach((deployment, at) => {
      const score = scores[at]
      if (score === undefined) return
      deployment.score = score
      deployment.capacity = stepCapacity(deployment.capacity, now)
      this.#setHealth(deployment, step(deployment.health, score, now))
    })
  }

  /** @returns at most so many probes to send now; each counts as under way until `probed` is called. */
  takeProbes(now: number, most: number): readonly DueProbe[] {
    const all = [...this.#deployments.values()]
    const lastHeard = all.reduce((latest, { window }) => Math.max(latest, window.attempts.at), 0)
    const due = all.flatMap((deployment) => {
      const entry = this.#roster.get(nameOf(deployment.provider, deployment.model))
      if (entry === undefined) return []
      const isSuspect = deployment.isSuspect || isSilent(deployment.window, lastHeard, now)
      const why = whyProbe({ ...deployment, isSuspect }, entry, now)
      return why === null ? [] : [{ deployment, entry, why, timeoutMs: timeoutOf(deployment.window) }]
    })
    // Whoever has waited longest: when there are too many, none is forgotten.
    const taken = due.toSorted((a, b) => a.deployment.plan.lastAt - b.deployment.plan.lastAt).slice(0, most)
    return taken.map(({ deployment, ...probe }) => {
      deployment.isSuspect = false
      deployment.plan = started(deployment.plan, now, this.#random)
      return probe
    })
  }

  /** @returns the table's entries, worst first. */
  entries(now: number): readonly WeightEntry[] {
    return [...this.#deployments.values()]
      .map((deployment) => ({
        provider: deployment.provider,
        model: deployment.model,
        factor: rounded(deployment.health.factor),
        reason: reasonOf(deployment.health, deployment.score?.trouble ?? '', now),
        ...detailOf(deployment, now),
      }))
      .toSorted((a, b) => a.factor - b.factor)
  }

  /**
   * Goes on from a published table: this prober has just started, or another one leads.
   * @param ageMs of the table. An old one counts as little here as it does on the nodes.
   */
  adopt({ entries, validForMs }: WeightTable, ageMs: number, now: number): void {
    for (const { provider, model, factor: published } of entries) {
      const factor = relaxedFactor(published, ageMs, validForMs)
      const deployment = this.#find(provider, model, now)
      if (deployment !== null && differs(deployment.health, factor)) deployment.health = resumed(factor, now)
    }
  }

  /** Goes on from what was remembered so long ago, where nothing better is known by now. */
  recall(memory: readonly Remembered[], ageMs: number, now: number): void {
    for (const { provider, model, errors, slowness, usual, usualProbe } of memory) {
      const deployment = this.#find(provider, model, now)
      if (deployment === null || deployment.window.errors.count > 0) continue
      const since = { at: now - Math.max(0, ageMs) }
      deployment.window = {
        ...deployment.window,
        errors: { ...errors, ...since },
        slowness: { ...slowness, ...since },
        usual: {
          json: { ...usual.json, ...since },
          sse: { ...usual.sse, ...since },
        },
        usualProbe: { ...usualProbe, ...since },
      }
    }
  }

  memory(): readonly Remembered[] {
    return [...this.#deployments.values()].map(
      ({ provider, model, window: { errors, slowness, usual, usualProbe } }) => ({
        provider,
        model,
        errors,
        slowness,
        usual,
        usualProbe,
      }),
    )
  }

  /** Drops deployments that neither telemetry nor the roster has mentioned for an hour. Call now and then. */
  forget(now: number): void {
    for (const [name, { window }] of this.#deployments) {
      const lastAt = Math.max(window.attempts.at, window.lastEvidenceAt)
      if (now - lastAt > FORGET_MS && !this.#roster.has(name)) this.#deployments.delete(name)
    }
  }

  get size(): number {
    return this.#deployments.size
  }

  /** Samples not looked at, because there are too many deployments already. */
  get ignored(): number {
    return this.#ignored
  }

  #find(provider: string, model: string, now: number): Deployment | null {
    const name = nameOf(provider, model)
    const known = this.#deployments.get(name)
    if (known !== undefined) return known
    if (this.#deployments.size >= MOST_DEPLOYMENTS) {
      this.#ignored += 1
      return null
    }
    const deployment: Deployment = {
      provider,
      model,
      window: newWindow(now),
      health: newHealth(now),
      plan: newPlan(now, this.#random),
      capacity: UNLIMITED,
      score: null,
      isSuspect: false,
      nodes: new Map(),
      waiting: new Map(),
    }
    this.#deployments.set(name, deployment)
    return deployment
  }

  #noteCapacity(deployment: Deployment, { outcomes }: Sample, now: number): void {
    const all = outcomes.reduce((sum, count) => sum + count, 0)
    const refused = outcomes[THROTTLED] ?? 0
    if (all > 0) deployment.capacity = noteCapacity(deployment.capacity, refused, all - refused, now)
  }

  #setHealth(deployment: Deployment, health: Health): void {
    if (health.state === 'recovering' && deployment.health.state === 'down') {
      deployment.window = forgetIncident(deployment.window)
    }
    deployment.health = health
  }
}

const THROTTLED = OUTCOMES.indexOf('throttled')

/** Few digits are enough, and a table of many deployments is long. */
const rounded = (value: number): number => Math.round(value * 10_000) / 10_000

function detailOf(
  { health, score, capacity, window }: Deployment,
  now: number,
): Readonly<{ detail?: WeightDetail }> {
  if (score === null) return {}
  const { reading, reference, floor } = score
  const [json, sse] = [window.usual.json.line, window.usual.sse.line]
  const detail: WeightDetail = {
    state: health.state,
    stateMs: Math.max(0, Math.round(now - health.since)),
    errors: rounded(reading.errors),
    errorsOfBest: rounded(reference.errors),
    slowness: rounded(reading.slowness),
    slownessOfAll: rounded(reference.slowness),
    floor: rounded(floor),
    rate: rounded(reading.rate),
    ...(capacity.limit < Infinity ? { cap: rounded(capacity.limit) } : {}),
    usual: {
      ...(json === null ? {} : { json: { t0: rounded(json.t0), perK: rounded(json.perK) } }),
      ...(sse === null ? {} : { sse: { t0: rounded(sse.t0), perK: rounded(sse.perK) } }),
    },
  }
  return { detail }
}

const nameOf = (provider: string, model: string): string => `${provider}/${model}`

/** A published factor has few digits and is a second old: only a real difference is another health. */
function differs(health: Health, factor: number): boolean {
  const isWell = factor >= 1
  return isWell !== (health.state === 'healthy') || Math.abs(health.factor - factor) > 0.01 * factor
}

function isSlowing(before: Window, after: Window, now: number): boolean {
  return after.slowness.value > before.slowness.value && read(after, now).slowness > SLOWING
}

function isSilent(window: Window, lastHeard: number, now: number): boolean {
  const silentMs = now - window.lastEvidenceAt
  if (silentMs < SILENCE_MS || lastHeard - window.lastEvidenceAt < SILENCE_MS) return false
  return rateOf(window, now) * (silentMs / 1_000) >= MISSED_ATTEMPTS
}
