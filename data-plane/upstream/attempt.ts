/**
 * One try against one deployment, from the first byte sent to the last received.
 *
 * Nothing reaches the client before the answer has proved to be one: a stream is held until its first
 * content, a JSON answer until its end. Until then every failure is returned as data and another candidate
 * can be tried; afterwards the client is told that the answer broke off.
 */
import { openaiErrorEvent } from '#contracts/http/openai-error.ts'
import { keysOf, scanTopLevel } from '../dialects/json-scan.ts'
import type { Deployment, Lane } from '../routing/snapshot.ts'
import { classifyNetworkError, classifyRefusal, failure, type Failure } from './classify.ts'
import { CommitGate } from './commit-gate.ts'
import type { Downstream } from './downstream.ts'
import type { Dispatcher } from './pools.ts'
import { StreamTail } from './stream-tail.ts'

/** JSON answers up to this size are held whole, so that one cut short can still be tried elsewhere. */
const HOLD_JSON_BYTES = 16 * 1024 * 1024
/** Of a refusal's body: enough for any error message. */
const REFUSAL_BYTES = 64 * 1024
/** For a refusal's body, in milliseconds: the status has said what matters most. */
const REFUSAL_MS = 2_000
/** A connection that was closed while it was idle breaks at once when it is used, in milliseconds. */
const STALE_MS = 1_000

export type AttemptInput = Readonly<{
  dispatcher: Dispatcher
  deployment: Deployment
  lane: Lane
  /** 1 is the first. */
  attempt: number
  body: Buffer
  stream: boolean
  /** Sent with every attempt: name, value, name, value… */
  headers: readonly string[]
  /** What is left of the whole request's time, in milliseconds. */
  remainingMs: number
  client: Downstream
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
}>

type State = 'waiting' | 'holding' | 'collecting' | 'refusing' | 'passing' | 'done'

const ANSWER_KEYS = keysOf('error', 'choices')
const OPEN_ARRAY = 0x5b
/** Upstream headers a client may see. */
const PASSED_HEADERS = ['openai-processing-ms', 'openai-version'] as const

export function attempt(input: AttemptInput): Promise<AttemptResult> {
  return new Promise((resolve) => new Attempt(input, resolve).send())
}

class Attempt implements Dispatcher.DispatchHandler {
  readonly #input: AttemptInput
  readonly #resolve: (result: AttemptResult) => void
  readonly #startedAt: number
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #state: State = 'waiting'
  #controller: Dispatcher.DispatchController | null = null
  #timer: NodeJS.Timeout | undefined
  #gate: CommitGate | null = null
  #tail: StreamTail | null = null
  #committed = false
  #firstMs: number | null = null
  #status = 0
  #contentType = ''
  #headers: Readonly<Record<string, string | string[] | undefined>> = {}

  constructor(input: AttemptInput, resolve: (result: AttemptResult) => void) {
    this.#input = input
    this.#resolve = resolve
    this.#startedAt = input.clock.monotonic()
  }

