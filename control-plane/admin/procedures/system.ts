/**
 * The control plane itself.
 */
import { z } from 'zod'
import { procedure, router } from '../trpc.ts'
import { carryOut, changing } from '../change.ts'

export const system = router({
  status: procedure
    .meta({ description: 'Head of the log, and how it gets to the nodes.' })
    .query(({ ctx }) => {
      const { catalog, chain, digest } = ctx.ledger.snapshot
      return {
        head: catalog.commit,
        epoch: catalog.epoch,
        /** The fold version that whoever follows must have at least; 0: any. */
        floor: catalog.floor,
        /** Where the log goes on without this control plane; null: nowhere. */
        stop: ctx.ledger.stop,
        digest,
        chain,
        logId: catalog.genesis?.logId ?? null,
        frozen: [...catalog.frozen].map(([stream, why]) => ({ stream, ...why })),
        relay: ctx.relay(),
        /** Where clients reach the gateway; null: `APIPROXY_GATEWAY_URL` is not set. */
        gateway: ctx.gateway,
        calls: { held: ctx.calls.held, dropped: ctx.calls.dropped },
      }
    }),

  advanceEpoch: procedure
    .meta({ description: 'Begin a new commit stream on the bus, when the old one holds another history.' })
    .input(z.strictObject({ expectedEpoch: z.int().min(1), ...changing }))
    .mutation(({ ctx, input }) =>
      carryOut(ctx, input, { command: { type: 'AdvanceEpoch', expectedEpoch: input.expectedEpoch } }),
    ),

  raiseFloor: procedure
    .meta({
      description:
        'Let only releases that fold this version or later follow from here. Older nodes keep serving what was before.',
    })
    .input(
      z.strictObject({
        minFold: z.int().min(1).describe('Fold version that nodes and control planes must have at least.'),
        force: z.boolean().default(false).describe('Also when live nodes are below: they stay behind.'),
        ...changing,
      }),
    )
    .mutation(({ ctx, input }) => {
      const { minFold, force } = input
      const below = force ? [] : ctx.fleet.below(minFold)
      const blockers = below.map(({ report }) => `${report.node} (folds version ${report.foldVersion})`)
      return carryOut(ctx, input, { command: { type: 'RaiseFloor', minFold, blockers } })
    }),
})
