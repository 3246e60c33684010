/**
 * What the environment or a file says should exist, before it is compared with what does.
 *
 * Pure.
 */
import type { BudgetSubject } from '#contracts/catalog/money/budget.ts'
import type { Secret } from '#contracts/security/secret.ts'
import type { DeclaredState } from '../commands/command.ts'
import { asNamedFirst, inStateSaidFirst } from '../commands/declared/named-twice.ts'

export type DeclaredCredential = Readonly<{ secret: Secret; label: string | null; weight: number }>

type Part<Name extends keyof DeclaredState> = DeclaredState[Name][number]

/** What of an entity is not said is absent; see `DeclaredState`. */
export type Declaration = Readonly<{
  providers: readonly (Omit<Part<'providers'>, 'credentials'> &
    Readonly<{ credentials?: readonly DeclaredCredential[] | undefined }>)[]
  models: DeclaredState['models']
  keys: readonly (Pick<Part<'keys'>, 'name' | 'terms' | 'state' | 'expiresAt'> &
    Readonly<{ token: Secret }>)[]
  budgets: readonly (Omit<Part<'budgets'>, 'subject'> &
    /** `token`: a key that is declared beside it. */
    Readonly<{ subject: BudgetSubject | Readonly<{ token: Secret }> }>)[]
}>

/** Joins declarations; the first to name an entity has it, in the state that the first says who says one. */
export function joinDeclarations(...declarations: readonly Declaration[]): Declaration {
  return {
    providers: inStateSaidFirst(
      declarations.flatMap(({ providers }) => providers),
      ({ id }) => id,
    ),
    models: asNamedFirst(
      declarations.flatMap(({ models }) => models),
      ({ name }) => name,
    ),
    keys: inStateSaidFirst(
      declarations.flatMap(({ keys }) => keys),
      ({ token }) => token.reveal(),
    ),
    budgets: asNamedFirst(
      declarations.flatMap(({ budgets }) => budgets),
      ({ id }) => id,
    ),
  }
}