  send(): void {
    const { dispatcher, deployment, lane, body, headers, stream, remainingMs, client } = this.#input
    const { firstTokenMs, answerMs, idleMs } = deployment.timeouts
    client.onGone(() => this.#giveUp(failure('cancelled')))
    if (this.#state === 'done') return // it had left before
    const limit = Math.min(stream ? firstTokenMs : answerMs, remainingMs)
    this.#timer = setTimeout(() => this.#outOfTime(), limit)
    dispatcher.dispatch(
      {
        method: 'POST',
        path: deployment.chatPath,
        headers: headers.concat(lane.headers),
        body,
        bodyTimeout: idleMs,
      },
      this,
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#state === 'done') controller.abort(new Error('given up'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // Early hints and the like: the answer is still to come.
    if (this.#state !== 'waiting' || status < 200) return
    this.#status = status
    this.#headers = headers
    this.#contentType = String(headers['content-type'] ?? '')
    const isAnswer = status < 300 && isPlain(headers)
    if (isAnswer && this.#input.stream && /^text\/event-stream/i.test(this.#contentType)) {
      this.#gate = new CommitGate()
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

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    switch (this.#state) {
      case 'passing':
        this.#pass(chunk)
        return
      case 'holding':
        this.#keep(chunk)
        this.#judge(chunk)
        return
      case 'collecting':
        this.#keep(chunk)
        if (this.#bytes > HOLD_JSON_BYTES) this.#begin(null)
        return
      case 'refusing':
        this.#keep(chunk)
        if (this.#bytes > REFUSAL_BYTES) this.#endRefusing()
        return
      default: // waiting: cannot be; done: what still arrives is of no use
    }
  }

  onResponseEnd(): void {
    switch (this.#state) {
      case 'passing':
        this.#endPassing()
        return
      case 'collecting':
        this.#endCollecting(Buffer.concat(this.#chunks))
        return
      case 'refusing':
        this.#endRefusing()
        return
      default: // a stream without a single content, or no answer at all
        this.#finish(failure('fault', 'The provider ended the answer before it began.'))
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#state === 'done') return
    const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
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
    const verdict = this.#gate?.feed(chunk)
    if (verdict === 'content') {
      this.#input.onFirst(this.#elapsed())
      this.#begin(null)
    } else if (verdict === 'error') {
      this.#abort()
      this.#finish(this.#classify(this.#gate?.errorText ?? ''))
    }
  }

  /** The commit point: from here the answer is this provider's. */
  #begin(length: number | null): void {
    const { client, deployment, attempt: number, stream } = this.#input
    // From here only silence between chunks is timed.
    clearTimeout(this.#timer)
    this.#committed = true
    this.#state = 'passing'
    if (stream) this.#tail = new StreamTail()
    client.begin({
      status: this.#status,
      contentType: this.#contentType,
      length,
      deployment,
      attempt: number,
      passed: passedHeaders(this.#headers),
    })
    if (length === null) for (const chunk of this.#chunks.splice(0)) this.#pass(chunk)
  }

  #pass(chunk: Buffer): void {
    const { client } = this.#input
    const passed = this.#tail === null ? chunk : this.#tail.push(chunk)
    if (passed === null || client.write(passed)) return
    const controller = this.#controller
    if (controller === null || controller.paused) return
    controller.pause()
    client.onceDrained(() => controller.resume())
  }

  #endPassing(): void {
    const ending = this.#tail?.ending() ?? 'finished'
    if (ending === 'broken') {
      this.#breakOff()
      return
    }
    this.#input.client.end(this.#tail?.rest ?? null)
    this.#finish(ending === 'finished' ? null : failure('cut'))
  }

  #endCollecting(body: Buffer): void {
    const spans = scanTopLevel(body, ANSWER_KEYS)
    if (typeof spans === 'string') {
      this.#finish(failure('fault', 'The provider’s answer is not valid JSON.'))
      return
    }
    const [errorStart = -1, errorEnd = -1, choicesStart = -1] = spans
    if (errorStart !== -1 && body.toString('latin1', errorStart, errorEnd) !== 'null') {
      this.#finish(this.#classify(body.toString()))
    } else if (body[choicesStart] !== OPEN_ARRAY)
      this.#finish(failure('fault', 'The provider’s answer is not a chat completion.'))
    else {
      this.#begin(body.length)
      this.#input.client.end(body)
      this.#finish(null)
    }
  }

  /** Judges by what has come of the body: all of it, unless it was too long or too slow. */
  #endRefusing(): void {
    const body = Buffer.concat(this.#chunks)
    const refusal = this.#classify(body.toString())
    const { scope, outcome } = refusal
    const isWhole = isJson(this.#contentType) && typeof scanTopLevel(body, []) !== 'string'
    const asItIs = scope === 'request' && isWhole
    const refused = asItIs ? { status: this.#status, contentType: this.#contentType, body } : null
    // A 200 of the wrong kind has no error to read.
    const isUnread = this.#status < 300 && refusal.message === null
    this.#finish(isUnread ? wrongKind(outcome, this.#contentType, body) : refusal, refused)
    this.#abort()
  }

  #classify(body: string): Failure {
    const retryAfter = this.#headers['retry-after']
    return classifyRefusal({
      status: this.#status,
      body,
      retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      retryable: this.#input.deployment.retryable,
      now: this.#input.clock.now(),
    })
  }

  /** After the commit point a failure is the client's to know. */
  #breakOff(): void {
    const { client, stream } = this.#input
    if (stream) {
      // Half an event would swallow ours: close it first.
      const border = this.#tail?.isBetweenEvents === false ? '\n\n' : ''
      client.end(Buffer.from(border + openaiErrorEvent({ code: 'stream_broken' })))
    } else client.cut()
    this.#finish(failure('cut'))
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
    this.#abort()
    this.#finish(why)
  }

  #abort(): void {
    // Later, so that the error it reports comes after `#finish` and is ignored.
    const controller = this.#controller
    if (controller !== null) queueMicrotask(() => controller.abort(new Error('given up')))
  }

  /** In milliseconds. */
  #elapsed(): number {
    return this.#input.clock.monotonic() - this.#startedAt
  }

  #finish(outcome: Failure | null, refused: Refused | null = null, unanswered = false): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    clearTimeout(this.#timer)
    this.#chunks.length = 0
    const totalMs = this.#elapsed()
    // A refusal is no answer: a quick 503 must not pass for a quick first byte.
    const firstMs = outcome === null ? this.#firstMs : null
    this.#resolve({ failure: outcome, committed: this.#committed, refused, unanswered, firstMs, totalMs })
  }
}

const isReset = (code: string): boolean =>
  code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'

const isJson = (contentType: string): boolean => /json/i.test(contentType)

/**
 * An answer as a whole where a stream was asked for, or the other way round, may be the caller's doing (see
 * `json-skim.ts` on `stream`): it moves on, but counts against nobody.
 */
function wrongKind(outcome: Failure['outcome'], contentType: string, body: Buffer): Failure {
  const isAnswer = isJson(contentType) ? hasChoices(body) : body.includes('"choices"')
  return isAnswer
    ? failure('invalid', 'The provider streamed what was asked for as a whole, or the other way round.')
    : failure(outcome, 'The provider’s answer is of the wrong type.')
}

function hasChoices(body: Buffer): boolean {
  const spans = scanTopLevel(body, ANSWER_KEYS)
  return typeof spans !== 'string' && body[spans[2] ?? -1] === OPEN_ARRAY
}

/** We asked for an unencoded answer and can read no other. */
function isPlain(headers: Readonly<Record<string, string | string[] | undefined>>): boolean {
  const encoding = headers['content-encoding']
  return encoding === undefined || encoding === 'identity'
}

function passedHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): string[] {
  const passed: string[] = []
  for (const name of PASSED_HEADERS) {
    const value = headers[name]
    if (typeof value === 'string') passed.push(name, value)
  }
  return passed
}
