/**
 * What was seen of each deployment in the window: what became of attempts there, and how long they took.
 *
 * Pure. A request that would have gone elsewhere is taken to have fared there as the recorded attempt of the
 * same kind that is nearest in time: an incident then hits those who would have been in it.
 */
import {
  fitLine,
  LEAST_LINE_SAMPLES,
  mixSums,
  NO_SUMS,
  type Line,
  type LineSums,
} from '#contracts/telemetry/line.ts'
import { saysNothing, type PastAttempt, type PastRequest } from './past-request.ts'

type Mode = PastRequest['mode']

type Seen = { readonly at: number[]; readonly attempts: PastAttempt[]; sums: LineSums }

export type NearestAttempt = Readonly<{
  attempt: PastAttempt
  /** Of the same kind of answer? If not, it says nothing of how long it takes. */
  isAlike: boolean
}>

export class Evidence {
  readonly #seen = new Map<string, Seen>()

  /** @param request in the order of time. */
  add({ at, mode, attempts, tokens }: PastRequest): void {
    for (const attempt of attempts) {
      if (saysNothing(attempt)) continue
      const seen = this.#of(attempt.deployment, mode)
      seen.at.push(at)
      seen.attempts.push(attempt)
      const { outcome, firstMs } = attempt
      if (outcome !== 'success' || firstMs === null) continue
      const size = (tokens.input - tokens.cacheRead) / 1_000
      seen.sums = mixSums(seen.sums, 1, [1, size, size * size, firstMs, size * firstMs], 1)
    }
  }

  /** @param asked attempts that the request had made there before: each fares as another one did. */
  nearest(deployment: string, mode: Mode, at: number, asked: number): NearestAttempt | null {
    const alike = nearestOf(this.#seen.get(nameOf(deployment, mode)), at, asked)
    if (alike !== null) return { attempt: alike, isAlike: true }
    const other = nearestOf(this.#seen.get(nameOf(deployment, otherOf(mode))), at, asked)
    return other === null ? null : { attempt: other, isAlike: false }
  }

  /** Usual time to the first content; null: too little was seen. */
  usual(deployment: string, mode: Mode): Line | null {
    const sums = this.#seen.get(nameOf(deployment, mode))?.sums ?? NO_SUMS
    return sums[0] < LEAST_LINE_SAMPLES ? null : fitLine(sums)
  }

  attempts(deployment: string): readonly PastAttempt[] {
    return (['sse', 'json'] as const).flatMap(
      (mode) => this.#seen.get(nameOf(deployment, mode))?.attempts ?? [],
    )
  }

  #of(deployment: string, mode: Mode): Seen {
    const name = nameOf(deployment, mode)
    const known = this.#seen.get(name)
    if (known !== undefined) return known
    const seen: Seen = { at: [], attempts: [], sums: NO_SUMS }
    this.#seen.set(name, seen)
    return seen
  }
}

const nameOf = (deployment: string, mode: Mode): string => `${mode} ${deployment}`
const otherOf = (mode: Mode): Mode => (mode === 'sse' ? 'json' : 'sse')

function nearestOf(seen: Seen | undefined, at: number, asked: number): PastAttempt | null {
  if (seen === undefined) return null
  const after = firstAfter(seen.at, at)
  const [before, next] = [seen.at[after - 1] ?? -Infinity, seen.at[after] ?? Infinity]
  const nearest = at - before <= next - at ? after - 1 : after
  return seen.attempts[(nearest + asked) % seen.attempts.length] ?? null
}

/** @param times ascending. @returns index of the first that is later; their number: none is. */
export function firstAfter(times: readonly number[], at: number): number {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] ?? Infinity) <= at) low = middle + 1
    else high = middle
  }
  return low
}
