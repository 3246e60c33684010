import { describe, expect, it } from 'vitest'
import { cleanSchema, fromOpenApi } from './schema.ts'

describe('cleanSchema', () => {
  it('leaves out the draft and writes a constant as a choice of one', () => {
    expect(
      cleanSchema({
        $schema: 'http://json-schema.org/draft-07/schema#',
        type: 'object',
        properties: { kind: { const: 'a' }, list: { type: 'array', items: { const: 1 } } },
        anyOf: [{ const: null }],
        $defs: { inner: { $schema: 'x', type: 'string' } },
        additionalProperties: false,
      }),
    ).toEqual({
      type: 'object',
      properties: { kind: { enum: ['a'] }, list: { type: 'array', items: { enum: [1] } } },
      anyOf: [{ enum: [null] }],
      $defs: { inner: { type: 'string' } },
      additionalProperties: false,
    })
  })

  it('knows a property of that name from the keyword', () => {
    const schema = { type: 'object', properties: { const: { type: 'string' }, $schema: { type: 'string' } } }
    expect(cleanSchema(schema)).toBe(schema)
  })

  it('leaves data alone', () => {
    const schema = {
      type: 'object',
      default: { const: 1 },
      enum: [{ const: 2 }],
      examples: [{ $schema: 'x' }],
    }
    expect(cleanSchema(schema)).toBe(schema)
  })

  it('keeps a choice beside a constant', () => {
    expect(cleanSchema({ const: 1, enum: [1, 2] })).toEqual({ enum: [1, 2] })
  })
})

describe('fromOpenApi', () => {
  it('writes types small, nullable as a type, and counts as numbers', () => {
    expect(
      fromOpenApi({
        type: 'OBJECT',
        properties: {
          name: { type: 'STRING', nullable: true, maxLength: '5' },
          list: { type: 'ARRAY', items: { type: 'INTEGER', format: 'int32' }, minItems: '1' },
          either: { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }], nullable: true },
        },
        propertyOrdering: ['name', 'list'],
        required: ['name'],
      }),
    ).toEqual({
      type: 'object',
      properties: {
        name: { type: ['string', 'null'], maxLength: 5 },
        list: { type: 'array', items: { type: 'integer', format: 'int32' }, minItems: 1 },
        either: { anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'null' }] },
      },
      required: ['name'],
    })
  })

  it('knows no type from the placeholder for one', () => {
    expect(fromOpenApi({ type: 'TYPE_UNSPECIFIED', description: 'x' })).toEqual({ description: 'x' })
  })
})
