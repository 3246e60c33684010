/**
 * Model name → who could serve it.
 *
 * Pure. Order: exact name of a logical model, alias or listed model; then `provider/model`, which pins the
 * provider. Literal ids with slashes are exact names, so they win over a prefix that happens to match.
 */
import { isModelName, providerId } from '#contracts/ids.ts'
import type { Route, RoutingSnapshot } from './snapshot.ts'
import { STRATEGIES } from '#contracts/routing/strategies.ts'

/** @returns null when nobody is known to serve it. */
export function resolveModel(snapshot: RoutingSnapshot, name: string): Route | null {
  return snapshot.routes.get(name) ?? pinned(snapshot, name)
}

function pinned(snapshot: RoutingSnapshot, name: string): Route | null {
  const slash = name.indexOf('/')
  if (slash <= 0 || slash === name.length - 1) return null
  const provider = snapshot.providers.get(providerId(name.slice(0, slash)))
  if (provider === undefined || provider.source.state === 'disabled') return null
  const model = name.slice(slash + 1)
  // Goes into headers and records: nothing that no provider could have listed.
  if (!isModelName(model)) return null
  const deployment = provider.deployments.get(model) ?? provider.pin(model)
  return {
    model: name,
    logical: false,
    strategy: STRATEGIES.balanced,
    region: null,
    limits: null,
    candidates: [{ deployment, tier: 0, weight: provider.accepts ? 1 : 0 }],
  }
}
