/**
 * The log as a file that proves itself: NDJSON in segments, each a signed manifest and its commits.
 *
 * Pure in effect. The manifest stands first and names every commit's link, so that whoever reads knows at
 * each line what must come: the first line that is changed, missing, too much or out of place is the one
 * that is named. A file is whole when its last segment reaches what the first said it would reach.
 */
import { z } from 'zod'
import { canonical, checkCanonical } from '#contracts/canonical.ts'
import { CHAIN_START, type CommitMeta } from '#contracts/commit/chain.ts'
import { decodeCommit } from '#contracts/commit/commit.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { RecordedCommit } from '../store/event-log.ts'
import type { Signed } from '../store/past.ts'
import { openCheckpoint } from './statement.ts'
import type { Signer, Verifier } from './signer.ts'
import { verifyNext, type LogProblem } from './verify-log.ts'

/** Hex digits of each commit's link in the manifest: enough to tell which one is wrong. The last stands whole. */
const LINK_DIGITS = 16

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)

const Manifest = z.strictObject({
  v: z.literal(1),
  logId: z.string(),
  /** Commits of the whole export. */
  from: z.int().min(1),
  through: z.int().min(1),
  /** Commits of this segment. */
  first: z.int().min(1),
  last: z.int().min(1),
  /** Link before the first commit, and of the last. */
  before: hex64,
  chain: hex64,
  /** The beginning of each commit's link, one after the other. */
  links: z.string().regex(/^[0-9a-f]+$/),
  /** Epoch milliseconds, when it was exported. */
  at: z.int().nonnegative(),
})
type Manifest = Readonly<z.infer<typeof Manifest>>

const ManifestLine = z.strictObject({ manifest: z.string(), signature: z.string() })

const Meta = z.strictObject({
  commandId: z.string(),
  command: z.string(),
  actor: z.strictObject({ kind: z.string(), id: z.string() }),
  reason: z.string().nullable(),
  at: z.int(),
  tenant: z.string(),
  guard: z.string(),
})
const CommitLine = z.strictObject({ commit: z.unknown(), meta: Meta })

export type Extent = Readonly<{ logId: string; from: number; through: number; at: number }>

/** @param records of one segment, at least one, in order. @returns its lines, each without a newline. */
export function writeSegment(extent: Extent, records: readonly RecordedCommit[], signer: Signer): string[] {
  const [first, last] = [records[0]?.wire, records.at(-1)?.wire]
  if (first === undefined || last === undefined) return []
  const manifest: Manifest = {
    v: 1,
    ...extent,
    first: first.commit,
    last: last.commit,
    before: first.prev,
    chain: last.chain,
    links: records.map(({ wire }) => wire.chain.slice(0, LINK_DIGITS)).join(''),
  }
  const { body, signature } = signer.sign('manifest', canonical(manifest))
  return [
    canonical({ manifest: body, signature }),
    ...records.map(({ wire, meta }) => canonical({ commit: wire, meta })),
  ]
}

export type ExportProblem =
  | LogProblem
  /** A line is not what this format knows, or not written as it was written. */
  | 'line_malformed'
  /** A manifest that is not signed with the key given. */
  | 'manifest_forged'
  /** A manifest of another log, another export, or out of its place. */
  | 'manifest_misplaced'
  /** The commit is whole in itself and is not the one that was exported. */
  | 'not_as_exported'
  /** The checkpoint is not signed with the key given, or is of another log. */
  | 'checkpoint_forged'
  /** The log was at another link when the checkpoint was signed. */
  | 'checkpoint_mismatch'

export type ExportCheck = Readonly<{
  ok: boolean
  /** First and last commit found whole, and the link of the last; null: not one. */
  from: number | null
  through: number
  chain: string
  /** The first commit that cannot be believed, and the line where that shows, from 1. */
  firstBad?: Readonly<{ commit: number; line: number; problem: ExportProblem }>
}>

/** Reads an export line by line. `take` until it answers false, then ask `finish`. */
export class ExportReader {
  readonly #verifier: Verifier
  readonly #marks: ReadonlyMap<number, string>
  readonly #logId: string | null
  #line = 0
  #segment: Manifest | null = null
  #whole: Manifest | null = null
  #verified = { commit: 0, chain: CHAIN_START }
  #bad: ExportCheck['firstBad']

