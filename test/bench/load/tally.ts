/**
 * What the load client saw inside one window.
 */

/** In milliseconds. */
export type Quantiles = Readonly<{ p50: number; p90: number; p99: number; max: number }>

export type LoadResult = Readonly<{
  /** Length of the window. */
  seconds: number
  /** Answers that ended in the window with a status below 300. */
  answers: number
  /** Other statuses, and connections that broke. */
  failures: number
  /** Server-sent events with data, and how many streams ended without `[DONE]`. */
  chunks: number
  incomplete: number
  bodyBytes: number
  latencyMs: Quantiles
  /** From sending to the first byte of the body. */
  firstByteMs: Quantiles
  /** From the upstream's sending of a chunk to its arrival. */
  chunkDelayMs: Quantiles
}>

export class Tally {
  answers = 0
  failures = 0
  chunks = 0
  incomplete = 0
  bodyBytes = 0
  readonly latencyMs: number[] = []
  readonly firstByteMs: number[] = []
  readonly chunkDelayMs: number[] = []
  /** By the process's own clock, in milliseconds. */
  #beganAt = Infinity
  #endedAt = Infinity

  begin(): void {
    this.#beganAt = performance.now()
  }

  end(): void {
    this.#endedAt = performance.now()
  }

  /** Does the window hold this moment? */
  get isOpen(): boolean {
    return this.#beganAt !== Infinity && this.#endedAt === Infinity
  }

  /** Was the window open then already? What began before says nothing of this load. */
  holds(at: number): boolean {
    return this.isOpen && at >= this.#beganAt
  }

  result(): LoadResult {
    const { answers, failures, chunks, incomplete, bodyBytes } = this
    return {
      seconds: (this.#endedAt - this.#beganAt) / 1_000,
      answers,
      failures,
      chunks,
      incomplete,
      bodyBytes,
      latencyMs: quantilesOf(this.latencyMs),
      firstByteMs: quantilesOf(this.firstByteMs),
      chunkDelayMs: quantilesOf(this.chunkDelayMs),
    }
  }
}

function quantilesOf(values: readonly number[]): Quantiles {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}
