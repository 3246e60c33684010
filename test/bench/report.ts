/**
 * The report of a run, as text for people and as data for programs.
 *
 * Pure.
 */
import {
  cpuUs,
  delayP50,
  delayP99,
  firstByteP50,
  instructions,
  p50,
  p99,
  PhaseWindows,
  type Figures,
} from './compare.ts'
import { judgeAll, type Judgement } from './goals.ts'
import type { Phase } from './phases.ts'
import type { Window } from './rounds.ts'
import type { SubjectName } from './subjects/subject.ts'

/** About a run as a whole: machine, versions, load, what was left out. */
export type Setting = Readonly<{ lines: readonly string[]; skipped: readonly string[] }>

type Column = Readonly<{ title: string; of: (row: Row) => string }>
type Row = Readonly<{ figures: Figures; windows: PhaseWindows; phase: Phase }>

const REFERENCES: readonly SubjectName[] = ['bare', 'nginx', 'portkey']

const number = (value: number | null, digits = 1): string => (value === null ? '-' : value.toFixed(digits))
/** Small ratios are told as fractions: 1/8. */
const times = (value: number | null): string =>
  value === null ? '-' : value < 0.5 ? `1/${(1 / value).toFixed(1)}` : `${value.toFixed(2)}x`
const signed = (value: number | null): string =>
  value === null ? '-' : `${value >= 0 ? '+' : ''}${value.toFixed(2)}`

const against = (to: SubjectName): Column => ({
  title: `vs ${to}`,
  of: ({ figures, windows }) =>
    figures.subject === to ? '' : times(windows.ratio(figures.subject, to, cpuUs)),
})
const added = (title: string, value: typeof p50): Column => ({
  title,
  of: ({ figures, windows }) =>
    figures.subject === 'direct' ? '' : signed(windows.difference(figures.subject, 'direct', value)),
})

/** At saturation a latency is the length of a queue, so what a subject adds is told at a fixed rate only. */
function columnsOf(phase: Phase, hasInstructions: boolean): readonly Column[] {
  const latency: readonly Column[] =
    phase.ratePerSecond !== null
      ? [added('p50 ms', p50), added('p99 ms', p99)]
      : phase.unit === 'chunk'
        ? [added('delay p50', delayP50), added('delay p99', delayP99), added('ttfb p50', firstByteP50)]
        : []
  const counted: readonly Column[] = hasInstructions
    ? [
        { title: 'k instr', of: ({ figures }) => number((figures.instructions ?? 0) / 1_000, 0) },
        {
          title: 'instr vs bare',
          of: ({ figures, windows }) => times(windows.ratio(figures.subject, 'bare', instructions)),
        },
      ]
    : []
  return [
    { title: phase.name, of: ({ figures }) => figures.subject },
    { title: 'CPU us', of: ({ figures }) => number(figures.cpuUs) },
    { title: 'user', of: ({ figures }) => number(figures.userUs) },
    { title: 'kernel', of: ({ figures }) => number(figures.kernelUs) },
    ...REFERENCES.map(against),
    ...counted,
    { title: `${phase.unit}s/s`, of: ({ figures }) => number(figures.unitsPerSecond, 0) },
    { title: 'cores', of: ({ figures }) => number(figures.cores, 2) },
    ...latency,
    { title: 'RSS MB', of: ({ figures }) => number(figures.rssMb, 0) },
    { title: 'spread', of: ({ figures }) => number(figures.spread, 2) },
    { title: 'foreign', of: ({ figures }) => number(figures.foreignCores, 2) },
    { title: 'failed', of: ({ figures }) => String(figures.failures) },
  ]
}

export function phaseReport(phase: Phase, all: readonly Window[], hasInstructions: boolean): string {
  const windows = windowsOf(phase.name, all)
  const rows = windows.subjects.map((subject) => ({ figures: windows.figures(subject), windows, phase }))
  const columns = columnsOf(phase, hasInstructions)
  const table = aligned([
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ of }) => of(row))),
  ])
  const note =
    phase.ratePerSecond !== null || phase.unit === 'chunk'
      ? '; latencies in ms, more than asking the upstream itself'
      : ''
  return `\n${phase.what}; CPU for each ${phase.unit}${note}\n${table}`
}

/** How busy the load side was: a subject faster than this cannot be driven to its end. */
export function ceilingNote(all: readonly Window[]): string | null {
  const windows = windowsOf('sat', all)
  if (!windows.subjects.includes('direct')) return null
  const ceiling = windows.figures('direct').unitsPerSecond
  const near = windows.subjects.filter((one) => one !== 'direct' && (windows.figures(one).cores ?? 1) < 0.9)
  const held =
    near.length === 0 ? 'every subject used its processor up' : `not driven to saturation: ${near.join(', ')}`
  return `load client and upstream alone: ${ceiling.toFixed(0)} requests a second; ${held}`
}

const show = (unit: Judgement['unit'], figure: number | null): string =>
  unit === 'times'
    ? times(figure)
    : figure === null
      ? '-'
      : `${figure.toFixed(unit === 'ms' ? 2 : 0)} ${unit}`

export function goalReport(judgements: readonly Judgement[]): string {
  const rows = judgements.map(({ what, phase, unit, spine, goal, measured, verdicts }) => [
    what,
    phase,
    show(unit, measured),
    show(unit, spine),
    verdicts.spine,
    show(unit, goal),
    verdicts.goal,
  ])
  return rows.length === 0 ? '' : aligned([['goal', 'phase', 'measured', 'spine', '', 'goal', ''], ...rows])
}

/** What a release must not do. */
export const missedSpines = (judgements: readonly Judgement[]): readonly string[] =>
  judgements
    .filter(({ verdicts }) => verdicts.spine === 'MISS')
    .map(
      ({ what, phase, unit, measured, spine }) =>
        `${what} (${phase}): ${show(unit, measured)}, at most ${show(unit, spine)}`,
    )

/** The windows of each phase that was measured. */
export const byPhase = (all: readonly Window[]): ReadonlyMap<string, PhaseWindows> =>
  new Map([...new Set(all.map(({ phase }) => phase))].map((phase) => [phase, windowsOf(phase, all)]))

export function jsonReport(setting: Setting, phases: readonly Phase[], all: readonly Window[]): string {
  const summary = phases.map((phase) => {
    const windows = windowsOf(phase.name, all)
    const ratios = (value: typeof cpuUs) =>
      Object.fromEntries(
        windows.subjects.map((one) => [
          one,
          Object.fromEntries(REFERENCES.map((to) => [to, windows.ratio(one, to, value)])),
        ]),
      )
    const figures = windows.subjects.map((one) => windows.figures(one))
    return { phase, figures, cpuRatios: ratios(cpuUs), instructionRatios: ratios(instructions) }
  })
  const goals = judgeAll(byPhase(all)).map(({ value: _value, ...judgement }) => judgement)
  return JSON.stringify({ setting, summary, goals, windows: all }, null, 1)
}

const windowsOf = (phase: string, all: readonly Window[]): PhaseWindows =>
  new PhaseWindows(all.filter((window) => window.phase === phase))

/** The first column to the left, the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_title, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
        .join('  '),
    )
    .join('\n')
}
