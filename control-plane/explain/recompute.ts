/**
 * A recorded choice made again: by the log's candidates and the node's recorded knowledge, through the same
 * pick, compared with what the node wrote down.
 *
 * Pure.
 */
import { deploymentId } from '#contracts/ids.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { pick, type Pick } from '#contracts/routing/pick.ts'
import type { Preference } from '#contracts/routing/session.ts'
import { SOUND, type Candidate, type Scored, type Standing } from '#contracts/routing/standing.ts'
import { standingsOf, type RecordedChoice } from '#contracts/usage/choice.ts'
import type { RecordedAttempt, UsageRecord } from '#contracts/usage/record.ts'
import { relaxedTo } from '#contracts/weights/table.ts'
import { modelOf, providerOf, streamOf, type LoggedCandidate, type LoggedRoute } from './candidates.ts'

/** The prober's published factor of each deployment by one table, of those it spoke of; null: it was not kept. */
export type PublishedFactors = ReadonlyMap<string, number> | null
export type FactorsOf = (table: NonNullable<RecordedChoice['table']>) => PublishedFactors

export type RemadeChoice = Readonly<{
  recorded: RecordedChoice
  made: Pick
  /** Did it come out as it was recorded? */
  isEqual: boolean
  /** Are the prober's factors those of the table it names? `unknown`: the table was not kept. */
  fleet: 'equal' | 'different' | 'unknown'
}>

export type Recomputation = Readonly<{
  /** `unknown`: the record does not hold what it takes. */
  verdict: 'equal' | 'different' | 'unknown'
  choices: readonly RemadeChoice[]
  /** Where what was recorded is not what the log leads to. */
  differences: readonly string[]
  /** What had to be taken from the record, because the log does not say it. */
  notes: readonly string[]
}>

export function recompute(record: UsageRecord, route: LoggedRoute, factorsOf: FactorsOf): Recomputation {
  if (record.choices === undefined) return unknown('the node was of a release that did not record choices')
  if (record.uncut !== undefined)
    return unknown(`there were ${record.uncut} candidates, more than a record has room for`)
  const told = new Told()
  const candidates = candidatesOf(record, route, told)
  const remade = record.choices.map((choice) => remake(record, route, candidates, choice, factorsOf))
  for (const [at, { isEqual, fleet, made, recorded }] of remade.entries()) {
    if (!isEqual) told.differs(`choice ${at + 1} is ${nameOf(made)}, not ${recordedName(record, recorded)}`)
    if (fleet === 'different') told.differs(`choice ${at + 1} was made by other factors than its table has`)
    if (fleet === 'unknown')
      told.notes(`the weight table of choice ${at + 1} was not kept: its factors are the record's`)
  }
  compareScores(record, remade[0], told)
  compareTried(record, told)
  compareAttempts(record, told)
  const { differences } = told
  const verdict = differences.length === 0 ? 'equal' : 'different'
  return { verdict, choices: remade, differences, notes: told.said }
}

const unknown = (note: string): Recomputation => ({
  verdict: 'unknown',
  choices: [],
  differences: [],
  notes: [note],
})

class Told {
  readonly differences: string[] = []
  readonly said: string[] = []

  differs(text: string): void {
    this.differences.push(text)
  }

  notes(text: string): void {
    if (!this.said.includes(text)) this.said.push(text)
  }
}

/** The log's candidates in the order the node had them; a held-back entity's as the node still had them. */
function candidatesOf(record: UsageRecord, route: LoggedRoute, told: Told): readonly Candidate[] {
  const held = new Set<string>(record.held ?? [])
  const isHeld = (deployment: string): boolean =>
    held.has(streamOf(deployment)) || (route.stream !== null && held.has(route.stream))
  const logged = new Map<string, LoggedCandidate>(route.candidates.map((one) => [one.deployment.id, one]))
  const named = new Set(record.candidates.map(({ deployment }) => deployment))
  for (const id of logged.keys()) {
    // A request that never came to a choice names nobody.
    if (named.has(id) || record.choices?.length === 0) continue
    if (isHeld(id)) told.notes(`the node had not taken over ${id} yet`)
    else told.differs(`${id} was a candidate by the log, and none at the node`)
  }
  return record.candidates.map((one): Candidate => {
    const { deployment: id, weight, tier, cost = null } = one
    const found = logged.get(id)
    const own = {
      deployment: { id: deploymentId(providerOf(id), modelOf(id)), region: null, cost },
      weight,
      tier,
    }
    if (isHeld(id)) {
      told.notes(`the node held ${id} at an earlier form: its weight and tier are the record's`)
      return own
    }
    if (found === undefined) {
      told.differs(`${id} was a candidate at the node, and none by the log`)
      return own
    }
    const place = placed(found, route.region)
    if (found.weight !== weight)
      told.differs(`the weight of ${id} is ${found.weight} by the log, and was ${weight}`)
    if (place !== tier) told.differs(`the tier of ${id} is ${place} by the log, and was ${tier}`)
    return { deployment: { ...found.deployment, region: null }, weight: found.weight, tier: place }
  })
}

