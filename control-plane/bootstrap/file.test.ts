import { describe, expect, test } from 'vitest'
import type { Declaration } from './declaration.ts'
import { readConfigFile } from './file.ts'
import { withConfigFile } from './with-file.ts'

const NAME = 'gateway.yaml'
const read = (text: string, env = {}): Declaration => {
  const result = readConfigFile(text, NAME, env)
  if (!result.ok) throw new Error(result.error.join('\n'))
  return result.value
}
const problems = (text: string, env = {}): readonly string[] => {
  const result = readConfigFile(text, NAME, env)
  return result.ok ? [] : result.error
}
const EMPTY: Declaration = { providers: [], models: [], keys: [], budgets: [] }

describe('a configuration file', () => {
  test.each(['', '# nothing\n', '{}', 'providers: {}\n'])('may declare nothing: %j', (text) => {
    expect(read(text)).toEqual(EMPTY)
  })

  test('declares providers, models and keys, with secrets from the environment', () => {
    const { providers, models, keys } = read(
      `
providers:
  openai: { baseUrl: "https://api.openai.com/v1", apiKey: "\${KEY}" }
  local:
    name: Local
    kind: gemini
    baseUrl: http://127.0.0.1:8000/v1
    apiKeys: [plain, { key: "pre-\${KEY}-post", weight: 3, label: second }]
models:
  fast:
    aliases: [quick]
    targets: [{ provider: openai, model: gpt-4o-mini, weight: 9 }, { provider: local, model: m, tier: 1 }]
keys: [{ name: ci, key: "\${CLIENT}" }]
`,
      { KEY: 'sk-1', CLIENT: 'c'.repeat(20) },
    )
    expect(
      providers.map(({ id, definition: { name, kind, allowPrivate }, credentials }) => [
        id,
        name,
        kind,
        allowPrivate,
        credentials?.map(({ secret, label, weight }) => [secret.reveal(), label, weight]),
      ]),
    ).toEqual([
      ['openai', undefined, undefined, true, [['sk-1', null, 1]]],
      [
        'local',
        'Local',
        'gemini',
        true,
        [
          ['plain', null, 1],
          ['pre-sk-1-post', 'second', 3],
        ],
      ],
    ])
    expect(models).toMatchObject([
      {
        name: 'fast',
        aliases: ['quick'],
        targets: [
          { provider: 'openai', model: 'gpt-4o-mini', weight: 9, tier: 0 },
          { provider: 'local', model: 'm', weight: 1, tier: 1 },
        ],
      },
    ])
    expect(keys.map(({ name, token }) => [name, token.reveal()])).toEqual([['ci', 'c'.repeat(20)]])
  })

  test('declares budgets, with the keys they are of or by tag or id, and when keys expire', () => {
    const { keys, budgets } = read(
      `
keys:
  - name: ci
    key: "\${CLIENT}"
    expiresAt: 2027-01-01T00:00:00+01:00
    budgets: { ci-day: { period: day, amount: 20 } }
budgets:
  red: { tag: red, period: month, amount: 0.5, warnAt: 0.5, whenSpent: 402, onUnreachable: allow, unpriced: refuse }
  old: { key: key_1, period: total, amount: 9 }
`,
      { CLIENT: 'c'.repeat(20) },
    )
    expect(keys[0]?.expiresAt).toBe(Date.UTC(2026, 11, 31, 23))
    const subjects = budgets.map(({ subject }) =>
      'token' in subject ? subject.token.reveal() : Object.values(subject)[0],
    )
    expect(subjects).toEqual(['c'.repeat(20), 'red', 'key_1'])
    expect(budgets.map(({ id, period, terms }) => [id, period, terms])).toEqual([
      ['ci-day', 'day', { amount: 20 }],
      [
        'red',
        'month',
        { amount: 0.5, warnAt: 0.5, whenSpent: 402, onUnreachable: 'allow', unpriced: 'refuse' },
      ],
      ['old', 'total', { amount: 9 }],
    ])
    const problem = (text: string): string => problems(text).join('\n')
    expect(problem('keys: [{ name: a, key: 0123456789abcdef, expiresAt: soon }]')).toMatch(/keys.0.expiresAt/)
    expect(problem('budgets: { a: { tag: x, key: y, period: day, amount: 1 } }')).toMatch(/budgets.a/)
    expect(problem('budgets: { a: { tag: x, period: hour, amount: 1 } }')).toMatch(/budgets.a/)
  })

  test('says nothing of what it leaves out, and of what is null that it is as usual', () => {
    const { providers, models, keys } = read(`
providers: { a: { baseUrl: "https://a.example" } }
models: { fast: { targets: [{ provider: a, model: m }] } }
keys: [{ name: ci, key: 0123456789abcdef }]
`)
    expect(providers).toEqual([{ id: 'a', definition: { baseUrl: 'https://a.example', allowPrivate: true } }])
    expect(Object.keys(models[0] ?? {}).toSorted()).toEqual(['name', 'targets'])
    expect(keys[0]?.terms).toEqual({})
    expect(Object.keys(keys[0] ?? {}).toSorted()).toEqual(['name', 'terms', 'token'])
    const said = read(`
providers: { a: { baseUrl: "https://a.example", apiKeys: [], routing: { maxQps: null } } }
models: { fast: { targets: [{ provider: a, model: m }], aliases: null, strategy: null, region: null, limits: null } }
keys: [{ name: ci, key: 0123456789abcdef, scopes: null, limits: { concurrency: null }, tags: null, keepContext: null }]
`)
    expect(said.providers[0]).toMatchObject({ credentials: [], definition: { routing: { maxQps: null } } })
    expect(said.models[0]).toMatchObject({ aliases: null, strategy: null, region: null, limits: null })
    const terms = { scopes: null, limits: { concurrency: null }, tags: null, keepContext: null }
    expect(said.keys[0]?.terms).toEqual(terms)
  })

  test('says of a provider whether it is disabled, and of a key whether it is suspended, but revokes none', () => {
    const { providers, keys } = read(`
providers:
  a: { baseUrl: "https://a.example", state: disabled }
  b: { baseUrl: "https://b.example", state: null }
keys: [{ name: ci, key: 0123456789abcdef, state: suspended }]
`)
    expect(providers.map(({ state }) => state)).toEqual(['disabled', null])
    expect(keys.map(({ state, terms }) => [state, terms])).toEqual([['suspended', {}]])
    const problem = (text: string): string => problems(text).join('\n')
    expect(problem('keys: [{ name: a, key: 0123456789abcdef, state: revoked }]')).toMatch(/keys.0.state/)
    expect(problem('providers: { a: { baseUrl: "https://a.example", state: off } }')).toMatch(
      /providers.a.state/,
    )
  })

  test('stops what the environment names, which has no other place to say that', async () => {
    const environment = read(`
providers: { a: { baseUrl: "https://a.example", name: Environment } }
keys: [{ name: environment, key: 0123456789abcdef }]
`)
    const text = `
providers: { a: { baseUrl: "https://b.example", state: draining } }
keys: [{ name: ci, key: 0123456789abcdef, state: suspended }]
`
    const joined = await withConfigFile(environment, NAME, {}, () => Promise.resolve(text))
    if (!joined.ok) throw new Error(joined.error.join('\n'))
    const [provider, key] = [joined.value.providers[0], joined.value.keys[0]]
    expect([joined.value.providers.length, joined.value.keys.length]).toEqual([1, 1])
    expect(provider).toMatchObject({ definition: { name: 'Environment' }, state: 'draining' })
    expect(key).toMatchObject({ name: 'environment', state: 'suspended' })
  })

  test('may be JSON', () => {
    expect(read('{"providers":{"a":{"baseUrl":"https://a.example.com"}}}').providers).toHaveLength(1)
  })

  test('is refused with the path of every problem', () => {
    const told = problems(`
providers:
  Upper: { baseUrl: https://a.example.com }
  a: { baseUrl: nonsense, routing: { weight: -1 }, colour: red }
models:
  fast: { targets: [] }
keys: [{ name: ci, key: short }]
extra: 1
`)
    for (const path of [
      'providers.Upper',
      'providers.a.baseUrl',
      'providers.a.routing.weight',
      'models.fast.targets',
      'keys.0.key',
    ])
      expect(
        told.some((problem) => problem.startsWith(`${NAME}: ${path}: `)),
        `${path} in ${told.join('\n')}`,
      ).toBe(true)
    expect(told.join('\n')).toMatch(/colour/)
    expect(told.join('\n')).toMatch(/extra/)
    expect(told.join('\n')).not.toContain('short')
  })

  test('is refused with every variable that is not set', () => {
    const text = 'keys: [{ name: "${ONE}", key: "${TWO}${ONE}" }]'
    expect(problems(text)).toEqual([
      `${NAME}: \${ONE} is not set in the environment`,
      `${NAME}: \${TWO} is not set in the environment`,
    ])
  })

  test('writes $${ for a ${ that is meant as it is', () => {
    const nameOf = (name: string) => {
      const result = readConfigFile(JSON.stringify({ keys: [{ name, key: 'k'.repeat(16) }] }), NAME, {
        A: 'one',
      })
      return result.ok ? result.value.keys[0]?.name : result.error
    }
    expect(nameOf('$${A}')).toBe('${A}')
    expect(nameOf('$$${A} $${ ${A}')).toBe('$${A} ${ one')
    expect(nameOf('$A $$ {A}')).toBe('$A $$ {A}')
    expect(nameOf('${A}$${A}${B}')).toEqual([`${NAME}: \${B} is not set in the environment`])
  })

  test.each(['providers: [', 'a: 1\na: 2', '\ttab: 1'])('that is not YAML says where: %j', (text) => {
    expect(problems(text)[0]).toMatch(new RegExp(`^${NAME}: .*line \\d`))
  })

  test.each(['just text', '[1, 2]', '12'])('that is no mapping is refused: %j', (text) => {
    expect(problems(text)).toHaveLength(1)
  })
})

