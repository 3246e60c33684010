import { describe, expect, test } from 'vitest'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { PLAIN_TERMS } from '#contracts/catalog/client-key.ts'
import type { ProviderState } from '#contracts/catalog/provider.ts'
import { budgetId, clientKeyStream, keyId, modelName, type ProviderId } from '#contracts/ids.ts'
import {
  accepted,
  after,
  AZURE,
  createFast,
  credential,
  definition,
  DIGEST,
  FAST,
  issueKey,
  KEY,
  next,
  OPENAI,
  outcome,
  registerAzure,
  registerOpenai,
  SLOW,
  target,
} from '#test/control-plane/given.ts'
import type { Command, DeclaredState } from '../command.ts'
import { decide } from '../decide.ts'

const declare = (state: Partial<DeclaredState>): Command => ({
  type: 'ApplyDeclaration',
  state: { providers: [], models: [], keys: [], budgets: [], ...state },
})
const provider = (id: ProviderId, secrets: readonly string[] = [], name = 'Any') => ({
  id,
  definition: definition({ name, allowPrivate: true }),
  credentials: secrets.map((secret) => credential(secret)),
})
const model = (name: string, targets = [target('openai')], aliases: readonly string[] = []) => ({
  name: modelName(name),
  targets,
  aliases: aliases.map(modelName),
  strategy: null,
  region: null,
  limits: null,
})
const key = (id = 'key_1') => ({
  id: keyId(id),
  name: 'ci',
  digest: DIGEST,
  prefix: 'sk-ap-12',
  terms: PLAIN_TERMS,
})

/** Types and streams of what a declaration leads to. */
const events = (catalog: Catalog, state: Partial<DeclaredState>): readonly string[] =>
  accepted(decide(catalog, declare(state))).map(({ type, stream }) => `${type} ${stream}`)

const whole = {
  providers: [provider(OPENAI, ['one', 'two']), provider(AZURE)],
  models: [model('fast', [target('openai'), target('azure', 'gpt', 1, 1)], ['quick'])],
  keys: [key()],
}
const declared = after(declare(whole))

describe('a declaration', () => {
  test('makes everything that is not there, in one commit, in an order that can be folded', () => {
    expect(events(after(), whole)).toEqual([
      'ProviderRegistered provider-openai',
      'CredentialAdded provider-openai',
      'CredentialAdded provider-openai',
      'ProviderRegistered provider-azure',
      'LogicalModelCreated model-fast',
      'ClientKeyIssued clientkey-key_1',
    ])
    const entities = [...declared.providers.values(), ...declared.models.values(), ...declared.keys.values()]
    expect(entities.map(({ origin }) => origin)).toEqual(['declared', 'declared', 'declared', 'declared'])
  })

  test('that says the same again writes nothing, although its ids and sealed secrets are new', () => {
    const resealed = {
      ...whole,
      providers: whole.providers.map((one) => ({
        ...one,
        credentials: one.credentials.map((secret) => ({
          ...credential('resealed'),
          fingerprint: secret.fingerprint,
        })),
      })),
    }
    expect(events(declared, resealed)).toEqual([])
  })

  test('that is empty retires all that was declared, and nothing else', () => {
    const mixed = after(registerAzure, declare({ ...whole, providers: [provider(OPENAI)] }), {
      ...issueKey,
      id: keyId('key_2'),
    } as Command)
    expect(events(mixed, {})).toEqual([
      'LogicalModelRetired model-fast',
      'ProviderRemoved provider-openai',
      'ClientKeySuspended clientkey-key_1',
    ])
  })

  test('sets back what the API changed of a declared entity', () => {
    const changed = after(
      declare(whole),
      { type: 'UpdateProvider', id: AZURE, expectedVersion: 1, definition: definition({ name: 'Other' }) },
      { type: 'SetTargets', name: FAST, expectedVersion: 1, targets: [target('azure')] },
    )
    expect(events(changed, whole)).toEqual([
      'ProviderRenamed provider-azure',
      'ProviderEgressPolicySet provider-azure',
      'RouteTargetsSet model-fast',
    ])
  })

  test('does not enable what an operator disabled where it says nothing of that', () => {
    const disabled = after(declare(whole), { type: 'DisableProvider', id: AZURE, expectedVersion: 1 })
    expect(events(disabled, whole)).toEqual([])
  })

  test('makes a provider enabled, disabled or draining where it says so; null is enabled', () => {
    const be = (state: ProviderState | null) => ({ providers: [{ ...provider(AZURE), state }] })
    const disabled = next(after(), accepted(decide(after(), declare(be('disabled')))))
    expect(disabled.providers.get(AZURE)?.state).toBe('disabled')
    expect(events(disabled, be('disabled'))).toEqual([])
    expect(events(disabled, be('draining'))).toEqual(['ProviderDrainStarted provider-azure'])
    for (const enabled of ['enabled', null] as const) {
      expect(events(after(), be(enabled))).toEqual(['ProviderRegistered provider-azure'])
      expect(events(disabled, be(enabled))).toEqual(['ProviderEnabled provider-azure'])
    }
    const draining = next(disabled, accepted(decide(disabled, declare(be('draining')))))
    expect(events(draining, be(null))).toEqual(['ProviderDrainCancelled provider-azure'])
  })
})

