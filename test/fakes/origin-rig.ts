/**
 * Requests to upstreams that answer with bytes, over our own client of HTTP, and what is told of them.
 */
import { guardedConnector, type Connector } from '#contracts/security/guarded-connector.ts'
import type { Call, Receiver } from '#data-plane/upstream/http/call.ts'
import { NO_HEADERS, type Headers } from '#data-plane/http/headers.ts'
import { Origin } from '#data-plane/upstream/http/origin.ts'
import type { Request } from '#data-plane/upstream/http/request.ts'
import { turns } from '../eventually.ts'
import { RawUpstream, type RawAnswer } from './raw-upstream.ts'

export const CONNECT = guardedConnector(true, 1_000)

export class OriginRig implements AsyncDisposable {
  /** What receivers threw. */
  readonly faults: unknown[] = []
  readonly #stack = new AsyncDisposableStack()

  async upstream(answer: RawAnswer): Promise<RawUpstream> {
    return this.#stack.use(await RawUpstream.start(answer))
  }

  origin(
    { origin }: Readonly<{ origin: string }>,
    connect: Connector = CONNECT,
    mostConnections?: number,
  ): Origin {
    const onFault = (error: unknown): void => void this.faults.push(error)
    return this.#stack.use(new Origin(origin, connect, onFault, mostConnections))
  }

  /** @param undo done before what was made earlier goes. */
  defer(undo: () => void): void {
    this.#stack.defer(undo)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** One of the smallest requests there are. */
export const smallRequest = (over: Partial<Request> = {}): Request => ({
  method: 'POST',
  path: '/',
  headers: [],
  credential: [],
  body: Buffer.from('{}'),
  idleMs: 5_000,
  ...over,
})

export type Told = 'start' | 'head' | 'data' | 'end' | 'error'

export class RecordedReceiver implements Receiver {
  /** In order. */
  readonly told: Told[] = []
  status = 0
  headers: Headers = NO_HEADERS
  /** Why there is no answer, or only a part; null: nobody said that it failed. */
  code: string | null = null
  /** Called each time it is told something, after it was written down. */
  readonly #on: (told: Told, receiver: RecordedReceiver) => void
  readonly #pieces: Buffer[] = []
  readonly #over = Promise.withResolvers<this>()

  constructor(on: (told: Told, receiver: RecordedReceiver) => void = () => undefined) {
    this.#on = on
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString('latin1')
  }

  /** When it has ended or failed. */
  get over(): Promise<this> {
    return this.#over.promise
  }

  onRequestStart(): void {
    this.#tell('start')
  }

  onResponseStart(status: number, headers: Headers): void {
    this.status = status
    this.headers = headers
    this.#tell('head')
  }

  onResponseData(chunk: Buffer): void {
    this.#pieces.push(chunk)
    this.#tell('data')
  }

  onResponseEnd(): void {
    this.#over.resolve(this)
    this.#tell('end')
  }

  onResponseError(code: string): void {
    this.code = code
    this.#over.resolve(this)
    this.#tell('error')
  }

  #tell(told: Told): void {
    this.told.push(told)
    this.#on(told, this)
  }
}

export type Asked = Readonly<{ call: Call; receiver: RecordedReceiver }>

/** @param on see `RecordedReceiver`. */
export function ask(
  origin: Origin,
  over: Partial<Request> = {},
  on?: (told: Told, receiver: RecordedReceiver) => void,
): Asked {
  const receiver = new RecordedReceiver(on)
  return { receiver, call: origin.dispatch(smallRequest(over), receiver) }
}

/** @returns when there is an answer, or will be none, and its connection has rested. */
export async function answerTo(origin: Origin, over: Partial<Request> = {}): Promise<RecordedReceiver> {
  const receiver = await ask(origin, over).receiver.over
  await turns(3)
  return receiver
}
