/**
 * Chat's tools and tool choice → canonical ones; legacy functions are tools by another name.
 *
 * Pure.
 */
import { arrayOf, booleanOf, isObject, objectOf, stringOf } from '../../canonical/json.ts'
import type { JsonObject, JsonValue } from '../../canonical/json.ts'
import type { Tool, ToolChoice } from '../../canonical/request.ts'
import { readCacheMark } from '../terms.ts'

export function readTools(body: JsonObject): readonly Tool[] {
  const search = body['web_search_options']
  return [
    ...arrayOf(body['tools']).filter(isObject).map(readTool),
    ...arrayOf(body['functions'])
      .filter(isObject)
      .map((definition) => functionTool(definition)),
    ...(isObject(search) ? [{ kind: 'web-search', dialect: 'openai-chat', value: search } as const] : []),
  ]
}

/** The type may be missing (Mistral's clients), the function hardly. */
function readTool(tool: JsonObject): Tool {
  const definition = tool['function']
  if (isObject(definition)) {
    const cache = readCacheMark(tool)
    return { ...functionTool(definition), ...(cache === undefined ? {} : { cache }) }
  }
  const custom = tool['custom']
  if (tool['type'] === 'custom' && isObject(custom)) return customTool(custom)
  return { kind: 'native', dialect: 'openai-chat', type: stringOf(tool['type']) ?? 'unknown', value: tool }
}

function functionTool(definition: JsonObject): Tool {
  const description = stringOf(definition['description'])
  const strict = booleanOf(definition['strict'])
  return {
    kind: 'function',
    name: stringOf(definition['name']) ?? '',
    ...(description === undefined ? {} : { description }),
    ...(isObject(definition['parameters']) ? { parameters: definition['parameters'] } : {}),
    ...(strict === undefined ? {} : { strict }),
  }
}

/** Responses writes a grammar flat, chat one level deeper. */
function customTool(custom: JsonObject): Tool {
  const description = stringOf(custom['description'])
  const format = custom['format']
  const grammar = objectOf(objectOf(format)['grammar'])
  const flat = isObject(format) && isObject(format['grammar']) ? { type: 'grammar', ...grammar } : format
  return {
    kind: 'custom',
    name: stringOf(custom['name']) ?? '',
    ...(description === undefined ? {} : { description }),
    ...(isObject(flat) ? { format: flat } : {}),
  }
}

/** Words of `tool_choice` and of the legacy `function_call`; `any` is Mistral's. */
const WORDS: ReadonlyMap<string, 'auto' | 'none' | 'required'> = new Map([
  ['auto', 'auto'],
  ['none', 'none'],
  ['required', 'required'],
  ['any', 'required'],
])

export function readChoice(value: JsonValue | undefined): ToolChoice | undefined {
  if (typeof value === 'string') {
    const kind = WORDS.get(value)
    return kind === undefined ? undefined : { kind }
  }
  if (!isObject(value)) return undefined
  if (value['type'] === 'allowed_tools') return readSubset(objectOf(value['allowed_tools']))
  const custom = stringOf(objectOf(value['custom'])['name'])
  if (custom !== undefined) return { kind: 'one', name: custom, isCustom: true }
  // The legacy form has the name at its top.
  const name = stringOf(objectOf(value['function'])['name']) ?? stringOf(value['name'])
  return name === undefined ? undefined : { kind: 'one', name, isCustom: false }
}

function readSubset(allowed: JsonObject): ToolChoice {
  const names = arrayOf(allowed['tools']).flatMap((tool) => {
    const holder = objectOf(tool)
    const name =
      stringOf(objectOf(holder['function'])['name']) ?? stringOf(objectOf(holder['custom'])['name'])
    return name === undefined ? [] : [name]
  })
  return { kind: 'subset', names, mode: allowed['mode'] === 'required' ? 'required' : 'auto' }
}
