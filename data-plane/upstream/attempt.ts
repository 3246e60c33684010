/**
 * One try against one deployment, from the first byte sent to the last received.
 *
 * Nothing reaches the client before the answer has proved to be one: a stream is held until its first
 * content, a JSON answer until its end. Until then every failure is returned as data and another candidate
 * can be tried; afterwards the client is told that the answer broke off.
 */
import type { DialectName } from '../dialects/canonical/request.ts'
import { scanTopLevel } from '../dialects/json-scan.ts'
import type { Deployment, Lane } from '../routing/snapshot.ts'
import { isJson, isPlain, isStreamed, passedHeaders, withoutCredential } from './answer-head.ts'
import { classifyNetworkError, classifyRefusal, failure, isReset, type Failure } from './classify.ts'
import type { Downstream } from './downstream.ts'
import type { Call, Receiver } from './http/call.ts'
import { NO_HEADERS, type Headers } from '../http/headers.ts'
import type { Origin } from './http/origin.ts'
import type { Passage, StreamPassage } from './passage.ts'
import { readRateLimits, type RateLimits } from './rate-limits.ts'
import type { RequestBody } from './request-body.ts'
import { spentOf, type Spent, type Told } from './spent.ts'

/** JSON answers up to this size are held whole, so that one cut short can still be tried elsewhere. */
const HOLD_JSON_BYTES = 16 * 1024 * 1024
/** Of a refusal's body: enough for any error message. */
const REFUSAL_BYTES = 64 * 1024
/** For a refusal's body, in milliseconds: the status has said what matters most. */
const REFUSAL_MS = 2_000
/** A connection that was closed while it was idle breaks at once when it is used, in milliseconds. */
const STALE_MS = 1_000

/** A request as this deployment wants it, and how its answer is to be read. */
export type Prepared = Readonly<{
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  /** Whose words it is in. */
  dialect: DialectName
  /** Name, value, name, value…, without the credential. */
  headers: readonly string[]
  /** Null: none. */
  body: RequestBody | null
  passage: Passage
  /** What the request lost on its way into another dialect, `parameter:reason`. */
  warnings: readonly string[]
}>

export type AttemptInput = Readonly<{
  origin: Origin
  deployment: Deployment
  lane: Lane
  /** 1 is the first. */
  attempt: number
  prepared: Prepared
  stream: boolean
  /** Over a connection that was never used before. */
  isFresh?: boolean
  /** For the first content of a stream, or the status line of a JSON answer, in milliseconds. */
  limitMs: number
  /** What is left of the whole request's time, in milliseconds. */
  remainingMs: number
  /** Monotonic milliseconds. */
  startedAt: number
  client: Downstream
  /** Told right before the first byte goes out. */
  onSend?: (() => void) | undefined
  /** Told when a stream's first content has come: long before the end of the attempt. In milliseconds. */
  onFirst: (firstMs: number) => void
  clock: Readonly<{ now(): number; monotonic(): number }>
}>

/** A refusal that is the caller's own mistake, to be passed on as it is. */
export type Refused = Readonly<{ status: number; contentType: string; body: Buffer }>

export type AttemptResult = Readonly<{
  /** Null: an answer, to its end. */
  failure: Failure | null
  /** Did anything of an answer reach the client? Then nothing else may. */
  committed: boolean
  refused: Refused | null
  /** The connection broke before a single byte of answer: a stale connection looks like this. */
  unanswered: boolean
  /** From sending to the status line, for a JSON answer; null: none came, or `onFirst` was told. */
  firstMs: number | null
  totalMs: number
  /** What the upstream said about how much more it takes. */
  limits: RateLimits | null
  /** Null: nothing that counts. */
  spent: Spent | null
}>

type State = 'waiting' | 'holding' | 'collecting' | 'refusing' | 'passing' | 'done'

export function attempt(input: AttemptInput): Promise<AttemptResult> {
  return new Promise((resolve) => new Attempt(input, resolve).send())
}

class Attempt implements Receiver {
  readonly #input: AttemptInput
  readonly #resolve: (result: AttemptResult) => void
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #state: State = 'waiting'
  #call: Call | null = null
  #timer: NodeJS.Timeout | undefined
  #stream: StreamPassage | null = null
  #committed = false
  #firstMs: number | null = null
  /** Of a JSON answer; one too long to hold passes unread. */
  #told: Told | null = UNTOLD
  #status = 0
  #contentType = ''
  #headers: Headers = NO_HEADERS

  constructor(input: AttemptInput, resolve: (result: AttemptResult) => void) {
    this.#input = input
    this.#resolve = resolve
  }

