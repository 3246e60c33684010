/**
 * An export of a log, and everything one can do to such a file: what `audit verify` must find.
 */
import * as fc from 'fast-check'
import { openCheckpoint } from '#control-plane/audit/statement.ts'
import { verifyFile } from '#control-plane/admin/cli/log-file.ts'
import { writeSegment, type ExportCheck } from '#control-plane/audit/export.ts'
import { Signer } from '#control-plane/audit/signer.ts'
import type { RecordedCommit } from '#control-plane/store/event-log.ts'
import type { Signed } from '#control-plane/store/past.ts'
import { canonical } from '#contracts/canonical.ts'
import { chainLink, commitRoot, eventLeaf, metaLeaf } from '#contracts/commit/chain.ts'
import { decodeCommit } from '#contracts/commit/commit.ts'
import type { Random } from '#contracts/process/clock.ts'
import { oneOf, wholeBetween } from '../faults/dice.ts'
import { buildCommits, metaOf } from '../arbitraries/commits.ts'
import { catalogEvent } from '../arbitraries/history.ts'

export type ExportedLog = Readonly<{
  signer: Signer
  lines: readonly string[]
  /** Commit that each line is, or begins. */
  commits: readonly number[]
  checkpoint: Signed
}>

const LOG_ID = 'log'
const PER_SEGMENT = 7

/** @param count of commits, each of one to three events of any type. */
export function exportedLog(count: number, seed: number): ExportedLog {
  const batches = fc.sample(fc.array(catalogEvent, { minLength: 1, maxLength: 3 }), {
    seed,
    numRuns: count,
  })
  const records = buildCommits(batches).map((wire): RecordedCommit => ({ wire, meta: metaOf(wire.commit) }))
  const signer = new Signer(Buffer.alloc(32, 1))
  const extent = { logId: LOG_ID, from: 1, through: count, at: 1_700_000_000_000 }
  const lines: string[] = []
  const commits: number[] = []
  for (let at = 0; at < records.length; at += PER_SEGMENT) {
    const segment = records.slice(at, at + PER_SEGMENT)
    lines.push(...writeSegment(extent, segment, signer))
    commits.push(at + 1, ...segment.map(({ wire }) => wire.commit))
  }
  const last = records.at(-1)?.wire
  if (last === undefined) throw new Error('a log has commits')
  const { commit, chain, epoch, at } = last
  const statement = { v: 1, logId: LOG_ID, epoch, commit, chain, digest: chain, foldVersion: 1, at }
  const checkpoint = signer.sign('checkpoint', canonical(statement))
  if (openCheckpoint(checkpoint, signer.verifier) === null) throw new Error('the checkpoint is not one')
  return { signer, lines, commits, checkpoint }
}

/** Checks lines as the command line does, with the public key and, when given, a checkpoint kept outside. */
export function checkLines(lines: readonly string[], { signer, checkpoint }: ExportedLog): ExportCheck {
  const text = lines.map((line) => `${line}\n`).join('')
  const check = verifyFile(text, signer.verifier.publicKey, JSON.stringify(checkpoint))
  if ('problem' in check) throw new Error(check.problem)
  return check
}

export type Tampering = Readonly<{
  kind: (typeof KINDS)[number]
  lines: readonly string[]
  /** The first commit that is not as it was. */
  commit: number
}>

const KINDS = ['flip', 'drop', 'swap', 'insert', 'truncate', 'reseal'] as const

/** Does one thing to the file, chosen by dice. It always is another file afterwards. */
export function tamper({ lines, commits }: ExportedLog, random: Random): Tampering {
  const kind = oneOf(random, KINDS)
  const at = wholeBetween(random, 0, lines.length - 1)
  const changed = [...lines]
  const [line = ''] = lines.slice(at)
  const of = (index: number): number => commits[index] ?? (commits.at(-1) ?? 0) + 1
  switch (kind) {
    case 'flip': {
      const place = wholeBetween(random, 0, line.length - 1)
      const code = line.charCodeAt(place) ^ (1 << wholeBetween(random, 0, 6))
      changed[at] = line.slice(0, place) + String.fromCharCode(code) + line.slice(place + 1)
      return { kind, lines: changed, commit: of(at) }
    }
    case 'drop':
      changed.splice(at, 1)
      return { kind, lines: changed, commit: of(at) }
    case 'swap': {
      const other = (at + 1 + wholeBetween(random, 0, lines.length - 2)) % lines.length
      changed[at] = lines[other] ?? ''
      changed[other] = line
      return { kind, lines: changed, commit: of(Math.min(at, other)) }
    }
    case 'insert': {
      const place = wholeBetween(random, 0, lines.length)
      changed.splice(place, 0, line)
      // A line put before its like: the second of the two is the one too many.
      const first = line === lines[place] ? place + 1 : place
      return { kind, lines: changed, commit: of(first) }
    }
    case 'truncate':
      return { kind, lines: lines.slice(0, at), commit: of(at) }
    case 'reseal': {
      const place = line.startsWith('{"commit"') ? at : (at + 1) % lines.length
      changed[place] = resealed(lines[place] ?? '')
      return { kind, lines: changed, commit: of(place) }
    }
    default:
      return kind satisfies never
  }
}

/** A commit with another reason, made consistent in itself again, as somebody who knows the format would. */
function resealed(line: string): string {
  const { commit, meta } = JSON.parse(line) as { commit: unknown; meta: RecordedCommit['meta'] }
  const wire = decodeCommit(JSON.stringify(commit))
  if (!wire.ok) throw new Error(wire.error)
  const said = { ...meta, reason: 'somebody else did it' }
  const leaves = [metaLeaf(said), ...wire.value.events.map(eventLeaf)]
  const chain = chainLink(wire.value.prev, wire.value.commit, commitRoot(wire.value, leaves))
  return canonical({ commit: { ...wire.value, leaves, chain }, meta: said })
}

/** @returns why the tampering was not found as it should be, or null. */
export function missed(log: ExportedLog, tampering: Tampering): string | null {
  const check = checkLines(tampering.lines, log)
  if (check.ok) return 'was not found'
  const named = check.firstBad?.commit
  return named === tampering.commit ? null : `was named as commit ${named}, is at ${tampering.commit}`
}
