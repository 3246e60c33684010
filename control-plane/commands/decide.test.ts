import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonical, type Json } from '#contracts/canonical.ts'
import { EMPTY_CATALOG, type Catalog } from '#contracts/catalog/catalog.ts'
import { foldCommits } from '#contracts/catalog/fold.ts'
import { readCommit } from '#contracts/commit/commit.ts'
import { modelName, SYSTEM_STREAM } from '#contracts/ids.ts'
import { anyCommand, COMMAND_TYPES, type AnyCommand } from '#test/arbitraries/command.ts'
import { buildCommits } from '#test/arbitraries/commits.ts'
import { history } from '#test/arbitraries/history.ts'
import {
  accepted,
  after,
  createFast,
  definition,
  FAST,
  issueKey,
  KEY,
  next,
  OPENAI,
  outcome,
  registerAzure,
  registerOpenai,
} from '#test/control-plane/given.ts'
import type { Command } from './command.ts'
import { decide } from './decide.ts'

const genesis = { type: 'CreateGenesis', logId: 'log', keyCheck: 'check' } as const

describe('the first commit', () => {
  test('names the log and the key it belongs to', () => {
    expect(outcome(decide(EMPTY_CATALOG, genesis))).toEqual([
      { type: 'GenesisCreated', stream: SYSTEM_STREAM, body: { logId: 'log', keyCheck: 'check' } },
    ])
  })

  test('is made once', () => {
    expect(outcome(decide(after(genesis), { ...genesis, logId: 'other' }))).toEqual([])
  })
})

describe('advancing the epoch', () => {
  test('is one step from the epoch the caller has seen', () => {
    expect(outcome(decide(after(genesis), { type: 'AdvanceEpoch', expectedEpoch: 1 }))).toEqual([
      { type: 'EpochAdvanced', stream: SYSTEM_STREAM, body: { epoch: 2 } },
    ])
  })

  test('is refused from any other', () => {
    const advanced = after(genesis, { type: 'AdvanceEpoch', expectedEpoch: 1 })
    expect(outcome(decide(advanced, { type: 'AdvanceEpoch', expectedEpoch: 1 }))).toEqual({
      kind: 'conflict',
      what: 'the epoch',
      expected: 1,
      current: 2,
    })
  })
})

describe('an entity that a newer release changed', () => {
  const known = after(genesis, registerOpenai, registerAzure, createFast, issueKey)
  const commit = known.commit + 1
  const freeze = (stream: string): Catalog =>
    foldCommits(known, [
      {
        commit,
        epoch: 1,
        at: 0,
        chain: '',
        events: [
          {
            type: 'unreadable',
            stream,
            version: (known.versions.get(stream as never) ?? 0) + 1,
            commit,
            was: 'ProviderMoved',
            reason: 'a type this build does not know',
          } as never,
        ],
      },
    ])
  const changes: readonly (readonly [string, Command])[] = [
    ['provider-openai', { type: 'UpdateProvider', id: OPENAI, expectedVersion: 2, definition: definition() }],
    ['provider-openai', registerOpenai],
    ['model-fast', { type: 'AddAlias', name: FAST, expectedVersion: 1, alias: modelName('new') }],
    ['clientkey-key_1', { type: 'RevokeKey', id: KEY, expectedVersion: 1 }],
    ['system', { type: 'AdvanceEpoch', expectedEpoch: 1 }],
  ]

  test.each(changes)('%s is not changed here (%#)', (stream, command) => {
    expect(outcome(decide(freeze(stream), command))).toMatchObject({
      kind: 'invalid',
      issues: [{ message: expect.stringContaining(`commit ${commit}`) }],
    })
  })

  test('is left alone by a declaration, which goes on with the others', () => {
    const declared = (name: string): Command => ({
      type: 'ApplyDeclaration',
      state: {
        providers: [
          { id: OPENAI, definition: definition({ name }), credentials: [] },
          {
            id: registerAzure.type === 'RegisterProvider' ? registerAzure.id : OPENAI,
            definition: definition({ name }),
            credentials: [],
          },
        ],
        models: [],
        keys: [],
        budgets: [],
      },
    })
    const before = after(genesis, declared('Old'))
    const frozen: Catalog = {
      ...before,
      frozen: new Map([['provider-openai' as never, { commit: 3, type: 'ProviderMoved', reason: '' }]]),
    }
    expect(outcome(decide(frozen, declared('New')))).toMatchObject([
      { type: 'ProviderRenamed', stream: 'provider-azure' },
    ])
  })
})

