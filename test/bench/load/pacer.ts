/**
 * Calls many callbacks at even intervals, each at its own times.
 *
 * Not `setInterval`: timers that fire in one turn of the loop are due together from then on, and streams that
 * began one after the other would end up sending all at once.
 */
type Beat = { dueAt: number; beat: () => boolean }

export class Pacer {
  readonly #everyMs: number
  /** By due time: everyone comes back after the same interval, so the order stays. */
  readonly #beats: Beat[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  /** @param beat called after each interval until it returns false. */
  add(beat: () => boolean): void {
    this.#beats.push({ dueAt: performance.now() + this.#everyMs, beat })
    if (this.#timer === undefined) this.#wait()
  }

  #wait(): void {
    const next = this.#beats[0]
    this.#timer =
      next === undefined
        ? undefined
        : setTimeout(() => this.#run(), Math.max(1, next.dueAt - performance.now()))
  }

  #run(): void {
    const now = performance.now()
    const due = this.#beats.findIndex(({ dueAt }) => dueAt > now)
    for (const one of this.#beats.splice(0, due === -1 ? this.#beats.length : due)) {
      if (!one.beat()) continue
      one.dueAt += this.#everyMs
      this.#beats.push(one)
    }
    this.#wait()
  }
}
