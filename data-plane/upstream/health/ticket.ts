/**
 * One attempt under way, as the node's health accounts for it: taken when it begins, given back when it ends.
 */
import type { Mode } from '#contracts/telemetry/report.ts'
import type { Deployment, Lane } from '../../routing/snapshot.ts'

/** How much of the prompt the upstream may hold in a cache: `unsure` where a session has just moved. */
export type Warmth = 'cold' | 'warm' | 'unsure'

export type Ticket = {
  readonly deployment: Deployment
  readonly lane: Lane
  readonly mode: Mode
  /** Monotonic milliseconds. */
  readonly startedAt: number
  /** Thousands of prompt tokens that no cache is expected to hold; null: nobody can say. */
  readonly size: number | null
  /** To the first content, in milliseconds: what is usual; null: not known, or nobody can say. */
  readonly expectedMs: number | null
  /** The same if no cache holds anything: who waits longer than this waits for long. */
  readonly patienceMs: number
  /** Of the half-open breaker; 0: it is none. */
  readonly trial: number
  /** From sending to the first content; null: none has come. */
  firstMs: number | null
  isWaiting: boolean
  before: Ticket | null
  after: Ticket | null
}

/** What a whole answer adds to what is usual: size of the request, and time to the first content, clipped. */
export type HabitSample = Readonly<{ size: number; ms: number }>
