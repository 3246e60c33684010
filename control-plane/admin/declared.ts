/**
 * A configuration as a file that is sent: what such an input holds, and what it wishes for.
 */
import { z } from 'zod'
import { Secret } from '#contracts/security/secret.ts'
import { readConfigFile, readOnPaper } from '../bootstrap/file.ts'
import { prepareDeclaration, withPastTexts } from '../bootstrap/prepare.ts'
import type { Command } from '../commands/command.ts'
import type { Issue } from '../commands/rejection.ts'
import type { SealedSecret } from '../store/event-log.ts'
import { onPaper } from '../what-if/sketch.ts'
import type { AdminContext } from './context.ts'
import { answered, refused } from './trpc.ts'

/** A commit holds less. */
const MOST_CHARACTERS = 500_000
const SecretText = z
  .string()
  .max(MOST_CHARACTERS)
  .transform((text) => new Secret(text))

/** Members of such an input. */
export const declaring = {
  yaml: SecretText.meta({
    secret: true,
    description: 'Providers, models, keys and budgets as in the file that APIPROXY_CONFIG names.',
  }),
  variables: SecretText.optional().meta({
    secret: true,
    description: 'A line NAME=value for each ${NAME} in it.',
  }),
  retireOthers: z
    .boolean()
    .default(false)
    .describe('Retire providers, models and budgets that the API made and the file does not name.'),
}
type FileInput = Readonly<{
  yaml: Secret
  variables?: Secret | undefined
  retireOthers: boolean
  expectedCommit?: number | undefined
}>

/** Throws what of it cannot be read, by its path. */
export async function readDeclared(
  ctx: AdminContext,
  { yaml, variables, retireOthers, expectedCommit }: FileInput,
): Promise<Readonly<{ command: Command & { type: 'ApplyConfig' }; secrets: readonly SealedSecret[] }>> {
  const read = readConfigFile(yaml.reveal(), 'yaml', variablesOf(variables), false)
  if (!read.ok) throw refused({ kind: 'invalid', issues: read.error.map(asIssue) })
  const { state: said, secrets } = prepareDeclaration(read.value, ctx.masterKey)
  const state = await answered(withPastTexts(said, ctx.log))
  return {
    command: { type: 'ApplyConfig', state, retireOthers, expectedCommit: expectedCommit ?? null },
    secrets,
  }
}

/**
 * The same for a file that is only thought about: secrets may be missing, and addresses may be private. Throws
 * what of it cannot be read, by its path.
 *
 * @returns in `left` what of it was left out, in sentences.
 */
export async function readThought(
  ctx: AdminContext,
  { yaml, variables, retireOthers }: FileInput,
): Promise<Readonly<{ command: Command & { type: 'ApplyConfig' }; left: readonly string[] }>> {
  const read = readOnPaper(yaml.reveal(), 'yaml', variablesOf(variables))
  if (!read.ok) throw refused({ kind: 'invalid', issues: read.error.map(asIssue) })
  const { state: said } = prepareDeclaration(read.value.declaration, ctx.masterKey)
  const { state, left } = onPaper(ctx.ledger.catalog, await answered(withPastTexts(said, ctx.log)))
  const unknown = read.value.left.map((path) => `${path} is left out: its secret is not among the variables.`)
  return {
    command: { type: 'ApplyConfig', state, retireOthers, expectedCommit: null },
    left: [...unknown, ...left],
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
