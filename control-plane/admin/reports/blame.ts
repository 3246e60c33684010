/**
 * Blame: what was changed, and by whom, before errors, latency or cost shifted.
 */
import { z } from 'zod'
import type { UsageRecord } from '#contracts/usage/record.ts'
import { entryWords } from '../../audit/words.ts'
import { findShift, METRICS, type Metric, type Sample, type Shift } from '../../explain/shift.ts'
import type { LoggedRequest } from '../../store/usage-report.ts'
import type { WeightMove } from '../../store/weight-tables.ts'
import type { AdminContext } from '../context.ts'
import { answered, procedure } from '../trpc.ts'

const HOUR_MS = 3_600_000
/** Requests looked at, the newest of the time. */
const MOST_REQUESTS = 20_000
const PAGE = 1_000
/** A cause takes a moment to show, and is looked for this long before, in milliseconds. */
const BEFORE_MS = 15 * 60_000
/** Clocks of nodes and ours may differ by this much. */
const AFTER_MS = 2_000
const MOST_CAUSES = 200
/** Factors that moved less than this moved nothing. */
const LEAST_MOVE = 0.05

const epochMs = z.int().min(0)

export const blame = procedure
  .meta({
    description:
      'When errors, latency or cost shifted, and the commits and weight changes before it, the last one first.',
  })
  .input(
    z
      .strictObject({
        metric: z.enum(METRICS).default('errors'),
        provider: z.string().min(1).max(300).optional().describe('Only attempts at this provider.'),
        model: z.string().min(1).max(300).optional().describe('A model as clients call it.'),
        from: epochMs.optional().describe('Epoch milliseconds. Absent: an hour before `to`.'),
        to: epochMs.optional().describe('Epoch milliseconds, not included. Absent: now.'),
      })
      .prefault({}),
  )
  .query(async ({ ctx, input }) => {
    const { metric, provider, model, to = ctx.clock.now() } = input
    const { from = to - HOUR_MS } = input
    const records = await recordsOf(ctx, model, from, to)
    const samples = records.flatMap((one) => sampleOf(one, metric, provider))
    const shift = findShift(samples)
    const causes = shift === null ? [] : await causesOf(ctx, shift, provider, namesOf(records, model))
    return { metric, from, to, requests: samples.length, shift, causes }
  })

async function recordsOf(
  ctx: AdminContext,
  model: string | undefined,
  from: number,
  to: number,
): Promise<readonly LoggedRequest[]> {
  const found: LoggedRequest[] = []
  for (let before: string | undefined; found.length < MOST_REQUESTS;) {
    const page = await answered(ctx.usage.requests({ limit: PAGE, before, model, from, to }))
    found.push(...page)
    before = page.at(-1)?.cursor
    if (page.length < PAGE) break
  }
  return found.toReversed()
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

async function causesOf(
  ctx: AdminContext,
  { at }: Shift,
  provider: string | undefined,
  streams: ReadonlySet<string>,
) {
  const [since, until] = [at - BEFORE_MS, at + AFTER_MS]
  const commits = await answered(ctx.trail.list({ since, until, limit: MOST_CAUSES }))
  const moves = await answered(ctx.weightTables.changes(since, until, { provider }, 10_000))
  const before = await answered(ctx.weightTables.lastBefore(since, { provider }))
  const moved = movesOf(before, moves)
  const changed = commits
    .filter(({ events }) => events.some(({ stream }) => streams.has(stream)))
    .map((entry) => ({
      kind: 'commit' as const,
      at: entry.at,
      commitNo: entry.commitNo,
      actor: `${entry.actor.kind}:${entry.actor.id}`,
      reason: entry.reason,
      words: entryWords(entry),
    }))
  return [...changed, ...moved].toSorted((one, other) => other.at - one.at).slice(0, MOST_CAUSES)
}

/** Of a factor that was not known before nobody can say that it moved. */
function movesOf(before: readonly WeightMove[], moves: readonly WeightMove[]) {
  const known = new Map(before.map((one) => [`${one.provider}/${one.model}`, one.factor]))
  return moves.flatMap(({ provider, model, factor, reason, at }) => {
    const name = `${provider}/${model}`
    const from = known.get(name)
    known.set(name, factor)
    if (from === undefined || Math.abs(factor - from) < LEAST_MOVE) return []
    const words = [`the prober moved ${name} from ${from.toFixed(2)} to ${factor.toFixed(2)}: ${reason}`]
    return [{ kind: 'weight' as const, at, commitNo: null, actor: 'prober', reason: null, words }]
  })
}