/** Half a step behind outside of the route's region, as `pick` does it. */
const placed = ({ tier, deployment }: LoggedCandidate, region: string | null): number =>
  region !== null && deployment.region !== region ? tier + 0.5 : tier

function remake(
  record: UsageRecord,
  { taste }: LoggedRoute,
  candidates: readonly Candidate[],
  recorded: RecordedChoice,
  factorsOf: FactorsOf,
): RemadeChoice {
  const standings = standingsOf(recorded)
  const index = new Map(candidates.map((candidate, at) => [candidate, at]))
  const standingOf = (candidate: Candidate): Standing => standings.get(index.get(candidate) ?? -1) ?? SOUND
  const made = pick(candidates, {
    standing: standingOf,
    futility: () => recorded.futility ?? 0,
    dice: diceOf(record.seed, recorded.drawn),
    session: preferenceOf(record),
    taste,
    // Tiers have the region in them already.
    region: null,
  })
  const chosen = made.kind === 'chosen' ? made.scored.indexOf(made.chosen) : null
  const isEqual = chosen === recorded.chosen && made.why === recorded.why
  return { recorded, made, isEqual, fleet: compareFleet(candidates, standingOf, recorded, factorsOf) }
}

const preferenceOf = ({ binding, session }: UsageRecord): Preference | null =>
  binding === undefined ? null : { ...binding, session: session ?? '' }

function compareFleet(
  candidates: readonly Candidate[],
  standingOf: (candidate: Candidate) => Standing,
  { table }: RecordedChoice,
  factorsOf: FactorsOf,
): RemadeChoice['fleet'] {
  const published = table === undefined ? new Map<string, number>() : factorsOf(table)
  if (published === null) return 'unknown'
  const say = table?.say ?? 1
  const isSame = candidates.every((candidate) => {
    const { out, fleet } = standingOf(candidate)
    const factor = published.get(candidate.deployment.id) ?? 1
    return out === 'tried' || fleet === (factor === 1 ? 1 : relaxedTo(factor, say))
  })
  return isSame ? 'equal' : 'different'
}

/** The first choice is written down with its scores, as people read them. */
function compareScores(record: UsageRecord, first: RemadeChoice | undefined, told: Told): void {
  if (first === undefined) return
  for (const [at, { deployment, factor, share }] of record.candidates.entries()) {
    const scored: Scored | undefined = first.made.scored[at]
    if (scored === undefined) continue
    if (rounded(scored.factor) !== factor)
      told.differs(`the factor of ${deployment} is ${rounded(scored.factor)}, and was ${factor}`)
    if (rounded(scored.share) !== share)
      told.differs(`the share of ${deployment} is ${rounded(scored.share)}, and was ${share}`)
  }
}

/** Nobody counts as tried who was not chosen before. */
function compareTried({ candidates, choices = [] }: UsageRecord, told: Told): void {
  const before = new Set<number>()
  for (const { chosen, known = [] } of choices) {
    for (const { at, out } of known) {
      if (out === 'tried' && !before.has(at))
        told.differs(`${candidates[at]?.deployment ?? at} counted as tried, and had not been chosen`)
    }
    if (chosen !== null) before.add(chosen)
  }
}

/** Every attempt went where a choice had sent it, in the order of the choices. */
function compareAttempts({ attempts, candidates, choices = [] }: UsageRecord, told: Told): void {
  let at = 0
  for (const [number, attempt] of attempts.entries()) {
    while (at < choices.length && !isOf(attempt, candidates[choices[at]?.chosen ?? -1]?.deployment)) at += 1
    if (at === choices.length) {
      told.differs(
        `attempt ${number + 1} went to ${attempt.provider}/${attempt.model}, where no choice had sent it`,
      )
      return
    }
  }
}

const isOf = ({ provider, model }: RecordedAttempt, deployment: string | undefined): boolean =>
  deployment !== undefined &&
  providerOf(deployment) === provider &&
  (modelOf(deployment) === model || modelOf(deployment) === '*')

const rounded = (value: number): number => Math.max(0, Math.round(value * 1_000) / 1_000)

const nameOf = (made: Pick): string =>
  made.kind === 'chosen' ? `${made.chosen.candidate.deployment.id} (${made.why})` : `nobody (${made.why})`

const recordedName = ({ candidates }: UsageRecord, { chosen, why }: RecordedChoice): string =>
  `${chosen === null ? 'nobody' : (candidates[chosen]?.deployment ?? 'nobody')} (${why})`