describe('what the API made', () => {
  const api = after(registerOpenai, registerAzure, createFast, issueKey)

  test('is not touched by a declaration that uses its name', () => {
    expect(
      events(api, {
        providers: [provider(OPENAI, ['other'], 'Declared')],
        models: [model('fast', [target('openai', 'other')], ['quick'])],
        keys: [key()],
      }),
    ).toEqual([])
  })

  test('can be named by the targets of a declared model', () => {
    expect(events(api, { models: [model('slow', [target('openai')])] })).toEqual([
      'LogicalModelCreated model-slow',
    ])
  })

  test('keeps a declared provider it names: that is only disabled, once', () => {
    const used = after(declare({ providers: [provider(OPENAI)] }), registerAzure, createFast)
    expect(events(used, {})).toEqual(['ProviderDisabled provider-openai'])
    const disabled = next(used, accepted(decide(used, declare({}))))
    expect(events(disabled, {})).toEqual([])
    const free = next(
      disabled,
      accepted(decide(disabled, { type: 'RetireModel', name: FAST, expectedVersion: 1 })),
    )
    expect(events(free, {})).toEqual(['ProviderRemoved provider-openai'])
  })
})

describe('a declared model', () => {
  test.each([
    ['that is nowhere', after()],
    ['that goes with this declaration', after(declare({ providers: [provider(OPENAI)] }))],
    [
      'that goes, although the model had it',
      after(declare({ providers: [provider(OPENAI)], models: [model('slow')] })),
    ],
  ])('cannot name a provider %s', (_, catalog) => {
    expect(outcome(decide(catalog, declare({ models: [model('slow')] })))).toEqual({
      kind: 'invalid',
      issues: [{ path: 'models[0].targets[0].provider', message: 'no provider openai (model slow)' }],
    })
  })

  test('may lose its last use of a provider in the commit that removes it', () => {
    expect(
      events(declared, {
        ...whole,
        providers: [provider(AZURE)],
        models: [model('fast', [target('azure')], ['quick'])],
      }),
    ).toEqual(['RouteTargetsSet model-fast', 'ProviderRemoved provider-openai'])
  })

  test.each([
    ['the alias of a model of the API', [model('quick')], 'models[0].name', 'quick belongs to model fast'],
    [
      'an alias that is a model of the API',
      [model('slow', [target('openai')], ['fast'])],
      'models[0].aliases[0]',
      'fast belongs to model fast',
    ],
    [
      'an alias of a model of the API',
      [model('slow', [target('openai')], ['quick'])],
      'models[0].aliases[0]',
      'quick belongs to model fast',
    ],
    [
      'its own name as an alias',
      [model('slow', [target('openai')], ['slow'])],
      'models[0].aliases[0]',
      'slow belongs to model slow',
    ],
    [
      'an alias that another declared one has',
      [model('slow', [target('openai')], ['late']), model('later', [target('openai')], ['late'])],
      'models[1].aliases[0]',
      'late belongs to model slow',
    ],
  ])('cannot take %s', (_, models, path, message) => {
    const api = after(registerOpenai, registerAzure, createFast)
    expect(outcome(decide(api, declare({ models })))).toEqual({
      kind: 'invalid',
      issues: [{ path, message }],
    })
  })

  test('can take an alias over from another declared one', () => {
    const moved = {
      ...whole,
      models: [model('fast', whole.models[0]?.targets), model('slow', [target('azure')], ['quick'])],
    }
    const catalog = next(declared, accepted(decide(declared, declare(moved))))
    expect(catalog.models.get(FAST)?.aliases).toEqual([])
    expect(catalog.models.get(SLOW)?.aliases).toEqual(['quick'])
  })
})

