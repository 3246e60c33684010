/**
 * JSON Schema as Gemini takes it, and Gemini's older OpenAPI schemas as JSON Schema.
 *
 * Pure. Schemas go out in the members for JSON Schema (`parametersJsonSchema`, `responseJsonSchema`), never in
 * the OpenAPI ones, which refuse half of what other vendors' clients write.
 */
import { isArray, isObject, type JsonObject, type JsonValue } from '../canonical/json.ts'

type Schema = JsonObject
type Rewrite = (schema: Schema) => Schema

/** Members that hold schemas by any name. */
const MAPS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])
/** Members that hold one schema, or a list of them. */
const SCHEMAS = new Set([
  'items',
  'prefixItems',
  'additionalProperties',
  'anyOf',
  'oneOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
])

/** @returns the schema without what Gemini does not know; the same object where nothing has to change. */
export function cleanSchema(schema: Schema): Schema {
  return rewrite(schema, (one) => {
    if (!('$schema' in one) && !('const' in one)) return one
    const { $schema: _, const: value, ...rest } = one
    return value === undefined || 'enum' in rest ? rest : { ...rest, enum: [value] }
  })
}

/** `STRING` for `string`, `nullable`, counts as text: OpenAPI 3.0 as Gemini's `Schema` writes it. */
export function fromOpenApi(schema: Schema): Schema {
  return rewrite(schema, (one) => {
    const { nullable, propertyOrdering: _, type, ...rest } = one
    const members: Record<string, JsonValue | undefined> = rest
    for (const name of COUNTS) {
      const count = members[name]
      if (typeof count === 'string') members[name] = Number(count)
    }
    if (typeof type !== 'string') {
      return nullable === true && isArray(rest['anyOf'])
        ? { ...members, anyOf: [...rest['anyOf'], { type: 'null' }] }
        : members
    }
    const name = type.toLowerCase()
    if (name === 'type_unspecified') return members
    return { type: nullable === true ? [name, 'null'] : name, ...members }
  })
}

/** 64-bit numbers stand as texts in Google's JSON. */
const COUNTS = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties']

/** From the leaves up. */
function rewrite(schema: Schema, change: Rewrite): Schema {
  let copy: Record<string, JsonValue | undefined> | undefined
  for (const [name, member] of Object.entries(schema)) {
    const changed = MAPS.has(name)
      ? rewriteMap(member, change)
      : SCHEMAS.has(name)
        ? rewriteAny(member, change)
        : member
    if (changed === member) continue
    copy ??= { ...schema }
    copy[name] = changed
  }
  return change(copy ?? schema)
}

function rewriteAny(value: JsonValue | undefined, change: Rewrite): JsonValue | undefined {
  if (isObject(value)) return rewrite(value, change)
  if (!isArray(value)) return value
  const list = value.map((one) => (isObject(one) ? rewrite(one, change) : one))
  return list.some((one, index) => one !== value[index]) ? list : value
}

function rewriteMap(value: JsonValue | undefined, change: Rewrite): JsonValue | undefined {
  if (!isObject(value)) return value
  let copy: Record<string, JsonValue | undefined> | undefined
  for (const [name, schema] of Object.entries(value)) {
    const changed = isObject(schema) ? rewrite(schema, change) : schema
    if (changed === schema) continue
    copy ??= { ...value }
    copy[name] = changed
  }
  return copy ?? value
}
