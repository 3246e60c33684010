/**
 * Chooses who gets a request: the pick.
 *
 * Pure: standings and dice are arguments, so a choice seen in a record can be made again and a test can pin
 * it. Called before every attempt; its cost grows with the candidates of the route and with nothing else.
 *
 * In the best tier with anybody left, a candidate is drawn by operator weight × the lower of what the fleet
 * and this node think of it × the route's taste for speed and price, within what its limits leave; a session
 * stays where it was. A tier that lost much of its health hands the missing part to the next.
 */
import type { Dice } from './dice.ts'
import { pace } from './pace.ts'
import { chooseForSession, tierDraw, type Preference } from './session.ts'
import type { Candidate, Out, Place, Scored, Standing } from './standing.ts'
import type { CompiledStrategy } from './strategies.ts'

/** Deployments one request is tried at, at most. */
export const MOST_TRIES = 3

export type PickInput<At extends Place = Place> = Readonly<{
  standing: (candidate: Candidate<At>) => Standing
  /** When nothing is eligible: how likely one more try there is to be in vain, in [0, 1). */
  futility: (candidate: Candidate<At>) => number
  dice: Dice
  session: Preference | null
  taste: CompiledStrategy
  /** Candidates of it come first within their tier; null: none is preferred. */
  region: string | null
}>

export type Why = 'weight' | 'sticky' | 'spill' | 'trial' | 'panic'

export type Refusal =
  /** Nobody is left who could be asked. */
  | 'none'
  /** All drain. */
  | 'draining'
  /** Everybody takes as many requests as it can. */
  | 'busy'
  /** Everybody's limit is reached for now. */
  | 'limited'
  /** All are broken, and this request was not one of the few that try whether they still are. */
  | 'shed'
  /** Who alone could serve it is out. */
  | 'required'

export type Pick<At extends Place = Place> =
  | Readonly<{
      kind: 'chosen'
      chosen: Scored<At>
      why: Why
      /** Somebody else could be asked, too. */
      hasOther: boolean
      /** Deployment the session would be at if all were well; null: no session. */
      preferred: string | null
      /** How likely it was thought to be in vain, where nobody was eligible; null: that was not asked. */
      futility: number | null
      scored: readonly Scored<At>[]
    }>
  | Readonly<{
      kind: 'refused'
      why: Refusal
      /** When trying again makes sense, in milliseconds, where that is known. */
      waitMs: number | null
      futility: number | null
      scored: readonly Scored<At>[]
    }>

/** A tier with less than 1 / this of its health hands on what is missing. */
const SPILL = 1.4
/** Of a request without a usual time, in milliseconds. */
const UNKNOWN_MS = 1_000
/** Out, but worth a try when nothing else is left: what keeps them out is our judgement, not their word. */
const WORTH_A_TRY: ReadonlySet<Out | null> = new Set<Out | null>([
  null,
  'down',
  'open',
  'trial',
  'keys',
  'missing',
])
const LIMITS: ReadonlySet<Out | null> = new Set<Out | null>(['throttled', 'full', 'pace'])

export function pick<At extends Place>(candidates: readonly Candidate<At>[], input: PickInput<At>): Pick<At> {
  const scored = candidates.map((candidate) => scoredOf(candidate, input))
  if (input.session?.isRequired === true) return pickRequired(scored, input.session)
  let tier = Infinity
  let hasRoom = false
  for (const one of scored) {
    const { standing, factor } = one
    if (!(factor > 0)) continue
    if (one.tier < tier) tier = one.tier
    if (!standing.isFull) hasRoom = true
  }
  if (tier === Infinity) return panic(scored, input)
  if (!hasRoom) return refusal('busy', scored)
  const first = tier
  tier = spilled(scored, tier, input)
  const total = share(scored, tier, input.taste)
  if (!(total > 0)) return panic(scored, input)
  pace(scored)
  const stuck = input.session === null ? null : chooseForSession(scored, input.session, tier, input.dice)
  const chosen = stuck?.chosen ?? draw(scored, input.dice)
  if (chosen === null) return panic(scored, input)
  const why = chosen.standing.isTrial
    ? 'trial'
    : stuck?.isSticky === true
      ? 'sticky'
      : tier > first
        ? 'spill'
        : 'weight'
  const preferred = stuck?.preferred?.candidate.deployment.id ?? null
  return { kind: 'chosen', chosen, why, hasOther: chosen.share < 0.999_9, preferred, futility: null, scored }
}

/** Within a tier the region's own are a tier of their own. */
const ELSEWHERE = 0.5

function scoredOf<At extends Place>(
  candidate: Candidate<At>,
  { standing: standingOf, taste, region }: PickInput<At>,
): Scored<At> {
  const standing = standingOf(candidate)
  const isIn = standing.out === null && candidate.weight > 0
  const factor = !isIn ? 0 : taste.kind === 'weights' ? 1 : Math.min(standing.fleet, standing.local)
  const isElsewhere = region !== null && candidate.deployment.region !== region
  const tier = candidate.tier + (isElsewhere ? ELSEWHERE : 0)
  return { candidate, standing, tier, factor, share: 0, paced: 1 }
}

