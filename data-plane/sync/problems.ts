/**
 * What went wrong while following the control plane: counted always, said in the log now and then.
 *
 * A dependency that is down fails the same way many times a second; one line in ten seconds tells as much.
 */
import type { Clock } from '#contracts/process/clock.ts'
import type { LogFields, Logger } from '#contracts/process/logger.ts'

/** Every problem this folder counts, with what it means to the operator. */
export const SYNC_PROBLEMS = {
  malformed_message: 'a message on the bus was not understood',
  broken_commit: 'a commit did not continue the chain; the log was asked instead',
  broken_log: 'the log itself does not continue what this node holds; a snapshot is needed',
  rewound_log: 'the log went back under a newer epoch',
  log_behind: 'the control plane says its log ends before what this node serves',
  diverged: 'the control plane names another chain at the commit this node serves',
  other_state: 'the state at this commit is not the control plane’s; its snapshot is fetched',
  below_floor: 'the log goes on with a later release; the state before that stays in force',
  other_log: 'the control plane serves another log; the one held stays in force',
  early_overflow: 'too many commits arrived before the one that is missing',
  stream_lacking: 'the stream on the bus does not hold the commits that are missing',
  snapshot_refused: 'a snapshot of the control plane could not be used',
  link_failed: 'the control plane did not answer',
  compile_failed: 'a commit could not be compiled; the snapshot before it stays in force',
  secret_missing: 'a secret could not be fetched; its provider stays as it was',
  secret_unreadable: 'a secret could not be opened with this master key',
  slot_refused: 'a copy on disk could not be used',
  disk_failed: 'the copy on disk could not be written; a restart would begin further back',
  report_failed: 'a report could not be delivered',
  model_list_refused: 'a list of models was malformed or wrongly signed',
  weights_refused: 'a weight table was malformed or wrongly signed',
  weights_stale: 'a weight table was not newer than the one in force',
} as const
export type SyncProblem = keyof typeof SYNC_PROBLEMS

export const isSyncProblem = (name: string): name is SyncProblem => Object.hasOwn(SYNC_PROBLEMS, name)

/** Between two lines about the same problem, in milliseconds. */
const QUIET_MS = 10_000

export class Problems {
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #counts = new Map<SyncProblem, number>()
  readonly #saidAt = new Map<SyncProblem, number>()

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  note(problem: SyncProblem, fields: LogFields = {}): void {
    const count = this.of(problem) + 1
    this.#counts.set(problem, count)
    const now = this.#clock.monotonic()
    if (now - (this.#saidAt.get(problem) ?? -Infinity) < QUIET_MS) return
    this.#saidAt.set(problem, now)
    this.#logger.warn({ problem, count, ...fields }, SYNC_PROBLEMS[problem])
  }

  /** How often since the start. */
  of(problem: SyncProblem): number {
    return this.#counts.get(problem) ?? 0
  }

  /** Those that occurred, for metrics. */
  counts(): ReadonlyMap<SyncProblem, number> {
    return this.#counts
  }
}
