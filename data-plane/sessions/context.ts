/**
 * What was said in a session that a client named, to be looked at afterwards. Losable, bounded in number, in
 * bytes and in time, and sealed wherever it leaves the process.
 */
import type { KeyId } from '#contracts/ids.ts'
import type { ContextLimits } from '../config.ts'

/** A session belongs to one client key: two customers may use the same id. */
export type ContextScope = Readonly<{ key: KeyId; session: string }>

/** One request and its answer, as far as they are kept. */
export type ContextTurn = Readonly<{
  /** Of the request. */
  id: string
  /** Epoch milliseconds. */
  at: number
  /** As the client wrote it. */
  model: string
  /** Who answered; null: nobody did. */
  provider: string | null
  status: number
  /** The answer came to its end. */
  complete: boolean
  request: readonly ContextPart[]
  answer: readonly ContextPart[]
}>

/** Its id first, so that it is found without reading the rest. */
export const encodeTurn = ({ id, ...rest }: ContextTurn): string => JSON.stringify({ id, ...rest })
export const isTurnOf = (turn: string, id: string): boolean => turn.startsWith(`{"id":${JSON.stringify(id)},`)

/** What is not text is told by its kind alone. */
export type ContextPart = Readonly<{ role: string; text: string; truncated: boolean }>

/** Longer ids are cut off by proxies sooner or later; real ones are UUIDs. In UTF-16 code units. */
export const LONGEST_ID = 256
export const isSessionId = (id: string | string[] | undefined): id is string =>
  typeof id === 'string' && id !== '' && id.length <= LONGEST_ID

export interface ContextStore extends AsyncDisposable {
  /** Questions and turns that failed or were not tried, since the start. */
  readonly failures: number
  readonly limits: ContextLimits
  /** Adds a turn, in the background; a failure is counted, not told. */
  add(scope: ContextScope, turn: string): void
  /** @returns all turns, oldest first; null when nobody can say. */
  read(scope: ContextScope): Promise<readonly string[] | null>
  /** @returns whether there was anything; null when nobody can say. */
  forget(scope: ContextScope): Promise<boolean | null>
}

/** The scope as one key. A separator that no header value can hold keeps parts from running together. */
export const contextKey = ({ key, session }: ContextScope): string => `${key}\n${session}`
