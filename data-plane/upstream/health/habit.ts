/**
 * What this node itself has seen to be usual for one deployment and kind of answer: the prober's word where
 * there is one, this where there is none.
 */
import {
  fitLine,
  LEAST_LINE_MS,
  LEAST_LINE_SAMPLES,
  mixSums,
  NO_SUMS,
  type Line,
  type LineSums,
} from '#contracts/telemetry/line.ts'

const TAU_MS = 600_000
/** A sample counts a tenth while the deployment is not well, so that an incident does not become usual. */
const UNWELL_SHARE = 0.1

export class Habit {
  #sums: LineSums = NO_SUMS
  #at = 0
  #count = 0
  /** Of the first sample; -1: there was none. */
  #since = -1
  #line: Line | null = null

  get line(): Line | null {
    return this.#line
  }

  /** @param ms clipped, so that one sample does not move it far. */
  learn(size: number, ms: number, isWell: boolean, now: number): void {
    const kept = Math.exp(Math.min(0, this.#at - now) / TAU_MS)
    const share = isWell || this.#line === null ? 1 : UNWELL_SHARE
    this.#sums = mixSums(this.#sums, kept, [1, size, size * size, ms, size * ms], share)
    this.#at = Math.max(this.#at, now)
    this.#count += 1
    if (this.#since < 0) this.#since = now
    if (this.#count >= LEAST_LINE_SAMPLES && now - this.#since >= LEAST_LINE_MS)
      this.#line = fitLine(this.#sums)
  }
}
