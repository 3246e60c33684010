import { describe, expect, test } from 'vitest'
import { modelName, modelStream } from '#contracts/ids.ts'
import {
  after,
  createFast,
  FAST,
  outcome,
  registerAzure,
  registerOpenai,
  SLOW,
  target,
} from '#test/control-plane/given.ts'
import type { ModelCommand } from './command.ts'
import { decide } from './decide.ts'

const stream = modelStream(FAST)
const providers = [registerOpenai, registerAzure]
const empty = after(...providers)
const created = after(...providers, createFast)
const mine = { name: FAST, expectedVersion: 1 }
const QUICK = modelName('quick')

/** Creates another model beside `fast`, which has the alias `quick`. */
const creating = (
  more: Partial<Extract<ModelCommand, { type: 'CreateModel' }>>,
  catalog = created,
): unknown =>
  outcome(
    decide(catalog, {
      type: 'CreateModel',
      name: SLOW,
      targets: [target('openai')],
      aliases: [],
      strategy: null,
      region: null,
      limits: null,
      ...more,
    }),
  )

describe('creating a model', () => {
  test('writes it with all its targets and aliases', () => {
    expect(outcome(decide(empty, createFast))).toEqual([
      {
        type: 'LogicalModelCreated',
        stream,
        body: {
          name: 'fast',
          origin: 'api',
          targets: [target('openai', 'gpt', 3), target('azure', 'gpt', 1, 1)],
          aliases: ['quick'],
        },
      },
    ])
  })

  test('is refused under a name that is taken, before anything else is looked at', () => {
    expect(creating({ name: FAST, targets: [target('nobody')] })).toEqual({
      kind: 'exists',
      what: 'model fast',
      version: 1,
    })
  })

  test('is refused under a name that is an alias', () => {
    expect(creating({ name: QUICK })).toEqual({
      kind: 'invalid',
      issues: [{ path: 'name', message: 'is an alias of model fast' }],
    })
  })

  test('tells every problem of its targets and aliases at once, each with its path', () => {
    expect(
      creating({
        targets: [target('openai'), target('nobody'), target('openai', 'gpt', 9, 3)],
        aliases: [SLOW, QUICK, FAST, modelName('new'), modelName('new')],
      }),
    ).toEqual({
      kind: 'invalid',
      issues: [
        { path: 'targets[1].provider', message: 'no provider nobody' },
        { path: 'targets[2]', message: 'names the same provider and model as an earlier target' },
        { path: 'aliases[0]', message: 'is named twice' },
        { path: 'aliases[1]', message: 'belongs to model fast' },
        { path: 'aliases[2]', message: 'belongs to model fast' },
        { path: 'aliases[4]', message: 'is named twice' },
      ],
    })
  })

  test('may name one provider twice, with two of its models', () => {
    expect(creating({ targets: [target('openai', 'a'), target('openai', 'b')] })).toHaveLength(1)
  })

  test('may take the name and alias of one that was retired', () => {
    const retired = after(...providers, createFast, { type: 'RetireModel', ...mine })
    expect(decide(retired, createFast).ok).toBe(true)
  })
})

describe('a change of a model', () => {
  const changes: readonly ModelCommand[] = [
    { type: 'SetTargets', ...mine, targets: [target('openai')] },
    {
      type: 'SetWeights',
      ...mine,
      weights: [{ provider: target('openai').provider, model: 'gpt', weight: 1 }],
    },
    { type: 'SetStrategy', ...mine, strategy: 'cost' },
    { type: 'SetRegion', ...mine, region: 'eu' },
    { type: 'AddAlias', ...mine, alias: modelName('swift') },
    { type: 'RemoveAlias', ...mine, alias: QUICK },
    { type: 'RetireModel', ...mine },
  ]

  test.each(changes)('$type is refused when there is none', (command) => {
    expect(outcome(decide(empty, command))).toEqual({ kind: 'not_found', what: 'model fast' })
  })

  test.each(changes)('$type is refused when it was decided on another version', (command) => {
    expect(outcome(decide(created, { ...command, expectedVersion: 2 } as ModelCommand))).toEqual({
      kind: 'conflict',
      what: 'model fast',
      expected: 2,
      current: 1,
    })
  })

  test('is not possible by an alias: the entity is the model', () => {
    expect(outcome(decide(created, { type: 'RetireModel', name: QUICK, expectedVersion: 1 }))).toEqual({
      kind: 'not_found',
      what: 'model quick',
    })
  })

  test('by retiring it is one event', () => {
    expect(outcome(decide(created, { type: 'RetireModel', ...mine }))).toEqual([
      { type: 'LogicalModelRetired', stream, body: {} },
    ])
  })
})

