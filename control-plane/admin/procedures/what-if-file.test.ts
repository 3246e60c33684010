import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger } from '#contracts/process/logger.ts'
import { openAdminPlane, type AdminPlane } from '#test/control-plane/admin-plane.ts'
import { applyDeclaration } from '../../bootstrap/apply.ts'
import { readConfigFile } from '../../bootstrap/file.ts'

/** All that the file of a process may say, some of which one that is sent must not. */
const OWN = `
providers:
  a: { baseUrl: http://10.0.0.7:8000/v1, apiKey: "\${A_KEY}" }
  b: { baseUrl: https://b.example/v1, apiKeys: [{ key: "\${B_KEY}", weight: 2 }] }
models:
  fast: { strategy: cost, targets: [{ provider: a, model: m }, { provider: b, model: m, weight: 1 }], limits: { concurrency: 9 } }
keys:
  - { name: ci, key: "\${CI}", scopes: { providers: [b] }, budgets: { ci-day: { period: day, amount: 20 } } }
  - { name: plain, key: sk-in-plain-0123456789 }
budgets:
  team: { tag: team, period: month, amount: 5 }
`
const VARIABLES = { A_KEY: 'sk-a', B_KEY: 'sk-b', CI: 'sk-ci-0123456789abcdef' }
const GIVEN = Object.entries(VARIABLES)
  .map(([name, value]) => `${name}=${value}`)
  .join('\n')

let plane: AdminPlane
beforeAll(async () => {
  plane = await openAdminPlane()
  const read = readConfigFile(OWN, 'own.yaml', VARIABLES)
  if (!read.ok) throw new Error(read.error.join('\n'))
  const { ledger, masterKey } = plane.ports
  await applyDeclaration({ database: plane.database, ledger, masterKey, logger: silentLogger }, read.value)
})
afterAll(() => plane[Symbol.asyncDispose]())

const ask = (yaml: string, variables?: string) => plane.api.config.whatIf({ yaml, variables })

describe('what if, asked of a file,', () => {
  test('takes the very one that the process was started with, and would change nothing', async () => {
    const found = await ask(OWN, GIVEN)
    expect(found.entities).toEqual([])
    expect(found.limits).toContain(
      'Of the keys of a file only their providers have a bearing on where requests go: one that it suspends is taken to work. Of its budgets, limits and credentials nothing has.',
    )
  })

  test('needs no secrets, and says what it left out for want of them', async () => {
    const found = await ask(OWN)
    expect(found.entities).toEqual([])
    expect(found.limits).toEqual(
      expect.arrayContaining(
        ['providers.a.apiKey', 'providers.b.apiKeys', 'keys.0'].map(
          (path) => `${path} is left out: its secret is not among the variables.`,
        ),
      ),
    )
  })

  test('takes what is no longer said in it to be as usual, as the next start would', async () => {
    const found = await ask(OWN.replace('strategy: cost, ', ''), GIVEN)
    expect(found.entities.map(({ entity, words }) => [entity, words])).toEqual([
      ['model fast', ['strategy: cost → balanced']],
    ])
  })

  test('answers for a change of it, and takes a private address as allowed, saying so', async () => {
    const changed = OWN.replace('weight: 1', 'weight: 3').replace('providers: [b]', 'providers: [a]')
    const more = changed.replace('providers:\n', 'providers:\n  c: { baseUrl: http://127.0.0.1:9/v1 }\n')
    const found = await ask(more, GIVEN)
    expect(found.entities.map(({ entity, change }) => `${entity.split(' ')[0]} ${change}`)).toEqual([
      'key changed',
      'model changed',
      'provider added',
    ])
    expect(found.limits).toContain('Provider c is at a private address, which is taken as allowed.')
  })

  test('takes it although the text of a key in it was rotated away, which it leaves out', async () => {
    const [ci] = (await plane.api.keys.list()).keys.filter(({ name }) => name === 'ci')
    await plane.api.keys.rotate({ id: ci?.id ?? '', expectedVersion: ci?.version ?? 0 })
    const found = await ask(OWN, GIVEN)
    expect(found.entities).toEqual([])
    expect(found.limits).toContain(`A former text of key ${ci?.id} is left out: it was rotated away.`)
  })

  test('refuses what neither a start nor applying would take, by its path', async () => {
    await expect(ask(OWN.replace('amount: 5', 'amount: -5'))).rejects.toThrow(/budgets\.team/)
    await expect(ask(OWN.replace('https://b.example/v1', '"${B_URL}"'))).rejects.toThrow(
      /\$\{B_URL\} is not set/,
    )
  })
})
