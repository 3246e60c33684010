/**
 * Instructions that a process tree carries out, where `perf` can count them: the steadiest figure there is.
 * Most virtual machines cannot.
 */
import { OwnedProcess } from '../../processes/owned.ts'
import { findProgram } from '../../services/find.ts'

const COUNTING = ['stat', '-x', ',', '-e', 'instructions:u,instructions:k']
/** `1234567,,instructions:u,…`; `<not supported>,,…` on machines that cannot count. */
const COUNT = /^(\d+),[^,]*,instructions/

/** @returns why not, or null. */
export async function whyNoInstructions(): Promise<string | null> {
  if ((await findProgram(['perf'])) === null) return 'there is no perf'
  return (await count(['true'])) === null ? 'perf finds no instruction counter on this machine' : null
}

/** @returns user and kernel together, over the next so many seconds; null: it could not be counted. */
export const countInstructions = (pids: readonly number[], seconds: number): Promise<number | null> =>
  count(['-p', pids.join(','), '--', 'sleep', String(seconds)])

async function count(what: readonly string[]): Promise<number | null> {
  const perf = await OwnedProcess.start('perf', [...COUNTING, ...what])
  await perf.exited
  const counts = perf.lines.flatMap((line) => COUNT.exec(line)?.[1] ?? [])
  return counts.length === 0 ? null : counts.reduce((sum, text) => sum + Number(text), 0)
}
