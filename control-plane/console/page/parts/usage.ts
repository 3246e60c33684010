/**
 * What was used: sums by day in the order of the days, and by model.
 */
import { count, dollars } from '../format.ts'
import type { Query } from '../route.ts'
import { NO_MODEL } from '../words.ts'
import { link, table } from './bits.ts'

export type Sums = Readonly<{
  /** A model, or a day: `2026-11-28`. */
  name: string
  requests: number
  failed: number
  input: number
  output: number
  cost: number
  unpriced: number
}>

const NOTHING = { requests: 0, failed: 0, input: 0, output: 0, cost: 0, unpriced: 0 }

/** With nothing where there was nothing. */
export function byDay(days: readonly string[], rows: readonly Sums[]): readonly Sums[] {
  const known = new Map(rows.map((row) => [row.name, row]))
  return days.map((name) => known.get(name) ?? { name, ...NOTHING })
}

/** @param query of the requests that a model's name leads to, beside the model. */
export const usageByModel = (caption: string, rows: readonly Sums[], query: Query): HTMLElement =>
  table(
    caption,
    [
      { title: 'Model' },
      { title: 'Requests', isNumber: true },
      { title: 'Not answered', isNumber: true },
      { title: 'Tokens', isNumber: true },
      { title: 'Cost', isNumber: true },
    ],
    rows.map((row) => ({
      key: row.name,
      cells: [
        row.name === '' ? NO_MODEL : link(row.name, ['requests'], { ...query, model: row.name }),
        count(row.requests),
        count(row.failed),
        count(row.input + row.output),
        dollars(row.cost),
      ],
    })),
  )