/** Commands in a row, the refused ones skipped; `look` sees every one. */
function run(
  commands: readonly AnyCommand[],
  look: (before: Catalog, command: Command) => void = () => undefined,
): Catalog {
  return commands.reduce((catalog, make) => {
    const command = make(catalog)
    look(catalog, command)
    const decision = decide(catalog, command)
    return decision.ok ? next(catalog, decision.value) : catalog
  }, EMPTY_CATALOG)
}

const sequence = fc.array(anyCommand, { minLength: 1, maxLength: 50, size: 'max' })
const longSequence = fc.array(anyCommand, { minLength: 50, maxLength: 50, size: 'max' })

/** Wishes for a state: once it is so, wishing again changes nothing. */
const STATES = [
  'ApplyDeclaration',
  'UpdateProvider',
  'EnableProvider',
  'DisableProvider',
  'DrainProvider',
  'SetTargets',
  'SetWeights',
  'SetStrategy',
  'SetRegion',
  'AddAlias',
  'RemoveAlias',
  'SetKeyExpiry',
  'SetBudgetTerms',
  'SuspendKey',
  'ResumeKey',
  'RevokeKey',
]

describe('any command on any catalog', () => {
  test('is decided, never thrown at', () => {
    fc.assert(
      fc.property(history, anyCommand, (batches, make) => {
        const catalog = foldCommits(EMPTY_CATALOG, buildCommits(batches).map(readCommit))
        decide(catalog, make(catalog))
      }),
    )
  })

  test('leads to events that the fold takes: none is unreadable, none is ignored', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.oneof(sequence, longSequence), (commands) => {
        run(commands, (before, command) => {
          const decision = decide(before, command)
          if (!decision.ok || decision.value.length === 0) return
          seen.add(command.type)
          const result = next(before, decision.value)
          expect([...result.frozen]).toEqual([])
          for (const event of decision.value) {
            const rest = decision.value.filter((one) => one !== event)
            // Without any one of them the outcome would be another.
            expect(plain(next(before, rest)), event.type).not.toEqual(plain(result))
          }
        })
      }),
      { numRuns: 200 },
    )
    // Every kind was accepted at least once, or the property says less than it seems to.
    expect(COMMAND_TYPES.filter((type) => !seen.has(type))).toEqual([])
  })

  test('leaves names with one owner, targets with a provider, and credentials with one id each', () => {
    fc.assert(
      fc.property(sequence, (commands) => {
        const { models, providers } = run(commands)
        const names = [...models.values()].flatMap(({ name, aliases }) => [name, ...aliases])
        expect(new Set(names).size).toBe(names.length)
        for (const { targets } of models.values())
          for (const { provider } of targets) expect(providers.has(provider)).toBe(true)
        for (const { credentials } of providers.values())
          expect(new Set(credentials.map(({ id }) => id)).size).toBe(credentials.length)
      }),
      { numRuns: 200 },
    )
  })

  test('that wishes for a state writes nothing when it is so already', () => {
    fc.assert(
      fc.property(sequence, (commands) => {
        run(commands, (before, command) => {
          const decision = decide(before, command)
          if (!decision.ok || !STATES.includes(command.type)) return
          const reached = next(before, decision.value)
          const version = 'expectedVersion' in command ? command.expectedVersion + decision.value.length : 0
          const again = { ...command, expectedVersion: version } as Command
          expect(accepted(decide(reached, again))).toEqual([])
        })
      }),
      { numRuns: 200 },
    )
  })
})

/** What a catalog says, without counting how often it was said. */
const plain = (catalog: Catalog): unknown => ({
  genesis: catalog.genesis,
  epoch: catalog.epoch,
  floor: catalog.floor,
  providers: [...catalog.providers.values()].map(content),
  models: [...catalog.models.values()].map(content),
  keys: [...catalog.keys.values()].map(content),
  budgets: [...catalog.budgets.values()].map(content),
})

function content(entity: Json): string {
  const { version: _version, changedAt: _changedAt, createdAt: _createdAt, ...rest } = { ...Object(entity) }
  return canonical(rest)
}
