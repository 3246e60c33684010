/**
 * Which processor runs what: the subject alone on one, everything else on another, so that no subject is
 * measured while it waits for its client.
 */
import { cpus } from 'node:os'
import { OwnedProcess, type OwnedOptions } from '../../processes/owned.ts'
import { findProgram } from '../../services/find.ts'

export type Placement = Readonly<{
  /** Null: processes run wherever the kernel puts them. */
  subjectCpu: number | null
  upstreamCpu: number | null
  /** For the report. */
  words: string
}>

/** Moves this process, and with it whatever it starts, away from the subject's processor. */
export async function placeOurselves(): Promise<Placement> {
  const count = cpus().length
  const why =
    (await findProgram(['taskset'])) === null
      ? 'there is no taskset'
      : count < 2
        ? 'there is one processor'
        : null
  if (why !== null || !(await pin(process.pid, 1))) {
    return { subjectCpu: null, upstreamCpu: null, words: `nothing is pinned: ${why ?? 'taskset failed'}` }
  }
  const upstreamCpu = count > 2 ? 2 : 1
  return {
    subjectCpu: 0,
    upstreamCpu,
    words: `subject on CPU 0, load client on 1, upstream on ${upstreamCpu}`,
  }
}

/** Every thread of a process that runs already. @returns false when it cannot be done. */
export async function pin(pid: number, cpu: number): Promise<boolean> {
  const taskset = await OwnedProcess.start('taskset', ['-a', '-c', '-p', String(cpu), String(pid)])
  return (await taskset.exited).code === 0
}

export function startOn(
  cpu: number | null,
  command: string,
  args: readonly string[],
  options?: OwnedOptions,
): Promise<OwnedProcess> {
  if (cpu === null) return OwnedProcess.start(command, args, options)
  return OwnedProcess.start('taskset', ['-c', String(cpu), command, ...args], options)
}
