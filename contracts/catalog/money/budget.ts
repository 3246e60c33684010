/**
 * A budget: how much money a client key, or all keys with a tag, may spend in a period.
 *
 * Pure. Money is billionths of a US dollar inside (`nano`), as in the books; dollars where people write it.
 */
import { z } from 'zod'
import type { BudgetId } from '../../ids.ts'
import { isBudgetId } from '../../ids.ts'
import { Origin } from '../provider.ts'

export const BudgetIdText = z
  .string()
  .refine(isBudgetId, 'must be 1-63 lower-case letters, digits, dashes or underscores')

/** Whose requests are paid from it. */
export const BudgetSubject = z.union([
  z.strictObject({ key: z.string().min(1).max(64) }),
  z.strictObject({ tag: z.string().min(1).max(63) }),
])
export type BudgetSubject = Readonly<z.infer<typeof BudgetSubject>>

/** Days, weeks (from Monday) and months of UTC; `total` never begins anew. */
export const BudgetPeriod = z.enum(['day', 'week', 'month', 'total'])
export type BudgetPeriod = z.infer<typeof BudgetPeriod>

/** What can be changed of a budget, every member said. */
export const BudgetTerms = z.strictObject({
  /** US dollars a period. Sums in billionths of a dollar stay exact up to nine million. */
  amount: z.number().positive().max(5_000_000),
  /** Part of the amount from which on a warning is given. */
  warnAt: z.number().positive().max(1),
  /** Status told once it is spent: 402, or 429 with the time until the next period. */
  whenSpent: z.union([z.literal(402), z.literal(429)]),
  /** What a node does that holds no lease and reaches no control plane. */
  onUnreachable: z.enum(['refuse', 'allow']),
  /** Models without a known price: they count nothing, or are not to be used. */
  unpriced: z.enum(['allow', 'refuse']),
})
export type BudgetTerms = Readonly<z.infer<typeof BudgetTerms>>

/** Of a budget about which only its amount was said. */
export const USUAL_TERMS = {
  warnAt: 0.8,
  whenSpent: 429,
  onUnreachable: 'refuse',
  unpriced: 'allow',
} as const satisfies Omit<BudgetTerms, 'amount'>

export type Budget = Readonly<{
  id: BudgetId
  version: number
  origin: Origin
  subject: BudgetSubject
  period: BudgetPeriod
  terms: BudgetTerms
  createdAt: number
  changedAt: number
}>

export const budgetEvents = {
  BudgetCreated: z.strictObject({
    origin: Origin,
    subject: BudgetSubject,
    period: BudgetPeriod,
    terms: BudgetTerms,
  }),
  BudgetTermsSet: z.strictObject({ terms: BudgetTerms }),
  BudgetRemoved: z.strictObject({}),
}

/** Epoch milliseconds; `end` is the first moment of the next one, null: there is no next one. */
export type PeriodSpan = Readonly<{ start: number; end: number | null }>

const DAY_MS = 86_400_000
/** 1970 began on a Thursday: its first Monday was the fifth. */
const FIRST_MONDAY_MS = 4 * DAY_MS

/** @returns the period that a moment (epoch milliseconds) lies in. */
export function periodAt(period: BudgetPeriod, at: number): PeriodSpan {
  switch (period) {
    case 'day':
      return spanOf(at, 0, DAY_MS)
    case 'week':
      return spanOf(at, FIRST_MONDAY_MS, 7 * DAY_MS)
    case 'month': {
      const date = new Date(at)
      const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
      return { start: Date.UTC(year, month), end: Date.UTC(year, month + 1) }
    }
    case 'total':
      return { start: 0, end: null }
    default:
      return period satisfies never
  }
}

function spanOf(at: number, origin: number, length: number): Readonly<{ start: number; end: number }> {
  const start = Math.floor((at - origin) / length) * length + origin
  return { start, end: start + length }
}

const NANO = 1e9
export const nanoOf = (dollars: number): number => Math.round(dollars * NANO)
export const dollarsOf = (nano: number): number => nano / NANO

/**
 * What money is counted under: a budget that was removed and made anew under its name is another one.
 * @returns `team-month@42`.
 */
export const accountOf = ({ id, createdAt }: Pick<Budget, 'id' | 'createdAt'>): string => `${id}@${createdAt}`
