/**
 * Configurations at random, as the API makes them: one provider, one model, client keys and budgets, with
 * whatever can be said of each.
 */
import * as fc from 'fast-check'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import type { ContentLog, KeyTerms } from '#contracts/catalog/client-key.ts'
import type { BudgetPeriod, BudgetSubject, BudgetTerms } from '#contracts/catalog/money/budget.ts'
import { ProviderDefinition, type ProviderState } from '#contracts/catalog/provider.ts'
import { budgetId, keyId, modelName, providerId } from '#contracts/ids.ts'
import { clientKeyDigest, deriveKeys } from '#contracts/security/master-key.ts'
import type { Command, WantedModel } from '#control-plane/commands/command.ts'
import { decide } from '#control-plane/commands/decide.ts'
import { accepted, next, target } from '../control-plane/given.ts'

export const MASTER_KEY = deriveKeys(Buffer.alloc(32, 7))
export const tokenOf = (id: string): string => `sk-token-of-${id}-0123456789`

export const KEYS = ['key_1', 'key_2', 'key_3', 'key_4']
const limits = fc.constantFrom({}, { requestsPerMinute: 5 }, { tokensPerMinute: 9, concurrency: 2 })

const definition: fc.Arbitrary<ProviderDefinition> = fc
  .record({
    name: fc.constantFrom('a', 'Another', '~', '${HOME}'),
    kind: fc.constant('openai' as const),
    baseUrl: fc.constantFrom('https://a.example/v1', 'https://b.example/v1'),
    dialects: fc.constantFrom(undefined, [], ['openai-chat' as const]),
    capabilities: fc.constantFrom(undefined, [], [{ model: 'm', set: {} }]),
    prices: fc.constantFrom(undefined, [], [{ model: '*', from: 5, input: 1, output: 2 }]),
    allowPrivate: fc.boolean(),
    routing: fc.constantFrom(
      {},
      { weight: 2, region: 'eu' },
      { retryableStatusCodes: [], maxQps: 5 },
      { maxConcurrency: 3, costInput: 0, costOutput: 1 },
    ),
    timeouts: fc.constantFrom({}, { connectMs: 77 }, { answerMs: 1_000, firstTokenMs: 99, idleMs: 98 }),
    probe: fc.constantFrom({}, { enabled: false }, { intervalMs: 5_000, model: 'small' }),
    models: fc.constantFrom({}, { path: '/list' }, { static: ['m', 'n'] }),
  })
  .map((input) => ProviderDefinition.parse(input))

const model: fc.Arbitrary<Omit<WantedModel, 'name'>> = fc.record({
  targets: fc.constantFrom([target('a')], [target('a', 'm', 3), target('a', 'n', 0, 1)]),
  aliases: fc.subarray(['quick', 'swift', '${quick}']).map((aliases) => aliases.map(modelName)),
  strategy: fc.constantFrom(null, 'balanced', 'latency', 'cost'),
  region: fc.constantFrom(null, 'eu'),
  limits: fc.option(limits),
})

const terms: fc.Arbitrary<KeyTerms> = fc.record({
  scopes: fc.constantFrom(
    {},
    { models: ['fast', 'a/*'] },
    { providers: ['a'], endpoints: ['chat' as const] },
  ),
  limits,
  owner: fc.constantFrom(null, 'null', '# team: "x"', '$${TEAM} $$$ ${X'),
  tags: fc.subarray(['red', 'blue', '1']),
  keepContext: fc.boolean(),
  contentLog: fc.constantFrom<ContentLog | null>(null, { ttlSeconds: 60 }),
})
const expiresAt = fc.option(fc.integer({ min: 1, max: 4_102_444_800_000 }))
const state = fc.constantFrom<ProviderState>('enabled', 'disabled', 'draining')
const fate = fc.constantFrom('active', 'active', 'suspended', 'revoked')

const budgetTerms: fc.Arbitrary<BudgetTerms> = fc.record({
  amount: fc.constantFrom(0.000001, 2.5, 5_000_000),
  warnAt: fc.constantFrom(0.8, 0.5, 1),
  whenSpent: fc.constantFrom(402, 429),
  onUnreachable: fc.constantFrom('refuse', 'allow'),
  unpriced: fc.constantFrom('refuse', 'allow'),
})
const subject: fc.Arbitrary<BudgetSubject> = fc.oneof(
  fc.constantFrom('red', 'blue').map((tag) => ({ tag })),
  fc.constantFrom(...KEYS).map((key) => ({ key })),
)
const period = fc.constantFrom('day', 'week', 'month', 'total')

