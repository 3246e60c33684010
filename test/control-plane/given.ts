/**
 * Given, when, then for decisions: a catalog made by commands and events the way the log makes it, and the
 * names that the tests of commands speak of.
 */
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { PLAIN_TERMS } from '#contracts/catalog/client-key.ts'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import type { RouteTarget } from '#contracts/catalog/model.ts'
import { ProviderDefinition, type ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { readCommit } from '#contracts/commit/commit.ts'
import { credentialId, keyId, modelName, providerId, secretId } from '#contracts/ids.ts'
import type { Command, NewCredential } from '#control-plane/commands/command.ts'
import { decide, type Decision } from '#control-plane/commands/decide.ts'
import { buildCommits } from '../arbitraries/commits.ts'

export const OPENAI = providerId('openai')
export const AZURE = providerId('azure')
export const FAST = modelName('fast')
export const SLOW = modelName('slow')
export const KEY = keyId('key_1')

export const DIGEST = 'd'.repeat(43)
export const OTHER_DIGEST = 'e'.repeat(43)

export const definition = (more: Partial<ProviderDefinitionInput> = {}): ProviderDefinition =>
  ProviderDefinition.parse({ name: 'Any', kind: 'openai', baseUrl: 'https://api.example.com/v1', ...more })

export const credential = (
  name: string,
  more: Partial<Pick<NewCredential, 'label' | 'weight'>> = {},
): NewCredential => ({
  id: credentialId(`cred_${name}`),
  secretId: secretId(`sec_${name}`),
  fingerprint: `fp_${name}`,
  label: null,
  weight: 1,
  ...more,
})

export const target = (provider: string, model = 'gpt', weight = 1, tier = 0): RouteTarget => ({
  provider: providerId(provider),
  model,
  weight,
  tier,
})

/** The catalog after commands that must all be accepted. */
export function after(...commands: readonly Command[]): Catalog {
  return commands.reduce(
    (catalog, command) => next(catalog, accepted(decide(catalog, command))),
    EMPTY_CATALOG,
  )
}

/** The catalog after one more commit, whose chain nobody looks at. */
export function next(catalog: Catalog, events: readonly CatalogEvent[]): Catalog {
  if (events.length === 0) return catalog
  const { commit, versions } = catalog
  return foldCommits(
    catalog,
    buildCommits([events], { commit, chain: '0'.repeat(64), versions }).map(readCommit),
  )
}

export function accepted(decision: Decision): readonly CatalogEvent[] {
  if (!decision.ok) throw new Error(`refused: ${JSON.stringify(decision.error)}`)
  return decision.value
}

/** Short form for assertions: the events, or the rejection. */
export const outcome = (decision: Decision): unknown => (decision.ok ? decision.value : decision.error)

export const registerOpenai: Command = {
  type: 'RegisterProvider',
  id: OPENAI,
  definition: definition(),
  credentials: [credential('one')],
}
export const registerAzure: Command = {
  type: 'RegisterProvider',
  id: AZURE,
  definition: definition({ name: 'Azure' }),
  credentials: [],
}
export const createFast: Extract<Command, { type: 'CreateModel' }> = {
  type: 'CreateModel',
  strategy: null,
  region: null,
  limits: null,
  name: FAST,
  targets: [target('openai', 'gpt', 3), target('azure', 'gpt', 1, 1)],
  aliases: [modelName('quick')],
}
export const issueKey: Command = {
  type: 'IssueKey',
  id: KEY,
  name: 'team',
  digest: DIGEST,
  prefix: 'sk-ap-12',
  expiresAt: null,
  terms: PLAIN_TERMS,
}
