/**
 * Blame, asked: what was changed, and by whom, before errors, latency or cost shifted.
 */
import { z } from 'zod'
import { blame as blamed } from '../../explain/blame.ts'
import { METRICS } from '../../explain/shift.ts'
import { answered, procedure } from '../trpc.ts'

const HOUR_MS = 3_600_000
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
  .query(({ ctx, input }) => {
    const { to = ctx.clock.now() } = input
    const { from = to - HOUR_MS } = input
    return answered(blamed(ctx, { ...input, from, to }))
  })
