/**
 * The session of a request: which deployment it prefers, and how the answer says what became of that.
 */
import type { Route } from '../routing/snapshot.ts'
import { rendezvous } from '../routing/stick.ts'
import type { SessionScope, SessionStore } from '../sessions/store.ts'

/** Longer ids are cut off by proxies sooner or later; real ones are UUIDs. */
const LONGEST_ID = 256

export type Session = Readonly<{
  scope: SessionScope
  /** Where it was last served; null: not known. */
  bound: string | null
  /** What it prefers now. */
  preferred: string | null
}>

/** @returns null for a request without a usable session id. */
export function sessionId(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && header !== '' && header.length <= LONGEST_ID ? header : null
}

export async function findSession(store: SessionStore, scope: SessionScope, route: Route): Promise<Session> {
  const bound = await store.find(scope)
  return { scope, bound, preferred: bound ?? rendezvous(route.candidates, scope.session) }
}

/** @returns `bound`, `kept` or `moved:<reason>`, and remembers where the session is now. */
export function settleSession(
  store: SessionStore,
  session: Session,
  route: Route,
  answered: string,
  attempt: number,
): string {
  store.bind(session.scope, answered)
  if (session.bound === null) return 'bound'
  if (session.bound === answered) return 'kept'
  const candidate = route.candidates.find(({ deployment }) => deployment.id === session.bound)
  if (candidate === undefined) return 'moved:gone'
  if (candidate.weight <= 0) return 'moved:draining'
  return attempt > 1 ? 'moved:failed' : 'moved:ejected'
}
