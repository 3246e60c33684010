/**
 * Commands about budgets. Whose it is and its period cannot be changed: what was spent is counted by them.
 *
 * Pure.
 */
import { canonical } from '#contracts/canonical.ts'
import type { Budget } from '#contracts/catalog/money/budget.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { Origin } from '#contracts/catalog/provider.ts'
import { budgetStream, keyId } from '#contracts/ids.ts'
import { err, ok } from '#contracts/result.ts'
import type { BudgetCommand } from '../command.ts'
import type { Decision } from '../decide.ts'
import { invalid } from '../rejection.ts'

export function decideBudget(catalog: Catalog, command: BudgetCommand): Decision {
  const known = catalog.budgets.get(command.id)
  const what = `budget ${command.id}`
  if (command.type === 'CreateBudget') {
    const { subject } = command
    if (known !== undefined) return err({ kind: 'exists', what, version: known.version })
    // A tag needs no key that has it yet; a key that is not there is a slip.
    if ('key' in subject && !catalog.keys.has(keyId(subject.key)))
      return invalid('subject.key', 'there is no such key')
    return ok([budgetCreated('api', command)])
  }
  if (known === undefined) return err({ kind: 'not_found', what })
  const { expectedVersion: expected } = command
  if (known.version !== expected) return err({ kind: 'conflict', what, expected, current: known.version })
  if (command.type === 'RemoveBudget')
    return ok([{ type: 'BudgetRemoved', stream: budgetStream(known.id), body: {} }])
  return ok(budgetTermsChanged(known, { ...known.terms, ...command.terms }))
}

export const budgetCreated = (
  origin: Origin,
  { id, subject, period, terms }: Pick<Budget, 'id' | 'subject' | 'period' | 'terms'>,
): CatalogEvent => ({
  type: 'BudgetCreated',
  stream: budgetStream(id),
  body: { origin, subject, period, terms },
})

export const budgetTermsChanged = (now: Budget, terms: Budget['terms']): readonly CatalogEvent[] =>
  canonical(now.terms) === canonical(terms)
    ? []
    : [{ type: 'BudgetTermsSet', stream: budgetStream(now.id), body: { terms } }]
