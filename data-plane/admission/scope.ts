/**
 * What a client key may be used for, held against what is asked.
 */
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { visibleModels } from '../routing/model-list.ts'
import { allowsModel } from '../routing/principals.ts'
import type { ModelList, Principal, Route, RoutingSnapshot, Scope } from '../routing/snapshot.ts'

/** @returns why the key may not ask here at all, or null. */
export function endpointRefusal({ scope }: Principal, endpoint: ClientEndpoint): Problem | null {
  if (scope === null || scope.endpoints === null || scope.endpoints.has(endpoint)) return null
  return { code: 'permission_denied', message: `This API key may not be used for '${endpoint}'.` }
}

/**
 * A route as the key may use it: without providers that are out of its scope.
 *
 * @param asked the name as the client wrote it; empty: nothing was named, what is asked is the key's own.
 * @param found what the name leads to. Of names out of scope nothing is told, not even whether they exist.
 */
export function withinScope<Found extends Readonly<{ route: Route }>>(
  { scope }: Principal,
  asked: string,
  found: Result<Found, Problem>,
): Result<Found, Problem> {
  if (scope === null) return found
  const known = found.ok ? found.value.route.model : asked
  if (asked !== '' && !allowsEither(scope, asked, known)) return err(notAllowed(asked))
  const { providers } = scope
  if (!found.ok || providers === null) return found
  const { route } = found.value
  const candidates = route.candidates.filter(({ deployment }) => providers.has(deployment.provider))
  return candidates.length === 0 && route.candidates.length > 0
    ? err(notAllowed(asked))
    : ok({ ...found.value, route: { ...route, candidates } })
}

/** Whoever may use a model may use it by its other names. */
const allowsEither = (scope: Scope, asked: string, known: string): boolean =>
  allowsModel(scope, asked) || allowsModel(scope, known)

const LONGEST_NAME = 200

const notAllowed = (asked: string): Problem => ({
  code: 'permission_denied',
  ...(asked === ''
    ? {}
    : { param: 'model', message: `This API key may not use the model '${asked.slice(0, LONGEST_NAME)}'.` }),
})

/** Lists as single keys may see them, as long as both live. */
const seen = new WeakMap<Principal, Readonly<{ of: ModelList; list: ModelList }>>()

/** The models a key may use. */
export function modelsFor(principal: Principal, { models, routes }: RoutingSnapshot): ModelList {
  const { scope } = principal
  if (scope === null || (scope.models === null && scope.providers === null)) return models
  const before = seen.get(principal)
  if (before?.of === models) return before.list
  const list = visibleModels(models, (id) => {
    const route = routes.get(id)
    return route !== undefined && withinScope(principal, id, ok({ route })).ok
  })
  seen.set(principal, { of: models, list })
  return list
}