type WantedBudget = Readonly<{ subject: BudgetSubject; period: BudgetPeriod; terms: BudgetTerms }>

export type AnyConfig = Readonly<{
  definition: ProviderDefinition
  state: ProviderState
  model: Omit<WantedModel, 'name'>
  keys: readonly Readonly<{
    id: string
    name: string
    terms: KeyTerms
    expiresAt: number | null
    fate: string
  }>[]
  budgets: Readonly<Record<string, WantedBudget>>
}>

/** Two keys of one name: what a budget is of must not hang on it. */
const name = fc.constantFrom('ci', 'ci', 'search')

export const anyConfig: fc.Arbitrary<AnyConfig> = fc.record({
  definition,
  state,
  model,
  keys: fc
    .subarray(KEYS)
    .chain((ids) =>
      fc.tuple(...ids.map((id) => fc.record({ id: fc.constant(id), name, terms, expiresAt, fate }))),
    ),
  budgets: fc.dictionary(
    fc.constantFrom('team', 'null', '1', 'ci-day', 'on'),
    fc.record({ subject, period, terms: budgetTerms }),
  ),
})

/** Of the same entities, which differ in all that can be changed of them. */
export const anyVariant: fc.Arbitrary<AnyConfig> = fc.record({
  definition,
  state,
  model,
  keys: fc.tuple(
    fc.record({
      id: fc.constant('key_1'),
      name: fc.constant('ci'),
      terms,
      expiresAt,
      fate: fc.constantFrom('active', 'suspended'),
    }),
  ),
  budgets: fc.record({
    'red-month': fc.record({
      subject: fc.constant({ tag: 'red' }),
      period: fc.constant('month' as const),
      terms: budgetTerms,
    }),
    'ci-day': fc.record({
      subject: fc.constant({ key: 'key_1' }),
      period: fc.constant('day' as const),
      terms: budgetTerms,
    }),
  }),
})

/** Made through the API, one command after the other. */
export function catalogOf(config: AnyConfig): Catalog {
  const { definition: of, model: fast, keys: issued, budgets: given } = config
  const commands: Command[] = [
    { type: 'CreateGenesis', logId: 'log', keyCheck: MASTER_KEY.check },
    { type: 'RegisterProvider', id: providerId('a'), definition: of, credentials: [] },
    { type: 'CreateModel', name: modelName('fast'), ...fast },
    ...issued.map(({ id, name: called, terms: own, expiresAt: until }): Command => {
      const digest = clientKeyDigest(MASTER_KEY.pepper, tokenOf(id))
      const rest = { name: called, terms: own, expiresAt: until }
      return { type: 'IssueKey', id: keyId(id), digest, prefix: 'sk-token', ...rest }
    }),
    ...Object.entries(given).flatMap(([id, one]): Command[] =>
      'tag' in one.subject || issued.some((key) => 'key' in one.subject && key.id === one.subject.key)
        ? [{ type: 'CreateBudget', id: budgetId(id), ...one }]
        : [],
    ),
  ]
  const catalog = commands.reduce((at, command) => next(at, accepted(decide(at, command))), EMPTY_CATALOG)
  return withStates(catalog, config)
}

/** Provider and keys as somebody left them. */
function withStates(catalog: Catalog, { state: of, keys: issued }: AnyConfig): Catalog {
  const a = providerId('a')
  const expectedVersion = catalog.providers.get(a)?.version ?? 0
  const type = of === 'draining' ? 'DrainProvider' : of === 'disabled' ? 'DisableProvider' : 'EnableProvider'
  const left = next(catalog, accepted(decide(catalog, { type, id: a, expectedVersion })))
  return issued.reduce((at, { id, fate: end }) => {
    if (end === 'active') return at
    const ending = end === 'revoked' ? 'RevokeKey' : 'SuspendKey'
    const version = at.keys.get(keyId(id))?.version ?? 0
    return next(at, accepted(decide(at, { type: ending, id: keyId(id), expectedVersion: version })))
  }, left)
}
