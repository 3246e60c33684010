/**
 * What a run measures: something that listens, as a process of its own or as several.
 */
import type { Placement } from '../machine/placement.ts'

export type SubjectName = 'direct' | 'gateway' | 'bare' | 'nginx' | 'portkey'

export type Subject = AsyncDisposable &
  Readonly<{
    name: SubjectName
    /** What exactly it is, for the report. */
    what: string
    port: number
    /** Root of its process tree; null: the upstream itself, which is not measured. */
    pid: number | null
    headers: Readonly<Record<string, string>>
    /** Model name to ask for, so that the upstream is asked for `model`. */
    modelFor: (model: string) => string
  }>

/** A subject that cannot run here is left out, and the report says why. */
export type Started =
  | Readonly<{ kind: 'started'; subject: Subject }>
  | Readonly<{ kind: 'skipped'; why: string }>

export type Surroundings = Readonly<{
  upstreamPort: number
  placement: Placement
  /** Models that phases ask for. */
  models: readonly string[]
  say: (line: string) => void
}>

/** What clients send to subjects that do not look at it. */
export const ANY_KEY = { authorization: 'Bearer sk-bench-0123456789abcdef0123456789abcdef' }

export const asItIs = (model: string): string => model
