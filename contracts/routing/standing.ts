/**
 * What a node knows of one candidate at the moment of a choice, and what the choice made of it.
 *
 * Pure data. `upstream/health/` fills standings in; `pick.ts` weighs them. Together with the seed of the dice
 * they are all a choice depends on, so that a recorded one can be made again.
 */
import type { DeploymentId } from '../ids.ts'

/** As much of a deployment as a choice depends on. */
export type Place = Readonly<{
  id: DeploymentId
  region: string | null
  /** US dollars per million tokens; null: not known. */
  cost: Readonly<{ input: number; output: number }> | null
}>

/** `weight`: the operator's; 0 takes nothing new. */
export type Candidate<At extends Place = Place> = Readonly<{ deployment: At; tier: number; weight: number }>

/** Why a candidate cannot be taken now. */
export type Out =
  /** This request has failed there. */
  | 'tried'
  /** Takes nothing new: weight 0. */
  | 'draining'
  /** The prober took it out of service. */
  | 'down'
  /** This node's breaker is open, … */
  | 'open'
  /** … or half-open with its one trial under way. */
  | 'trial'
  /** Every credential waits for what the upstream told it to wait for, … */
  | 'throttled'
  /** … or was refused, or has no money left. */
  | 'keys'
  /** The upstream does not know the model. */
  | 'missing'
  /** As many requests at once as the operator allows. */
  | 'full'
  /** As many requests a second as the operator allows. */
  | 'pace'

export type Standing = Readonly<{
  out: Out | null
  /** The prober's factor as it counts now, in [0, 1]. */
  fleet: number
  /** This node's own, in (0, 1]. */
  local: number
  /** The next request is the half-open breaker's trial. */
  isTrial: boolean
  /** As many requests at once as it was seen to take. */
  isFull: boolean
  /** Usual time to the first content of this request, in milliseconds; null: not known. */
  expectedMs: number | null
  /** Attempts a second over the fleet, lately. */
  rate: number
  /** Attempts a second that its limits leave to the fleet; Infinity: no limit is known. */
  allowed: number
  /** When what keeps it out is over, in milliseconds from now, where that is known. */
  waitMs: number | null
}>

export type Scored<At extends Place = Place> = {
  readonly candidate: Candidate<At>
  readonly standing: Standing
  /** The order it comes in: its tier, and half a step behind outside of the route's region. */
  readonly tier: number
  /** Share of its operator weight that it keeps: the lower of fleet and local; 0: not eligible. */
  readonly factor: number
  /** Probability of being drawn, before the session had its say; 0 outside the tier that was chosen. */
  share: number
  /** `share` over what it would be without its limits. */
  paced: number
}

/** A candidate of which nothing bad is known. */
export const SOUND: Standing = {
  out: null,
  fleet: 1,
  local: 1,
  isTrial: false,
  isFull: false,
  expectedMs: null,
  rate: 0,
  allowed: Infinity,
  waitMs: null,
}