describe('the credentials of a declared provider', () => {
  test('are told apart by their secrets: a new one is added before an old one is revoked', () => {
    const rotated = { ...whole, providers: [provider(OPENAI, ['two', 'three']), provider(AZURE)] }
    expect(accepted(decide(declared, declare(rotated)))).toMatchObject([
      { type: 'CredentialAdded', body: { credentialId: 'cred_three' } },
      { type: 'CredentialRevoked', body: { credentialId: 'cred_one' } },
    ])
  })
})

describe('a declared budget', () => {
  const terms = {
    amount: 5,
    warnAt: 0.8,
    whenSpent: 429,
    onUnreachable: 'refuse',
    unpriced: 'allow',
  } as const
  const budget = { id: budgetId('team'), subject: { key: 'key_1' }, period: 'day', terms } as const
  const held = next(declared, accepted(decide(declared, declare({ ...whole, budgets: [budget] }))))

  test('is made, changed, made anew where another is meant, and removed', () => {
    expect(held.budgets.get(budget.id)).toMatchObject({ ...budget, origin: 'declared' })
    const to = (more: Partial<DeclaredState['budgets'][number]>) =>
      events(held, { ...whole, budgets: [{ ...budget, ...more }] })
    expect(to({})).toEqual([])
    expect(to({ terms: { ...terms, amount: 6 } })).toEqual(['BudgetTermsSet budget-team'])
    expect(to({ period: 'week' })).toEqual(['BudgetCreated budget-team'])
    expect(to({ subject: { tag: 'red' } })).toEqual(['BudgetCreated budget-team'])
    expect(events(held, whole)).toEqual(['BudgetRemoved budget-team'])
  })

  test('of a key that is nowhere is refused; of a tag that nobody has it is not', () => {
    expect(
      outcome(decide(declared, declare({ budgets: [{ ...budget, subject: { key: 'key_9' } }] }))),
    ).toEqual({
      kind: 'invalid',
      issues: [{ path: 'budgets.team.key', message: 'there is no key key_9' }],
    })
    expect(events(declared, { ...whole, budgets: [{ ...budget, subject: { tag: 'none' } }] })).toEqual([
      'BudgetCreated budget-team',
    ])
  })

  test('leaves one of its name that the API made alone', () => {
    const made = after(declare(whole), { type: 'CreateBudget', ...budget })
    expect(events(made, { ...whole, budgets: [{ ...budget, period: 'week' }] })).toEqual([])
    expect(events(made, whole)).toEqual([])
  })
})

