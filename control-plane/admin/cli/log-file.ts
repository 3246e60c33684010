/**
 * What the command line does with exports of the log: writes one to standard output, segment after segment,
 * and checks one without asking anybody.
 */
import { z } from 'zod'
import { ExportReader, type ExportCheck } from '../../audit/export.ts'
import { readVerifier } from '../../audit/signer.ts'
import type { Signed } from '../../store/past.ts'

export type Input = Readonly<Record<string, unknown>>

/** Options of `audit verify` that the control plane does not have. */
export const VERIFY_OPTIONS = {
  file: { type: 'string', description: 'An export to check, without asking anybody.' },
  publicKey: {
    type: 'string',
    description: 'Of the log, as `audit checkpoints` told it: the text, or @file. Needed with --file.',
  },
  checkpoint: {
    type: 'string',
    description: 'What `audit checkpoints --json` answered at some time: @file. The export must lead there.',
  },
} as const

const Segment = z.looseObject({
  ndjson: z.string(),
  from: z.int(),
  through: z.int(),
  next: z.int().nullable(),
})

/** Writes every segment of an export. */
export async function writeExport(
  ask: (input: Input) => Promise<unknown>,
  input: Input,
  out: (text: string) => void,
): Promise<void> {
  let answer = Segment.parse(await ask(input))
  out(answer.ndjson)
  while (answer.next !== null) {
    const { from, through, next } = answer
    answer = Segment.parse(await ask({ from, through, next }))
    out(answer.ndjson)
  }
}

const Statement = z.looseObject({ body: z.string(), signature: z.string() })
const Statements = z.union([
  z.looseObject({ checkpoints: z.array(Statement) }).transform(({ checkpoints }) => checkpoints),
  z.array(Statement),
  Statement.transform((one) => [one]),
])

/** @returns the check, or what is wrong with what was given. */
export function verifyFile(
  text: string,
  publicKey: string,
  checkpoints: string | null,
): ExportCheck | Readonly<{ problem: string }> {
  const verifier = readVerifier(publicKey.trim())
  if (verifier === null) return { problem: 'publicKey: is not a public key of 43 characters' }
  const statements = checkpoints === null ? [] : readStatements(checkpoints)
  if (statements === null) return { problem: 'checkpoint: is not what `audit checkpoints --json` answers' }
  const reader = new ExportReader(verifier, statements)
  for (const line of linesOf(text)) if (!reader.take(line)) break
  return reader.finish()
}

function readStatements(text: string): readonly Signed[] | null {
  try {
    const parsed = Statements.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

/** One at a time: a long log makes a long text. */
function* linesOf(text: string): Generator<string> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf('\n', from)
    yield text.slice(from, end === -1 ? text.length : end)
    from = end === -1 ? text.length : end + 1
  }
}
