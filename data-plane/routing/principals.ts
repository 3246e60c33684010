/**
 * Client keys, compiled: who may call, what for and how much, by the digest of what they call with.
 *
 * Pure.
 */
import { accountOf, type Budget } from '#contracts/catalog/money/budget.ts'
import { termsOf, type ClientKey, type KeyScopes } from '#contracts/catalog/client-key.ts'
import { matchesPattern } from '#contracts/catalog/capability.ts'
import type { CompiledBudget, Principal, Scope } from './snapshot.ts'

export function compileKeys(
  keys: Iterable<ClientKey>,
  budgets: Iterable<Budget>,
): ReadonlyMap<string, Principal> {
  const payers = payersOf(budgets)
  const compiled = new Map<string, Principal>()
  for (const key of keys) {
    const { scopes, limits, tags, keepContext, contentLog } = termsOf(key)
    const names = [`key ${key.id}`, ...tags.map((tag) => `tag ${tag}`)]
    const paying = payers.size === 0 ? [] : names.flatMap((name) => payers.get(name) ?? [])
    const principal: Principal = {
      keyId: key.id,
      state: key.state,
      expiresAt: key.expiresAt ?? Infinity,
      scope: compileScope(scopes),
      limits: Object.keys(limits).length === 0 ? null : limits,
      budgets: paying.length === 0 ? null : paying,
      keepContext,
      contentLog,
    }
    if (key.previous !== null) {
      const expiresAt = Math.min(principal.expiresAt, key.previous.overlapUntil)
      compiled.set(key.previous.digest, { ...principal, expiresAt })
    }
    compiled.set(key.digest, principal)
  }
  return compiled
}

/** Budgets by whose they are. */
function payersOf(budgets: Iterable<Budget>): ReadonlyMap<string, readonly CompiledBudget[]> {
  const payers = new Map<string, CompiledBudget[]>()
  for (const budget of budgets) {
    const { subject, period, terms } = budget
    const { whenSpent, onUnreachable, unpriced } = terms
    const isOwn = 'key' in subject
    const name = isOwn ? `key ${subject.key}` : `tag ${subject.tag}`
    const compiled = { account: accountOf(budget), period, isOwn, whenSpent, onUnreachable, unpriced }
    payers.set(name, [...(payers.get(name) ?? []), compiled])
  }
  return payers
}

/** @returns null when a key may be used for anything: most may, and cost nothing. */
function compileScope({ models, providers, endpoints }: KeyScopes): Scope | null {
  if (models === undefined && providers === undefined && endpoints === undefined) return null
  return {
    models: models === undefined ? null : namesOf(models),
    providers: providers === undefined ? null : new Set(providers),
    endpoints: endpoints === undefined ? null : new Set(endpoints),
  }
}

function namesOf(models: readonly string[]): NonNullable<Scope['models']> {
  return {
    exact: new Set(models.filter((model) => !model.includes('*'))),
    patterns: models.filter((model) => model.includes('*')),
  }
}

export const allowsModel = ({ models }: Scope, name: string): boolean =>
  models === null ||
  models.exact.has(name) ||
  models.patterns.some((pattern) => matchesPattern(pattern, name))
