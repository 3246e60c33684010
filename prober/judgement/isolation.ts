/**
 * Tells a node that cannot reach a deployment from a deployment that cannot be reached.
 *
 * Pure but for the rows it is given; time in monotonic milliseconds is an argument.
 */
import { addTo, EMPTY_TALLY, tallied, type Tally } from './estimate.ts'

/** What each node saw of one deployment lately. */
export type NodeRows = Map<string, Readonly<{ attempts: Tally; faults: Tally }>>

const TAU_MS = 20_000
/** With two nodes nobody can say which of them is right. */
const LEAST_NODES = 3
const OWN_ATTEMPTS = 2
const OWN_FAULTS = 0.4
const OTHERS_ATTEMPTS = 5
const OTHERS_FAULTS = 0.08
/** Below this many attempts a row is forgotten. */
const FORGOTTEN = 0.01

export function noteNode(
  rows: NodeRows,
  node: string,
  { judged, faults }: Readonly<{ judged: number; faults: number }>,
  now: number,
): void {
  const row = rows.get(node)
  if (row === undefined) forgetOld(rows, now)
  rows.set(node, {
    attempts: addTo(row?.attempts ?? EMPTY_TALLY, judged, now, TAU_MS),
    faults: addTo(row?.faults ?? EMPTY_TALLY, faults, now, TAU_MS),
  })
}

/** Does this node fail where the others do not? */
export function faultsApart(rows: NodeRows, node: string, now: number): boolean {
  if (rows.size < LEAST_NODES) return false
  const own = { attempts: 0, faults: 0 }
  const others = { attempts: 0, faults: 0 }
  for (const [name, row] of rows) {
    const sum = name === node ? own : others
    sum.attempts += tallied(row.attempts, now, TAU_MS)
    sum.faults += tallied(row.faults, now, TAU_MS)
  }
  return (
    own.attempts >= OWN_ATTEMPTS &&
    own.faults >= OWN_FAULTS * own.attempts &&
    others.attempts >= Math.max(OTHERS_ATTEMPTS, own.attempts) &&
    others.faults < OTHERS_FAULTS * others.attempts
  )
}

function forgetOld(rows: NodeRows, now: number): void {
  for (const [node, { attempts }] of rows) if (tallied(attempts, now, TAU_MS) < FORGOTTEN) rows.delete(node)
}
