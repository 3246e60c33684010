/**
 * The session of a request: where it is kept, what that means for the choice, and how the answer says what
 * became of it.
 */
import { hash } from 'node:crypto'
import { SESSION_ID } from '#contracts/http/headers.ts'
import type { CredentialId, KeyId } from '#contracts/ids.ts'
import type { Pick } from '#contracts/routing/pick.ts'
import { homeAfter, type Preference } from '#contracts/routing/session.ts'
import type { Scored } from '#contracts/routing/standing.ts'
import type { RequestHeaders } from '../http/request-headers.ts'
import { decodeBinding, encodeBinding, type Binding } from '../sessions/binding.ts'
import { isSessionId } from '../sessions/context.ts'
import type { SessionScope, SessionStore } from '../sessions/store.ts'

export type Session = Readonly<{
  scope: SessionScope
  /** What the choice knows it by: `sessionName`, so that a record of it is enough to choose again. */
  name: string
  /** Null: not known. */
  binding: Binding | null
  /** Its state is kept where it is bound: there, or an error. */
  isRequired: boolean
}>

/**
 * Ours first, then what clients send by themselves: Claude Code, Codex (with a dash and, in older versions,
 * without), and servers that know affinity by this name.
 * @returns null for a request without a usable session id.
 */
export const sessionId = (headers: RequestHeaders): string | null =>
  usable(headers.get(SESSION_ID)) ??
  usable(headers.get('x-claude-code-session-id')) ??
  usable(headers.get('session-id')) ??
  usable(headers.get('session_id')) ??
  usable(headers.get('x-session-affinity'))

const usable = (value: string | undefined): string | null => (isSessionId(value) ? value : null)

/** Stands for a session where its id must not: in records, and so in the choice, which must follow from them. */
export const sessionName = (key: KeyId, id: string): string =>
  hash('sha256', `${key}\n${id}`, 'base64url').slice(0, 22)

export async function findSession(
  store: SessionStore,
  scope: SessionScope,
  name = sessionName(scope.key, scope.session),
): Promise<Session> {
  const text = await store.find(scope)
  return { scope, name, binding: text === null ? null : decodeBinding(text), isRequired: false }
}

/** A session that cannot be served anywhere else: an answer that is kept there is referred to. */
export const requiredSession = (
  scope: SessionScope,
  deployment: string,
  credential: CredentialId | null,
): Session => ({
  scope,
  name: scope.session,
  binding: { deployment, credential, home: null },
  isRequired: true,
})

/** What the choice needs to know of it. */
export const preferenceOf = ({ name, binding, isRequired }: Session): Preference => ({
  session: name,
  bound: binding?.deployment ?? null,
  home: binding?.home ?? null,
  isRequired,
})

/** Who answers, on which attempt. */
export type Answered = Readonly<{ deployment: string; credential: CredentialId | null; attempt: number }>

/**
 * @param first the request's first choice: why the session is not where it was.
 * @returns `bound`, `kept` or `moved:<reason>`, and remembers where the session is now.
 */
export function settleSession(
  store: SessionStore,
  session: Session,
  first: Pick | null,
  answered: Answered,
): string {
  const { word, binding } = settle(session.binding, first, answered)
  store.bind(session.scope, encodeBinding(binding))
  return word
}

/** Pure. */
export function settle(
  before: Binding | null,
  first: Pick | null,
  answered: Answered,
): Readonly<{ word: string; binding: Binding }> {
  const { deployment, credential } = answered
  const remembered = before === null ? null : { bound: before.deployment, home: before.home }
  const home = homeAfter(remembered, first, deployment)
  return { word: wordOf(before, first, answered), binding: { deployment, credential, home } }
}

function wordOf(
  before: Binding | null,
  first: Pick | null,
  { deployment, credential, attempt }: Answered,
): string {
  if (before === null) return 'bound'
  if (before.deployment === deployment)
    return before.credential === null || before.credential === credential ? 'kept' : 'moved:key'
  if (before.home === deployment) return 'moved:returned'
  const left = first?.scored.find(({ candidate }) => candidate.deployment.id === before.deployment)
  if (left === undefined) return 'moved:gone'
  if (left.candidate.weight <= 0) return 'moved:draining'
  const wasTried = first?.kind === 'chosen' && first.chosen === left && attempt > 1
  return `moved:${wasTried ? 'failed' : reasonOf(left)}`
}

function reasonOf({ standing: { out }, share, paced, factor }: Scored): string {
  if (out === 'open' || out === 'trial') return 'ejected'
  if (out !== null) return out
  if (paced < 1) return 'paced'
  if (factor > 0 && share === 0) return 'spilled'
  return 'unwell'
}
