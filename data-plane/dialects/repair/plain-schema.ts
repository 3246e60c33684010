/**
 * JSON Schemas as Anthropic's constrained decoder takes them.
 *
 * Pure. Bounds it cannot hold to are refused there; they are said in the description instead, where the model
 * reads them. Every object is closed, because it must be.
 */
import { isArray, isObject, stringOf, type JsonObject, type JsonValue } from '../canonical/json.ts'

/** Taken as they are. */
const PLAIN = ['$ref', '$schema', '$id', 'title', 'description', 'default', 'const', 'enum', 'type']

/** Refused; told in words. */
const BOUNDS = [
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'patternProperties',
  'not',
]

const FORMATS = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
])

/** @param onLoss called when something was taken out of the schema and put into words. */
export function plainSchema(schema: JsonObject, onLoss: () => void): JsonObject {
  const plain: Record<string, JsonValue | undefined> = {}
  for (const key of PLAIN) if (schema[key] !== undefined) plain[key] = schema[key]
  const anyOf = schema['anyOf'] ?? schema['oneOf']
  if (anyOf !== undefined) plain['anyOf'] = each(anyOf, onLoss)
  if (schema['allOf'] !== undefined) plain['allOf'] = each(schema['allOf'], onLoss)
  if (schema['items'] !== undefined) plain['items'] = each(schema['items'], onLoss)
  for (const key of ['$defs', 'definitions']) {
    if (isObject(schema[key])) plain[key] = members(schema[key], onLoss)
  }
  if (schema['type'] === 'object' || isObject(schema['properties'])) closeObject(schema, plain, onLoss)

  const words = boundsInWords(schema)
  if (words !== '') {
    onLoss()
    const description = stringOf(schema['description'])
    plain['description'] = description === undefined ? words : `${description}\n${words}`
  }
  const format = stringOf(schema['format'])
  if (format !== undefined && FORMATS.has(format)) plain['format'] = format
  return plain
}

function closeObject(
  schema: JsonObject,
  plain: Record<string, JsonValue | undefined>,
  onLoss: () => void,
): void {
  if (isObject(schema['properties'])) plain['properties'] = members(schema['properties'], onLoss)
  if (schema['required'] !== undefined) plain['required'] = schema['required']
  // An object of any keys cannot be asked for; one that is only not closed loses nothing it was used for.
  if (isObject(schema['additionalProperties'])) onLoss()
  plain['additionalProperties'] = false
}

function each(value: JsonValue, onLoss: () => void): JsonValue {
  if (isArray(value)) return value.map((one) => each(one, onLoss))
  return isObject(value) ? plainSchema(value, onLoss) : value
}

const members = (schemas: JsonObject, onLoss: () => void): JsonObject =>
  Object.fromEntries(
    Object.entries(schemas).map(([name, value]) => [name, value === undefined ? value : each(value, onLoss)]),
  )

function boundsInWords(schema: JsonObject): string {
  const told = BOUNDS.flatMap((key) => {
    const value = schema[key]
    if (value === undefined || value === null || value === false) return []
    return [`${inWords(key)}: ${typeof value === 'string' ? value : JSON.stringify(value)}`]
  })
  const format = stringOf(schema['format'])
  if (format !== undefined && !FORMATS.has(format)) told.push(`format: ${format}`)
  return told.length === 0 ? '' : `${told.join('; ')}.`
}

const inWords = (key: string): string => key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
