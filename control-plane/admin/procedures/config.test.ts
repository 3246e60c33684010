import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { providerId } from '#contracts/ids.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'

let plane: AdminPlane
let api: AdminPlane['api']
beforeAll(async () => {
  plane = await openAdminPlane()
  api = plane.api
})
afterAll(() => plane[Symbol.asyncDispose]())

const YAML = `
providers:
  a: { baseUrl: https://a.example/v1, apiKey: "\${A_KEY}" }
models:
  fast: { targets: [{ provider: a, model: m }], aliases: [quick], region: eu }
keys:
  - { name: ci, key: "\${CI}" }
`
const VARIABLES = 'A_KEY=sk-plan-secret\nCI=sk-client-0123456789abcdef\n'

test('a plan tells in words what applying does, and writes nothing', async () => {
  const plan = await api.config.plan({ yaml: YAML, variables: VARIABLES })
  expect(plan.commitNo).toBe(1)
  expect(plan.events).toEqual([
    'ProviderRegistered',
    'CredentialAdded',
    'LogicalModelCreated',
    'ClientKeyIssued',
  ])
  expect(plan.entities.map(({ entity, change }) => `${entity.split(' ')[0]} ${change}`)).toEqual([
    'key added',
    'model added',
    'provider added',
  ])
  expect(JSON.stringify(plan)).not.toContain('sk-plan-secret')
  expect(plane.ports.ledger.catalog.commit).toBe(1)
})

test('applying makes it so in one commit, by the API, and doing it again changes nothing', async () => {
  const applied = await api.config.applyFile({ yaml: YAML, variables: VARIABLES, expectedCommit: 1 })
  expect(applied).toMatchObject({ commitNo: 2 })
  expect(plane.ports.ledger.catalog.providers.get(providerId('a'))?.origin).toBe('api')
  expect(await api.config.applyFile({ yaml: YAML, variables: VARIABLES })).toMatchObject({ events: [] })
  expect(JSON.stringify(await api.audit.list())).not.toMatch(/sk-plan-secret|sk-client-0123456789abcdef/)
})

test('what was exported is what applies: nothing changes, with its secrets or without', async () => {
  const { yaml, variables } = await api.config.export()
  expect(yaml).not.toMatch(/sk-|fingerprint/)
  expect(variables.map(({ name }) => name)).toEqual(['A_API_KEY', 'KEY_CI'])
  const given = 'A_API_KEY=sk-plan-secret\nKEY_CI=sk-client-0123456789abcdef'
  expect((await api.config.plan({ yaml, variables: given, retireOthers: true })).events).toEqual([])
  const bare = yaml.replace(/^ {4}apiKeys:\n( {6}.*\n)*/m, '').replace(/^keys:\n( .*\n)*/m, '')
  expect(bare).not.toContain('KEY')
  const kept = await api.config.plan({ yaml: bare, retireOthers: true })
  expect(kept.events.filter((type) => type.startsWith('Credential'))).toEqual([])
})

