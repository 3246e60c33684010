/**
 * The client's side of an exchange, as the attempts see it. `api/reply.ts` is the real one.
 */
import type { Deployment, Lane } from '../routing/snapshot.ts'

/** What is told before the first byte of an answer. */
export type AnswerHead = Readonly<{
  status: number
  contentType: string
  /** Bytes of the body; null: not known, as for a stream. */
  length: number | null
  /** Who answered, on which attempt (1 is the first). */
  deployment: Deployment
  lane: Lane
  attempt: number
  /** Headers of the upstream that may be passed on: name, value, name, value… */
  passed: readonly string[]
  /** What the request lost on its way to the upstream, `parameter:reason`. */
  warnings: readonly string[]
}>

export interface Downstream {
  /** Once. May already have told the status of a stream to keep the connection alive. */
  begin(head: AnswerHead): void
  /** @returns false when the client reads slower than we write: wait for `onceDrained`. */
  write(chunk: Buffer): boolean
  end(last: Buffer | null): void
  /** Breaks the connection: the one way to tell that a JSON answer which has begun has no end. */
  cut(): void
  /** Not called any more when the client reads nothing for too long: it is then gone. */
  onceDrained(listener: () => void): void
  /**
   * The client went away before the end of its answer. Called at once if it already has. One listener: the
   * newest, because only one attempt is under way.
   */
  onGone(listener: () => void): void
}
