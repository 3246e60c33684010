/**
 * The whole configuration as a file: what a file would change, changing it, and writing one.
 */
import { z } from 'zod'
import { diffCatalogs } from '../../audit/diff.ts'
import { writeConfigFile } from '../../bootstrap/write-file.ts'
import type { Command } from '../../commands/command.ts'
import { decide } from '../../commands/decide.ts'
import { afterEvents } from '../../commands/decided.ts'
import type { AdminContext } from '../context.ts'
import { answered, procedure, refused, router } from '../trpc.ts'
import { whatIf } from './what-if.ts'
import { asking, carryOut, catalogAt, changing } from '../change.ts'
import { declaring, readDeclared } from '../declared.ts'

const fileInput = {
  ...declaring,
  expectedCommit: z
    .int()
    .min(0)
    .optional()
    .describe('The commit of the plan; refused when anything was changed since.'),
  ...changing,
}

export const config = router({
  plan: procedure
    .meta({ description: 'What applying a file would change, in words. Writes nothing.' })
    .input(z.strictObject(fileInput))
    .mutation(async ({ ctx, input }) => {
      await answered(ctx.ledger.catchUp())
      return planned(ctx, (await readDeclared(ctx, input)).command)
    }),

  // tRPC keeps the word `apply` for itself; the command line calls it that.
  applyFile: procedure
    .meta({
      description: 'Make the configuration what a file says, in one commit. Try it with `config plan`.',
    })
    .input(z.strictObject(fileInput))
    .mutation(async ({ ctx, input }) => {
      const wish = await readDeclared(ctx, input)
      return carryOut(ctx, input, wish)
    }),

  whatIf,

  export: procedure
    .meta({ description: 'The configuration as such a file, without secrets: ${NAME} stands for each.' })
    .input(z.strictObject(asking).prefault({}))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      return { commitNo: catalog.commit, ...writeConfigFile(catalog) }
    }),
})

function planned(ctx: AdminContext, command: Command) {
  const { catalog } = ctx.ledger
  const decision = decide(catalog, command)
  if (!decision.ok) throw refused(decision.error)
  const after = afterEvents(catalog, decision.value)
  ctx.note.detail = `${decision.value.length} events planned on commit ${catalog.commit}`
  return {
    /** Give it to `config apply` as `expectedCommit`. */
    commitNo: catalog.commit,
    events: decision.value.map(({ type }) => type),
    entities: diffCatalogs(catalog, after).filter(({ stream }) => stream !== 'system'),
  }
}
