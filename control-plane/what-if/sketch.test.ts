import { expect, test } from 'vitest'
import { ProviderDefinition } from '#contracts/catalog/provider.ts'
import { providerId } from '#contracts/ids.ts'
import { after, EMPTY } from '#test/control-plane/driven-traffic.ts'
import type { DeclaredState } from '../commands/command.ts'
import { decide } from '../commands/decide.ts'

const stateOf = (baseUrl: string): DeclaredState => {
  const definition = ProviderDefinition.parse({ name: 'a', kind: 'openai', baseUrl })
  return {
    providers: [{ id: providerId('a'), definition, credentials: [] }],
    models: [],
    keys: [],
    budgets: [],
  }
}

test('on paper a file may speak of what the environment declares, which applying it may not', () => {
  const catalog = after(EMPTY, { type: 'ApplyDeclaration', state: stateOf('https://a.example/v1') })
  const state = stateOf('https://b.example/v1')
  const command = { type: 'ApplyConfig', state, retireOthers: false, expectedCommit: null } as const
  expect(decide(catalog, command).ok).toBe(false)
  const changed = after(catalog, command).providers.get(providerId('a'))
  expect(changed).toMatchObject({ definition: { baseUrl: 'https://b.example/v1' }, origin: 'declared' })
})
