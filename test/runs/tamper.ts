/**
 * Whoever changes an export of the log is found, and the first commit that is not as it was is named.
 *
 *     node test/runs/tamper.ts --tamperings 10000 --commits 60 --seed 1
 *
 * Each tampering flips a bit, drops, swaps, inserts or cuts off lines, or seals a changed commit again.
 */
import { diceOf } from '#contracts/routing/dice.ts'
import { checkLines, exportedLog, missed, tamper } from '../control-plane/tamper.ts'
import { conclude, readOptions, say } from './options.ts'

const options = readOptions({ tamperings: 10_000, commits: 60, seed: 1 })
const random = diceOf(options.seed)
const log = exportedLog(options.commits, options.seed)
const problems: string[] = []

const untouched = checkLines(log.lines, log)
if (!untouched.ok) problems.push(`the untouched log is not whole: ${JSON.stringify(untouched.firstBad)}`)
const counts = new Map<string, number>()
for (let at = 0; at < options.tamperings; at++) {
  const tampering = tamper(log, random)
  counts.set(tampering.kind, (counts.get(tampering.kind) ?? 0) + 1)
  const problem = missed(log, tampering)
  if (problem !== null) problems.push(`tampering ${at} (${tampering.kind}) ${problem}`)
}
say(`${options.tamperings} tamperings of a log of ${options.commits} commits, seed ${options.seed}`)
say([...counts].map(([kind, count]) => `${kind} ${count}`).join(', '))
conclude(problems)
