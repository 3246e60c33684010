/**
 * Limits of a fleet that is this process alone.
 */
import type { Clock } from '#contracts/process/clock.ts'
import type { Entry, LimitCounters, Verdict } from './counters.ts'
import { MeterTable } from './meters.ts'

export class MemoryLimitCounters implements LimitCounters {
  readonly failures = 0
  readonly #table: MeterTable

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#table = new MeterTable(clock)
  }

  async enter(entry: Entry): Promise<Verdict> {
    return this.#table.enter(entry)
  }

  leave(entry: Entry, piece: number, tokens: number): void {
    this.#table.leave(entry, piece, tokens)
  }

  /** What is under way here is known. */
  renew(): void {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
