/**
 * Commands about providers and their credentials.
 *
 * Pure.
 */
import { canonical } from '#contracts/canonical.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { endpointsOf, takesDialect } from '#contracts/catalog/endpoints.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import type { Origin, Provider, ProviderDefinition, ProviderState } from '#contracts/catalog/provider.ts'
import { providerStream, type ProviderId } from '#contracts/ids.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { isPrivateHost } from '#contracts/security/egress.ts'
import type { NewCredential, ProviderCommand } from './command.ts'
import type { Decision } from './decide.ts'
import { invalid, type Rejection } from './rejection.ts'

/** More would not fit a request's time to try them in. */
const MOST_CREDENTIALS = 50

export function decideProvider(catalog: Catalog, command: ProviderCommand): Decision {
  if (command.type === 'RegisterProvider') {
    const { id, definition, credentials } = command
    const known = catalog.providers.get(id)
    if (known !== undefined) return err({ kind: 'exists', what: `provider ${id}`, version: known.version })
    const refused = checkDefinition(definition)
    return refused ?? ok(registered(id, 'api', definition, credentials))
  }
  const found = expectProvider(catalog, command.id, command.expectedVersion)
  return found.ok ? change(catalog, found.value, command) : found
}

function change(
  catalog: Catalog,
  provider: Provider,
  command: Exclude<ProviderCommand, { type: 'RegisterProvider' }>,
): Decision {
  const { id, state } = provider
  const event = plainEvents(id)
  switch (command.type) {
    case 'UpdateProvider':
      return checkDefinition(command.definition) ?? ok(definitionChanges(provider, command.definition))
    case 'EnableProvider':
      return ok(stateChanged(id, state, 'enabled'))
    case 'DisableProvider':
      return ok(stateChanged(id, state, 'disabled'))
    case 'DrainProvider':
      return ok(stateChanged(id, state, 'draining'))
    case 'RemoveProvider': {
      const by = usersOf(catalog, id)
      return by.length > 0
        ? err({ kind: 'in_use', what: `provider ${id}`, by })
        : ok([event('ProviderRemoved')])
    }
    case 'AddCredential':
      if (provider.credentials.length >= MOST_CREDENTIALS) {
        return invalid('credential', `a provider has at most ${MOST_CREDENTIALS} credentials`)
      }
      return ok([credentialAdded(id, command.credential)])
    case 'RotateCredential': {
      const { id: credentialId, secretId, fingerprint } = command.credential
      if (!hasCredential(provider, credentialId)) return noCredential(credentialId)
      return ok([
        {
          type: 'CredentialRotated',
          stream: providerStream(id),
          body: { credentialId, secretId, fingerprint },
        },
      ])
    }
    case 'RevokeCredential': {
      const { credentialId } = command
      if (!hasCredential(provider, credentialId)) return noCredential(credentialId)
      return ok([{ type: 'CredentialRevoked', stream: providerStream(id), body: { credentialId } }])
    }
    default:
      return command satisfies never
  }
}

const hasCredential = (provider: Provider, id: string): boolean =>
  provider.credentials.some((one) => one.id === id)
const noCredential = (id: string): Decision => err({ kind: 'not_found', what: `credential ${id}` })

function expectProvider(catalog: Catalog, id: ProviderId, expected: number): Result<Provider, Rejection> {
  const provider = catalog.providers.get(id)
  if (provider === undefined) return err({ kind: 'not_found', what: `provider ${id}` })
  if (provider.version !== expected) {
    return err({ kind: 'conflict', what: `provider ${id}`, expected, current: provider.version })
  }
  return ok(provider)
}

/** @returns a refusal, or null. */
function checkDefinition(definition: ProviderDefinition): Decision | null {
  const at = misplacedDialect(definition)
  if (at === -1) return checkEgress(definition)
  return invalid(`definition.dialects[${at}]`, `is not spoken by providers of kind ${definition.kind}`)
}

/** @returns the index of a dialect that a provider of this kind has no place for, or -1. */
export function misplacedDialect({ kind, baseUrl, dialects = [] }: ProviderDefinition): number {
  const paths = endpointsOf(kind, baseUrl).paths('')
  return dialects.findIndex((dialect) => !takesDialect(paths, dialect))
}

