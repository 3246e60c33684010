/**
 * From windows to figures: medians over rounds, and ratios paired by round, so that what disturbed the
 * machine for a while disturbs both sides of a ratio.
 *
 * Pure.
 */
import type { Window } from './rounds.ts'
import type { SubjectName } from './subjects/subject.ts'

/** Medians over the rounds of one subject in one phase. */
export type Figures = Readonly<{
  subject: SubjectName
  rounds: number
  failures: number
  unitsPerSecond: number
  cpuUs: number | null
  userUs: number | null
  kernelUs: number | null
  instructions: number | null
  cores: number | null
  rssMb: number | null
  p50Ms: number
  p99Ms: number
  firstByteP50Ms: number
  delayP50Ms: number
  delayP99Ms: number
  foreignCores: number
  /** Largest CPU figure minus the smallest, as a share of the median: above 0.3 the machine was too noisy. */
  spread: number | null
}>

export type Value = (window: Window) => number | null

export const cpuUs: Value = ({ cost }) => cost?.cpuUs ?? null
export const instructions: Value = ({ cost }) => cost?.instructions ?? null
export const p50: Value = ({ load }) => load.latencyMs.p50
export const p99: Value = ({ load }) => load.latencyMs.p99
export const firstByteP50: Value = ({ load }) => load.firstByteMs.p50
export const delayP50: Value = ({ load }) => load.chunkDelayMs.p50
export const delayP99: Value = ({ load }) => load.chunkDelayMs.p99

/** The windows of one phase. */
export class PhaseWindows {
  readonly #bySubject: ReadonlyMap<SubjectName, readonly Window[]>

  constructor(windows: readonly Window[]) {
    this.#bySubject = Map.groupBy(windows, ({ subject }) => subject)
  }

  get subjects(): readonly SubjectName[] {
    return [...this.#bySubject.keys()]
  }

  /** Paired by round. @returns null when a side was not measured. */
  ratio(subject: SubjectName, to: SubjectName, value: Value): number | null {
    return this.#paired(subject, to, value, (mine, theirs) => (theirs > 0 ? mine / theirs : null))
  }

  difference(subject: SubjectName, to: SubjectName, value: Value): number | null {
    return this.#paired(subject, to, value, (mine, theirs) => mine - theirs)
  }

  /** Memory that came with each connection held open, in bytes: the largest over the rounds. */
  bytesPerConnection(subject: SubjectName, connections: number): number | null {
    const grown = this.#of(subject).flatMap(({ cost }) =>
      cost === null ? [] : [cost.rssBytes - cost.idleRssBytes],
    )
    return grown.length === 0 ? null : Math.max(...grown) / connections
  }

  figures(subject: SubjectName): Figures {
    const windows = this.#of(subject)
    const of = (value: Value): number | null => median(windows.map(value))
    const sure = (value: Value): number => of(value) ?? 0
    return {
      subject,
      rounds: windows.length,
      failures: windows.reduce((sum, { load }) => sum + load.failures + load.incomplete, 0),
      unitsPerSecond: sure(({ unitsPerSecond }) => unitsPerSecond),
      cpuUs: of(cpuUs),
      userUs: of(({ cost }) => cost?.userUs ?? null),
      kernelUs: of(({ cost }) => cost?.kernelUs ?? null),
      instructions: of(instructions),
      cores: of(({ cost }) => cost?.cores ?? null),
      rssMb: of(({ cost }) => (cost === null ? null : cost.rssBytes / 1_048_576)),
      p50Ms: sure(p50),
      p99Ms: sure(p99),
      firstByteP50Ms: sure(firstByteP50),
      delayP50Ms: sure(delayP50),
      delayP99Ms: sure(delayP99),
      foreignCores: sure(({ foreignCores }) => foreignCores),
      spread: spreadOf(windows.map(cpuUs)),
    }
  }

  #paired(
    subject: SubjectName,
    to: SubjectName,
    value: Value,
    combine: (mine: number, theirs: number) => number | null,
  ): number | null {
    const theirs = new Map(this.#of(to).map((window) => [window.round, value(window)]))
    return median(
      this.#of(subject).map((window) => {
        const [mine, other] = [value(window), theirs.get(window.round) ?? null]
        return mine === null || other === null ? null : combine(mine, other)
      }),
    )
  }

  #of(subject: SubjectName): readonly Window[] {
    return this.#bySubject.get(subject) ?? []
  }
}

/** @returns null when there are no numbers; the mean of the middle two when they are even. */
export function median(values: readonly (number | null)[]): number | null {
  const sorted = numbers(values).sort((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? null : (low + high) / 2
}

function spreadOf(values: readonly (number | null)[]): number | null {
  const [middle, known] = [median(values), numbers(values)]
  return middle === null || middle === 0 ? null : (Math.max(...known) - Math.min(...known)) / middle
}

const numbers = (values: readonly (number | null)[]): number[] =>
  values.filter((value): value is number => value !== null && Number.isFinite(value))
