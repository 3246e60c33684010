/**
 * Events and histories at random: every type, few names, no regard for sense. What a careful `decide` would
 * never write is exactly what the fold must survive.
 */
import * as fc from 'fast-check'
import type { CatalogEvent } from '#contracts/catalog/event.ts'
import {
  budgetId,
  budgetStream,
  clientKeyStream,
  keyId,
  modelName,
  modelStream,
  providerId,
  providerStream,
  SYSTEM_STREAM,
} from '#contracts/ids.ts'

const PROVIDERS = ['openai', 'azure-eu', 'constructor'].map(providerId)
const MODELS = ['fast', 'vendor/large-1', '__proto__'].map(modelName)
const KEYS = ['key_1', 'key_2'].map(keyId)

const BUDGETS = ['team', '__proto__'].map(budgetId)

const provider = fc.constantFrom(...PROVIDERS)
const model = fc.constantFrom(...MODELS)
const origin = fc.constantFrom('api', 'declared')
const label = fc.string({ minLength: 1, maxLength: 20 })
const weight = fc.double({ min: 0, max: 1_000_000, noNaN: true })
const positive = fc.double({ min: 0.001, max: 1_000_000, noNaN: true })
const digest = fc.string({ unit: fc.constantFrom(...'abcXYZ019_-'), minLength: 43, maxLength: 43 })
const time = fc.integer({ min: 1, max: 2_000_000_000_000 })
const milliseconds = fc.integer({ min: 1_000, max: 60_000 })
const some = { requiredKeys: [] }

const routing = fc
  .record(
    {
      region: fc.constantFrom('eu', 'us'),
      retryableStatusCodes: fc.array(fc.integer({ min: 400, max: 599 }), { maxLength: 3 }),
      maxQps: positive,
      maxConcurrency: fc.integer({ min: 1, max: 1_000 }),
      costInput: weight,
      costOutput: weight,
    },
    some,
  )
  .chain((optional) => positive.map((given) => ({ ...optional, weight: given })))
const timeouts = fc.record({
  connectMs: milliseconds,
  answerMs: milliseconds,
  firstTokenMs: milliseconds,
  idleMs: milliseconds,
})
const probe = fc.record({ enabled: fc.boolean(), intervalMs: milliseconds })
const models = fc.record({
  path: fc.constantFrom('/models', '/v1/models'),
  static: fc.array(model, { maxLength: 3 }),
})
const kind = fc.constantFrom('openai', 'anthropic', 'gemini')
const baseUrl = fc.constantFrom('https://api.example.com/v1', 'http://127.0.0.1:8000/v1?v=2')
const dialects = fc.uniqueArray(fc.constantFrom('openai-chat', 'openai-responses', 'anthropic', 'gemini'))
const capabilities = fc.array(
  fc.record({
    model: fc.constantFrom('*', 'gpt-*', '*-mini', 'o1'),
    set: fc.record(
      {
        sampling: fc.boolean(),
        maxTemperature: fc.constantFrom(1, 1.5, 2),
        callIdLength: fc.integer({ min: 1, max: 99 }),
      },
      { requiredKeys: [] },
    ),
  }),
  { maxLength: 3 },
)
const price = fc.record({
  model: fc.constantFrom('*', 'gpt-x', 'o1'),
  from: fc.constantFrom(0, 1_000, 2_000),
  input: fc.constantFrom(0, 1, 2.5),
  output: fc.constantFrom(0, 4, 10),
})
const prices = fc.array(price, { maxLength: 3 })
const whole = { name: label, kind, baseUrl, allowPrivate: fc.boolean(), routing, timeouts, probe, models }
const definition = fc.record(
  { ...whole, dialects },
  { requiredKeys: ['name', 'kind', 'baseUrl', 'allowPrivate', 'routing', 'timeouts', 'probe', 'models'] },
)
const strategy = fc.constantFrom('balanced', 'latency', 'cost', 'weights')
const region = fc.constantFrom('eu', 'us')
const target = fc.record(
  {
    provider,
    model,
    weight,
    tier: fc.integer({ min: 0, max: 99 }),
    timeouts: fc.record({ answerMs: milliseconds, firstTokenMs: milliseconds, idleMs: milliseconds }, some),
  },
  { requiredKeys: ['provider', 'model', 'weight', 'tier'] },
)
const targets = fc.array(target, { minLength: 1, maxLength: 3 })
const secret = {
  credentialId: fc.constantFrom('cred_1', 'cred_2'),
  secretId: fc.constantFrom('sec_1', 'sec_2', 'sec_3'),
  fingerprint: fc.constantFrom('fp_1', 'fp_2'),
}

const limits = fc.record(
  { requestsPerMinute: fc.integer({ min: 1, max: 9_000 }), concurrency: fc.integer({ min: 1, max: 99 }) },
  some,
)
const scopes = fc.record(
  {
    models: fc.array(fc.constantFrom('fast', 'openai/*', '*'), { minLength: 1, maxLength: 2 }),
    providers: fc.array(provider, { minLength: 1, maxLength: 2 }),
    endpoints: fc.constant(['chat' as const]),
  },
  some,
)

const subject = fc.constantFrom({ key: 'key_1' }, { tag: 'a' })
const period = fc.constantFrom('day', 'week', 'month', 'total')
const budgetTerms = fc.record({
  amount: positive,
  warnAt: fc.double({ min: 0.01, max: 1, noNaN: true }),
  whenSpent: fc.constantFrom(402, 429),
  onUnreachable: fc.constantFrom('refuse', 'allow'),
  unpriced: fc.constantFrom('refuse', 'allow'),
})