  /** @param checkpoints kept elsewhere: the export must lead through them. */
  constructor(verifier: Verifier, checkpoints: readonly Signed[]) {
    this.#verifier = verifier
    const opened = checkpoints.map((signed) => openCheckpoint(signed, verifier))
    this.#marks = new Map(opened.flatMap((one) => (one === null ? [] : [[one.commit, one.chain] as const])))
    const logIds = new Set(opened.map((one) => one?.logId))
    this.#logId = opened[0]?.logId ?? null
    if (opened.includes(null) || logIds.size > 1) this.#fail('checkpoint_forged', 0)
  }

  /** @returns false: no more is wanted, something is wrong. */
  take(line: string): boolean {
    if (this.#bad !== undefined) return false
    this.#line += 1
    const segment = this.#segment
    const isOver = segment === null || this.#verified.commit === segment.last
    const taken = isOver ? this.#takeManifest(line) : this.#takeCommit(segment, line)
    if (!taken.ok) this.#fail(taken.error, this.#expected)
    return taken.ok
  }

  finish(): ExportCheck {
    const through = this.#whole?.through ?? 1
    const furthest = Math.max(through, ...this.#marks.keys())
    if (this.#bad === undefined && this.#verified.commit < furthest) {
      this.#line += 1
      this.#fail('commit_missing', this.#expected)
    }
    return {
      ok: this.#bad === undefined,
      from: this.#segment === null ? null : (this.#whole?.from ?? null),
      through: this.#verified.commit,
      chain: this.#verified.chain,
      ...(this.#bad === undefined ? {} : { firstBad: this.#bad }),
    }
  }

  get #expected(): number {
    return this.#verified.commit + 1
  }

  #fail(problem: ExportProblem, commit: number): void {
    this.#bad = { commit, line: this.#line, problem }
  }

  #takeManifest(line: string): Result<true, ExportProblem> {
    const read = readLine(line, ManifestLine)
    if (read === null) return err('line_malformed')
    const { manifest: body, signature } = read
    if (!this.#verifier.accepts('manifest', { body, signature })) return err('manifest_forged')
    const manifest = Manifest.parse(JSON.parse(body))
    const whole = (this.#whole ??= manifest)
    if (this.#segment === null) {
      // Links before the first commit were not exported: the signature vouches for them.
      this.#verified = { commit: manifest.from - 1, chain: manifest.before }
      if (manifest.from === 1 && manifest.before !== CHAIN_START) return err('manifest_misplaced')
    }
    const isNext =
      manifest.logId === whole.logId &&
      (this.#logId === null || manifest.logId === this.#logId) &&
      manifest.from === whole.from &&
      manifest.through === whole.through &&
      manifest.first === this.#expected &&
      manifest.before === this.#verified.chain &&
      manifest.last <= manifest.through &&
      manifest.links.length === (manifest.last - manifest.first + 1) * LINK_DIGITS
    if (!isNext) return err('manifest_misplaced')
    this.#segment = manifest
    return ok(true)
  }

  #takeCommit(manifest: Manifest, line: string): Result<true, ExportProblem> {
    const record = readCommitLine(line)
    if (record === null) return err('line_malformed')
    const next = verifyNext(this.#verified, record)
    if (!next.ok) return next
    const at = (record.wire.commit - manifest.first) * LINK_DIGITS
    const { chain, commit } = next.value
    if (!chain.startsWith(manifest.links.slice(at, at + LINK_DIGITS))) return err('not_as_exported')
    if (commit === manifest.last && chain !== manifest.chain) return err('not_as_exported')
    if ((this.#marks.get(commit) ?? chain) !== chain) return err('checkpoint_mismatch')
    this.#verified = next.value
    return ok(true)
  }
}

/** Another spelling of the same JSON is not what was written. */
function readLine<Value>(line: string, schema: z.ZodType<Value>): Value | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  const parsed = schema.safeParse(value)
  const checked = checkCanonical(value)
  return parsed.success && checked.ok && canonical(checked.value) === line ? parsed.data : null
}

function readCommitLine(line: string): RecordedCommit | null {
  const read = readLine(line, CommitLine)
  if (read === null) return null
  const wire = decodeCommit(JSON.stringify(read.commit))
  const meta: CommitMeta = read.meta
  return wire.ok ? { wire: wire.value, meta } : null
}
