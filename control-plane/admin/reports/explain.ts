/**
 * Explaining one request: what was decided, made again from the log, and who is behind it.
 */
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import { explain } from '../../explain/explain.ts'
import type { AdminContext } from '../context.ts'
import { answered, procedure } from '../trpc.ts'
import { catalogAt } from '../change.ts'

export const explainRequest = procedure
  .meta({
    description:
      'Why a request went where it went: its choices made again from the log, compared with the record, and who set what decided.',
  })
  .input(z.strictObject({ id: z.string().min(1).max(100).describe('Its x-request-id.') }))
  .query(async ({ ctx, input: { id } }) => {
    const found = await answered(ctx.usage.request(id))
    if (found === null) throw new TRPCError({ code: 'NOT_FOUND', message: `no record of a request ${id}` })
    const { record } = found
    const { at, node, key, asked, model, session, status, attempts, provider, upstream } = record
    return {
      id,
      at,
      node,
      key,
      asked,
      model,
      session,
      status,
      provider,
      upstream,
      attempts,
      ...(await answered(explain(portsOf(ctx), record))),
    }
  })

const portsOf = (ctx: AdminContext) => ({
  trail: ctx.trail,
  tables: ctx.weightTables,
  stateAt: async (commit: number) => {
    await catalogAt(ctx, commit, 'id')
    return ctx.history.at(commit)
  },
})
