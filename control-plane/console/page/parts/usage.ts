/**
 * Sums by day in the order of the days, with nothing where there was nothing.
 *
 * Pure.
 */
export type DaySums = Readonly<{
  /** `2026-11-28` */
  name: string
  requests: number
  failed: number
  input: number
  output: number
  cost: number
  unpriced: number
}>

const NOTHING = { requests: 0, failed: 0, input: 0, output: 0, cost: 0, unpriced: 0 }

export function byDay(days: readonly string[], rows: readonly DaySums[]): readonly DaySums[] {
  const known = new Map(rows.map((row) => [row.name, row]))
  return days.map((name) => known.get(name) ?? { name, ...NOTHING })
}
