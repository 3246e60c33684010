/**
 * Options of a long run: every one a number, with a default; `--seed` makes it repeatable.
 */
import { parseArgs } from 'node:util'

/** @returns the options given on the command line, the defaults for the others. Exits on anything unknown. */
export function readOptions<Name extends string>(
  defaults: Readonly<Record<Name, number>>,
): Readonly<Record<Name, number>> {
  const names = Object.keys(defaults)
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]))
  let given: Readonly<Record<string, unknown>>
  try {
    given = parseArgs({ options }).values
  } catch (error) {
    const usage = Object.entries(defaults).map(([name, value]) => `--${name} ${String(value)}`)
    process.stderr.write(
      `${error instanceof Error ? error.message : String(error)}\nOptions and defaults: ${usage.join(' ')}\n`,
    )
    process.exit(64)
  }
  const read: Record<Name, number> = { ...defaults }
  for (const name of names as Name[]) {
    const text = given[name]
    if (typeof text !== 'string') continue
    if (!Number.isFinite(Number(text))) throw new Error(`--${name} must be a number`)
    read[name] = Number(text)
  }
  return read
}

/** One line of a run's story, with the time since it began. */
export const say = (line: string): void => {
  process.stdout.write(`${(performance.now() / 1_000).toFixed(1).padStart(7)} s  ${line}\n`)
}

/** What a run started is stopped after its verdict; this long, in milliseconds. */
const STOP_MS = 20_000

/** A run ends with its verdict, and with 1 when it failed; also when something does not let go. */
export function conclude(problems: readonly string[]): void {
  for (const problem of problems) process.stdout.write(`FAILED: ${problem}\n`)
  process.stdout.write(problems.length === 0 ? 'passed\n' : `${problems.length} problems\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
  // Left to end by itself, Node (24.21) now and then waits for ever, at full speed, for a handle that is gone.
  process.once('beforeExit', () => process.exit())
  setTimeout(() => {
    process.stdout.write(`still open after the end: ${process.getActiveResourcesInfo().join(', ')}\n`)
    process.exit()
  }, STOP_MS).unref()
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN
}
