/**
 * Waits that end: for an answer with a deadline, for a bell with a limit, for everybody else's turn.
 */

/** Lets everything else that is ready run first. By the global timer, so that a simulation can stand in for it. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The answer did not come in time, or nobody wants it any more. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/**
 * Asks a question that must be answered within `ms`. Rejects at the deadline and at `stop`, whether or not
 * whoever was asked listens to the signal.
 */
export async function askWithin<Answer>(
  ms: number,
  stop: AbortSignal,
  question: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  const controller = new AbortController()
  const { promise: never, reject } = Promise.withResolvers<never>()
  const giveUp = (reason: string): void => {
    reject(new NoAnswer(reason))
    controller.abort()
  }
  const onStop = (): void => giveUp('no longer wanted')
  const timer = setTimeout(giveUp, ms, `no answer within ${ms} ms`)
  stop.addEventListener('abort', onStop)
  try {
    if (stop.aborted) throw new NoAnswer('no longer wanted')
    return await Promise.race([question(controller.signal), never])
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', onStop)
  }
}

/** Wakes the one who waits for it. Rung while nobody waits, it wakes the next to come at once. */
export class Bell {
  #isRung = false
  #wake: (() => void) | null = null

  ring(): void {
    this.#isRung = true
    this.#wake?.()
  }

  /** Until it rings, at most `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.#isRung) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, ms)
      this.#wake = resolve
      await promise
      clearTimeout(timer)
      this.#wake = null
    }
    this.#isRung = false
  }
}

/** Waits that grow while something fails: doubled each time up to `most`, halved at random so that nodes part. */
export class Backoff {
  readonly #least: number
  readonly #most: number
  readonly #random: () => number
  #next: number

  constructor(least: number, most: number, random: () => number) {
    this.#least = least
    this.#most = most
    this.#random = random
    this.#next = least
  }

  reset(): void {
    this.#next = this.#least
  }

  /** @returns how long to wait this time, in milliseconds. */
  step(): number {
    const wait = this.#next * (0.5 + this.#random() / 2)
    this.#next = Math.min(this.#most, this.#next * 2)
    return wait
  }
}
