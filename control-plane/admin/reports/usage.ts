/**
 * Usage: what was used and what it cost, and the single requests behind it.
 */
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import { priceSpans } from '#contracts/catalog/price.ts'
import { providerId } from '#contracts/ids.ts'
import { dateOf, dayOf, DAY_MS } from '../../store/usage-books.ts'
import { DIMENSIONS, type ReportFilter } from '../../store/usage-report.ts'
import type { AdminContext } from '../context.ts'
import { doing } from '../change.ts'
import { answered, procedure, router } from '../trpc.ts'
import { requestContent } from './content.ts'
import { explainRequest } from './explain.ts'

const name = z.string().min(1).max(300)
const date = z.iso.date()
const filters = {
  key: name.optional().describe('Id of a client key.'),
  tag: name.optional().describe('A tag of client keys.'),
  model: name.optional().describe('A model as clients call it.'),
  provider: name.optional(),
}
const period = {
  from: date.optional().describe('First day (UTC), 2026-01-31. Absent: 30 days with today.'),
  to: date.optional().describe('Last day, included. Absent: today.'),
}
const MOST_DAYS = 30
const by = z.enum(DIMENSIONS)

type Asked = Readonly<{ from?: string | undefined; to?: string | undefined }> &
  Omit<ReportFilter, 'from' | 'to'>

function filterOf(ctx: AdminContext, { from, to, ...rest }: Asked): ReportFilter {
  const today = dayOf(ctx.clock.now())
  return { ...rest, from: from ?? dateOf(today - MOST_DAYS + 1), to: to ?? dateOf(today) }
}

export const usage = router({
  summary: procedure
    .meta({
      description: 'Requests, tokens and cost in US dollars, added up by key, tag, model, provider or day.',
    })
    .input(
      z
        .strictObject({
          by: by.default('key'),
          ...period,
          ...filters,
          limit: z.int().min(1).max(1_000).default(100),
        })
        .prefault({}),
    )
    .query(async ({ ctx, input: { by: dimension, limit, ...asked } }) => {
      const filter = filterOf(ctx, asked)
      return {
        from: filter.from,
        to: filter.to,
        rows: await answered(ctx.usage.summary(dimension, filter, limit)),
      }
    }),

  timeseries: procedure
    .meta({ description: 'The same, day by day.' })
    .input(
      z
        .strictObject({
          by: by.exclude(['day']).default('key'),
          ...period,
          ...filters,
          limit: z.int().min(1).max(10_000).default(1_000),
        })
        .prefault({}),
    )
    .query(async ({ ctx, input: { by: dimension, limit, ...asked } }) => {
      const filter = filterOf(ctx, asked)
      return {
        from: filter.from,
        to: filter.to,
        rows: await answered(ctx.usage.timeseries(dimension, filter, limit)),
      }
    }),

  reprice: procedure
    .meta({ description: 'Work the cost of past requests out anew, from the prices as they are told now.' })
    .input(z.strictObject({ from: date, to: date.optional(), provider: name.optional(), ...doing }))
    .mutation(async ({ ctx, input }) => {
      const from = Date.parse(input.from)
      const to = Date.parse(input.to ?? dateOf(dayOf(ctx.clock.now()))) + DAY_MS
      if (to <= from) throw new TRPCError({ code: 'BAD_REQUEST', message: "'to' is before 'from'" })
      const used = await answered(ctx.books.used(from, to - 1))
      let changed = 0
      for (const { provider, upstream } of used) {
        if (input.provider !== undefined && provider !== input.provider) continue
        const known = ctx.ledger.catalog.providers.get(providerId(provider))
        // Of a provider that is gone nobody can say any more what it cost: what is written stays.
        if (known === undefined) continue
        const spans = priceSpans(known, upstream, from, to)
        changed += await answered(ctx.books.reprice(provider, upstream, spans))
      }
      ctx.note.detail = `${changed} requests priced anew`
      return { changed }
    }),
})

export const requests = router({
  list: procedure
    .meta({ description: 'Requests, newest first, each with its attempts. No prompts and no answers.' })
    .input(
      z
        .strictObject({
          before: z
            .string()
            .regex(/^\d{1,15}\.\S{1,100}$/)
            .optional()
            .describe('`next` of the page before.'),
          limit: z.int().min(1).max(200).default(50),
          failed: z.boolean().optional().describe('Only those that were not answered.'),
          from: z.int().min(0).optional().describe('Epoch milliseconds.'),
          to: z.int().min(0).optional().describe('Epoch milliseconds, not included.'),
          ...filters,
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      const page = await answered(ctx.usage.requests(input))
      return {
        requests: page.requests.map(({ record, tags, cost }) => ({ ...record, tags, cost })),
        next: page.next,
      }
    }),

  get: procedure
    .meta({
      description:
        'One request by its x-request-id: what was tried, what came of it, what it cost, whether its content is kept.',
    })
    .input(z.strictObject({ id: z.string().min(1).max(100) }))
    .query(async ({ ctx, input: { id } }) => {
      const found = await answered(ctx.usage.request(id))
      if (found === null) {
        throw new TRPCError({ code: 'NOT_FOUND', message: `no record of a request ${id}` })
      }
      const has = (await ctx.contents?.has(id)) ?? null
      const content = has === null ? 'unknown' : has ? 'kept' : 'none'
      return { ...found.record, tags: found.tags, cost: found.cost, content }
    }),

  content: requestContent,

  explain: explainRequest,
})
