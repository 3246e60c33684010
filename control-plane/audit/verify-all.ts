/**
 * The whole log, read again and checked link by link, against everything that is known of it from elsewhere.
 */
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { readCommit } from '#contracts/commit/commit.ts'
import type { RecordedCommit } from '../store/event-log.ts'
import type { Signed } from '../store/past.ts'
import { openCheckpoint } from './statement.ts'
import type { Verifier } from './signer.ts'
import { NOTHING_VERIFIED, verifyNext, type LogProblem, type Verified } from './verify-log.ts'

export type ReadLog = (after: number, limit: number) => Promise<readonly RecordedCommit[]>

export type LogCheck = Readonly<{
  /** Commits found whole, from the first on. */
  commits: number
  ok: boolean
  /** Link of the last of them: keep it elsewhere, and nobody can rewrite what was before it. */
  chain: string
  firstBad?: Readonly<{ commit: number; problem: LogProblem }>
  /** Signed statements that it was compared with, and those that are not signed by us. */
  checkpoints?: number
  forged?: number
}>

const READ_AT_ONCE = 500

/**
 * @param marks links that the log must lead to, by commit.
 * @param onWhole told of every commit that was found whole, in order.
 */
export async function verifyAll(
  read: ReadLog,
  marks: ReadonlyMap<number, string>,
  signal: AbortSignal | undefined,
  onWhole: (record: RecordedCommit) => void = () => undefined,
): Promise<LogCheck> {
  const end = Math.max(0, ...marks.keys())
  let verified: Verified = NOTHING_VERIFIED
  const bad = (problem: LogProblem): LogCheck => ({
    commits: verified.commit,
    ok: false,
    chain: verified.chain,
    firstBad: { commit: verified.commit + 1, problem },
  })
  while (verified.commit < end) {
    signal?.throwIfAborted()
    const records = await read(verified.commit, Math.min(READ_AT_ONCE, end - verified.commit))
    if (records.length === 0) return bad('commit_missing')
    for (const record of records) {
      const next = verifyNext(verified, record)
      if (!next.ok) return bad(next.error)
      const mark = marks.get(next.value.commit)
      if (mark !== undefined && mark !== next.value.chain) return bad('head_mismatch')
      verified = next.value
      onWhole(record)
    }
  }
  return { commits: verified.commit, ok: true, chain: verified.chain }
}

/** @returns the links that signed statements name, and the first statement that is not ours. */
export function marksOf(
  statements: readonly Signed[],
  verifier: Verifier,
): Readonly<{ marks: readonly (readonly [number, string])[]; forged: number }> {
  const opened = statements.map((signed) => openCheckpoint(signed, verifier))
  const marks = opened.flatMap((one) => (one === null ? [] : [[one.commit, one.chain] as const]))
  return { marks, forged: opened.length - marks.length }
}

/** Folds what it is told of, a batch at a time: one copy of the catalog a batch, not a commit. */
export class Refold {
  #catalog: Catalog = EMPTY_CATALOG
  readonly #waiting: RecordedCommit[] = []

  readonly take = (record: RecordedCommit): void => {
    this.#waiting.push(record)
    if (this.#waiting.length >= READ_AT_ONCE) this.#fold()
  }

  get catalog(): Catalog {
    this.#fold()
    return this.#catalog
  }

  #fold(): void {
    this.#catalog = foldCommits(
      this.#catalog,
      this.#waiting.splice(0).map(({ wire }) => readCommit(wire)),
    )
  }
}
