/**
 * Writes down what the prober says, table by table, so that a choice can be traced to what it was made by.
 *
 * Losable in parts: where tables were missed or could not be written a new run begins, and nobody claims to
 * know what was said in between.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import type { WeightEntry, WeightTable } from '#contracts/weights/table.ts'
import type { KeptEntry, KeptTable, WeightTables } from '../store/weight-tables.ts'

export type WeightKeeperPorts = Readonly<{
  tables: Pick<WeightTables, 'keep' | 'dropBefore'>
  clock: Clock
  logger: Logger
  /** As long as the records of requests. */
  retentionMs: number
}>

/** A run is begun anew after so long, so that old ones can be let go. */
const RUN_MS = 3_600_000
/** Tables that wait for the database, at most: five minutes. */
const MOST_WAITING = 300
const TIDY_MS = 3_600_000

type Run = Readonly<{ epoch: number; firstSeq: number; firstAt: number; startedAt: number }>

export class WeightKeeper {
  readonly #ports: WeightKeeperPorts
  readonly #writer = randomUUID()
  #run: Run | null = null
  #last: Readonly<{ seq: number; entries: ReadonlyMap<string, WeightEntry> }> | null = null
  #waiting: KeptTable[] = []
  #tidiedAt = -Infinity
  #isFailing = false

  constructor(ports: WeightKeeperPorts) {
    this.#ports = ports
  }

  /** @param table signed by the prober, and newer than the one before. */
  take(table: WeightTable): void {
    const { epoch, seq, at } = table
    const entries = new Map(table.entries.map((entry) => [`${entry.provider}\n${entry.model}`, entry]))
    const run = this.#runOf(table)
    const changed = run.firstSeq === seq ? [...entries.values()].map(kept) : this.#changes(entries)
    const { firstSeq, firstAt } = run
    this.#run = run
    this.#last = { seq, entries }
    this.#waiting.push({ epoch, seq, firstSeq, firstAt, at, entries: changed })
    if (this.#waiting.length > MOST_WAITING) this.#forget()
  }

  /** Writes what waits. Call it once a second; a failure is the next call's business. */
  async tick(): Promise<void> {
    const { tables, clock, logger, retentionMs } = this.#ports
    const some = this.#waiting
    if (some.length > 0) {
      this.#waiting = []
      try {
        await tables.keep(this.#writer, some)
        this.#isFailing = false
      } catch (error) {
        // Said once: an hour without a database is one problem.
        if (!this.#isFailing) logger.warn({ error }, 'weight tables cannot be kept now')
        this.#isFailing = true
        this.#waiting = [...some, ...this.#waiting]
        if (this.#waiting.length > MOST_WAITING) this.#forget()
        return
      }
    }
    if (clock.monotonic() - this.#tidiedAt < TIDY_MS) return
    await tables.dropBefore(clock.now() - retentionMs)
    this.#tidiedAt = clock.monotonic()
  }

  #runOf({ epoch, seq, at }: WeightTable): Run {
    const now = this.#ports.clock.monotonic()
    const run = this.#run
    const continues =
      run !== null && run.epoch === epoch && this.#last?.seq === seq - 1 && now - run.startedAt < RUN_MS
    return continues ? run : { epoch, firstSeq: seq, firstAt: at, startedAt: now }
  }

  #changes(entries: ReadonlyMap<string, WeightEntry>): readonly KeptEntry[] {
    const before = this.#last?.entries ?? new Map<string, WeightEntry>()
    const changed = [...entries].flatMap(([name, entry]) =>
      isSame(before.get(name), entry) ? [] : [kept(entry)],
    )
    const gone = [...before].flatMap(([name, { provider, model }]): readonly KeptEntry[] =>
      entries.has(name) ? [] : [{ provider, model, factor: 1, reason: GONE, detail: null }],
    )
    return [...changed, ...gone]
  }

  /** There is a gap now: the next table begins a run. */
  #forget(): void {
    this.#waiting = []
    this.#run = null
    this.#last = null
  }
}

const GONE = 'not in the table any more'

const kept = ({ provider, model, factor, reason, detail }: WeightEntry): KeptEntry => ({
  provider,
  model,
  factor,
  reason,
  detail: detail ?? null,
})

/** What it was judged by changes every second; what came of it is what counts. */
const isSame = (before: WeightEntry | undefined, now: WeightEntry): boolean =>
  before !== undefined && before.factor === now.factor && before.detail?.state === now.detail?.state
