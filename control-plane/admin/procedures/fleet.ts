/**
 * The fleet: which nodes there are and how far each has come.
 */
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import { watchFleet } from '../../nodes/watch.ts'
import { procedure, router } from '../trpc.ts'
import { catalogAt } from '../change.ts'

/** Longer waits are the caller's to repeat: connections do not live for ever. */
const WAIT_MS = 60_000
/** Each holds a connection. */
const MOST_WATCHERS = 100

export const fleet = router({
  list: procedure
    .meta({ description: 'Nodes, by their own reports, and the head of the log.' })
    .query(({ ctx }) => {
      const { catalog, digest, chain } = ctx.ledger.snapshot
      return {
        head: { commit: catalog.commit, epoch: catalog.epoch, digest, chain },
        nodes: ctx.fleet.list(),
      }
    }),

  watch: procedure
    .meta({ description: 'The fleet now, and then every node that changes, until you leave.' })
    .input(
      z
        .strictObject({
          changes: z.int().min(1).optional().describe('End after so many answers.'),
        })
        .prefault({}),
    )
    .subscription(async function* ({ ctx, input, signal }) {
      if (ctx.fleet.watchers >= MOST_WATCHERS)
        throw new TRPCError({ code: 'TOO_MANY_REQUESTS', message: `${MOST_WATCHERS} watch already` })
      let told = 0
      for await (const change of watchFleet(ctx, AbortSignal.any([ctx.closing, signal ?? []].flat()))) {
        yield change
        told += 1
        if (told === input.changes) return
      }
    }),

  wait: procedure
    .meta({ description: 'Wait until every live node serves a commit.' })
    .input(
      z.strictObject({
        commitNo: z.int().min(0),
        timeoutMs: z.int().min(0).max(WAIT_MS).default(10_000).describe('Milliseconds.'),
      }),
    )
    .query(async ({ ctx, input }) => {
      await catalogAt(ctx, input.commitNo, 'commitNo')
      await ctx.fleet.wait(input.commitNo, input.timeoutMs)
      const behind = ctx.fleet.behind(input.commitNo)
      return {
        served: behind.length === 0,
        /** Nodes heard of lately: with none, nothing is served. */
        live: ctx.fleet.live,
        behind,
        /** Of these, nodes of a release below the floor: only an upgrade brings them further. */
        blockers: behind.flatMap(({ state, report: { node, foldVersion } }) =>
          state === 'BLOCKED_BY_FLOOR' ? [{ node, foldVersion, needs: ctx.ledger.catalog.floor }] : [],
        ),
      }
    }),
})
