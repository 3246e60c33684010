/**
 * What a declaration does not say of its entities, filled in: what there is keeps it, what is new has it as is
 * usual. Null says that it is as usual.
 *
 * Pure. That holds at any depth of what has members; a list is said as a whole.
 */
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { KeyScopes, PLAIN_TERMS, termsOf, type KeyTerms } from '#contracts/catalog/client-key.ts'
import { Limits } from '#contracts/catalog/limits.ts'
import { USUAL_TERMS, type BudgetTerms } from '#contracts/catalog/money/budget.ts'
import { ProviderDefinition, type ProviderState } from '#contracts/catalog/provider.ts'
import type { DeclaredState, NewCredential, SaidKeyState, WantedModel } from '../command.ts'
import { merged, type LimitsPatch } from './patch.ts'

type Part<Name extends keyof DeclaredState> = DeclaredState[Name][number]

export type WholeState = Readonly<{
  providers: readonly (Part<'providers'> &
    Readonly<{
      definition: ProviderDefinition
      credentials: readonly NewCredential[]
      state: ProviderState | undefined
    }>)[]
  models: readonly WantedModel[]
  keys: readonly (Part<'keys'> & Readonly<{ terms: KeyTerms; state: SaidKeyState | undefined }>)[]
  budgets: readonly (Part<'budgets'> & Readonly<{ terms: BudgetTerms }>)[]
}>

/** @param known where what is not said is looked up. */
export const wholeState = (known: Catalog, state: DeclaredState): WholeState => ({
  providers: state.providers.map((one) => wholeProvider(known, one)),
  models: state.models.map((one) => wholeModel(known, one)),
  keys: state.keys.map((one) => ({
    ...one,
    terms: wholeTerms(known, one),
    state: orElse(one.state, undefined, 'active'),
  })),
  budgets: state.budgets.map((one) => ({ ...one, terms: wholeBudget(known, one) })),
})

/** As it is where nothing is there yet, so that nothing has to be kept. */
export const usualState = (state: DeclaredState): WholeState => wholeState(EMPTY_CATALOG, state)

const orElse = <Value>(said: Value | null | undefined, known: Value, usual: Value): Value =>
  said === undefined ? known : (said ?? usual)

function wholeProvider({ providers }: Catalog, said: Part<'providers'>): WholeState['providers'][number] {
  const known = providers.get(said.id)
  const before = known?.definition ?? { name: said.id, kind: 'openai' }
  return {
    ...said,
    definition: ProviderDefinition.parse(merged(before, said.definition)),
    credentials: said.credentials ?? (known?.credentials ?? []).map(asNew),
    state: orElse(said.state, undefined, 'enabled'),
  }
}

const asNew = ({
  label,
  ...rest
}: Readonly<Omit<NewCredential, 'label'> & { label?: string | undefined }>) => ({
  ...rest,
  label: label ?? null,
})

function wholeModel({ models }: Catalog, { name, targets, ...said }: Part<'models'>): WantedModel {
  const known = models.get(name)
  const limits = wholeLimits(known?.limits ?? {}, said.limits)
  return {
    name,
    targets,
    aliases: orElse(said.aliases, known?.aliases ?? [], []),
    strategy: orElse(said.strategy, known?.strategy ?? null, null),
    region: orElse(said.region, known?.region ?? null, null),
    limits: Object.keys(limits).length === 0 ? null : limits,
  }
}

function wholeTerms({ keys }: Catalog, { id, terms: said }: Part<'keys'>): KeyTerms {
  const key = keys.get(id)
  const known = key === undefined ? PLAIN_TERMS : termsOf(key)
  return {
    scopes: said.scopes === null ? {} : KeyScopes.parse(merged(known.scopes, said.scopes ?? {})),
    limits: wholeLimits(known.limits, said.limits),
    owner: orElse(said.owner, known.owner, PLAIN_TERMS.owner),
    tags: orElse(said.tags, known.tags, PLAIN_TERMS.tags),
    keepContext: orElse(said.keepContext, known.keepContext, PLAIN_TERMS.keepContext),
    contentLog: orElse(said.contentLog, known.contentLog, PLAIN_TERMS.contentLog),
  }
}

const wholeLimits = (known: Limits, said: LimitsPatch | null | undefined): Limits =>
  said === null ? {} : Limits.parse(merged(known, said ?? {}))

function wholeBudget({ budgets }: Catalog, { id, terms: said }: Part<'budgets'>): BudgetTerms {
  const known = budgets.get(id)?.terms ?? USUAL_TERMS
  return {
    amount: said.amount,
    warnAt: orElse(said.warnAt, known.warnAt, USUAL_TERMS.warnAt),
    whenSpent: orElse(said.whenSpent, known.whenSpent, USUAL_TERMS.whenSpent),
    onUnreachable: orElse(said.onUnreachable, known.onUnreachable, USUAL_TERMS.onUnreachable),
    unpriced: orElse(said.unpriced, known.unpriced, USUAL_TERMS.unpriced),
  }
}
