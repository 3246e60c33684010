/**
 * Blame: what was changed, and by whom, before errors, latency or cost shifted.
 *
 * Of requests and of what preceded there may be more than can be looked at: the newest are, and the answer says
 * from when on.
 */
import type { UsageRecord } from '#contracts/usage/record.ts'
import { entryWords } from '../audit/words.ts'
import type { Trail, TrailEntry } from '../store/trail.ts'
import type { LoggedRequest, UsageReport } from '../store/usage-report.ts'
import type { WeightMove, WeightTables } from '../store/weight-tables.ts'
import { findShift, type Metric, type Sample, type Shift } from './shift.ts'

export type BlamePorts = Readonly<{
  usage: Pick<UsageReport, 'requests'>
  trail: Pick<Trail, 'list'>
  weightTables: Pick<WeightTables, 'changes' | 'lastBefore'>
}>

export type Asked = Readonly<{
  metric: Metric
  /** Only attempts at this provider. */
  provider?: string | undefined
  /** As clients call it. */
  model?: string | undefined
  /** Epoch milliseconds, `to` not included. */
  from: number
  to: number
}>

export type Cause = Readonly<{
  kind: 'commit' | 'weight'
  /** Epoch milliseconds. */
  at: number
  commitNo: number | null
  actor: string
  reason: string | null
  words: readonly string[]
}>

export type Blame = Readonly<{
  metric: Metric
  from: number
  to: number
  /** Every request from then on was looked at, in epoch milliseconds; later than `from`: there were more. */
  since: number
  /** Samples of the metric. */
  requests: number
  shift: Shift | null
  /** The last one first. */
  causes: readonly Cause[]
  /** What was left out, in sentences. */
  limits: readonly string[]
}>

/** How much is looked at, the newest of each. */
const MOST = { requests: 20_000, moves: 10_000, causes: 200 } as const
export type Most = Readonly<Record<keyof typeof MOST, number>>

const PAGE = 1_000
/** A cause takes a moment to show, and is looked for this long before, in milliseconds. */
const BEFORE_MS = 15 * 60_000
/** Clocks of nodes and ours may differ by this much. */
const AFTER_MS = 2_000
/** Factors that moved less than this moved nothing. */
const LEAST_MOVE = 0.05

/** Rejects when the database cannot be read. */
export async function blame(ports: BlamePorts, asked: Asked, most: Most = MOST): Promise<Blame> {
  const { metric, provider, model, from, to } = asked
  const { records, since } = await newestOf(ports.usage, asked, most.requests)
  const samples = records.flatMap((one) => sampleOf(one, metric, provider))
  const shift = findShift(samples)
  const found =
    shift === null ? NO_CAUSES : await causesOf(ports, shift, provider, namesOf(records, model), most)
  const limits =
    since === from
      ? found.limits
      : [
          `There were more than ${most.requests} requests: only those from ${moment(since)} on were looked at.`,
          ...found.limits,
        ]
  return { metric, from, to, since, requests: samples.length, shift, causes: found.causes, limits }
}

const moment = (at: number): string => new Date(at).toISOString()

/** Requests in the order of time. */
async function newestOf(
  usage: BlamePorts['usage'],
  { model, from, to }: Asked,
  most: number,
): Promise<Readonly<{ records: readonly LoggedRequest[]; since: number }>> {
  const found: LoggedRequest[] = []
  for (let before: string | undefined; ;) {
    const limit = Math.min(PAGE, most - found.length)
    const page = await usage.requests({ limit, before, model, from, to })
    found.push(...page.requests)
    if (page.next === null) return { records: found.toReversed(), since: from }
    if (found.length >= most) return { records: found.toReversed(), since: found.at(-1)?.record.at ?? from }
    before = page.next
  }
}

/** Clients' own mistakes and those who left are no errors of anybody. */
const NO_FAULT: ReadonlySet<string> = new Set(['success', 'invalid', 'cancelled'])

