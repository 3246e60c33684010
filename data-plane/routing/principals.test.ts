import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ClientKey, KeyScopes } from '#contracts/catalog/client-key.ts'
import type { Budget, BudgetSubject } from '#contracts/catalog/money/budget.ts'
import { budgetId, keyId } from '#contracts/ids.ts'
import { allowsModel, compileKeys } from './principals.ts'

const key = (more: Partial<ClientKey> = {}): ClientKey => ({
  id: keyId('key_1'),
  version: 1,
  origin: 'api',
  name: 'team',
  digest: 'd',
  prefix: 'sk',
  previous: null,
  expiresAt: null,
  state: 'active',
  createdAt: 1,
  changedAt: 1,
  ...more,
})
const compiled = (more: Partial<ClientKey> = {}, digest = 'd') => compileKeys([key(more)], []).get(digest)

const budget = (id: string, subject: BudgetSubject): Budget => ({
  id: budgetId(id),
  version: 1,
  origin: 'api',
  subject,
  period: 'day',
  terms: { amount: 1, warnAt: 0.8, whenSpent: 402, onUnreachable: 'allow', unpriced: 'refuse' },
  createdAt: 3,
  changedAt: 3,
})

function allows(scopes: KeyScopes, name: string): boolean {
  const scope = compiled({ scopes })?.scope ?? null
  return scope !== null && allowsModel(scope, name)
}

describe('a compiled key', () => {
  test('has no scope and no limits to look at when it has none', () => {
    expect(compiled()).toMatchObject({ scope: null, limits: null, keepContext: true, contentLog: null })
    expect(compiled({ scopes: {}, limits: {} })).toMatchObject({ scope: null, limits: null })
  })

  test('is paid from its own budgets and those of its tags, and from no others', () => {
    const budgets = [
      budget('own', { key: 'key_1' }),
      budget('other', { key: 'key_2' }),
      budget('red', { tag: 'red' }),
      budget('blue', { tag: 'blue' }),
      budget('all', { tag: 'red' }),
    ]
    const payers = (more: Partial<ClientKey>): readonly string[] | undefined =>
      compileKeys([key(more)], budgets)
        .get('d')
        ?.budgets?.map(({ account }) => account)
    expect(payers({ tags: ['red', 'green'] })).toEqual(['own@3', 'red@3', 'all@3'])
    expect(payers({})).toEqual(['own@3'])
    expect(payers({ id: keyId('key_3') })).toBeUndefined()
    expect(compileKeys([key()], budgets).get('d')?.budgets?.[0]).toEqual({
      account: 'own@3',
      period: 'day',
      isOwn: true,
      whenSpent: 402,
      onUnreachable: 'allow',
      unpriced: 'refuse',
    })
  })

  test('has the same terms under the digest before its last rotation, until the overlap ends', () => {
    const terms = {
      scopes: { providers: ['a'] },
      limits: { concurrency: 2 },
      keepContext: false,
      contentLog: { ttlSeconds: 60 },
    }
    const rotated = { ...terms, previous: { digest: 'old', overlapUntil: 500 } }
    expect(compiled(rotated, 'old')).toEqual({ ...compiled(rotated), expiresAt: 500 })
    expect(compiled({ ...rotated, expiresAt: 400 }, 'old')?.expiresAt).toBe(400)
  })

  test.each([
    [['fast'], 'fast', true],
    [['fast'], 'faster', false],
    [['fast'], 'Fast', false],
    [['*'], 'anything/at:all', true],
    [['openai/*'], 'openai/gpt-4o', true],
    [['openai/*'], 'openai/', true],
    [['openai/*'], 'azure/openai/gpt', false],
    [['*-mini'], 'gpt-4o-mini', true],
    [['*-mini'], 'gpt-4o-mini-2024', false],
    [['a*b*c'], 'abc', true],
    [['a*b*c'], 'acb', false],
    [['gpt.4'], 'gptx4', false],
    [['one', 'two*'], 'twofold', true],
    [['__proto__'], 'constructor', false],
  ])('with models %j allows %s: %s', (models, name, allowed) => {
    expect(allows({ models }, name)).toBe(allowed)
  })

  test('allows a name that its pattern is made from, whatever stands for the stars', () => {
    const piece = fc.string({ unit: fc.constantFrom(...'ab/-.'), maxLength: 4 })
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), fc.array(piece), (pieces, between) => {
        const pattern = pieces.join('*')
        const name = pieces.reduce((text, one, at) => (at === 0 ? one : text + (between[at] ?? '') + one), '')
        expect(allows({ models: [pattern] }, name)).toBe(true)
      }),
    )
  })
})
