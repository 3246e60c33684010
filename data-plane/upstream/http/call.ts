/**
 * One request on its way, as seen by who asked for it.
 */
import type { Member } from '#contracts/roster.ts'
import { ENDED } from './ended.ts'
import type { Headers } from '../../http/headers.ts'
import type { Request } from './request.ts'

/** Told what comes of a request: a start, a head, pieces, and an end or an error. Nothing after it was given up. */
export type Receiver = {
  /** Right before the first byte goes out. */
  onRequestStart(): void
  onResponseStart(status: number, headers: Headers): void
  /** The bytes are the receiver's to keep. */
  onResponseData(piece: Buffer): void
  onResponseEnd(): void
  /** @param code Node's, undici's (while connecting), or one of `ENDED`. */
  onResponseError(code: string): void
}

/** Told what a receiver threw: a fault of ours, whatever the provider said. */
export type FaultListener = (error: unknown) => void

/** Whoever carries a call out. */
export type Carrier = {
  pause(): void
  resume(): void
  /** Lets go of it at once. */
  drop(): void
}

export class Call implements Member {
  place = -1
  readonly request: Request
  readonly #receiver: Receiver
  readonly #onFault: FaultListener
  #carrier: Carrier
  #isOver = false
  #isPaused = false

  constructor(request: Request, receiver: Receiver, carrier: Carrier, onFault: FaultListener) {
    this.request = request
    this.#receiver = receiver
    this.#onFault = onFault
    this.#carrier = carrier
  }

  /** At its end, or given up. */
  get isOver(): boolean {
    return this.#isOver
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** What has come already may still be told. */
  pause(): void {
    if (this.#isOver || this.#isPaused) return
    this.#isPaused = true
    this.#carrier.pause()
  }

  resume(): void {
    if (this.#isOver || !this.#isPaused) return
    this.#isPaused = false
    this.#carrier.resume()
  }

  /** Nothing more is told of it, and nothing more of it is sent. */
  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#carrier.drop()
  }

  /** The first byte goes out now. */
  begin(carrier: Carrier): void {
    this.#carrier = carrier
    try {
      this.#receiver.onRequestStart()
    } catch (error) {
      this.#giveUp(error)
    }
  }

  head(status: number, headers: Headers): void {
    try {
      this.#receiver.onResponseStart(status, headers)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  data(piece: Buffer): void {
    try {
      this.#receiver.onResponseData(piece)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    try {
      this.#receiver.onResponseEnd()
    } catch (error) {
      this.#onFault(error)
      this.#tellError(ENDED.unreadable)
    }
  }

  fail(code: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#tellError(code)
  }

  #tellError(code: string): void {
    try {
      this.#receiver.onResponseError(code)
    } catch (error) {
      // Nobody else is left to be told, and others wait for their turn.
      this.#onFault(error)
    }
  }

  /** Whoever is told may fail at what a provider says: that is the end of this answer, and of nothing else. */
  #giveUp(error: unknown): void {
    this.#onFault(error)
    this.#carrier.drop()
    this.fail(ENDED.unreadable)
  }
}
