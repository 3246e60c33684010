import { expect, test } from 'vitest'
import type { JsonObject } from '../canonical/json.ts'
import { isStrictSchema } from './strict-schema.ts'

const closed = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
})
const text: JsonObject = { type: 'string' }

test.each<readonly [string, JsonObject]>([
  ['no properties', closed({})],
  ['a property, required', closed({ a: text })],
  ['an enum and a description', closed({ a: { type: 'string', enum: ['x'], description: 'y' } })],
  ['nested objects, closed', closed({ a: closed({ b: text }) })],
  ['a list of closed objects', closed({ a: { type: 'array', items: closed({ b: text }) } })],
  ['a choice below the root', closed({ a: { anyOf: [text, closed({ b: text })] } })],
  ['definitions and references', closed({ a: { $ref: '#/$defs/b' } }, { $defs: { b: closed({ c: text }) } })],
  ['a nullable object', closed({ a: closed({}, { type: ['object', 'null'] }) })],
  ['a property that is named as a keyword', closed({ not: text, oneOf: text })],
])('a schema with %s is strict', (_, schema) => {
  expect(isStrictSchema(schema)).toBe(true)
})

test.each<readonly [string, JsonObject]>([
  ['an open root', { type: 'object', properties: {} }],
  ['no type', { properties: {}, additionalProperties: false }],
  ['a root that is a list', { type: 'array', items: text }],
  ['a choice at the root', closed({}, { anyOf: [closed({})] })],
  ['an optional property', closed({ a: text, b: text }, { required: ['a'] })],
  ['an open object in a list', closed({ a: { type: 'array', items: { type: 'object' } } })],
  ['an open object in a tuple', closed({ a: { type: 'array', prefixItems: [{ type: 'object' }] } })],
  ['an open object in a choice', closed({ a: { anyOf: [text, { type: 'object' }] } })],
  ['an open object in a definition', closed({}, { $defs: { a: { type: 'object' } } })],
  ['additional properties of a type', closed({}, { additionalProperties: text })],
  ['properties without a type that are open', closed({ a: { properties: { b: text } } })],
  ['a negation', closed({ a: { not: text } })],
  ['an intersection', closed({ a: { allOf: [text] } })],
  ['a nullable open object', closed({ a: { type: ['object', 'null'] } })],
])('a schema with %s is not strict', (_, schema) => {
  expect(isStrictSchema(schema)).toBe(false)
})
