/**
 * Budgets: how much money a key, or all keys with a tag, may spend, and how much they have.
 */
import { z } from 'zod'
import {
  BudgetIdText,
  BudgetPeriod,
  BudgetTerms,
  USUAL_TERMS,
  type Budget,
  type BudgetSubject,
} from '#contracts/catalog/money/budget.ts'
import { budgetId } from '#contracts/ids.ts'
import { asking, carryOut, catalogAt, changing, expecting, page, paging } from '../change.ts'
import { answered, procedure, refused, router } from '../trpc.ts'

const terms = BudgetTerms.shape
const described = {
  amount: terms.amount.describe('US dollars a period.'),
  warnAt: terms.warnAt.describe('Part of the amount from which on a warning is given.'),
  whenSpent: terms.whenSpent.describe('Status once it is spent; 429 says when the next period begins.'),
  onUnreachable: terms.onUnreachable.describe('For nodes without a lease that reach no control plane.'),
  unpriced: terms.unpriced.describe('Models without a known price: they count nothing, or may not be used.'),
}
const existing = { id: BudgetIdText, ...expecting, ...changing }

export const budgets = router({
  list: procedure
    .meta({
      description: 'Budgets in the order of their ids, with what is spent, leased and left of each now.',
    })
    .input(z.strictObject({ ...paging, limit: z.int().min(1).max(500).default(500), ...asking }).prefault({}))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const { items, next } = page(catalog.budgets, input)
      const reports = await answered(ctx.budgets.report(items))
      return {
        commitNo: catalog.commit,
        budgets: items.map((budget, at) => ({ ...budget, now: reports[at] ?? null })),
        next,
      }
    }),

  get: procedure
    .meta({ description: 'One budget, with what is spent, leased and left of it now.' })
    .input(z.strictObject({ id: BudgetIdText, ...asking }))
    .query(async ({ ctx, input }) => {
      const catalog = await catalogAt(ctx, input.atLeastCommit)
      const budget = catalog.budgets.get(budgetId(input.id))
      if (budget === undefined) throw refused({ kind: 'not_found', what: `budget ${input.id}` })
      const [now = null] = await answered(ctx.budgets.report([budget]))
      return { commitNo: catalog.commit, budget: { ...budget, now } }
    }),

  create: procedure
    .meta({ description: 'Give a key, or all keys with a tag, a budget.' })
    .input(
      z.strictObject({
        id: BudgetIdText,
        key: z.string().min(1).max(64).optional().describe('Id of a client key.'),
        tag: z.string().min(1).max(63).optional().describe('A tag of client keys. Either this or a key.'),
        period: BudgetPeriod.describe('Of UTC; weeks begin on Mondays.'),
        amount: described.amount,
        warnAt: described.warnAt.default(USUAL_TERMS.warnAt),
        whenSpent: described.whenSpent.default(USUAL_TERMS.whenSpent),
        onUnreachable: described.onUnreachable.default(USUAL_TERMS.onUnreachable),
        unpriced: described.unpriced.default(USUAL_TERMS.unpriced),
        ...changing,
      }),
    )
    .mutation(({ ctx, input }) => {
      const { period, amount, warnAt, whenSpent, onUnreachable, unpriced } = input
      const id = budgetId(input.id)
      const subject = subjectOf(input)
      const wanted = { amount, warnAt, whenSpent, onUnreachable, unpriced }
      const command = { type: 'CreateBudget', id, subject, period, terms: wanted } as const
      return carryOut(ctx, input, { command, ids: { budget: id } })
    }),

  update: procedure
    .meta({ description: 'Change terms of a budget; what is left out stays.' })
    .input(
      z.strictObject({
        ...existing,
        amount: described.amount.optional(),
        warnAt: described.warnAt.optional(),
        whenSpent: described.whenSpent.optional(),
        onUnreachable: described.onUnreachable.optional(),
        unpriced: described.unpriced.optional(),
      }),
    )
    .mutation(({ ctx, input }) => {
      const { expectedVersion } = input
      const id = budgetId(input.id)
      const command = { type: 'SetBudgetTerms', id, terms: termsIn(input), expectedVersion } as const
      return carryOut(ctx, input, { command, ids: { budget: id } })
    }),

  remove: procedure
    .meta({ description: 'Remove a budget: nothing holds its key or tag to it any more.' })
    .input(z.strictObject(existing))
    .mutation(({ ctx, input }) => {
      const { expectedVersion } = input
      const id = budgetId(input.id)
      return carryOut(ctx, input, {
        command: { type: 'RemoveBudget', id, expectedVersion },
        ids: { budget: id },
      })
    }),
})

function subjectOf({
  key,
  tag,
}: Readonly<{ key?: string | undefined; tag?: string | undefined }>): BudgetSubject {
  if (key !== undefined && tag === undefined) return { key }
  if (tag !== undefined && key === undefined) return { tag }
  const message = 'say either a key or a tag'
  throw refused({ kind: 'invalid', issues: [{ path: key === undefined ? 'key' : 'tag', message }] })
}

type Given = { readonly [Name in keyof Budget['terms']]?: Budget['terms'][Name] | undefined }

/** Only what is said: what is absent and what is undefined would not be the same. */
function termsIn({ amount, warnAt, whenSpent, onUnreachable, unpriced }: Given): Partial<Budget['terms']> {
  return {
    ...(amount === undefined ? {} : { amount }),
    ...(warnAt === undefined ? {} : { warnAt }),
    ...(whenSpent === undefined ? {} : { whenSpent }),
    ...(onUnreachable === undefined ? {} : { onUnreachable }),
    ...(unpriced === undefined ? {} : { unpriced }),
  }
}
