/**
 * Why a request went where it went: its choices made again from the log, compared with what was recorded, and
 * every value traced to who set it or to what the prober saw.
 */
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { Scored } from '#contracts/routing/standing.ts'
import type { RecordedChoice } from '#contracts/usage/choice.ts'
import type { UsageRecord } from '#contracts/usage/record.ts'
import type { Trail } from '../store/trail.ts'
import type { PastEntry, WeightTables } from '../store/weight-tables.ts'
import { modelOf, providerOf, routeOf } from './candidates.ts'
import {
  recompute,
  type FactorsOf,
  type PublishedFactors,
  type Recomputation,
  type RemadeChoice,
} from './recompute.ts'
import { causesOf, type Cause } from './trace.ts'

export type ExplainPorts = Readonly<{
  stateAt: (commit: number) => Promise<Catalog>
  trail: Pick<Trail, 'ofStream'>
  tables: Pick<WeightTables, 'entriesOf'>
}>

export type ExplainedCandidate = Readonly<{
  deployment: string
  tier: number
  weight: number
  /** What the prober's table left of its weight, and what this node did. */
  fleet: number
  local: number
  /** The lower of the two, or 0 where it could not be taken. */
  factor: number
  /** Probability of being drawn. */
  share: number
  /** Why it could not be taken, or why it counted for less; null: it counted in full. */
  why: string | null
}>

export type ExplainedChoice = Readonly<{
  /** One sentence. */
  words: string
  chosen: string | null
  why: string
  table: RecordedChoice['table'] | null
  /** How often the dice had been cast before. */
  drawn: number
  isEqual: boolean
  candidates: readonly ExplainedCandidate[]
}>

export type Explanation = Readonly<{
  commitNo: number
  route: Readonly<{ kind: string; strategy: string; region: string | null }>
  verdict: Recomputation['verdict']
  differences: readonly string[]
  notes: readonly string[]
  choices: readonly ExplainedChoice[]
  /** Who set what it was chosen by. */
  causes: readonly Cause[]
  /** What the prober had judged by, of the candidates it spoke of. */
  judgements: readonly PastEntry[]
}>

export async function explain(ports: ExplainPorts, record: UsageRecord): Promise<Explanation> {
  const route = routeOf(await ports.stateAt(record.commit), record)
  const said = await tablesOf(ports, record)
  const factorsOf: FactorsOf = (table) => said.get(nameOf(table))?.factors ?? null
  const { verdict, differences, notes, choices } = recompute(record, route, factorsOf)
  const judgements = [...said.values()].flatMap(({ entries }) => entries)
  return {
    commitNo: record.commit,
    route: { kind: route.kind, strategy: route.taste.kind, region: route.region },
    verdict,
    differences,
    notes: [...notes, ...observed(record, route.candidates)],
    choices: choices.map(explained),
    causes: await causesOf(ports.trail, record, route, record.commit),
    judgements: onlyOnce(judgements),
  }
}

type SaidTable = Readonly<{ factors: PublishedFactors; entries: readonly PastEntry[] }>

const nameOf = ({ epoch, seq }: Readonly<{ epoch: number; seq: number }>): string => `${epoch}.${seq}`

async function tablesOf(
  { tables }: ExplainPorts,
  { candidates, choices = [] }: UsageRecord,
): Promise<ReadonlyMap<string, SaidTable>> {
  const said = new Map<string, SaidTable>()
  const names = candidates.map(({ deployment }) => ({
    provider: String(providerOf(deployment)),
    model: modelOf(deployment),
  }))
  for (const { table } of choices) {
    if (table === undefined || said.has(nameOf(table))) continue
    const entries = await tables.entriesOf(table.epoch, table.seq, names)
    const factors =
      entries === null ? null : new Map(entries.map((one) => [`${one.provider}/${one.model}`, one.factor]))
    said.set(nameOf(table), { factors, entries: entries ?? [] })
  }
  return said
}

const onlyOnce = (entries: readonly PastEntry[]): readonly PastEntry[] => [
  ...new Map(entries.map((entry) => [`${entry.provider}\n${entry.model}\n${entry.seq}`, entry])).values(),
]

/** Where prices decide and the operator set none, a provider's list or the public one was asked. */
function observed(
  { candidates }: UsageRecord,
  logged: ReturnType<typeof routeOf>['candidates'],
): readonly string[] {
  const own = new Set(
    logged.filter(({ hasOwnCost }) => hasOwnCost).map(({ deployment }) => String(deployment.id)),
  )
  return candidates
    .filter(({ deployment, cost }) => cost !== undefined && !own.has(deployment))
    .map(({ deployment }) => `the price of ${deployment} was observed, not set: it is the record's`)
}

function explained({ recorded, made, isEqual }: RemadeChoice): ExplainedChoice {
  return {
    words: wordsOf(made),
    chosen: made.kind === 'chosen' ? made.chosen.candidate.deployment.id : null,
    why: made.why,
    table: recorded.table ?? null,
    drawn: recorded.drawn ?? 0,
    isEqual,
    candidates: made.scored.map((one) => ({
      deployment: one.candidate.deployment.id,
      tier: one.tier,
      weight: one.candidate.weight,
      fleet: one.standing.fleet,
      local: one.standing.local,
      factor: one.factor,
      share: one.share,
      why: whyOf(one),
    })),
  }
}

const WHY: Readonly<Record<string, string>> = {
  weight: 'drawn by weight',
  sticky: 'its session lives there',
  spill: 'the better tier had lost too much of its health',
  trial: 'the one request that tries whether it is back',
  panic: 'nobody was well, and one was tried all the same',
  none: 'nobody was left who could be asked',
  draining: 'all drain',
  busy: 'everybody takes as many requests as it can',
  limited: "everybody's limit was reached",
  shed: 'all were broken, and this was not one of the few requests that try whether they still are',
  required: 'who alone could serve it was out',
}

function wordsOf(made: RemadeChoice['made']): string {
  const why = WHY[made.why] ?? made.why
  if (made.kind === 'refused') return `Nobody: ${why}.`
  const { candidate, share } = made.chosen
  return `${candidate.deployment.id}: ${why}, at a share of ${percent(share)}.`
}

const OUT: Readonly<Record<string, string>> = {
  tried: 'this request had failed there',
  draining: 'it drains',
  down: 'the prober had taken it out of service',
  open: "this node's breaker was open",
  trial: "this node's breaker was trying it with another request",
  throttled: 'it had said to wait',
  keys: 'its credentials were refused',
  missing: 'it did not know the model',
  full: 'as many requests were under way as the operator allows',
  pace: 'it got as many requests a second as the operator allows',
}

function whyOf({ candidate, standing, factor, paced }: Scored): string | null {
  if (standing.out !== null) return OUT[standing.out] ?? standing.out
  if (candidate.weight <= 0) return 'its weight is 0'
  if (factor < 1)
    return standing.fleet <= standing.local
      ? `the prober left it ${percent(standing.fleet)} of its weight`
      : `this node left it ${percent(standing.local)} of its weight`
  if (paced < 1) return 'its limits left it less'
  return standing.isFull ? 'it had as many requests as it was seen to take' : null
}

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
