/**
 * What the environment or a file says should exist, before it is compared with what does.
 *
 * Pure.
 */
import type { KeyTerms } from '#contracts/catalog/client-key.ts'
import type { ProviderDefinition } from '#contracts/catalog/provider.ts'
import type { BudgetPeriod, BudgetSubject, BudgetTerms } from '#contracts/catalog/money/budget.ts'
import type { BudgetId, ProviderId } from '#contracts/ids.ts'
import type { Secret } from '#contracts/security/secret.ts'
import type { WantedModel } from '../commands/command.ts'

export type DeclaredCredential = Readonly<{ secret: Secret; label: string | null; weight: number }>

export type Declaration = Readonly<{
  providers: readonly Readonly<{
    id: ProviderId
    definition: ProviderDefinition
    credentials: readonly DeclaredCredential[]
  }>[]
  models: readonly WantedModel[]
  keys: readonly Readonly<{
    name: string
    token: Secret
    terms: KeyTerms
    /** Epoch milliseconds, null: never; absent: not said. */
    expiresAt?: number | null
  }>[]
  budgets: readonly Readonly<{
    id: BudgetId
    /** `token`: a key that is declared beside it. */
    subject: BudgetSubject | Readonly<{ token: Secret }>
    period: BudgetPeriod
    terms: BudgetTerms
  }>[]
}>

/** Joins declarations; the first to name an entity has it. */
export function joinDeclarations(...declarations: readonly Declaration[]): Declaration {
  const first = <Item>(items: readonly Item[], id: (item: Item) => string): Item[] =>
    [...new Map(items.toReversed().map((item) => [id(item), item])).values()].toReversed()
  return {
    providers: first(
      declarations.flatMap(({ providers }) => providers),
      ({ id }) => id,
    ),
    models: first(
      declarations.flatMap(({ models }) => models),
      ({ name }) => name,
    ),
    keys: first(
      declarations.flatMap(({ keys }) => keys),
      ({ token }) => token.reveal(),
    ),
    budgets: first(
      declarations.flatMap(({ budgets }) => budgets),
      ({ id }) => id,
    ),
  }
}
