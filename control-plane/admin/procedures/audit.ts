/**
 * The audit: what was changed and by whom, what was asked and refused, and whether the log is whole.
 */
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import { EVENT_TYPES } from '#contracts/catalog/event.ts'
import type { AdminContext } from '../context.ts'
import { answered, procedure, router } from '../trpc.ts'
import { NOTHING_VERIFIED, verifyNext, type LogProblem, type Verified } from './verify-log.ts'

const limit = z.int().min(1).max(200).default(50)
const READ_AT_ONCE = 500

export const audit = router({
  list: procedure
    .meta({ description: 'Commits, newest first: who changed what, when and why.' })
    .input(
      z
        .strictObject({
          before: z
            .int()
            .min(1)
            .optional()
            .describe('Only commits below this number: `next` of the page before.'),
          limit,
          actor: z.string().min(1).max(200).optional().describe('Id or kind of who did it.'),
          stream: z
            .string()
            .min(1)
            .max(300)
            .optional()
            .describe('provider-<id>, model-<name>, clientkey-<id> or system.'),
          type: z.enum(EVENT_TYPES).optional().describe('Event type.'),
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      const found = await answered(ctx.trail.list({ ...input, limit: input.limit + 1 }))
      const commits = found.slice(0, input.limit)
      return { commits, next: found.length > input.limit ? (commits.at(-1)?.commitNo ?? null) : null }
    }),

  verify: procedure
    .meta({ description: 'Read the whole log again and check every link of its chain.' })
    .query(({ ctx, signal }) => verifyLog(ctx, signal)),

  calls: procedure
    .meta({ description: 'Calls of this API, newest first, allowed and refused.' })
    .input(
      z
        .strictObject({
          before: z.int().min(1).optional().describe('Only calls below this id: `next` of the page before.'),
          limit,
          outcome: z.enum(['ok', 'refused', 'denied', 'failed']).optional(),
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      await ctx.calls.flush()
      const found = await answered(ctx.calls.recent({ ...input, limit: input.limit + 1 }))
      const calls = found.slice(0, input.limit)
      return {
        calls,
        next: found.length > input.limit ? (calls.at(-1)?.id ?? null) : null,
        /** Records lost since this process began, because they could not be written for too long. */
        dropped: ctx.calls.dropped,
      }
    }),
})

export type LogCheck = Readonly<{
  /** Commits found whole, from the first on. */
  commits: number
  ok: boolean
  /** Link of the last of them: keep it elsewhere, and nobody can rewrite what was before it. */
  chain: string
  firstBad?: Readonly<{ commit: number; problem: LogProblem }>
}>

async function verifyLog(ctx: AdminContext, signal: AbortSignal | undefined): Promise<LogCheck> {
  // What this process has seen, and what the database says of itself: the log must lead to both.
  const { catalog, chain } = ctx.ledger.snapshot
  const head = await answered(ctx.log.head())
  const marks = new Map([
    [catalog.commit, chain],
    [head.commit, head.chain],
  ])
  const end = Math.max(...marks.keys())
  let verified: Verified = NOTHING_VERIFIED
  const bad = (problem: LogProblem, commit = verified.commit + 1): LogCheck => ({
    commits: verified.commit,
    ok: false,
    chain: verified.chain,
    firstBad: { commit, problem },
  })
  while (verified.commit < end) {
    if (signal?.aborted === true)
      throw new TRPCError({ code: 'CLIENT_CLOSED_REQUEST', message: 'the caller hung up' })
    const records = await answered(ctx.log.read(verified.commit, READ_AT_ONCE))
    if (records.length === 0) return bad('commit_missing')
    for (const record of records) {
      const next = verifyNext(verified, record)
      if (!next.ok) return bad(next.error)
      const mark = marks.get(next.value.commit)
      if (mark !== undefined && mark !== next.value.chain) return bad('head_mismatch')
      verified = next.value
    }
  }
  return { commits: verified.commit, ok: true, chain: verified.chain }
}