test('budgets of keys and tags are planned, applied, exported and retired like everything else', async () => {
  const keys = `keys: [{ name: ci, key: "\${CI}", tags: [red], budgets: { ci-day: { period: day, amount: 20 } } }]`
  const yaml = `${keys}\nbudgets: { red-month: { tag: red, period: month, amount: 500, whenSpent: 402 } }`
  const file = { yaml, variables: VARIABLES }
  const plan = await api.config.plan(file)
  expect(plan.events).toEqual(['ClientKeyOwnerSet', 'BudgetCreated', 'BudgetCreated'])
  const words = JSON.stringify(plan.entities.filter(({ entity }) => entity.startsWith('budget')))
  expect(words).toMatch(/red-month.*500/)
  await api.config.applyFile(file)
  const { keys: known } = await api.keys.list()
  const ci = known.find((key) => key.name === 'ci')?.id ?? ''
  const { budgets } = await api.budgets.list()
  expect(budgets).toMatchObject([
    {
      id: 'ci-day',
      origin: 'api',
      subject: { key: ci },
      period: 'day',
      terms: { amount: 20, whenSpent: 429 },
    },
    { id: 'red-month', subject: { tag: 'red' }, period: 'month', terms: { amount: 500, whenSpent: 402 } },
  ])
  const exported = await api.config.export()
  const given = 'A_API_KEY=sk-plan-secret\nKEY_CI=sk-client-0123456789abcdef'
  expect(
    (await api.config.plan({ yaml: exported.yaml, variables: given, retireOthers: true })).events,
  ).toEqual([])

  // Of a key whose text is not at hand: by its id.
  const other = `budgets: { ci-day: { key: ${ci}, period: week, amount: 90 } }`
  expect((await api.config.plan({ yaml: other })).events).toEqual(['BudgetCreated'])
  const less = await api.config.plan({ yaml: other.replace('week', 'day') })
  expect(less.events).toEqual(['BudgetTermsSet'])
  const problems: readonly [string, RegExp][] = [
    [other.replace(ci, 'key_none'), /budgets.ci-day.key: there is no key key_none/],
    [`${keys}\n${other}`, /budgets.ci-day: is named twice/],
    ['budgets: { x: { period: day, amount: 1 } }', /budgets.x/],
  ]
  for (const [text, problem] of problems)
    await expect(api.config.plan({ yaml: text, variables: VARIABLES })).rejects.toThrow(problem)
  const bare = { yaml: `keys: [{ name: ci, key: "\${CI}" }]`, variables: VARIABLES, retireOthers: true }
  expect((await api.config.plan(bare)).events.filter((type) => type.startsWith('Budget'))).toEqual([
    'BudgetRemoved',
    'BudgetRemoved',
  ])
  await api.config.applyFile({ ...file, yaml: keys.replace(/, tags.*/, ' }]'), retireOthers: false })
  for (const { id, version } of budgets) await api.budgets.remove({ id, expectedVersion: version })
})

test('what a file does not say of a key, a model, a provider or a budget stays; null and empty lists lift it', async () => {
  const text = 'sk-said-0123456789abcdef'
  const fileOf = (members: Readonly<Record<'provider' | 'model' | 'key' | 'budget', object>>) => ({
    yaml: JSON.stringify({
      providers: { said: { baseUrl: 'https://said.example/v1', ...members.provider } },
      models: { said: { targets: [{ provider: 'said', model: 'm' }], ...members.model } },
      keys: [{ name: 'said', key: text, ...members.key }],
      budgets: { said: { tag: 'said', period: 'day', amount: 5, ...members.budget } },
    }),
  })
  const none = { provider: {}, model: {}, key: {}, budget: {} }
  await api.config.applyFile(
    fileOf({
      provider: { apiKeys: ['sk-of-said'], routing: { maxQps: 5, region: 'eu' }, dialects: ['openai-chat'] },
      model: { aliases: ['also-said'], strategy: 'cost', region: 'eu', limits: { concurrency: 2 } },
      key: {
        scopes: { models: ['said'], endpoints: ['chat'] },
        limits: { requestsPerMinute: 5, concurrency: 2 },
        owner: 'team',
        tags: ['said'],
        keepContext: false,
        contentLog: { ttlSeconds: 60 },
      },
      budget: { warnAt: 0.5, whenSpent: 402 },
    }),
  )
  const { commit } = plane.ports.ledger.catalog
  expect((await api.config.plan(fileOf(none))).events).toEqual([])
  expect((await api.config.plan(fileOf({ ...none, key: { limits: { concurrency: 3 } } }))).entities).toEqual([
    expect.objectContaining({ words: ['requests at once: 2 → 3'] }),
  ])
  const lifted = await api.config.plan(
    fileOf({
      provider: { apiKeys: [], routing: { maxQps: null }, dialects: null },
      model: { aliases: [], strategy: null, region: null, limits: null },
      key: {
        scopes: null,
        limits: { concurrency: null },
        owner: null,
        tags: [],
        keepContext: null,
        contentLog: null,
      },
      budget: { warnAt: null, whenSpent: null },
    }),
  )
  expect(lifted.events.toSorted()).toEqual([
    'BudgetTermsSet',
    'ClientKeyContentLogSet',
    'ClientKeyContextSet',
    'ClientKeyLimitsSet',
    'ClientKeyOwnerSet',
    'ClientKeyScopesSet',
    'CredentialRevoked',
    'LogicalModelAliasRemoved',
    'LogicalModelLimitsSet',
    'ProviderDialectsSet',
    'ProviderRoutingSet',
    'RegionPreferenceSet',
    'RoutingStrategySet',
  ])
  expect(plane.ports.ledger.catalog.commit).toBe(commit)
  await api.audit.revert({ commit })
})

