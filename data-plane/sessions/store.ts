/**
 * Which deployment a conversation was last served by. Losable: without it sessions fall back to hashing.
 */
import type { KeyId } from '#contracts/ids.ts'

/** A session belongs to one client key and one public model: two customers may use the same id. */
export type SessionScope = Readonly<{ key: KeyId; model: string; session: string }>

/** Since its last use, in milliseconds: longer than any provider's prompt cache lives. */
export const SESSION_TTL_MS = 2 * 3_600_000

export interface SessionStore extends AsyncDisposable {
  /** Commands that failed or were not sent, since the start. */
  readonly failures: number
  /** @returns the deployment id, or null when there is none or nobody can say. Never waits beyond 30 ms. */
  find(scope: SessionScope): Promise<string | null>
  /** Remembers, in the background; a failure is counted, not told. */
  bind(scope: SessionScope, deployment: string): void
}

/** The scope as one key. A separator that no header value can hold keeps parts from running together. */
export const sessionKey = (scope: SessionScope): string => `${scope.key}\n${scope.model}\n${scope.session}`
