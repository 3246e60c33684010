/**
 * Are the members of a request of the types that its reader looks for?
 *
 * Pure. A reader takes what it knows and passes over what it does not, so a member of another type would be
 * lost without a word. Asked only where a request is converted: what passes is judged by the upstream.
 */
import type { Problem } from '#contracts/errors.ts'
import { isArray, isObject, type JsonObject, type JsonValue } from './json.ts'

const KINDS = {
  text: { name: 'a string', has: (value: JsonValue) => typeof value === 'string' },
  number: { name: 'a number', has: (value: JsonValue) => typeof value === 'number' },
  flag: { name: 'true or false', has: (value: JsonValue) => typeof value === 'boolean' },
  object: { name: 'an object', has: isObject },
  list: { name: 'a list', has: isArray },
  objects: { name: 'a list of objects', has: (value: JsonValue) => isArray(value) && value.every(isObject) },
  texts: {
    name: 'a list of strings',
    has: (value: JsonValue) => isArray(value) && value.every((one) => typeof one === 'string'),
  },
} as const

type Kind = keyof typeof KINDS
/** What each member may be: one kind or several, by the member's name or its path with dots. */
export type Shape = readonly Readonly<{ path: string; names: readonly string[]; kinds: readonly Kind[] }>[]

export const shapeOf = (members: Readonly<Record<string, Kind | readonly Kind[]>>): Shape =>
  Object.entries(members).map(([path, kinds]) => ({
    path,
    names: path.split('.'),
    kinds: typeof kinds === 'string' ? [kinds] : kinds,
  }))

/**
 * @param at where the body itself stands, with its dot.
 * @returns what to tell about the first member that is of no kind it may be. Null is as good as absent.
 */
export function misshapen(body: JsonObject, shape: Shape, at = ''): Problem | null {
  for (const { path, names, kinds } of shape) {
    let value: JsonValue | undefined = body
    for (const name of names) value = isObject(value) ? value[name] : undefined
    if (value !== undefined && value !== null && !isOneOf(kinds, value)) return wrongKind(at + path, kinds)
  }
  return null
}

/** Text, or parts as a list of objects; null and absent are as good as nothing. */
export const isContent = (value: JsonValue | undefined): boolean =>
  value === undefined || value === null || isOneOf(CONTENT, value)

export const wrongContent = (param: string): Problem => wrongKind(param, CONTENT)

const CONTENT: readonly Kind[] = ['text', 'objects']

const isOneOf = (kinds: readonly Kind[], value: JsonValue): boolean =>
  kinds.some((kind) => KINDS[kind].has(value))

function wrongKind(param: string, kinds: readonly Kind[]): Problem {
  const names = kinds.map((kind) => KINDS[kind].name).join(' or ')
  return { code: 'invalid_value', param, message: `'${param}' must be ${names}.` }
}