describe('the file that APIPROXY_CONFIG names', () => {
  const environment = read('providers: { a: { name: Environment, baseUrl: "https://a.example.com" } }')
  const file =
    'providers: { a: { name: File, baseUrl: "https://a.example.com" }, b: { baseUrl: "https://b.example.com" } }'
  const join = (path: string | null, readText: () => Promise<string>) =>
    withConfigFile(environment, path, {}, readText)

  test('adds to the environment, which wins over it', async () => {
    const joined = await join('file.yaml', async () => file)
    expect(joined.ok && joined.value.providers.map(({ id, definition }) => [id, definition.name])).toEqual([
      ['a', 'Environment'],
      ['b', undefined],
    ])
  })

  test('is not needed', async () => {
    expect(await join(null, () => Promise.reject(new Error('not asked')))).toEqual({
      ok: true,
      value: environment,
    })
  })

  test('that cannot be read is told with its variable and path', async () => {
    expect(await join('gone.yaml', () => Promise.reject(new Error('ENOENT')))).toEqual({
      ok: false,
      error: ['APIPROXY_CONFIG: cannot read gone.yaml: ENOENT'],
    })
  })

  test('that is not understood is told with its path', async () => {
    const joined = await join('bad.yaml', async () => 'extra: 1')
    expect(joined.ok ? [] : joined.error).toEqual([expect.stringMatching(/^bad\.yaml: .*extra/)])
  })
})
