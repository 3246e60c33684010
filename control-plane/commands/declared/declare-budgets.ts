/**
 * What follows for budgets from a declaration.
 *
 * Pure. One whose subject or period is declared otherwise is made anew, and counts from nothing: what was spent
 * was counted by them.
 */
import { canonical } from '#contracts/canonical.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { budgetStream, keyId } from '#contracts/ids.ts'
import type { Issue } from '../rejection.ts'
import { budgetCreated, budgetTermsChanged } from '../money/decide-budget.ts'
import type { WholeState } from './unsaid.ts'

/** A tag needs no key that has it yet; a key that is not there is a slip. */
export function strayBudgets({ keys }: Catalog, declared: WholeState): readonly Issue[] {
  const ids = new Set<string>([...keys.keys(), ...declared.keys.map(({ id }) => id)])
  return declared.budgets.flatMap(({ id, subject }): Issue[] =>
    'tag' in subject || ids.has(keyId(subject.key))
      ? []
      : [{ path: `budgets.${id}.key`, message: `there is no key ${subject.key}` }],
  )
}

export function declaredBudgets(catalog: Catalog, declared: WholeState): readonly CatalogEvent[] {
  const ids = new Set(declared.budgets.map(({ id }) => id))
  const gone = [...catalog.budgets.values()]
    .filter(({ id, origin }) => origin === 'declared' && !ids.has(id))
    .map(({ id }): CatalogEvent => ({ type: 'BudgetRemoved', stream: budgetStream(id), body: {} }))
  return [...declared.budgets.flatMap((wanted) => declaredBudget(catalog, wanted)), ...gone]
}

function declaredBudget(
  { budgets }: Catalog,
  wanted: WholeState['budgets'][number],
): readonly CatalogEvent[] {
  const known = budgets.get(wanted.id)
  if (known === undefined) return [budgetCreated('declared', wanted)]
  if (known.origin !== 'declared') return []
  const isSame = canonical([known.subject, known.period]) === canonical([wanted.subject, wanted.period])
  return isSame ? budgetTermsChanged(known, wanted.terms) : [budgetCreated('declared', wanted)]
}
