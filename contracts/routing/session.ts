/**
 * Where a conversation goes: where it was, unless that is out or clearly worse, so that its prompt cache is
 * worth something.
 *
 * Pure. Without a memory of where it was, rendezvous hashing on the operator's weights says the same on every
 * node; what has to go elsewhere goes to the same elsewhere each time.
 */
import type { Dice } from './dice.ts'
import type { Pick } from './pick.ts'
import { rendezvous, unitOf } from './rendezvous.ts'
import type { Place, Scored } from './standing.ts'

/** What is remembered of a session, by deployment ids. */
export type Preference = Readonly<{
  /** Its id, to hash. */
  session: string
  /** Where it was last served; null: not known. */
  bound: string | null
  /** Where it was before trouble moved it; null: it is where it belongs. */
  home: string | null
  /** It cannot be served anywhere else: state of it is kept there. */
  isRequired: boolean
}>

/** A session leaves below this factor… */
const LEAVE = 0.3
/** …and goes back home above this one: a gap between the two, so that it does not swing. */
const RETURN = 0.9
/** Limits that cut less than this cut nothing. */
const HARDLY_PACED = 0.98

export type SessionChoice<At extends Place> = Readonly<{
  chosen: Scored<At>
  isSticky: boolean
  /** Where it would be if all were well. */
  preferred: Scored<At> | null
}>

/** @returns null: the session has no say, because nothing is eligible. */
export function chooseForSession<At extends Place>(
  scored: readonly Scored<At>[],
  { session, bound, home }: Preference,
  tier: number,
  dice: Dice,
): SessionChoice<At> | null {
  if (home !== null) {
    const back = find(scored, home)
    if (back !== undefined && back.factor >= RETURN && stays(back, session))
      return { chosen: back, isSticky: true, preferred: back }
  }
  const preferred =
    (bound === null ? undefined : find(scored, bound)) ??
    rendezvous(scored, idOf, (one) => (one.tier === tier ? one.candidate.weight : 0), session)
  if (preferred !== null && stays(preferred, session)) return { chosen: preferred, isSticky: true, preferred }
  // What little the preferred one still gets, it gets from different sessions each time: nobody stays the
  // one who tries whether it works again. What is beyond a limit is not tried.
  const tries = preferred !== null && preferred.factor < LEAVE ? preferred.share : 0
  if (preferred !== null && dice() < tries) return { chosen: preferred, isSticky: false, preferred }
  const other = rendezvous(scored, idOf, (one) => (one === preferred ? 0 : one.share), session)
  if (other !== null) return { chosen: other, isSticky: false, preferred }
  return preferred !== null && preferred.share > 0 ? { chosen: preferred, isSticky: false, preferred } : null
}

/** In the tier, well enough, and within its limits: always the same sessions are beyond them. */
function stays({ factor, share, paced }: Scored, session: string): boolean {
  if (!(share > 0) || factor < LEAVE) return false
  return paced >= HARDLY_PACED || unitOf(`pace\n${session}`) < paced
}

/**
 * Where a session belongs once it was answered, when that is not where it was served; null: it is.
 *
 * @param before null: it was not known. @param first the request's first choice.
 */
export function homeAfter(
  before: Readonly<{ bound: string; home: string | null }> | null,
  first: Pick | null,
  served: string,
): string | null {
  if (before === null) {
    const preferred = first?.kind === 'chosen' ? first.preferred : null
    return preferred === served ? null : preferred
  }
  if (before.bound === served) return before.home
  if (before.home === served) return null
  const left = first?.scored.find(({ candidate }) => candidate.deployment.id === before.bound)
  // What is not there any more, or takes nothing new, is no home to go back to.
  if (left === undefined || left.candidate.weight <= 0) return null
  return before.home ?? before.bound
}

/** The dice of a session for its tier: the same each time, so that it does not change tiers at every turn. */
export const tierDraw = (session: string): number => unitOf(`tier\n${session}`)

const idOf = ({ candidate }: Scored): string => candidate.deployment.id
const find = <At extends Place>(scored: readonly Scored<At>[], id: string): Scored<At> | undefined =>
  scored.find((one) => one.candidate.deployment.id === id)
