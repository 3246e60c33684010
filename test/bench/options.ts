/**
 * Options of a benchmark run, from the command line.
 */
import { parseArgs } from 'node:util'
import { err, ok, type Result } from '#contracts/result.ts'
import { DEFAULT_PHASES, PHASES, type Phase } from './phases.ts'
import type { SubjectName } from './subjects/subject.ts'

export type BenchOptions = Readonly<{
  rounds: number
  /** Length of a window, in seconds. */
  seconds: number
  /** Each subject runs this long before its first window of a phase, in seconds. */
  warmUpS: number
  phases: readonly Phase[]
  subjects: readonly SubjectName[]
  /** A window in which other programs used more than this many processors is measured again. */
  noiseCores: number
  /** Of the order in which subjects take turns. */
  seed: number
  /** Where the figures go as JSON; null: nowhere. */
  json: string | null
}>

const SUBJECTS: readonly SubjectName[] = ['gateway', 'bare', 'nginx', 'portkey']

export const USAGE = `node test/bench/main.ts
  --rounds 5          windows of each subject in each phase; the median counts
  --seconds 2.5       length of a window
  --warm-up 2         seconds each subject runs before its first window of a phase, up to eight times until it is warm
  --phases ${DEFAULT_PHASES.join(',')}
                      of ${PHASES.map(({ name }) => name).join(', ')}
  --subjects ${SUBJECTS.join(',')}
  --noise 0.1         windows in which other programs used more processors than this are repeated
  --seed 1            of the order in which the subjects take turns in a round
  --json out.json     writes every figure`

export function readBenchOptions(args: readonly string[]): Result<BenchOptions, string> {
  const text = { type: 'string' as const }
  const names = {
    rounds: text,
    seconds: text,
    'warm-up': text,
    phases: text,
    subjects: text,
    noise: text,
    seed: text,
    json: text,
  }
  let given: Readonly<Partial<Record<keyof typeof names, string>>>
  try {
    given = parseArgs({ args: [...args], options: names }).values
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error))
  }
  const problems: string[] = []
  const number = (name: keyof typeof names, fallback: number, least: number): number => {
    const value = Number(given[name] ?? fallback)
    if (!(value >= least)) problems.push(`--${name} must be a number of at least ${least}`)
    return value
  }
  const listOf = <Item>(
    name: 'phases' | 'subjects',
    fallback: readonly string[],
    find: (one: string) => Item | undefined,
  ) =>
    (given[name]?.split(',') ?? fallback).flatMap((one) => {
      const item = find(one)
      if (item === undefined) problems.push(`--${name}: there is no '${one}'`)
      return item === undefined ? [] : [item]
    })
  const options = {
    rounds: number('rounds', 5, 1),
    seconds: number('seconds', 2.5, 0.5),
    warmUpS: number('warm-up', 2, 0.1),
    phases: listOf('phases', DEFAULT_PHASES, (one) => PHASES.find(({ name }) => name === one)),
    subjects: listOf('subjects', SUBJECTS, (one) => SUBJECTS.find((name) => name === one)),
    noiseCores: number('noise', 0.1, 0),
    seed: number('seed', 1, 0),
    json: given.json ?? null,
  }
  return problems.length > 0 ? err(problems.join('\n')) : ok(options)
}
