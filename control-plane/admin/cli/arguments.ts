/**
 * The options every command has, taken out of the command line before the command itself is read.
 *
 * Pure.
 */
import { err, ok, type Result } from '#contracts/result.ts'

export type GlobalOptions = Readonly<{
  /** Print JSON instead of tables. */
  json: boolean
  /** Of the control plane. */
  url: string | null
  /** The whole input as JSON text, `@file` or `-`, instead of options. */
  input: string | null
  /** The command and its own options. */
  rest: readonly string[]
}>

export const GLOBAL_HELP = `
Every command:
  --json          print JSON
  --url <url>     control plane (default: $APIPROXY_ADMIN_URL, else http://127.0.0.1:8090)
  --input <json>  the whole input as JSON, @file, or - for standard input
The admin token is $APIPROXY_ADMIN_TOKEN, else the file admin-token in $APIPROXY_DATA_DIR (default .apiproxy).
Exit status: 0 done, 1 refused or failed, 64 not understood.
`

const VALUED = ['--url', '--input'] as const

/** @returns the options, or a sentence about the one that is wrong. */
export function readGlobalOptions(argv: readonly string[]): Result<GlobalOptions, string> {
  const found = new Map<string, string>()
  const rest: string[] = []
  let json = false
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (word === '--') {
      rest.push(...argv.slice(at))
      break
    }
    const option = VALUED.find((name) => word === name || word.startsWith(`${name}=`))
    if (word === '--json') json = true
    else if (option === undefined) rest.push(word)
    else {
      const value = word === option ? argv[++at] : word.slice(option.length + 1)
      if (value === undefined || value === '') return err(`${option} wants a value`)
      found.set(option, value)
    }
  }
  return ok({ json, url: found.get('--url') ?? null, input: found.get('--input') ?? null, rest })
}
