/**
 * The whole configuration as a file: what a file would change, changing it, and writing one.
 */
import { z } from 'zod'
import { Secret } from '#contracts/security/secret.ts'
import { diffCatalogs } from '../../audit/diff.ts'
import { readConfigFile } from '../../bootstrap/file.ts'
import { prepareDeclaration } from '../../bootstrap/prepare.ts'
import { writeConfigFile } from '../../bootstrap/write-file.ts'
import type { Command } from '../../commands/command.ts'
import { decide } from '../../commands/decide.ts'
import { afterEvents } from '../../commands/decided.ts'
import type { Issue } from '../../commands/rejection.ts'
import type { SealedSecret } from '../../store/event-log.ts'
import type { AdminContext } from '../context.ts'
import { answered, procedure, refused, router } from '../trpc.ts'
import { asking, carryOut, catalogAt, changing } from './change.ts'

/** A commit holds less. */
const MOST_CHARACTERS = 500_000
const SecretText = z
  .string()
  .max(MOST_CHARACTERS)
  .transform((text) => new Secret(text))

const fileInput = {
  yaml: SecretText.meta({
    secret: true,
    description: 'Providers, models and keys as in the file that APIPROXY_CONFIG names.',
  }),
  variables: SecretText.optional().meta({
    secret: true,
    description: 'A line NAME=value for each ${NAME} in it.',
  }),
  retireOthers: z
    .boolean()
    .default(false)
    .describe('Retire providers and models that the API made and the file does not name.'),
  expectedCommit: z
    .int()
    .min(0)
    .optional()
    .describe('The commit of the plan; refused when anything was changed since.'),
  ...changing,
}
type FileInput = Readonly<{
  yaml: Secret
  variables?: Secret | undefined
  retireOthers: boolean
  expectedCommit?: number | undefined
}>

export const config = router({
  plan: procedure
    .meta({ description: 'What applying a file would change, in words. Writes nothing.' })
    .input(z.strictObject(fileInput))
    .mutation(async ({ ctx, input }) => {
      await answered(ctx.ledger.catchUp())
      return planned(ctx, readInput(ctx, input).command)
    }),

  // tRPC keeps the word `apply` for itself; the command line calls it that.
  applyFile: procedure
    .meta({
      description: 'Make the configuration what a file says, in one commit. Try it with `config plan`.',
    })
    .input(z.strictObject(fileInput))
    .mutation(async ({ ctx, input }) => {
      const wish = readInput(ctx, input)
      return carryOut(ctx, input, wish)
    }),

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

function readInput(
  ctx: AdminContext,
  { yaml, variables, retireOthers, expectedCommit }: FileInput,
): Readonly<{ command: Command & { type: 'ApplyConfig' }; secrets: readonly SealedSecret[] }> {
  const read = readConfigFile(yaml.reveal(), 'yaml', variablesOf(variables), false)
  if (!read.ok) throw refused({ kind: 'invalid', issues: read.error.map(asIssue) })
  const { state, secrets } = prepareDeclaration(read.value, ctx.masterKey)
  return {
    command: { type: 'ApplyConfig', state, retireOthers, expectedCommit: expectedCommit ?? null },
    secrets,
  }
}

/** `yaml: providers.a.baseUrl: is not a URL` */
function asIssue(sentence: string): Issue {
  const [, message = sentence] = /^yaml: (.*)$/s.exec(sentence) ?? []
  return { path: 'yaml', message }
}

function variablesOf(text: Secret | undefined): Readonly<Record<string, string>> {
  const lines = (text?.reveal() ?? '').split(/\r?\n/)
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, name, value] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? []
      return name === undefined || value === undefined ? [] : [[name, value]]
    }),
  )
}
