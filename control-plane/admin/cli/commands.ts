/**
 * The admin router as commands: the same procedures, with inputs a command line can show, carried out by
 * somebody else.
 */
import { initTRPC } from '@trpc/server'
import { parseRouter, type AnyRouter, type TrpcCliMeta } from 'trpc-cli'
import { z } from 'zod'
import { issuesOf } from '../issues.ts'
import type { Issue } from '../../commands/rejection.ts'
import { adminRouter } from '../router.ts'
import { flagsOf, type Flags } from './flags.ts'
import { VERIFY_OPTIONS } from './log-file.ts'

export type Command = Readonly<{
  /** Of the procedure: `providers.credentials.add`. */
  path: string
  description: string
  isChange: boolean
  /** Answers again and again, until one side ends it. */
  isWatch: boolean
  flags: Flags
  /** Each problem the router's own schema has with an input. */
  issues: (input: unknown) => readonly Issue[]
}>

export function adminCommands(): readonly Command[] {
  return parseRouter({ router: adminRouter }).map(
    ([path, { meta, inputSchemas, originalInputSchema, type }]): Command => {
      const [schema] = inputSchemas.success ? inputSchemas.value : []
      return {
        path,
        description: meta.description ?? '',
        isChange: type === 'mutation',
        // The parser's types know no third kind of procedure.
        isWatch: type !== 'query' && type !== 'mutation',
        flags: withLocal(path, flagsOf({ ...schema })),
        issues: (input) => {
          if (!(originalInputSchema instanceof z.ZodType)) return []
          const parsed = originalInputSchema.safeParse(input)
          return parsed.success ? [] : issuesOf(parsed.error)
        },
      }
    },
  )
}

/** Options that mean something to the command line alone. */
function withLocal(path: string, flags: Flags): Flags {
  if (path !== 'audit.verify') return flags
  const local = Object.entries(VERIFY_OPTIONS).map(([name, option]) => [name, { ...option, optional: true }])
  const properties = { ...flags.schema.properties, ...Object.fromEntries(local) }
  return { ...flags, schema: { ...flags.schema, properties } }
}

const t = initTRPC.meta<TrpcCliMeta>().create()

/** @param call is given the options of the command as the parser read them. */
export function commandRouter(
  commands: readonly Command[],
  call: (command: Command, options: unknown) => Promise<unknown>,
): AnyRouter {
  const procedures = commands.map((command) => {
    const { path, description, flags } = command
    const procedure = t.procedure
      .meta({ description })
      .input({
        '~standard': { vendor: 'apiproxy', version: 1, validate: (value: unknown) => ({ value }) },
        // Where the parser looks for the shape of the options.
        toJsonSchema: () => flags.schema,
      })
      .mutation(({ input }) => call(command, input))
    // A word that tRPC keeps for itself, but not for the ends of paths.
    return [path === 'config.applyFile' ? 'config.apply' : path, procedure] as const
  })
  return t.router(Object.fromEntries(procedures))
}

/** A command that takes its whole input as one text. */
export const inputAlone: Flags = {
  schema: { type: 'object', properties: {} },
  secrets: new Set(),
  nullable: new Set(),
}