describe('the targets of a model', () => {
  test('are set as a whole', () => {
    const targets = [target('azure', 'other', 2)]
    expect(outcome(decide(created, { type: 'SetTargets', ...mine, targets }))).toEqual([
      { type: 'RouteTargetsSet', stream, body: { targets } },
    ])
  })

  test('are not written again when they are the same', () => {
    const targets = [target('openai', 'gpt', 3), target('azure', 'gpt', 1, 1)]
    expect(outcome(decide(created, { type: 'SetTargets', ...mine, targets }))).toEqual([])
  })

  test('must name providers there are, each model once', () => {
    const targets = [target('nobody'), target('azure'), target('azure')]
    expect(outcome(decide(created, { type: 'SetTargets', ...mine, targets }))).toMatchObject({
      kind: 'invalid',
      issues: [{ path: 'targets[0].provider' }, { path: 'targets[2]' }],
    })
  })
})

describe('the weights of a model', () => {
  const weight = (provider: string, model: string, of: number) => ({
    provider: target(provider).provider,
    model,
    weight: of,
  })

  test('change together, in one event; those not named stay', () => {
    const weights = [weight('azure', 'gpt', 9)]
    expect(outcome(decide(created, { type: 'SetWeights', ...mine, weights }))).toEqual([
      { type: 'RouteWeightsSet', stream, body: { weights } },
    ])
    const changed = after(...providers, createFast, { type: 'SetWeights', ...mine, weights })
    expect(changed.models.get(FAST)?.targets.map((one) => one.weight)).toEqual([3, 9])
  })

  test.each([
    ['another model of the provider', weight('openai', 'other', 1)],
    ['another provider', weight('nobody', 'gpt', 1)],
  ])('of %s are refused, with their place', (_, unknown) => {
    const weights = [weight('openai', 'gpt', 1), unknown]
    expect(outcome(decide(created, { type: 'SetWeights', ...mine, weights }))).toEqual({
      kind: 'invalid',
      issues: [{ path: 'weights[1]', message: 'names a target the model does not have' }],
    })
  })

  test('are not written again when they are the same', () => {
    const weights = [weight('azure', 'gpt', 1), weight('openai', 'gpt', 3)]
    expect(outcome(decide(created, { type: 'SetWeights', ...mine, weights }))).toEqual([])
  })

  test('of one target are given once', () => {
    const weights = [weight('openai', 'gpt', 1), weight('openai', 'gpt', 2)]
    expect(outcome(decide(created, { type: 'SetWeights', ...mine, weights }))).toEqual({
      kind: 'invalid',
      issues: [{ path: 'weights[1]', message: 'names the same target as an earlier weight' }],
    })
  })
})

describe('an alias', () => {
  const add = (alias: string, catalog = created): unknown =>
    outcome(decide(catalog, { type: 'AddAlias', ...mine, alias: modelName(alias) }))

  test('is added once', () => {
    expect(add('swift')).toEqual([{ type: 'LogicalModelAliasAdded', stream, body: { alias: 'swift' } }])
    expect(add('quick')).toEqual([])
  })

  test('is refused when it is the model’s own name, or another model’s name or alias', () => {
    const slow = {
      type: 'CreateModel',
      name: SLOW,
      targets: [target('openai')],
      aliases: [modelName('late')],
      strategy: null,
      region: null,
      limits: null,
    } as const
    const both = after(...providers, createFast, slow)
    const refused = (message: string) => ({ kind: 'invalid', issues: [{ path: 'alias', message }] })
    expect(add('fast', both)).toEqual(refused('is named twice'))
    expect(add('slow', both)).toEqual(refused('belongs to model slow'))
    expect(add('late', both)).toEqual(refused('belongs to model slow'))
  })

  test('is removed, and one that is not there is no trouble', () => {
    const remove = (alias: string): unknown =>
      outcome(decide(created, { type: 'RemoveAlias', ...mine, alias: modelName(alias) }))
    expect(remove('quick')).toEqual([{ type: 'LogicalModelAliasRemoved', stream, body: { alias: 'quick' } }])
    expect(remove('swift')).toEqual([])
  })
})

describe('limits of a model', () => {
  const set = (limits: object, expectedVersion: number) =>
    ({ type: 'SetLimits', name: FAST, limits, expectedVersion }) as const

  test('come with it, are written once, and can be taken off', () => {
    const limits = { requestsPerMinute: 60 }
    const limited = after(...providers, { ...createFast, limits })
    expect(limited.models.get(FAST)?.limits).toEqual(limits)
    expect(outcome(decide(limited, set(limits, 2)))).toEqual([])
    const freed = after(...providers, { ...createFast, limits }, set({}, 2))
    expect(freed.models.get(FAST)?.limits).toEqual({})
    expect(outcome(decide(freed, set({}, 3)))).toEqual([])
  })
})
