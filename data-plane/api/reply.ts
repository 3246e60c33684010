/**
 * The answer a client gets: of an upstream or our own, an error in its own words, or an event where a stream has begun.
 * Notices when the client goes away, and keeps a stream alive while nothing has been said.
 */
import { ERRORS, type Problem } from '#contracts/errors.ts'
import * as names from '#contracts/http/headers.ts'
import type { ClientExchange } from '../listener/client-exchange.ts'
import type { Refused } from '../upstream/attempt.ts'
import type { AnswerHead, Downstream } from '../upstream/downstream.ts'
import type { Tongue } from './inquiry.ts'

/** Load balancers cut connections that say nothing for 60 s, some already after 30. In milliseconds. */
const KEEP_ALIVE_MS = 15_000
/** Proxies in front of us must neither keep nor collect what we send piece by piece. */
const STREAM_HEADERS = ['cache-control', 'no-cache', 'x-accel-buffering', 'no']

/** Name, value, name, value…, names in lower case. */
export type HeaderList = readonly string[]

const NO_HEADERS: HeaderList = []
const sayNothing = (): HeaderList => NO_HEADERS

export class Reply implements Downstream {
  readonly #client: ClientExchange
  readonly #requestId: string
  readonly #tongue: Tongue
  #describe: (head: AnswerHead) => HeaderList = sayNothing
  #keepAlive: NodeJS.Timeout | undefined
  #onGone: (() => void) | null = null
  #gone = false
  #status = 0
  #isStream = false
  #bytes = 0
  #provider: string | null = null
  #listener: ((chunk: Buffer) => void) | null = null
  #onClosed: ((isWhole: boolean) => void) | null = null
  /** Its end waits to be told; null: it need not wait. */
  #held: { end: Buffer | null | undefined } | null = null

  /** @param tongue how errors are told. */
  constructor(client: ClientExchange, requestId: string, tongue: Tongue) {
    this.#client = client
    this.#requestId = requestId
    this.#tongue = tongue
    client.onClose((isWhole) => {
      clearInterval(this.#keepAlive)
      this.#onClosed?.(isWhole)
      if (isWhole) return
      this.#gone = true
      this.#onGone?.()
    })
  }

  /** Status told to the client; 0: none yet. */
  get status(): number {
    return this.#status
  }

  /** @param describe our own headers about an answer, asked for when it is known who answers. */
  expect(stream: boolean, describe: (head: AnswerHead) => HeaderList): void {
    this.#describe = describe
    this.#isStream = stream
    // A client that left while its session was looked up will not be said to be gone again.
    if (stream && !this.#gone) this.#keepAlive = setInterval(() => this.#sayAlive(), KEEP_ALIVE_MS)
  }

  begin(head: AnswerHead): void {
    clearInterval(this.#keepAlive)
    this.#provider = head.deployment.provider
    const ours = this.#describe(head) // asked in any case: it also settles where a session is
    if (this.#status !== 0) return // told early, to keep the stream alive
    const headers = ['content-type', head.contentType]
    if (head.length === null) headers.push(...STREAM_HEADERS)
    else headers.push('content-length', String(head.length))
    // One by one: compiled code pushes these itself, and leaves lists to the engine.
    for (const text of ours) headers.push(text)
    for (const text of head.passed) headers.push(text)
    this.#head(head.status, headers)
  }

  /** Who answered; null: nobody yet. */
  get provider(): string | null {
    return this.#provider
  }

  /** @param listener told every piece of the answer, errors told in its place included. */
  listen(listener: (chunk: Buffer) => void): void {
    this.#listener = listener
  }

  /** @param listener told once, when nothing more will be: did the client get all that was told? */
  onClosed(listener: (isWhole: boolean) => void): void {
    this.#onClosed = listener
  }

  /** Of answers told so far. */
  get bytes(): number {
    return this.#bytes
  }

  write(chunk: Buffer): boolean {
    this.#bytes += chunk.length
    this.#listener?.(chunk)
    return this.#client.write(chunk)
  }

  end(last: Buffer | null): void {
    if (last !== null) {
      this.#bytes += last.length
      this.#listener?.(last)
    }
    if (this.#held === null) this.#client.end(last)
    else this.#held.end = last
  }

  /** From now on the end of the answer waits for `release`, with its last bytes. */
  hold(): void {
    this.#held = { end: undefined }
  }

  release(): void {
    const end = this.#held?.end
    this.#held = null
    if (end !== undefined) this.#client.end(end)
  }

  cut(): void {
    this.#client.destroy()
  }

  onceDrained(listener: () => void): void {
    this.#client.onceDrained(listener)
  }

  onGone(listener: () => void): void {
    if (this.#gone) listener()
    else this.#onGone = listener
  }

  /** Tells an error of ours: as a body with its status, or as an event when a stream has begun. */
  fail(problem: Problem, more: HeaderList = []): void {
    clearInterval(this.#keepAlive)
    if (this.#gone || this.#client.isEnded || this.#held?.end !== undefined) return
    if (this.#status !== 0) {
      if (this.#isStream) this.end(Buffer.from(this.#tongue.errorEvent(problem, this.#requestId)))
      else this.cut()
      return
    }
    const { status, body } = this.#tongue.errorBody(problem, this.#requestId)
    const headers = [...retryHeaders(problem), ...more]
    this.#send(status, 'application/json; charset=utf-8', Buffer.from(body), headers)
  }

  /** Passes on the upstream's answer to the caller's own mistake, word for word; `problem` says the same. */
  refuse(refused: Refused, problem: Problem, more: HeaderList): void {
    clearInterval(this.#keepAlive)
    if (this.#gone) return
    if (this.#status === 0)
      this.#send(refused.status, refused.contentType, refused.body, [names.SHOULD_RETRY, 'false', ...more])
    else this.fail(problem) // begun early to stay alive: the status is told, the words go into the stream
  }

  /** Sends a whole body that the gateway made itself. */
  send(contentType: string, body: Buffer, more: HeaderList = []): void {
    this.#send(200, contentType, body, more)
  }

  /** The client holds the current body already. */
  notModified(etag: string): void {
    this.#head(304, ['etag', etag])
    this.#client.end(null)
  }

  #send(status: number, contentType: string, body: Buffer, more: HeaderList): void {
    this.#head(status, ['content-type', contentType, 'content-length', String(body.length), ...more])
    this.end(body)
  }

  #sayAlive(): void {
    if (this.#status === 0) this.#head(200, ['content-type', this.#tongue.streamType, ...STREAM_HEADERS])
    this.#client.write(Buffer.from(this.#tongue.keepAlive))
  }

  #head(status: number, headers: string[]): void {
    headers.push(names.REQUEST_ID, this.#requestId, ...this.#tongue.idHeaders(this.#requestId))
    this.#client.begin(status, headers)
    this.#status = status
  }
}

function retryHeaders({ code, retryAfterMs }: Problem): string[] {
  const headers = ERRORS[code].retry ? [] : [names.SHOULD_RETRY, 'false']
  if (retryAfterMs === undefined) return headers
  return [
    ...headers,
    'retry-after',
    String(Math.ceil(retryAfterMs / 1_000)),
    'retry-after-ms',
    String(Math.ceil(retryAfterMs)),
  ]
}

/** Longest header of warnings: some proxies cut what is longer. */
const WARNINGS_LENGTH = 4_000

/** Paths come from the client: what a header cannot hold is escaped. */
export const warningsHeader = (warnings: readonly string[]): string =>
  encodeURI(warnings.join(',').toWellFormed()).slice(0, WARNINGS_LENGTH)