/** @returns the tier this request goes to. */
function spilled(
  scored: readonly Scored[],
  best: number,
  { dice, session }: Readonly<{ dice: Dice; session: Preference | null }>,
): number {
  let tier = best
  for (;;) {
    let kept = 0
    let whole = 0
    let next = Infinity
    for (const one of scored) {
      const { candidate, factor } = one
      if (one.tier === tier) {
        whole += candidate.weight
        kept += candidate.weight * factor
      } else if (one.tier > tier && one.tier < next && factor > 0) next = one.tier
    }
    if (next === Infinity) return tier
    const drawn = session === null ? dice() : tierDraw(session.session)
    if (drawn < (SPILL * kept) / whole) return tier
    tier = next
  }
}

/** Sets the shares of one tier, summing up to 1. @returns what they summed up to before; 0: there are none. */
function share(scored: readonly Scored[], tier: number, taste: CompiledStrategy): number {
  const bends = taste.gammaLatency !== 0 || taste.gammaCost !== 0
  const best = bends ? bestOf(scored, tier) : null
  let sum = 0
  for (const one of scored) {
    if (one.tier !== tier || !(one.factor > 0)) continue
    one.share = one.candidate.weight * one.factor * (best === null ? 1 : bend(one, best, taste))
    sum += one.share
  }
  if (sum > 0) for (const one of scored) one.share /= sum
  return sum
}

type Best = Readonly<{ ms: number; cost: number }>

function bestOf(scored: readonly Scored[], tier: number): Best {
  let ms = Infinity
  let cost = Infinity
  for (const one of scored) {
    const { candidate, standing, factor } = one
    if (one.tier !== tier || !(factor > 0)) continue
    ms = Math.min(ms, standing.expectedMs ?? UNKNOWN_MS)
    const price = priceOf(candidate)
    if (price !== null) cost = Math.min(cost, price)
  }
  return { ms, cost }
}

/** A candidate whose price nobody told counts as the cheapest: the operator has no opinion on it. */
function bend(
  { candidate, standing }: Scored,
  best: Best,
  { gammaLatency, gammaCost }: CompiledStrategy,
): number {
  const faster = (best.ms / Math.max(1, standing.expectedMs ?? UNKNOWN_MS)) ** gammaLatency
  const price = priceOf(candidate)
  if (price === null || gammaCost === 0) return faster
  // Free is not infinitely good: a tenth of a cent a million is as good as free.
  return faster * ((best.cost + LEAST_PRICE) / (price + LEAST_PRICE)) ** gammaCost
}

const LEAST_PRICE = 0.001
/** Prompts are about three times as long as answers. */
const priceOf = ({ deployment: { cost } }: Candidate): number | null =>
  cost === null ? null : (3 * cost.input + cost.output) / 4

function draw<At extends Place>(scored: readonly Scored<At>[], dice: Dice): Scored<At> | null {
  let sum = 0
  for (const one of scored) sum += one.share
  let left = dice() * sum
  let last: Scored<At> | null = null
  for (const one of scored) {
    if (!(one.share > 0)) continue
    last = one
    left -= one.share
    if (left < 0) return one
  }
  return last
}

/** Nothing is eligible. Where limits are the reason they are kept; where it is our judgement, it is doubted. */
function panic<At extends Place>(scored: readonly Scored<At>[], { dice, futility }: PickInput<At>): Pick<At> {
  let sum = 0
  for (const one of scored) {
    const { standing, candidate } = one
    one.share = WORTH_A_TRY.has(standing.out) && !standing.isFull ? candidate.weight : 0
    sum += one.share
  }
  if (!(sum > 0)) return refusal(null, scored)
  for (const one of scored) one.share /= sum
  const chosen = draw(scored, dice)
  if (chosen === null) return refusal(null, scored)
  const drawn = dice()
  const vain = futility(chosen.candidate)
  if (drawn < vain) return refusal('shed', scored, vain)
  const hasOther = chosen.share < 0.999_9
  return { kind: 'chosen', chosen, why: 'panic', hasOther, preferred: null, futility: vain, scored }
}

function pickRequired<At extends Place>(scored: readonly Scored<At>[], { bound }: Preference): Pick<At> {
  const chosen = scored.find(({ candidate }) => candidate.deployment.id === bound)
  // Tried before, too: there is nobody else to ask. Draining keeps what it has.
  if (chosen === undefined || LIMITS.has(chosen.standing.out)) return refusal('required', scored)
  chosen.share = 1
  return { kind: 'chosen', chosen, why: 'sticky', hasOther: false, preferred: bound, futility: null, scored }
}

/** @param why null: to be read from why each is out. */
function refusal<At extends Place>(
  why: Refusal | null,
  scored: readonly Scored<At>[],
  futility: number | null = null,
): Pick<At> {
  let waitMs: number | null = null
  let isLimited = false
  let isDraining = scored.length > 0
  for (const { candidate, standing } of scored) {
    isLimited ||= LIMITS.has(standing.out)
    isDraining &&= candidate.weight <= 0
    if (standing.waitMs !== null) waitMs = Math.min(waitMs ?? Infinity, standing.waitMs)
  }
  const reason = why ?? (isDraining ? 'draining' : isLimited ? 'limited' : 'none')
  return { kind: 'refused', why: reason, waitMs, futility, scored }
}
