/**
 * One client request, understood: for which model, in which form its answer is wanted, and how it is put to
 * a deployment. The kinds of calls (`calls/`) make it; the path of a request (`serve.ts`) asks it.
 */
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { Problem } from '#contracts/errors.ts'
import type { Result } from '#contracts/result.ts'
import type { CredentialId, KeyId } from '#contracts/ids.ts'
import type { Level } from '../admission/counters.ts'
import type { Sealer } from '../dialects/canonical/carrier.ts'
import type { DialectName } from '../dialects/canonical/request.ts'
import type { RequestHeaders } from '../http/request-headers.ts'
import type { Notes } from '../notes/notes.ts'
import type { Candidate, Deployment } from '../routing/snapshot.ts'
import type { Prepared } from '../upstream/attempt.ts'
import type { Failure } from '../upstream/classify.ts'

export type Inquiry = Readonly<{
  /** Empty: what is asked belongs to `owner`, whatever its model. */
  model: string
  stream: boolean
  /** Id of a response that one provider keeps: only that provider can serve this. */
  owner: string | null
  /**
   * The request as a deployment wants it. Called for each attempt.
   * @returns why it cannot be sent there: scope `request` when it can be sent nowhere.
   */
  prepare: (deployment: Deployment) => Result<Prepared, Failure>
  /**
   * From now on without the opaque state of earlier answers: an upstream did not take it back.
   * @returns false when that changes nothing.
   */
  dropState: () => boolean
  /**
   * Looks up what the client should have sent back and did not. Once, before the first attempt.
   * @returns null when there is nothing to wait for, as for all that passes natively.
   */
  recall: (candidates: readonly Candidate[]) => Promise<void> | null
  /** Told who answers, before anything of the answer is. */
  onAnswering?: (deployment: Deployment, credential: CredentialId | null) => void
  /** An answer of our own, where no upstream can give one. @returns null when one can. */
  answerLocally?: (candidates: readonly Candidate[]) => Result<LocalAnswer, Problem> | null
}>

export type LocalAnswer = Readonly<{ body: string; warnings: readonly string[] }>

/** What came in, after the caller is known. */
export type Arrival = Readonly<{
  body: Buffer
  headers: RequestHeaders
  requestId: string
  /** The client wants losses as errors (`x-apiproxy-strict`). */
  strict: boolean
  /** A chat stream is counted although its client did not ask for that. */
  countStreams: boolean
  /** Epoch milliseconds. */
  now: number
  sealer: Sealer
  notes: Notes
  keyId: KeyId
}>

/** How errors are told to a client, in its own words. */
export type Tongue = Readonly<{
  errorBody: (problem: Problem, requestId: string) => Readonly<{ status: number; body: string }>
  /** As the last event of a stream that has begun. */
  errorEvent: (problem: Problem, requestId: string) => string
  /** Of a stream that had to be begun early to stay alive. */
  streamType: string
  /** What says nothing and may stand anywhere between frames. */
  keepAlive: string
  /** The request's id under the names this client's SDK reads, beside our own. */
  idHeaders: (requestId: string) => readonly string[]
  /** Our limits, as this client's SDK reads them. `now`: epoch milliseconds. */
  limitHeaders: (levels: readonly Level[], now: number) => readonly string[]
}>

/** Whose words a conversation is in. */
export type Conversation = Readonly<{ dialect: DialectName; framing: 'sse' | 'json-array' }>

/** One address of the client API. */
export type Call = Readonly<{
  tongue: Tongue
  /** What a key must be allowed to use. */
  endpoint: ClientEndpoint
  /** Of calls that make a model answer; the others say nothing that is kept. */
  conversation?: Conversation
  read: (arrival: Arrival) => Result<Inquiry, Problem>
}>