/** Type → body. A missing type does not compile. */
const bodies = {
  GenesisCreated: fc.record({ logId: label, keyCheck: label }),
  EpochAdvanced: fc.record({ epoch: fc.integer({ min: 2, max: 9 }) }),
  // What this release can follow: histories are folded to their end.
  SchemaFloorRaised: fc.constant({ minFold: 1 }),
  ProviderRegistered: fc.record({ origin, definition }),
  ProviderRenamed: fc.record({ name: label }),
  ProviderEndpointChanged: fc.record({ kind, baseUrl }),
  ProviderDialectsSet: fc.record({ dialects }),
  ProviderCapabilitiesSet: fc.record({ capabilities }),
  UpstreamPricesSet: fc.record({ prices }),
  ProviderEgressPolicySet: fc.record({ allowPrivate: fc.boolean() }),
  ProviderRoutingSet: fc.record({ routing }),
  ProviderTimeoutsSet: fc.record({ timeouts }),
  ProviderProbeConfigured: fc.record({ probe }),
  ProviderModelsDeclared: fc.record({ models }),
  ProviderEnabled: fc.constant({}),
  ProviderDisabled: fc.constant({}),
  ProviderDrainStarted: fc.constant({}),
  ProviderDrainCancelled: fc.constant({}),
  ProviderRemoved: fc.constant({}),
  CredentialAdded: fc.record({ ...secret, weight: positive }),
  CredentialRotated: fc.record(secret),
  CredentialRevoked: fc.record({ credentialId: secret.credentialId }),
  LogicalModelCreated: fc.record(
    { name: model, origin, targets, aliases: fc.array(model, { maxLength: 2 }), strategy, region },
    { requiredKeys: ['name', 'origin', 'targets', 'aliases'] },
  ),
  RoutingStrategySet: fc.record({ strategy }),
  RegionPreferenceSet: fc.record({ region: fc.option(region) }),
  RouteTargetsSet: fc.record({ targets }),
  RouteWeightsSet: fc.record({
    weights: fc.array(fc.record({ provider, model, weight }), { minLength: 1, maxLength: 3 }),
  }),
  LogicalModelLimitsSet: fc.record({ limits }),
  LogicalModelAliasAdded: fc.record({ alias: model }),
  LogicalModelAliasRemoved: fc.record({ alias: model }),
  LogicalModelRetired: fc.constant({}),
  ClientKeyIssued: fc.record({
    origin,
    name: label,
    digest,
    prefix: fc.constant('apx_1234'),
    expiresAt: fc.option(time),
  }),
  ClientKeyRotated: fc.record({ digest, prefix: fc.constant('apx_5678'), overlapUntil: time }),
  ClientKeyExpirySet: fc.record({ expiresAt: fc.option(time) }),
  ClientKeyScopesSet: fc.record({ scopes }),
  ClientKeyLimitsSet: fc.record({ limits }),
  ClientKeyOwnerSet: fc.record({
    owner: fc.option(label),
    tags: fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 }),
  }),
  ClientKeyContextSet: fc.record({ keepContext: fc.boolean() }),
  ClientKeyContentLogSet: fc.record({
    contentLog: fc.option(fc.record({ ttlSeconds: fc.integer({ min: 60, max: 2_592_000 }) })),
  }),
  ClientKeySuspended: fc.record({ undeclared: fc.constant(true) }, some),
  ClientKeyResumed: fc.constant({}),
  ClientKeyRevoked: fc.constant({}),
  BudgetCreated: fc.record({ origin, subject, period, terms: budgetTerms }),
  BudgetTermsSet: fc.record({ terms: budgetTerms }),
  BudgetRemoved: fc.constant({}),
} satisfies Record<CatalogEvent['type'], fc.Arbitrary<unknown>>

const streamsOf = (type: string): fc.Arbitrary<CatalogEvent['stream']> => {
  if (type.startsWith('Provider') || type.startsWith('Credential')) return provider.map(providerStream)
  if (type.startsWith('ClientKey')) return fc.constantFrom(...KEYS).map(clientKeyStream)
  if (type.startsWith('Budget')) return fc.constantFrom(...BUDGETS).map(budgetStream)
  return type === 'GenesisCreated' || type === 'EpochAdvanced' || type === 'SchemaFloorRaised'
    ? fc.constant(SYSTEM_STREAM)
    : model.map(modelStream)
}

/** One event of any type, on a stream of its kind. */
export const catalogEvent: fc.Arbitrary<CatalogEvent> = fc.oneof(
  ...Object.entries(bodies).map(([type, body]) =>
    fc
      .record({ type: fc.constant(type), stream: streamsOf(type), body })
      .map((event) => event as CatalogEvent),
  ),
)

/** What creates something comes more often than it would by chance, so that the rest has something to change. */
const likelyEvent = fc.oneof(
  { weight: 1, arbitrary: catalogEvent.filter(({ type }) => /Registered|Created|Issued|Added/.test(type)) },
  { weight: 2, arbitrary: catalogEvent },
)

/** Batches of events, one batch a commit. */
export const history: fc.Arbitrary<readonly (readonly CatalogEvent[])[]> = fc.array(
  fc.array(likelyEvent, { minLength: 1, maxLength: 4 }),
  { maxLength: 15 },
)
