/**
 * Would OpenAI take this schema in strict mode?
 *
 * Pure. Strict mode refuses a schema in which an object is open, a property is optional, or a keyword stands
 * that its grammar cannot follow; such a schema must be sent with `strict: false`.
 */
import { arrayOf, isArray, isObject, type JsonObject, type JsonValue } from '../canonical/json.ts'

const REFUSED = [
  'allOf',
  'oneOf',
  'not',
  'if',
  'then',
  'else',
  'dependentRequired',
  'dependentSchemas',
  'patternProperties',
  'propertyNames',
  'unevaluatedProperties',
  'unevaluatedItems',
]

/** The root must be an object; everything below it is held to the same rules. */
export function isStrictSchema(schema: JsonObject): boolean {
  if (schema['type'] !== 'object' || schema['anyOf'] !== undefined) return false
  const open: JsonObject[] = [schema]
  for (let at = 0; at < open.length; at++) {
    const next = open[at]
    if (next === undefined || !isStrictNode(next)) return false
    for (const below of schemasBelow(next)) open.push(below)
  }
  return true
}

function isStrictNode(node: JsonObject): boolean {
  if (REFUSED.some((keyword) => node[keyword] !== undefined)) return false
  const isObjectType = node['type'] === 'object' || arrayOf(node['type']).includes('object')
  if (!isObjectType && node['properties'] === undefined) return true
  if (node['additionalProperties'] !== false) return false
  const required = new Set(arrayOf(node['required']))
  return isObject(node['properties'])
    ? Object.keys(node['properties']).every((name) => required.has(name))
    : true
}

function schemasBelow(node: JsonObject): readonly JsonObject[] {
  const maps = ['properties', '$defs', 'definitions'].flatMap((keyword) =>
    isObject(node[keyword]) ? Object.values(node[keyword]) : [],
  )
  const lists = ['items', 'prefixItems', 'anyOf'].flatMap((keyword): readonly (JsonValue | undefined)[] => {
    const value = node[keyword]
    return isArray(value) ? value : [value]
  })
  return [...maps, ...lists].filter(isObject)
}