describe('applying is refused', () => {
  const yamlOf = (baseUrl: string): string => `providers: { b: { baseUrl: "${baseUrl}" } }`

  test('when anything was changed since the plan', async () => {
    await expect(
      api.config.applyFile({ yaml: yamlOf('https://b.example/v1'), expectedCommit: 1 }),
    ).rejects.toThrow(/the configuration is at version \d+, not 1:/)
  })

  test('for a private address that the file does not ask for', async () => {
    await expect(api.config.plan({ yaml: yamlOf('http://127.0.0.1:8000/v1') })).rejects.toThrow(
      'providers.b.baseUrl: is a loopback, private or reserved address',
    )
  })

  test('for variables without a value, and never takes one of the process', async () => {
    await expect(api.config.plan({ yaml: 'providers: { b: { baseUrl: "${PATH}" } }' })).rejects.toThrow(
      'yaml: ${PATH} is not set',
    )
  })

  test('for a model whose provider is nowhere', async () => {
    const yaml = 'models: { slow: { targets: [{ provider: none, model: m }] } }'
    await expect(api.config.plan({ yaml })).rejects.toThrow('no provider none')
  })

  test('for what the environment declares', async () => {
    const { ledger } = plane.ports
    const declared = ledger.catalog.providers.get(providerId('a'))?.definition
    if (declared === undefined) throw new Error('there is one')
    const state = {
      providers: [{ id: providerId('env'), definition: declared, credentials: [] }],
      models: [],
      keys: [],
      budgets: [],
    }
    await ledger.execute({
      command: { type: 'ApplyDeclaration', state },
      commandId: 'env',
      requestHash: 'env',
      actor: { kind: 'env', id: 'environment' },
      reason: null,
      secrets: [],
      ids: {},
      dryRun: false,
    })
    const yaml = 'providers: { env: { baseUrl: "https://other.example/v1" } }'
    await expect(api.config.plan({ yaml })).rejects.toThrow('providers.env: is declared by the environment')
  })
})

describe('a text that was rotated away', () => {
  const fileOf = (...texts: readonly string[]) => ({
    yaml: JSON.stringify({ keys: texts.map((key, at) => ({ name: `rotated-${at}`, key })) }),
  })
  const keyOf = async (name: string) => {
    const key = (await api.keys.list()).keys.find((one) => one.name === name)
    if (key === undefined) throw new Error(`no key ${name}`)
    return key
  }

  test('is refused by its path, however long ago it was the key’s, and brought back by nothing', async () => {
    const issued = await api.keys.issue({ name: 'rotated-by-api' })
    const own = 'sk-of-the-file-0123456789abcdef'
    await api.config.applyFile(fileOf(own))
    const texts = [issued.key ?? '', own]
    for (const name of ['rotated-by-api', 'rotated-by-api', 'rotated-0', 'rotated-0']) {
      const { id, version } = await keyOf(name)
      await api.keys.rotate({ id, expectedVersion: version })
    }
    const { commit } = plane.ports.ledger.catalog
    for (const text of texts) {
      const told = /keys\[1\]\.key: is a former text of key key_\w+ and was rotated away/
      await expect(api.config.plan(fileOf('sk-nobodys-0123456789abcdef', text))).rejects.toThrow(told)
      await expect(api.config.applyFile(fileOf('sk-nobodys-0123456789abcdef', text))).rejects.toThrow(told)
    }
    expect(plane.ports.ledger.catalog.commit).toBe(commit)
  })

  test('is refused though the key was revoked since, and the present one is the key', async () => {
    const first = await api.keys.issue({ name: 'rotated-and-revoked' })
    const rotated = await api.keys.rotate({ id: first.ids['key'] ?? '', expectedVersion: first.version })
    expect((await api.config.plan(fileOf(rotated.key ?? ''))).events).toEqual([])
    await api.keys.revoke({ id: first.ids['key'] ?? '', expectedVersion: rotated.version })
    await expect(api.config.plan(fileOf(first.key ?? ''))).rejects.toThrow(/was rotated away/)
  })
})

test('what a file does not name stays, unless the others are to be retired; keys always stay', async () => {
  const yaml = 'providers: { c: { baseUrl: "https://c.example/v1" } }'
  const entities = async (retireOthers: boolean) =>
    (await api.config.plan({ yaml, retireOthers })).entities.map(
      ({ entity, change }) => `${entity} ${change}`,
    )
  expect(await entities(false)).toEqual(['provider c added'])
  expect(await entities(true)).toEqual(['model fast removed', 'provider a removed', 'provider c added'])
})