describe('a declared key', () => {
  test('expires when it is said to, and stays as it is where nothing is said of it', () => {
    const until = (expiresAt?: number | null) => ({ ...whole, keys: [{ ...key(), expiresAt }] })
    const limited = next(declared, accepted(decide(declared, declare(until(99)))))
    expect(limited.keys.get(KEY)?.expiresAt).toBe(99)
    expect(events(limited, until())).toEqual([])
    expect(events(limited, until(null))).toEqual(['ClientKeyExpirySet clientkey-key_1'])
  })

  const without = declare({ ...whole, keys: [] })
  const gone = next(declared, accepted(decide(declared, without)))
  const SUSPEND = { type: 'SuspendKey', id: KEY } as const

  test('that was revoked stays so, and is not written again', () => {
    const revoked = next(declared, [{ type: 'ClientKeyRevoked', stream: clientKeyStream(KEY), body: {} }])
    expect(events(revoked, whole)).toEqual([])
    expect(outcome(decide(revoked, without))).toEqual([])
    expect(revoked.keys.get(KEY)?.state).toBe('revoked')
  })

  test('keeps its suspension', () => {
    const suspended = after(declare(whole), { ...SUSPEND, expectedVersion: 1 })
    expect(events(suspended, whole)).toEqual([])
  })

  test('is suspended or works where that is said; null is that it works', () => {
    const be = (state: 'active' | 'suspended' | null) => ({ ...whole, keys: [{ ...key(), state }] })
    expect(events(after(), { keys: be('suspended').keys })).toEqual([
      'ClientKeyIssued clientkey-key_1',
      'ClientKeySuspended clientkey-key_1',
    ])
    const suspended = next(declared, accepted(decide(declared, declare(be('suspended')))))
    expect(suspended.keys.get(KEY)?.state).toBe('suspended')
    expect(events(suspended, be('suspended'))).toEqual([])
    expect(events(suspended, whole)).toEqual([])
    expect(events(suspended, be('active'))).toEqual(['ClientKeyResumed clientkey-key_1'])
    expect(events(suspended, be(null))).toEqual(['ClientKeyResumed clientkey-key_1'])
    // Declared again, but not to work: it does not come back by itself any more.
    expect(next(gone, accepted(decide(gone, declare(be('suspended'))))).keys.get(KEY)).toMatchObject({
      state: 'suspended',
      undeclared: false,
    })
    const revoked = next(declared, [{ type: 'ClientKeyRevoked', stream: clientKeyStream(KEY), body: {} }])
    expect(events(revoked, be('active'))).toEqual([])
  })

  test('that is declared no more is suspended once, and works again when it is declared again', () => {
    expect(gone.keys.get(KEY)).toMatchObject({ state: 'suspended', undeclared: true })
    expect(outcome(decide(gone, without))).toEqual([])
    const back = next(gone, accepted(decide(gone, declare(whole))))
    expect(back.keys.get(KEY)).toMatchObject({ state: 'active', undeclared: false })
    expect(events(back, whole)).toEqual([])
  })

  test('that somebody suspended or revoked while it was gone stays so when it is declared again', () => {
    const versions = { expectedVersion: gone.keys.get(KEY)?.version ?? 0 }
    const suspended = next(gone, accepted(decide(gone, { ...SUSPEND, ...versions })))
    expect(suspended.keys.get(KEY)).toMatchObject({ state: 'suspended', undeclared: false })
    expect(events(suspended, whole)).toEqual([])
    const revoked = next(gone, accepted(decide(gone, { type: 'RevokeKey', id: KEY, ...versions })))
    expect(events(revoked, whole)).toEqual([])
    expect(revoked.keys.get(KEY)?.state).toBe('revoked')
  })

  test('is given the terms that are declared, and set back to them', () => {
    const terms = { ...PLAIN_TERMS, scopes: { models: ['fast'] }, limits: { concurrency: 2 } }
    const strict = { ...whole, keys: [{ ...key(), terms }] }
    expect(events(declared, strict)).toEqual([
      'ClientKeyScopesSet clientkey-key_1',
      'ClientKeyLimitsSet clientkey-key_1',
    ])
    const set = next(declared, accepted(decide(declared, declare(strict))))
    expect(events(set, strict)).toEqual([])
    const version = set.keys.get(KEY)?.version ?? 0
    const change = { type: 'SetKeyTerms', id: KEY, terms: { scopes: {} }, expectedVersion: version } as const
    expect(events(next(set, accepted(decide(set, change))), strict)).toEqual([
      'ClientKeyScopesSet clientkey-key_1',
    ])
  })
})
