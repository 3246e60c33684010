import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { adminCommands } from './commands.ts'
import { flagsOf, inputOf, type Flags } from './flags.ts'

const SCHEMA = {
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 63 },
    definition: {
      type: 'object',
      properties: {
        baseUrl: { type: 'string' },
        routing: {
          default: {},
          type: 'object',
          properties: {
            weight: { type: 'number', exclusiveMinimum: 0, maximum: 10, default: 1 },
            region: { anyOf: [{ type: 'string', minLength: 1 }, { type: 'null' }], optional: true },
          },
        },
      },
      required: ['baseUrl'],
    },
    apiKey: { type: 'string', secret: true, description: 'A secret.' },
    targets: {
      type: 'array',
      items: {
        type: 'object',
        properties: { provider: { type: 'string' }, tier: { type: 'integer' } },
        required: ['provider'],
      },
    },
  },
  required: ['id', 'definition'],
}

const optionsOf = (flags: Flags) => Object.keys(flags.schema.properties)

describe('the options of a command', () => {
  test('are the leaves of its input, by their paths', () => {
    expect(optionsOf(flagsOf(SCHEMA))).toEqual([
      'id',
      'definition.baseUrl',
      'definition.routing.weight',
      'definition.routing.region',
      'apiKey',
      'targets',
    ])
  })

  test('tell people what the schema knows', () => {
    const { properties } = flagsOf(SCHEMA).schema
    expect(properties['id']).toMatchObject({ description: 'Required. At most 63 characters.' })
    expect(properties['definition.routing.weight']).toMatchObject({
      description: 'Above 0, at most 10. Default: 1.',
    })
    expect(properties['targets']).toMatchObject({ description: 'As JSON: {"provider", "tier"?}.', items: {} })
    expect(properties['definition.baseUrl']).toEqual({
      type: 'string',
      description: 'Required.',
      optional: true,
    })
  })

  test('say that a secret can stay out of the list of processes', () => {
    const flags = flagsOf(SCHEMA)
    expect([...flags.secrets]).toEqual(['apiKey'])
    expect(flags.schema.properties['apiKey']).toMatchObject({ description: expect.stringContaining('@file') })
  })

  test('never carry a default: the server has them', () => {
    for (const option of Object.values(flagsOf(SCHEMA).schema.properties))
      expect(option).not.toHaveProperty('default')
  })

  test('do not need a member of a part that is not needed', () => {
    const schema = {
      properties: { part: { properties: { inner: { type: 'string' } }, required: ['inner'] } },
    }
    expect(flagsOf(schema).schema.properties['part.inner']).toEqual({ type: 'string', optional: true })
  })

  test('keep clear of those that every command has', () => {
    const clashes = adminCommands().flatMap(({ path, flags }) =>
      optionsOf(flags)
        .filter((name) => ['json', 'url', 'input'].includes(name))
        .map((name) => `${path} --${name}`),
    )
    expect(clashes).toEqual([])
  })
})

describe('the input', () => {
  const flags = flagsOf(SCHEMA)

  test('is put together from the paths of its options', () => {
    const options = {
      id: 'a',
      'definition.baseUrl': 'https://x',
      'definition.routing.weight': 2,
      apiKey: undefined,
    }
    expect(inputOf(options, flags)).toEqual({
      id: 'a',
      definition: { baseUrl: 'https://x', routing: { weight: 2 } },
    })
  })

  test('takes the word null as null only where that means something', () => {
    expect(inputOf({ id: 'null', 'definition.routing.region': 'null' }, flags)).toEqual({
      id: 'null',
      definition: { routing: { region: null } },
    })
  })

  test('comes back from the options of any nested object', () => {
    const name = fc.stringMatching(/^[a-z]{1,5}$/)
    const { tree } = fc.letrec<{ tree: Record<string, unknown>; node: unknown }>((tie) => ({
      tree: fc.dictionary(name, tie('node'), { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
      node: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.constantFrom('x', 'y'), tie('tree')),
    }))
    const flatten = (value: unknown, path: string): [string, unknown][] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([key, member]) =>
            flatten(member, path === '' ? key : `${path}.${key}`),
          )
        : [[path, value]]
    fc.assert(
      fc.property(tree, (input) => {
        expect(inputOf(Object.fromEntries(flatten(input, '')), flags)).toEqual(input)
      }),
    )
  })
})
