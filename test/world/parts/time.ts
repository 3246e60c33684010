/**
 * Virtual time: one queue of what happens when, for every process of a simulated world.
 *
 * Takes the place of the global timers, so that the product's code runs as it is. Between two happenings every
 * promise that can go on has gone on, so the order of everything follows from the seed alone. What a process
 * has planned dies, waits or goes on with it.
 */
import { setMaxListeners } from 'node:events'
import type { Clock } from '#contracts/process/clock.ts'

/** Epoch milliseconds at which every world begins. */
const BEGIN = 1_700_000_000_000

/** One start of a process, to its end. */
export class Life {
  readonly name: string
  isAlive = true
  isPaused = false
  /** What came due while it was paused. */
  readonly waiting: Happening[] = []
  /** What its wall clock is ahead of the true time, in milliseconds. */
  skew: number

  constructor(name: string, skew = 0) {
    this.name = name
    this.skew = skew
  }
}

type Happening = {
  at: number
  /** Among those of one moment: as they were planned. */
  order: number
  readonly life: Life | null
  run: (() => void) | null
}

export class VirtualTime {
  now = 0
  /** Whose code runs; null: the world's own. */
  current: Life | null = null
  happened = 0
  readonly #queue: Happening[] = []
  #order = 0
  #isStopped = false

  /** Plans something for a process, or for the world. */
  after(ms: number, life: Life | null, run: () => void): Happening {
    const happening = { at: this.now + Math.max(0, ms), order: this.#order++, life, run }
    this.#push(happening)
    return happening
  }

  /** Like a process that the system does not schedule: everything of it waits. */
  pause(life: Life): void {
    life.isPaused = true
  }

  resume(life: Life): void {
    life.isPaused = false
    for (const happening of life.waiting.splice(0)) {
      happening.at = this.now
      this.#push(happening)
    }
  }

  clockOf(life: Life): Clock {
    return { now: () => BEGIN + Math.floor(this.now) + life.skew, monotonic: () => this.now }
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Lets things happen until `stop` or until nothing is planned. @throws whatever a happening throws. */
  run(most: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (): void => {
        try {
          const next = this.#isStopped ? undefined : this.#pop()
          if (next === undefined) return resolve()
          if (++this.happened > most)
            throw new Error(`more than ${most} happenings: something runs in a circle`)
          this.#happen(next)
        } catch (error) {
          return reject(error instanceof Error ? error : new Error(String(error)))
        }
        // After every promise that goes on, and whatever that sets going.
        queueMicrotask(() => process.nextTick(step))
      }
      process.nextTick(step)
    })
  }

  /** Puts this time in the place of the global timers. @returns what takes it back. */
  install(): () => void {
    const real = {
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      setInterval: globalThis.setInterval,
      clearInterval: globalThis.clearInterval,
      setImmediate: globalThis.setImmediate,
    }
    const clear = (timer: unknown): void => {
      if (timer instanceof VirtualTimer) timer.cancel()
    }
    Object.assign(globalThis, {
      setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        new VirtualTimer(this.after(Math.max(1, ms), this.current, () => run(...args))),
      setInterval: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
        const timer = new VirtualTimer(null)
        const again = (): void => {
          timer.become(
            this.after(Math.max(1, ms), this.current, () => {
              again()
              run(...args)
            }),
          )
        }
        again()
        return timer
      },
      setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) =>
        new VirtualTimer(this.after(0, this.current, () => run(...args))),
      clearTimeout: clear,
      clearInterval: clear,
    })
    const combine = AbortSignal.any
    AbortSignal.any = anyOf
    return () => {
      Object.assign(globalThis, real)
      AbortSignal.any = combine
    }
  }

  #happen({ at, life, run }: Happening): void {
    this.now = at
    this.current = life
    run?.()
  }

  #push(happening: Happening): void {
    const queue = this.#queue
    let index = queue.push(happening) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = queue[parent]
      if (above === undefined || !isBefore(happening, above)) break
      queue[index] = above
      index = parent
    }
    queue[index] = happening
  }

  /** The next that is to happen; what died is dropped, what is paused waits aside. */
  #pop(): Happening | undefined {
    for (;;) {
      const top = this.#take()
      if (top === undefined) return undefined
      if (top.run === null || top.life?.isAlive === false) continue
      if (top.life?.isPaused !== true) return top
      top.life.waiting.push(top)
    }
  }

  #take(): Happening | undefined {
    const queue = this.#queue
    const top = queue[0]
    const last = queue.pop()
    if (top === undefined || last === undefined || queue.length === 0) return top
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      const left = queue[child]
      if (left === undefined) break
      const right = queue[child + 1]
      let least = left
      if (right !== undefined && isBefore(right, left)) {
        least = right
        child += 1
      }
      if (!isBefore(least, last)) break
      queue[index] = least
      index = child
    }
    queue[index] = last
    return top
  }
}

const isBefore = (one: Happening, other: Happening): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order)

/** What `setTimeout` gives: enough of node's to be called like it. */
class VirtualTimer {
  #happening: Happening | null

  constructor(happening: Happening | null) {
    this.#happening = happening
  }

  become(happening: Happening): void {
    this.#happening = happening
  }

  cancel(): void {
    if (this.#happening !== null) this.#happening.run = null
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }
}

/** Node keeps a combined signal that is listened to until it is aborted, and with it the world it is of. */
function anyOf(signals: Iterable<AbortSignal>): AbortSignal {
  const combined = new AbortController()
  for (const signal of signals) {
    if (signal.aborted) combined.abort(signal.reason)
    setMaxListeners(0, signal)
    signal.addEventListener('abort', () => combined.abort(signal.reason), { once: true })
  }
  return combined.signal
}
