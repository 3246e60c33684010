/**
 * Client keys, compiled: who may call, what for and how much, by the digest of what they call with.
 *
 * Pure.
 */
import { termsOf, type ClientKey, type KeyScopes } from '#contracts/catalog/client-key.ts'
import { matchesPattern } from '#contracts/catalog/capability.ts'
import type { Principal, Scope } from './snapshot.ts'

export function compileKeys(keys: Iterable<ClientKey>): ReadonlyMap<string, Principal> {
  const compiled = new Map<string, Principal>()
  for (const key of keys) {
    const { scopes, limits, keepContext } = termsOf(key)
    const principal: Principal = {
      keyId: key.id,
      state: key.state,
      expiresAt: key.expiresAt ?? Infinity,
      scope: compileScope(scopes),
      limits: Object.keys(limits).length === 0 ? null : limits,
      keepContext,
    }
    if (key.previous !== null) {
      const expiresAt = Math.min(principal.expiresAt, key.previous.overlapUntil)
      compiled.set(key.previous.digest, { ...principal, expiresAt })
    }
    compiled.set(key.digest, principal)
  }
  return compiled
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
