/**
 * The control plane itself.
 */
import { z } from 'zod'
import { procedure, router } from '../trpc.ts'
import { carryOut, changing } from './change.ts'

export const system = router({
  status: procedure
    .meta({ description: 'Head of the log, and how it gets to the nodes.' })
    .query(({ ctx }) => {
      const { catalog, chain, digest } = ctx.ledger.snapshot
      return {
        head: catalog.commit,
        epoch: catalog.epoch,
        digest,
        chain,
        logId: catalog.genesis?.logId ?? null,
        frozen: [...catalog.frozen].map(([stream, why]) => ({ stream, ...why })),
        relay: ctx.relay(),
        calls: { held: ctx.calls.held, dropped: ctx.calls.dropped },
      }
    }),

  advanceEpoch: procedure
    .meta({ description: 'Begin a new commit stream on the bus, when the old one holds another history.' })
    .input(z.strictObject({ expectedEpoch: z.int().min(1), ...changing }))
    .mutation(({ ctx, input }) =>
      carryOut(ctx, input, { command: { type: 'AdvanceEpoch', expectedEpoch: input.expectedEpoch } }),
    ),
})
