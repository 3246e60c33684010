import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../canonical/json.ts'
import { plainSchema } from './plain-schema.ts'

function plain(schema: JsonObject): { schema: JsonObject; isLost: boolean } {
  let isLost = false
  const made = plainSchema(schema, () => {
    isLost = true
  })
  return { schema: made, isLost }
}

describe('a plain schema', () => {
  test('keeps what the decoder takes, and is not changed by being made plain again', () => {
    const schema = {
      type: 'object',
      title: 'T',
      description: 'D',
      properties: {
        a: { type: 'string', enum: ['x', 'y'], default: 'x' },
        b: { type: 'array', items: { $ref: '#/$defs/b' } },
        c: { anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] },
      },
      required: ['a'],
      additionalProperties: false,
      $defs: { b: { type: 'object', properties: {}, additionalProperties: false } },
    }
    expect(plain(schema)).toEqual({ schema, isLost: false })
  })

  test.each([
    [
      { type: 'integer', minimum: 1, maximum: 9 },
      { type: 'integer', description: 'minimum: 1; maximum: 9.' },
    ],
    [
      { type: 'string', description: 'A name.', pattern: '^a', minLength: 2 },
      { type: 'string', description: 'A name.\nmin length: 2; pattern: ^a.' },
    ],
    [
      { type: 'string', format: 'color' },
      { type: 'string', description: 'format: color.' },
    ],
    [
      { type: 'array', items: { type: 'number', multipleOf: 2 }, uniqueItems: true },
      {
        type: 'array',
        items: { type: 'number', description: 'multiple of: 2.' },
        description: 'unique items: true.',
      },
    ],
    [{ not: { type: 'null' } }, { description: 'not: {"type":"null"}.' }],
  ])('of %j says the bounds in words: %j', (schema, expected) => {
    expect(plain(schema)).toEqual({ schema: expected, isLost: true })
  })

  test('closes every object and takes one of many for any of many', () => {
    const { schema, isLost } = plain({ oneOf: [{ type: 'object', properties: {} }, { type: 'object' }] })
    expect(schema).toEqual({
      anyOf: [
        { type: 'object', properties: {}, additionalProperties: false },
        { type: 'object', additionalProperties: false },
      ],
    })
    expect(isLost).toBe(false)
  })

  test('tells that an object of any keys is lost', () => {
    expect(plain({ type: 'object', additionalProperties: { type: 'string' } }).isLost).toBe(true)
  })
})