function sampleOf(
  { record, cost }: LoggedRequest,
  metric: Metric,
  provider: string | undefined,
): readonly Sample[] {
  const { at } = record
  const attempts = record.attempts.filter((one) => provider === undefined || one.provider === provider)
  if (metric === 'errors')
    return attempts.map(({ outcome }) => ({ at, value: NO_FAULT.has(outcome) ? 0 : 1 }))
  if (metric === 'latency')
    return attempts.flatMap(({ firstMs }) => (firstMs === null ? [] : [{ at, value: firstMs }]))
  const isOf = provider === undefined || record.provider === provider
  return cost === null || !isOf ? [] : [{ at, value: cost }]
}

/** Streams of everything that these requests could have been served by, and of what they asked for. */
function namesOf(records: readonly LoggedRequest[], model: string | undefined): ReadonlySet<string> {
  const streamsOf = ({ model: asked, candidates, key }: UsageRecord): readonly string[] => [
    `model-${asked}`,
    `clientkey-${key}`,
    ...candidates.map(({ deployment }) => `provider-${deployment.slice(0, deployment.indexOf('/'))}`),
  ]
  const streams = new Set(records.flatMap(({ record }) => streamsOf(record)))
  return model === undefined ? streams : streams.add(`model-${model}`)
}

type Found = Readonly<{ causes: readonly Cause[]; limits: readonly string[] }>
const NO_CAUSES: Found = { causes: [], limits: [] }

async function causesOf(
  { trail, weightTables }: BlamePorts,
  { at }: Shift,
  provider: string | undefined,
  streams: ReadonlySet<string>,
  most: Most,
): Promise<Found> {
  const [begin, until] = [at - BEFORE_MS, at + AFTER_MS]
  const { moves, since } = await weightTables.changes(begin, until, { provider }, most.moves)
  const before = await weightTables.lastBefore(since, { provider })
  const commits = await commitsOf(trail, begin, until, streams, most.causes)
  const all = [...commits.map(causeOf), ...movesOf(before, moves)].toSorted((one, other) => other.at - one.at)
  const limits = [
    ...(since === begin
      ? []
      : [
          `Of the moves of the prober only those from ${moment(since)} on were looked at: there were too many.`,
        ]),
    ...(all.length <= most.causes
      ? []
      : [
          `More than ${most.causes} changes preceded: those before ${moment(all[most.causes - 1]?.at ?? at)} are not listed.`,
        ]),
  ]
  return { causes: all.slice(0, most.causes), limits }
}

/** The newest first: one more than are listed, if there are more. */
async function commitsOf(
  trail: BlamePorts['trail'],
  since: number,
  until: number,
  streams: ReadonlySet<string>,
  most: number,
): Promise<readonly TrailEntry[]> {
  const found: TrailEntry[] = []
  for (let before: number | undefined; found.length <= most;) {
    const page = await trail.list({ since, until, before, limit: PAGE })
    found.push(...page.filter(({ events }) => events.some(({ stream }) => streams.has(stream))))
    if (page.length < PAGE) break
    before = page.at(-1)?.commitNo
  }
  return found.slice(0, most + 1)
}

const causeOf = (entry: TrailEntry): Cause => ({
  kind: 'commit',
  at: entry.at,
  commitNo: entry.commitNo,
  actor: `${entry.actor.kind}:${entry.actor.id}`,
  reason: entry.reason,
  words: entryWords(entry),
})

/** Of a factor that was not known before nobody can say that it moved. */
function movesOf(before: readonly WeightMove[], moves: readonly WeightMove[]): readonly Cause[] {
  const known = new Map(before.map((one) => [`${one.provider}/${one.model}`, one.factor]))
  return moves.flatMap(({ provider, model, factor, reason, at }): readonly Cause[] => {
    const name = `${provider}/${model}`
    const from = known.get(name)
    known.set(name, factor)
    if (from === undefined || Math.abs(factor - from) < LEAST_MOVE) return []
    const words = [`the prober moved ${name} from ${from.toFixed(2)} to ${factor.toFixed(2)}: ${reason}`]
    return [{ kind: 'weight', at, commitNo: null, actor: 'prober', reason: null, words }]
  })
}
