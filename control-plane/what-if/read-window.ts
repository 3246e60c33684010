/**
 * Reads what "what if" is asked of: the requests of a window, evenly thinned out when there are too many, and
 * what the prober said meanwhile.
 */
import type { UsageReport } from '../store/usage-report.ts'
import { WHOLE_TABLE_MS, type WeightTables } from '../store/weight-tables.ts'
import type { FactorMove } from './knowledge.ts'
import { PastReader, unusable, type PastRequest } from './past-request.ts'

export type WindowPorts = Readonly<{
  usage: Pick<UsageReport, 'count' | 'window'>
  tables: Pick<WeightTables, 'changes'>
}>

export type PastWindow = Readonly<{
  /** All that were recorded; null: more than `MOST_COUNTED`, and none was read. */
  recorded: number | null
  /** Each request that was read stands for so many. */
  times: number
  requests: readonly PastRequest[]
  /** How many cannot be asked, by why: what was read of them, each for as many as it stands for. */
  unused: ReadonlyMap<string, number>
  moves: readonly FactorMove[]
  /** All that it said from then on is in `moves`, in epoch milliseconds; null: there was no more before. */
  movesSince: number | null
}>

/** Requests read at most: by so many a share is known to half a point. Of changes of weights, the newest. */
const MOST = { requests: 50_000, moves: 50_000 } as const
/** Requests counted at most. */
export const MOST_COUNTED = 3_000_000
const PAGE = 1_000

/** @param from epoch milliseconds. @param to not included. */
export async function readWindow(
  { usage, tables }: WindowPorts,
  from: number,
  to: number,
  most: Readonly<Record<keyof typeof MOST, number>> = MOST,
): Promise<PastWindow> {
  const recorded = await usage.count(from, to, MOST_COUNTED + 1)
  const unused = new Map<string, number>()
  const requests: PastRequest[] = []
  if (recorded > MOST_COUNTED)
    return { recorded: null, times: 1, requests, unused, moves: [], movesSince: null }
  const times = Math.max(1, Math.ceil(recorded / most.requests))
  const reader = new PastReader()
  for (let after: string | undefined; ;) {
    const page = await usage.window({ from, to, after, limit: PAGE, oneIn: times })
    for (const { record, cost } of page.requests) {
      const why = record === null ? 'written by a release that this one cannot read' : unusable(record)
      if (why !== null) unused.set(why, (unused.get(why) ?? 0) + times)
      else if (record !== null) requests.push(reader.read(record, cost))
    }
    if (page.next === null) break
    after = page.next
  }
  const begin = from - WHOLE_TABLE_MS
  const said = await tables.changes(begin, to, {}, most.moves)
  const moves = said.moves.map(({ at, provider, model, factor, detail }) => {
    return { at, provider, model, factor, usual: detail?.usual ?? {} }
  })
  const movesSince = said.since === begin ? null : said.since
  return { recorded, times, requests, unused, moves, movesSince }
}