  send(): void {
    const { origin, deployment, lane, prepared, isFresh = false, limitMs, remainingMs, client } = this.#input
    client.onGone(() => this.#giveUp(failure('cancelled')))
    if (this.#state === 'done') return // it had left before
    this.#timer = setTimeout(() => this.#outOfTime(), Math.min(limitMs, remainingMs))
    const { method, path, headers, body } = prepared
    const { idleMs } = deployment.timeouts
    this.#call = origin.dispatch(
      { method, path, headers, credential: lane.headers, body, idleMs, isFresh },
      this,
    )
  }

  onRequestStart(): void {
    this.#input.onSend?.()
  }

  onResponseStart(status: number, headers: Headers): void {
    this.#status = status
    this.#headers = headers
    this.#contentType = String(headers.get('content-type') ?? '')
    const isAnswer = status < 300 && isPlain(headers)
    if (isAnswer && this.#input.stream && /^text\/event-stream/i.test(this.#contentType)) {
      this.#stream = this.#input.prepared.passage.openStream()
      this.#state = 'holding'
    } else if (isAnswer && !this.#input.stream && isJson(this.#contentType)) {
      this.#firstMs = this.#elapsed()
      this.#state = 'collecting'
    } else {
      this.#state = 'refusing'
      clearTimeout(this.#timer)
      const { remainingMs } = this.#input
      this.#timer = setTimeout(() => this.#endRefusing(), Math.min(REFUSAL_MS, remainingMs - this.#elapsed()))
    }
  }

  onResponseData(chunk: Buffer): void {
    switch (this.#state) {
      case 'passing':
        this.#pass(chunk)
        return
      case 'holding':
        this.#judge(chunk)
        return
      case 'collecting':
        this.#keep(chunk)
        if (this.#bytes > HOLD_JSON_BYTES) this.#passLong()
        return
      case 'refusing':
        this.#keep(chunk)
        if (this.#bytes > REFUSAL_BYTES) this.#endRefusing()
        return
      default: // cannot be
    }
  }

  onResponseEnd(): void {
    switch (this.#state) {
      case 'passing':
        this.#endPassing()
        return
      case 'collecting':
        this.#endCollecting(this.#collected())
        return
      case 'refusing':
        this.#endRefusing()
        return
      case 'holding':
        this.#endHolding()
        return
      default: // no answer at all
        this.#finish(failure('fault', 'The provider ended the answer before it began.'))
    }
  }

  onResponseError(code: string): void {
    if (this.#state === 'done') return
    const isStale = this.#state === 'waiting' && isReset(code) && this.#elapsed() < STALE_MS
    if (this.#committed) this.#breakOff()
    else if (this.#state === 'refusing') this.#endRefusing()
    else this.#finish(classifyNetworkError(code), null, isStale)
  }

  #keep(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  #judge(chunk: Buffer): void {
    const stream = this.#stream
    const told = stream?.push(chunk) ?? null
    if (stream?.verdict === 'content') {
      this.#input.onFirst(this.#elapsed())
      this.#begin(null)
      this.#write(told)
    } else if (stream?.verdict === 'error') {
      this.#call?.abort()
      this.#finish(this.#classify(stream.errorText))
    }
  }

  /** The commit point: from here the answer is this provider's. */
  #begin(length: number | null): void {
    const { client, deployment, lane, attempt: number, stream, prepared } = this.#input
    // From here only silence between chunks is timed.
    clearTimeout(this.#timer)
    this.#committed = true
    this.#state = 'passing'
    const { bodyType, streamType } = prepared.passage
    client.begin({
      status: this.#status,
      contentType: (stream ? streamType : bodyType) ?? this.#contentType,
      length,
      deployment,
      lane,
      attempt: number,
      passed: passedHeaders(this.#headers),
      warnings: prepared.warnings,
    })
  }

  /** A body too long to hold: passes as it comes, or is given up where it would have to be rewritten. */
  #passLong(): void {
    if (!this.#input.prepared.passage.isNative) {
      this.#giveUp(failure('fault', 'The provider’s answer is too long to be converted.'))
      return
    }
    this.#begin(null)
    for (const chunk of this.#chunks.splice(0)) this.#write(chunk)
  }

  #pass(chunk: Buffer): void {
    this.#write(this.#stream === null ? chunk : this.#stream.push(chunk))
  }

  #write(told: Buffer | null): void {
    if (told === null || this.#input.client.write(told)) return
    const call = this.#call
    if (call === null || call.isPaused) return
    call.pause()
    this.#input.client.onceDrained(() => call.resume())
  }

  #endPassing(): void {
    const { ending, last } = this.#stream?.end() ?? { ending: 'finished', last: null }
    if (ending === 'broken') {
      // What was whole of it is the client's, before it is told that there is no more.
      this.#breakOff()
      return
    }
    this.#input.client.end(last)
    this.#finish(ending === 'finished' ? null : failure('cut'))
  }

  /** A stream that was held to its end: an end frame alone may still make it an answer. */
  #endHolding(): void {
    const stream = this.#stream
    const ended = stream?.end()
    if (stream?.verdict === 'content' && ended?.ending === 'finished') {
      this.#begin(null)
      this.#input.client.end(ended.last)
      this.#finish(null)
    } else if (stream?.verdict === 'error' && stream.errorText !== '')
      this.#finish(this.#classify(stream.errorText))
    else this.#finish(failure('fault', 'The provider ended the answer before it began.'))
  }

  /** What is held, and nothing more of it is copied than has to be. */
  #collected(): Buffer {
    const [only] = this.#chunks
    return only !== undefined && this.#chunks.length === 1 ? only : Buffer.concat(this.#chunks)
  }

  #endCollecting(body: Buffer): void {
    const judged = this.#input.prepared.passage.judgeBody(body)
    if (judged.kind === 'answer') {
      this.#told = judged.told
      this.#begin(judged.body.length)
      this.#input.client.end(judged.body)
      this.#finish(null)
    } else if (judged.kind === 'error') this.#finish(this.#classify(body.toString()))
    else {
      const what = judged.kind === 'not_json' ? 'not valid JSON' : 'not the answer that was asked for'
      this.#finish(failure('fault', `The provider’s answer is ${what}.`))
    }
  }

  /** Judges by what has come of the body: all of it, unless it was too long or too slow. */
  #endRefusing(): void {
    const bytes = Buffer.concat(this.#chunks).toString('latin1')
    const body = Buffer.from(withoutCredential(bytes, this.#input.lane.headers), 'latin1')
    const refusal = this.#classify(body.toString())
    const { scope, outcome } = refusal
    const isWhole = isJson(this.#contentType) && typeof scanTopLevel(body, []) !== 'string'
    const asItIs = scope === 'request' && isWhole && this.#input.prepared.passage.isNative
    const refused = asItIs ? { status: this.#status, contentType: this.#contentType, body } : null
    // A 200 of the wrong kind has no error to read.
    const isUnread = this.#status < 300 && refusal.message === null
    this.#finish(isUnread ? this.#wrongKind(outcome, body) : refusal, refused)
    this.#call?.abort()
  }

  #classify(body: string): Failure {
    const retryAfter = this.#headers.get('retry-after')
    return classifyRefusal({
      status: this.#status,
      body: withoutCredential(body, this.#input.lane.headers),
      retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      retryable: this.#input.deployment.retryable,
      now: this.#input.clock.now(),
    })
  }

  /** After the commit point a failure is the client's to know. */
  #breakOff(): void {
    try {
      if (this.#stream === null) this.#input.client.cut()
      else this.#input.client.end(this.#stream.breakOff({ code: 'stream_broken' }))
    } finally {
      // Nothing else would end it: no timer runs any more.
      this.#finish(failure('cut'))
    }
  }

  /**
   * An answer as a whole where a stream was asked for, or the other way round, may be the caller's doing (see
   * `json-skim.ts` on `stream`): it moves on, but counts against nobody.
   */
  #wrongKind(outcome: Failure['outcome'], body: Buffer): Failure {
    const { passage } = this.#input.prepared
    const isAnswer = isJson(this.#contentType) ? passage.looksLikeAnswer(body) : isStreamed(passage, body)
    return isAnswer
      ? failure('invalid', 'The provider streamed what was asked for as a whole, or the other way round.')
      : failure(outcome, 'The provider’s answer is of the wrong type.')
  }

  /** A JSON answer that has begun in time may take what is left of the whole request's time. */
  #outOfTime(): void {
    const left = this.#input.remainingMs - this.#elapsed()
    if (this.#state === 'collecting' && left > 0) this.#timer = setTimeout(() => this.#outOfTime(), left)
    else this.#giveUp(failure('timeout'))
  }

  /** Ends the attempt from our side: out of time, or the client has left. */
  #giveUp(why: Failure): void {
    if (this.#state === 'done') return
    this.#call?.abort()
    this.#finish(why)
  }

  /** In milliseconds. */
  #elapsed(): number {
    return this.#input.clock.monotonic() - this.#input.startedAt
  }

  #finish(outcome: Failure | null, refused: Refused | null = null, unanswered = false): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    clearTimeout(this.#timer)
    this.#chunks.length = 0
    const totalMs = this.#elapsed()
    // A refusal is no answer: a quick 503 must not pass for a quick first byte.
    const firstMs = outcome === null ? this.#firstMs : null
    const told = !this.#committed ? null : this.#stream === null ? this.#told : this.#stream.told()
    const limits = readRateLimits(this.#headers, this.#input.clock.now())
    this.#resolve({
      failure: outcome,
      committed: this.#committed,
      refused,
      unanswered,
      firstMs,
      totalMs,
      limits,
      spent: told === null ? null : spentOf(told, outcome === null, this.#input.prepared.body),
    })
  }
}

const UNTOLD: Told = { usage: null, seen: () => 0 }
