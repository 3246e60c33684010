/**
 * The port of a dialect: four ways in, four ways out, for whole bodies and for streams.
 *
 * Pure. Every dialect has a folder of its own (`read-request`, `write-request`, `read-reply`, `write-reply`,
 * `read-stream`, `write-stream`, `terms`) and one file of the same name beside it that puts them together.
 * Same dialect in and out does not come here: its bytes pass (`native.ts`), unless they hold sealed state.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import type { Problem } from '#contracts/errors.ts'
import type { Result } from '#contracts/result.ts'
import type { Sealer } from './canonical/carrier.ts'
import type { JsonObject } from './canonical/json.ts'
import type { Loss } from './canonical/loss.ts'
import type { CanonicalReply } from './canonical/reply.ts'
import type { CanonicalRequest, DialectName } from './canonical/request.ts'
import type { StreamEvent } from './canonical/stream.ts'

export type ReadContext = Readonly<{
  /** From the address or the body; already known to routing. */
  model: string
  stream: boolean
  /** The client's request headers, lower case, that a dialect may look at (`anthropic-beta`, …). */
  headers: Readonly<Record<string, string | undefined>>
  /** Gemini: the query says `alt=sse`. */
  framing: 'sse' | 'json-array'
  sealer: Sealer
}>

export type WriteTarget = Readonly<{
  /** Upstream model name. */
  model: string
  /** Where it goes: carriers go back only to their own provider. */
  provider: string
  capabilities: Capabilities
  /** Stream the upstream's answer? */
  stream: boolean
}>

export type WrittenRequest = Readonly<{
  /** JSON text: static members first, the conversation last, always in the same order. */
  body: string
  /** Headers the body needs: name, value, name, value… (`anthropic-version`, `anthropic-beta`). */
  headers: readonly string[]
  losses: readonly Loss[]
  /** Tool names as sent → as the client wrote them, where they had to be changed. */
  toolNames: ReadonlyMap<string, string>
}>

/** What an upstream's answer needs to be read. */
export type AnswerOrigin = Readonly<{
  provider: string
  toolNames: ReadonlyMap<string, string>
}>

/** What an answer to the client needs to be written. */
export type AnswerTarget = Readonly<{
  request: CanonicalRequest
  /** Prefixes vary by dialect; the rest is unique and of `[A-Za-z0-9]`. */
  newId: () => string
  /** Epoch seconds. */
  now: number
  sealer: Sealer
  requestId: string
}>

/** One event of an event stream: `event` is empty where no name was sent. */
export type SseEvent = Readonly<{ event: string; data: string }>

export interface StreamReader {
  push(event: SseEvent): readonly StreamEvent[]
  /** The upstream has ended. An answer without its end becomes an `error` of code `stream_broken`. */
  end(): readonly StreamEvent[]
}

/** One string is one write; each holds whole frames only. Empty: nothing to say yet. */
export interface StreamWriter {
  write(event: StreamEvent): string
  /** After the last event. Terminal frames that were still owed. */
  end(): string
  /** An error in this format's words, after whatever was said. Nothing may follow. */
  fail(problem: Problem): string
}

export type ErrorBody = Readonly<{ status: number; body: string }>

export interface Dialect {
  readonly name: DialectName
  /** Content type of streams to clients. */
  readonly streamType: string
  readRequest(body: JsonObject, context: ReadContext): Result<CanonicalRequest, Problem>
  /** Never fails: what cannot be said is among the losses, those that make it senseless with `refuse`. */
  writeRequest(request: CanonicalRequest, target: WriteTarget): WrittenRequest
  /** @returns a reason when it is not an answer of this dialect. Errors are told apart before. */
  readReply(body: JsonObject, origin: AnswerOrigin): Result<CanonicalReply, string>
  writeReply(reply: CanonicalReply, target: AnswerTarget): string
  openReader(origin: AnswerOrigin): StreamReader
  openWriter(target: AnswerTarget): StreamWriter
  /** The client's own path of something in canonical words: `params.topK` → `top_k`. */
  pathOf(at: string): string
  /** Status and body by B3: `problem.status`, where given, is the upstream's own and wins. */
  writeError(problem: Problem, requestId: string): ErrorBody
  /** The same as the last event of a stream that has begun natively: whole frames, blank line included. */
  writeErrorEvent(problem: Problem, requestId: string): string
}