/** Only what the URL itself shows; names are checked again when looked up. */
function checkEgress({ baseUrl, allowPrivate }: ProviderDefinition): Decision | null {
  if (allowPrivate || !isPrivateHost(new URL(baseUrl).hostname)) return null
  return invalid(
    'definition.baseUrl',
    'is a loopback, private or reserved address; set allowPrivate to permit it',
  )
}

/** Logical models that name the provider. */
export function usersOf(catalog: Catalog, id: ProviderId): string[] {
  return [...catalog.models.values()]
    .filter((model) => model.targets.some((target) => target.provider === id))
    .map((model) => `model ${model.name}`)
}

export function registered(
  id: ProviderId,
  origin: Origin,
  definition: ProviderDefinition,
  credentials: readonly NewCredential[],
): readonly CatalogEvent[] {
  return [
    { type: 'ProviderRegistered', stream: providerStream(id), body: { origin, definition } },
    ...credentials.map((credential) => credentialAdded(id, credential)),
  ]
}

export function credentialAdded(id: ProviderId, credential: NewCredential): CatalogEvent {
  const { id: credentialId, secretId, fingerprint, label, weight } = credential
  const named = label === null ? {} : { label }
  return {
    type: 'CredentialAdded',
    stream: providerStream(id),
    body: { credentialId, secretId, fingerprint, weight, ...named },
  }
}

type PlainType =
  | 'ProviderEnabled'
  | 'ProviderDisabled'
  | 'ProviderDrainStarted'
  | 'ProviderDrainCancelled'
  | 'ProviderRemoved'

export const plainEvents =
  (id: ProviderId) =>
  (type: PlainType): CatalogEvent => ({ type, stream: providerStream(id), body: {} })

/** @returns what makes a provider of one state one of another. */
export function stateChanged(
  id: ProviderId,
  now: ProviderState,
  wanted: ProviderState,
): readonly CatalogEvent[] {
  if (now === wanted) return []
  const event = plainEvents(id)
  switch (wanted) {
    case 'enabled':
      return [event(now === 'draining' ? 'ProviderDrainCancelled' : 'ProviderEnabled')]
    case 'disabled':
      return [event('ProviderDisabled')]
    case 'draining':
      return [event('ProviderDrainStarted')]
    default:
      return wanted satisfies never
  }
}

/** One event for each part of the definition that differs. */
export function definitionChanges(
  { id, definition: now }: Provider,
  next: ProviderDefinition,
): readonly CatalogEvent[] {
  const stream = providerStream(id)
  const events: CatalogEvent[] = []
  const {
    name,
    kind,
    baseUrl,
    allowPrivate,
    dialects = [],
    capabilities = [],
    prices = [],
    routing,
    timeouts,
    probe,
    models,
  } = next
  const differs = (
    part: Exclude<keyof ProviderDefinition, 'dialects' | 'capabilities' | 'prices'>,
  ): boolean => canonical(now[part]) !== canonical(next[part])
  if (differs('name')) events.push({ type: 'ProviderRenamed', stream, body: { name } })
  if (differs('kind') || differs('baseUrl'))
    events.push({ type: 'ProviderEndpointChanged', stream, body: { kind, baseUrl } })
  if (canonical(now.dialects ?? []) !== canonical(dialects))
    events.push({ type: 'ProviderDialectsSet', stream, body: { dialects } })
  if (canonical(now.capabilities ?? []) !== canonical(capabilities))
    events.push({ type: 'ProviderCapabilitiesSet', stream, body: { capabilities } })
  if (canonical(now.prices ?? []) !== canonical(prices))
    events.push({ type: 'UpstreamPricesSet', stream, body: { prices } })
  if (differs('allowPrivate'))
    events.push({ type: 'ProviderEgressPolicySet', stream, body: { allowPrivate } })
  if (differs('routing')) events.push({ type: 'ProviderRoutingSet', stream, body: { routing } })
  if (differs('timeouts')) events.push({ type: 'ProviderTimeoutsSet', stream, body: { timeouts } })
  if (differs('probe')) events.push({ type: 'ProviderProbeConfigured', stream, body: { probe } })
  if (differs('models')) events.push({ type: 'ProviderModelsDeclared', stream, body: { models } })
  return events
}
