/**
 * Who could serve a call: by the name of its model, or because something it refers to is kept there.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Notes } from '../../notes/notes.ts'
import { resolveModel } from '../../routing/resolve.ts'
import type { Principal, Route, RoutingSnapshot } from '../../routing/snapshot.ts'
import type { Inquiry } from '../inquiry.ts'
import { requiredSession, type Session } from '../session.ts'
import { findOwner } from './owners.ts'

/** `owned`: where the request has to go, because state of it is kept there. */
export type OwnedRoute = Readonly<{ route: Route; owned: Session | null }>

export const withoutOwner = (route: Result<Route, Problem>): Result<OwnedRoute, Problem> =>
  route.ok ? ok({ route: route.value, owned: null }) : route

export function routeByName(snapshot: RoutingSnapshot, model: string): Result<Route, Problem> {
  const route = resolveModel(snapshot, model)
  if (route !== null) return ok(route)
  const message = `The model '${shortened(model)}' does not exist or no provider serves it.`
  return err({ code: 'model_not_found', param: 'model', message })
}

/** Only the provider that keeps the response; where nobody knows which, a model's providers may still. */
export async function routeToOwner(
  notes: Notes,
  snapshot: RoutingSnapshot,
  { keyId }: Principal,
  { model, owner }: Inquiry,
): Promise<Result<OwnedRoute, Problem>> {
  const id = owner ?? ''
  const keeper = await findOwner(notes, keyId, id)
  if (keeper === null)
    return model === '' ? err({ code: 'response_not_found' }) : withoutOwner(routeByName(snapshot, model))
  const route = routeByName(snapshot, model === '' ? `${keeper.provider}/${keeper.model}` : model)
  if (!route.ok) return model === '' ? err({ code: 'response_not_found' }) : route
  const candidates = route.value.candidates.filter(
    ({ deployment }) => deployment.provider === keeper.provider,
  )
  const exact = candidates.find(({ deployment }) => deployment.model === keeper.model) ?? candidates[0]
  if (exact !== undefined) {
    const scope = { key: keyId, model: route.value.model, session: id }
    const owned = requiredSession(scope, exact.deployment.id, keeper.credential)
    return ok({ route: { ...route.value, candidates }, owned })
  }
  const message = `The response '${shortened(id)}' is kept by a provider that does not serve this model.`
  return err({ code: 'previous_response_not_found', param: 'previous_response_id', message })
}

/** Names can be megabytes long; an answer and a line in a log cannot. */
export const shortened = (model: string): string => (model.length > 200 ? `${model.slice(0, 200)}…` : model)
