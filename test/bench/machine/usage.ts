/**
 * What processes and the whole machine have used so far, from /proc.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** Seconds of CPU time of a process tree since it began. */
export type Usage = Readonly<{ userS: number; kernelS: number }>

/** The kernel counts in these for user space, on every architecture Node runs on. */
const TICKS_PER_SECOND = 100

/** @returns the process and all its descendants. */
export function processTree(root: number): readonly number[] {
  const children = Map.groupBy(allProcesses(), ({ parent }) => parent)
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []).map((child) => child.pid))
  return tree
}

export function usageOf(pids: readonly number[]): Usage {
  let [user, kernel] = [0, 0]
  for (const pid of pids) {
    const fields = statOf(pid)
    if (fields === null) continue
    user += Number(fields[11])
    kernel += Number(fields[12])
  }
  return { userS: user / TICKS_PER_SECOND, kernelS: kernel / TICKS_PER_SECOND }
}

export const cpuSeconds = ({ userS, kernelS }: Usage): number => userS + kernelS

/** Resident memory now, in bytes. Pages that processes share count for each of them. */
export const residentBytes = (pids: readonly number[]): number =>
  pids.reduce(
    (sum, pid) => sum + Number(/^VmRSS:\s+(\d+) kB$/m.exec(textOf(pid, 'status'))?.[1] ?? 0) * 1_024,
    0,
  )

/** CPU time of everything on this machine, and what its host took from it, in seconds. */
export function machineSeconds(): number {
  const [, user, nice, system, , , irq, softirq, steal] = (
    readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .map(Number)
  return (
    [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) /
    TICKS_PER_SECOND
  )
}

function allProcesses(): readonly Readonly<{ pid: number; parent: number }>[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    const fields = Number.isInteger(pid) ? statOf(pid) : null
    return fields === null ? [] : [{ pid, parent: Number(fields[1]) }]
  })
}

/** @returns the fields behind the program's name, which may hold anything; null when the process is gone. */
function statOf(pid: number): readonly string[] | null {
  const stat = textOf(pid, 'stat')
  return stat === '' ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function textOf(pid: number, file: 'stat' | 'status'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
