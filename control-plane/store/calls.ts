/**
 * Keeps a record of every admin call, allowed or refused: `cp_call`.
 *
 * Recording never waits and never fails a call, but for looks at what was said: those are written first. Records
 * are written in batches; while the database is away the newest thousand are held, older ones are dropped and
 * counted.
 */
import { sql, type Kysely } from 'kysely'
import type { Clock } from '#contracts/process/clock.ts'
import type { Database } from './schema.ts'

/** refused: said no to what was asked. denied: to who asked. failed: could not be carried out. */
export type CallOutcome = 'ok' | 'refused' | 'denied' | 'failed'

export type Call = Readonly<{
  actor: string
  procedure: string
  outcome: CallOutcome
  /** A short sentence; never a secret. */
  detail: string
}>

/** `at` is in epoch milliseconds. */
export type RecordedCall = Call & Readonly<{ id: number; at: number }>

export type CallFilter = Readonly<{
  limit: number
  /** Only records older than this one. */
  before?: number | undefined
  outcome?: CallOutcome | undefined
}>

const WRITE_INTERVAL_MS = 500
const HELD_AT_MOST = 1_000
const ROWS_AT_ONCE = 500
/** Whoever guesses tokens must not be able to fill the table. */
const DENIED_PER_MINUTE = 60
const MINUTE_MS = 60_000
/** Rows further behind the newest are deleted, so that a console left open cannot fill the disk. */
const ROWS_KEPT = 1_000_000
/** But for these: who has seen what people said stays on record. */
const LOOK = { procedure: 'requests.content', outcome: 'ok' } as const
const PRUNE_INTERVAL_MS = 3_600_000

type Row = Call & Readonly<{ at: number }>

export class CallRecorder implements AsyncDisposable {
  readonly #database: Kysely<Database>
  readonly #clock: Clock
  readonly #timer: NodeJS.Timeout
  #held: Row[] = []
  #writing: Promise<void> | null = null
  #dropped = 0
  #minute = { endsAt: 0, denied: 0, over: 0 }
  #prunedAt: number

  constructor(database: Kysely<Database>, clock: Clock) {
    this.#database = database
    this.#clock = clock
    this.#prunedAt = clock.monotonic()
    this.#timer = setInterval(() => void this.flush(), WRITE_INTERVAL_MS)
  }

  /** Records that could not be kept since the start: too many, for too long a time without a database. */
  get dropped(): number {
    return this.#dropped
  }

  /** Records not written yet. */
  get held(): number {
    return this.#held.length
  }

  record(call: Call): void {
    if (call.outcome === 'denied' && !this.#mayKeepDenied()) return
    this.#hold({ ...call, at: this.#clock.now() })
  }

  /** Writes the record of a look at once. Rejects when it cannot be written: then nothing may be shown. */
  async recordLook(actor: string, detail: string): Promise<void> {
    const row = asStored({ ...LOOK, actor, detail, at: this.#clock.now() })
    // What came before it stands before it.
    await this.flush()
    await this.#database.insertInto('cp_call').values(row).execute()
  }

  /** Writes what is held. Never rejects: what could not be written is held for the next time. */
  flush(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null
    })
    return this.#writing
  }

  /** Newest first; what is still held is not among them. Rejects when the database cannot be read. */
  async recent({ limit, before, outcome }: CallFilter): Promise<readonly RecordedCall[]> {
    let query = this.#database.selectFrom('cp_call').selectAll().orderBy('id', 'desc').limit(limit)
    if (before !== undefined) query = query.where('id', '<', String(before))
    if (outcome !== undefined) query = query.where('outcome', '=', outcome)
    const rows = await query.execute()
    return rows.map(({ id, at, actor, procedure, outcome: said, detail }) => ({
      id: Number(id),
      at: Number(at),
      actor,
      procedure,
      outcome: isOutcome(said) ? said : 'failed',
      detail,
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#minute.endsAt = 0
    await this.flush()
    // A write that was under way when we began took only what was held then.
    await this.flush()
  }

  #mayKeepDenied(): boolean {
    const now = this.#clock.monotonic()
    if (now >= this.#minute.endsAt) {
      this.#tellOver()
      this.#minute = { endsAt: now + MINUTE_MS, denied: 0, over: 0 }
    }
    if (this.#minute.denied < DENIED_PER_MINUTE) {
      this.#minute.denied += 1
      return true
    }
    this.#minute.over += 1
    return false
  }

  #tellOver(): void {
    const { over } = this.#minute
    if (over === 0) return
    this.#minute.over = 0
    const detail = `${over} more calls were denied in one minute`
    this.#hold({ actor: 'unknown', procedure: '', outcome: 'denied', detail, at: this.#clock.now() })
  }

  #hold(row: Row): void {
    this.#held.push(row)
    this.#bound()
  }

  #bound(): void {
    const over = this.#held.length - HELD_AT_MOST
    if (over <= 0) return
    this.#held.splice(0, over)
    this.#dropped += over
  }

  async #write(): Promise<void> {
    if (this.#clock.monotonic() >= this.#minute.endsAt) this.#tellOver()
    while (this.#held.length > 0) {
      const rows = this.#held.splice(0, ROWS_AT_ONCE)
      try {
        await this.#database.insertInto('cp_call').values(rows.map(asStored)).execute()
      } catch {
        this.#held.unshift(...rows)
        this.#bound()
        return
      }
    }
    await this.#prune()
  }

  async #prune(): Promise<void> {
    const now = this.#clock.monotonic()
    if (now - this.#prunedAt < PRUNE_INTERVAL_MS) return
    this.#prunedAt = now
    await sql`delete from cp_call where id <= (select max(id) from cp_call) - ${ROWS_KEPT}::bigint
      and not (procedure = ${LOOK.procedure} and outcome = ${LOOK.outcome})`
      .execute(this.#database)
      // The next hour's business.
      .catch(() => undefined)
  }
}

const OUTCOMES: readonly CallOutcome[] = ['ok', 'refused', 'denied', 'failed']
const isOutcome = (text: string): text is CallOutcome => OUTCOMES.some((outcome) => outcome === text)

const asStored = ({ at, actor, procedure, outcome, detail }: Row): Row => ({
  at,
  actor: storable(actor, 200),
  procedure: storable(procedure, 200),
  outcome,
  detail: storable(detail, 500),
})

/** Callers choose some of these texts; one that Postgres refuses would block all records behind it. */
const storable = (text: string, most: number): string =>
  text
    .slice(0, most)
    .toWellFormed()
    .replaceAll(/\p{Cc}/gu, '�')
