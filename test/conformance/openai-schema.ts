/**
 * OpenAI's own schemas as a lint of what we generate.
 *
 * They come with the recorded traffic (see `recordings.ts`), and real traffic does not always satisfy them: they
 * judge our output only. Checked are the keywords that these schemas use; a union is satisfied by any branch.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  arrayOf,
  isArray,
  isObject,
  numberOf,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '#data-plane/dialects/canonical/json.ts'
import { FIXTURES } from './recordings.ts'

const FILE = join(FIXTURES, 'schemas', 'openai-openapi.subset.json')

/** For `describe.runIf`. */
export const hasSchemas = existsSync(FILE)

const schemas: JsonObject = hasSchemas
  ? objectOf(objectOf(objectOf(JSON.parse(readFileSync(FILE, 'utf8')) as JsonValue)['components'])['schemas'])
  : {}

/** @returns what is wrong, as `path: why`; empty when the value satisfies the schema of that name. */
export function faultsOf(name: string, value: JsonValue): readonly string[] {
  if (schemas[name] === undefined) return [`no schema ${name}`]
  return check(objectOf(schemas[name]), value, '$')
}

function check(schema: JsonObject, value: JsonValue, at: string): readonly string[] {
  if (schema['nullable'] === true && value === null) return []
  const reference = stringOf(schema['$ref'])
  if (reference !== undefined) {
    const name = reference.slice(reference.lastIndexOf('/') + 1)
    // A schema outside the subset says nothing.
    return schemas[name] === undefined ? [] : check(objectOf(schemas[name]), value, at)
  }
  return [
    ...arrayOf(schema['allOf']).flatMap((part) => check(objectOf(part), value, at)),
    ...union(schema['anyOf'] ?? schema['oneOf'], value, at),
    ...checkType(schema, value, at),
    ...checkObject(schema, value, at),
    ...checkRange(schema, value, at),
    ...(isArray(value) && isObject(schema['items'])
      ? value.flatMap((entry, index) => check(objectOf(schema['items']), entry, `${at}[${index}]`))
      : []),
  ]
}

/** The faults of the branch that fits best. */
function union(branches: JsonValue | undefined, value: JsonValue, at: string): readonly string[] {
  if (!isArray(branches)) return []
  const faults = branches.map((branch) => check(objectOf(branch), value, at))
  return faults.toSorted((a, b) => a.length - b.length)[0] ?? []
}

const KINDS: Readonly<Record<string, (value: JsonValue) => boolean>> = {
  object: isObject,
  array: isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
}

function checkType(schema: JsonObject, value: JsonValue, at: string): readonly string[] {
  const type = stringOf(schema['type'])
  if (type !== undefined && KINDS[type]?.(value) !== true) return [`${at}: no ${type}`]
  const values = schema['enum']
  return isArray(values) && !values.includes(value) ? [`${at}: ${JSON.stringify(value)} is not allowed`] : []
}

function checkObject(schema: JsonObject, value: JsonValue, at: string): readonly string[] {
  if (!isObject(value)) return []
  const properties = objectOf(schema['properties'])
  const rest = schema['additionalProperties']
  return [
    ...arrayOf(schema['required'])
      .map((key) => stringOf(key) ?? '')
      .filter((key) => value[key] === undefined)
      .map((key) => `${at}: no ${key}`),
    ...Object.entries(value).flatMap(([key, member]) => {
      if (member === undefined) return []
      const property = properties[key]
      if (property !== undefined) return check(objectOf(property), member, `${at}.${key}`)
      if (rest === false) return [`${at}: ${key} is too much`]
      return isObject(rest) ? check(rest, member, `${at}.${key}`) : []
    }),
  ]
}

function checkRange(schema: JsonObject, value: JsonValue, at: string): readonly string[] {
  const size = typeof value === 'string' || isArray(value) ? value.length : numberOf(value)
  if (size === undefined) return []
  const kind = typeof value === 'string' ? 'Length' : isArray(value) ? 'Items' : 'imum'
  const least = numberOf(schema[`min${kind}`])
  const most = numberOf(schema[`max${kind}`])
  const pattern = stringOf(schema['pattern'])
  return [
    ...(least !== undefined && size < least ? [`${at}: less than ${least}`] : []),
    ...(most !== undefined && size > most ? [`${at}: more than ${most}`] : []),
    ...(pattern !== undefined && typeof value === 'string' && !new RegExp(pattern, 'u').test(value)
      ? [`${at}: not like ${pattern}`]
      : []),
  ]
}
