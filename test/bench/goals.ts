/**
 * What the gateway is meant to cost, and whether it does. `spine` must hold in every release; `goal` is what
 * we work towards.
 *
 * Pure.
 */
import { cpuUs, delayP50, instructions, p50, p99, type PhaseWindows, type Value } from './compare.ts'
import { PHASES } from './phases.ts'
import type { SubjectName } from './subjects/subject.ts'

export type Goal = Readonly<{
  what: string
  phase: string
  unit: 'times' | 'ms' | 'KB'
  /** Null: only stated. */
  spine: number | null
  goal: number | null
  value: (windows: PhaseWindows) => number | null
}>

/** `busy`: a latency, measured while other programs used too much of the machine to say whose it is. */
export type Verdict = 'ok' | 'MISS' | 'busy' | '-'

export type Judgement = Goal &
  Readonly<{ measured: number | null; verdicts: Readonly<{ spine: Verdict; goal: Verdict }> }>

type Limits = readonly [spine: number | null, goal: number | null]

const times = (what: string, phase: string, to: SubjectName, value: Value, [spine, goal]: Limits): Goal => {
  const ratio = (windows: PhaseWindows): number | null => windows.ratio('gateway', to, value)
  return { what: `${what} against ${to}`, phase, unit: 'times', spine, goal, value: ratio }
}

const moreThanBare = (what: string, phase: string, value: Value, [spine, goal]: Limits): Goal => {
  const more = (windows: PhaseWindows): number | null => windows.difference('gateway', 'bare', value)
  return { what: `${what} more than bare`, phase, unit: 'ms', spine, goal, value: more }
}

const streamsHeld = PHASES.find(({ name }) => name === 'hold')?.connections ?? 1

const memoryOfStream: Goal = {
  what: 'memory of an open stream',
  phase: 'hold',
  unit: 'KB',
  spine: null,
  goal: 40,
  value: (windows) => {
    const bytes = windows.bytesPerConnection('gateway', streamsHeld)
    return bytes === null ? null : bytes / 1_024
  },
}

export const GOALS: readonly Goal[] = [
  times('JSON, instructions', 'sat', 'bare', instructions, [1.5, 1.25]),
  times('JSON, CPU', 'sat', 'bare', cpuUs, [1.6, 1.3]),
  times('JSON, CPU', 'sat', 'nginx', cpuUs, [3.5, 3]),
  times('JSON, CPU', 'sat', 'portkey', cpuUs, [1 / 8, 1 / 10]),
  times('SSE, instructions per chunk', 'sse', 'bare', instructions, [1.25, 1.15]),
  // Where instructions cannot be counted; noisier.
  times('SSE, CPU per chunk', 'sse', 'bare', cpuUs, [1.25, 1.15]),
  moreThanBare('500 a second, p50', 'rate', p50, [0.2, 0.1]),
  moreThanBare('500 a second, p99', 'rate', p99, [1, 0.5]),
  moreThanBare('SSE, delay of a chunk, p50', 'sse', delayP50, [null, null]),
  times('100 KB bodies, CPU', 'big100k', 'bare', cpuUs, [1.2, 1.1]),
  times('1 MB bodies, CPU', 'big1m', 'bare', cpuUs, [1.2, 1.1]),
  memoryOfStream,
]

export const judge = (value: number | null, limit: number | null): Verdict =>
  value === null || limit === null ? '-' : value <= limit ? 'ok' : 'MISS'

/** Above this many foreign processors latencies are told and not judged; CPU times are the subject's own. */
const BUSY_CORES = 0.5

/** @param phases those that were measured. */
export function judgeAll(phases: ReadonlyMap<string, PhaseWindows>): readonly Judgement[] {
  return GOALS.flatMap((goal) => {
    const windows = phases.get(goal.phase)
    if (windows === undefined) return []
    const measured = goal.value(windows)
    const isBusy = goal.unit === 'ms' && windows.figures('gateway').foreignCores > BUSY_CORES
    const verdict = (limit: number | null): Verdict =>
      isBusy && limit !== null ? 'busy' : judge(measured, limit)
    return [{ ...goal, measured, verdicts: { spine: verdict(goal.spine), goal: verdict(goal.goal) } }]
  })
}
