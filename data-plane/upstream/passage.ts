/**
 * How an answer travels from an upstream to the client: untouched, or through another dialect.
 *
 * One `Passage` per attempt. The attempt knows sockets, deadlines and the commit point; the passage knows
 * what the bytes mean.
 */
import type { Problem } from '#contracts/errors.ts'
import type { BodyVerdict, Ending, Verdict } from '../dialects/native/answers.ts'
import type { Told } from './spent.ts'

export type JudgedBody =
  /** `told`: null for calls that cost nothing. */
  | Readonly<{ kind: 'answer'; body: Buffer; told: Told | null }>
  /** `error`: an error in disguise, to be classified. */
  | Readonly<{ kind: Exclude<BodyVerdict, 'answer'> }>

export interface Passage {
  /** What the client is told; null: what the upstream said. */
  readonly bodyType: string | null
  readonly streamType: string | null
  /** Nothing is rewritten: a body longer than we hold may pass before its end, and a refusal word for word. */
  readonly isNative: boolean
  judgeBody(body: Buffer): JudgedBody
  /** Is this an answer of the upstream's dialect, though perhaps not of the kind asked for? */
  looksLikeAnswer(body: Buffer): boolean
  openStream(): StreamPassage
}

export interface StreamPassage {
  /**
   * Takes a chunk of the upstream's stream.
   * @returns what may be told to the client; null: nothing yet, and nothing before `verdict` is `content`.
   */
  push(chunk: Buffer): Buffer | null
  readonly verdict: Verdict
  /** JSON of the event that carried an error, once `verdict` is `error`. */
  readonly errorText: string
  /** The upstream's stream has ended. `last`: what is still to be told if it is not `broken`. */
  end(): Readonly<{ ending: Ending; last: Buffer | null }>
  /** Asked once, when nothing more comes of it. @returns null for calls that cost nothing. */
  told(): Told | null
  /** Last bytes of an answer that has no end: the error, in the client's own words. */
  breakOff(problem: Problem): Buffer
}
