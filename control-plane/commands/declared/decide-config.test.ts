import { describe, expect, test } from 'vitest'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { PLAIN_TERMS } from '#contracts/catalog/client-key.ts'
import { keyId } from '#contracts/ids.ts'
import {
  accepted,
  after,
  AZURE,
  definition,
  DIGEST,
  issueKey,
  KEY,
  next,
  OPENAI,
  OTHER_DIGEST,
  outcome,
  registerAzure,
} from '#test/control-plane/given.ts'
import type { Command, DeclaredState } from '../command.ts'
import { decide } from '../decide.ts'

const NOTHING = { providers: [], models: [], keys: [], budgets: [] }
const declare = (state: Partial<DeclaredState>): Command => ({
  type: 'ApplyDeclaration',
  state: { ...NOTHING, ...state },
})
const apply = (state: Partial<DeclaredState>): Command => ({
  type: 'ApplyConfig',
  state: { ...NOTHING, ...state },
  retireOthers: false,
  expectedCommit: null,
})
const events = (catalog: Catalog, state: Partial<DeclaredState>): readonly string[] =>
  accepted(decide(catalog, apply(state))).map(({ type, stream }) => `${type} ${stream}`)

const key = (state?: 'active' | 'suspended' | null) => ({
  id: KEY,
  name: 'ci',
  digest: DIGEST,
  prefix: 'sk-ap-12',
  terms: PLAIN_TERMS,
  ...(state === undefined ? {} : { state }),
})
const provider = (id = OPENAI, more: Partial<DeclaredState['providers'][number]> = {}) => ({
  id,
  definition: definition({ name: 'Any', allowPrivate: true }),
  credentials: [],
  ...more,
})
const ALL_STATES = [undefined, null, 'active', 'suspended'] as const

describe('a file that is applied', () => {
  test('stops and starts what the API made where it says so, and nothing where it does not', () => {
    const made = after(registerAzure, issueKey)
    expect(events(made, { providers: [provider(AZURE, { state: 'draining' })] })).toContain(
      'ProviderDrainStarted provider-azure',
    )
    expect(events(made, { keys: [key('suspended')] })).toEqual(['ClientKeySuspended clientkey-key_1'])
    const suspended = next(made, accepted(decide(made, apply({ keys: [key('suspended')] }))))
    expect(events(suspended, { keys: [key()] })).toEqual([])
    expect(events(suspended, { keys: [key('active')] })).toEqual(['ClientKeyResumed clientkey-key_1'])
  })

  test('stops and starts what is declared, as anybody may, and changes nothing else of it', () => {
    const declared = after(declare({ providers: [provider()], keys: [key()] }))
    expect(events(declared, { providers: [provider(OPENAI, { state: 'disabled' })] })).toEqual([
      'ProviderDisabled provider-openai',
    ])
    expect(events(declared, { keys: [key('suspended')] })).toEqual(['ClientKeySuspended clientkey-key_1'])
    const renamed = { ...provider(OPENAI, { state: 'disabled' }), definition: definition({ name: 'Other' }) }
    expect(outcome(decide(declared, apply({ providers: [renamed] })))).toMatchObject({
      kind: 'invalid',
      issues: [{ path: 'providers.openai' }],
    })
  })

  test('lets a key that is declared no more rest, unless it says that it works', () => {
    const gone = after(declare({ keys: [key()] }), declare({}))
    expect(gone.keys.get(KEY)).toMatchObject({ state: 'suspended', undeclared: true })
    expect(ALL_STATES.map((state) => events(gone, { keys: [key(state)] }))).toEqual([
      [],
      ['ClientKeyResumed clientkey-key_1'],
      ['ClientKeyResumed clientkey-key_1'],
      [],
    ])
  })

  test('that names a key twice has it as it is named first, in the first state that it says', () => {
    const twice = [key(), key('suspended'), { ...key('active'), name: 'late', digest: DIGEST }]
    expect(events(after(), { keys: twice })).toEqual([
      'ClientKeyIssued clientkey-key_1',
      'ClientKeySuspended clientkey-key_1',
    ])
    const other = { ...key('suspended'), id: keyId('key_2'), digest: OTHER_DIGEST }
    expect(events(after(), { keys: [key(), other] })).toEqual([
      'ClientKeyIssued clientkey-key_1',
      'ClientKeyIssued clientkey-key_2',
      'ClientKeySuspended clientkey-key_2',
    ])
  })
})
