/**
 * Tools and their choice, between the Responses API's flat words and canonical ones.
 *
 * Pure. Tools that the service runs itself are carried whole; of them only the web search exists elsewhere.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import {
  arrayOf,
  booleanOf,
  isObject,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '../canonical/json.ts'
import type { Losses } from '../canonical/loss.ts'
import type { Extra, FunctionTool, Tool, ToolChoice, WebSearchTool } from '../canonical/request.ts'
import { asFunction } from '../repair/custom-tools.ts'
import { isStrictSchema } from '../repair/strict-schema.ts'
import { NAME } from './terms.ts'

// Reading

const FUNCTION_MEMBERS = new Set(['type', 'name', 'description', 'parameters', 'strict', 'function'])

export const readTools = (value: unknown): readonly Tool[] =>
  arrayOf(value).map((entry) => readTool(objectOf(entry)))

function readTool(tool: JsonObject): Tool {
  const type = stringOf(tool['type']) ?? 'function'
  if (type === 'function') {
    const others = Object.entries(tool).filter(
      ([key, member]) => !FUNCTION_MEMBERS.has(key) && member !== undefined && member !== null,
    )
    const native = { dialect: NAME, value: Object.fromEntries(others) }
    // Some clients nest as chat does; the service takes that, too.
    const known = readFunction(isObject(tool['function']) ? tool['function'] : tool)
    return others.length === 0 ? known : { ...known, native }
  }
  if (type === 'custom') {
    const description = stringOf(tool['description'])
    return {
      kind: 'custom',
      name: stringOf(tool['name']) ?? '',
      ...(description === undefined ? {} : { description }),
      ...(isObject(tool['format']) ? { format: tool['format'] } : {}),
    }
  }
  if (isWebSearch(type)) return { kind: 'web-search', dialect: NAME, value: tool }
  return { kind: 'native', dialect: NAME, type, value: tool }
}

function readFunction(tool: JsonObject): FunctionTool {
  const description = stringOf(tool['description'])
  const strict = booleanOf(tool['strict'])
  return {
    kind: 'function',
    name: stringOf(tool['name']) ?? '',
    ...(description === undefined ? {} : { description }),
    ...(isObject(tool['parameters']) ? { parameters: tool['parameters'] } : {}),
    ...(strict === undefined ? {} : { strict }),
  }
}

/** `web_search`, `web_search_preview`, and both with a date. */
const isWebSearch = (type: string): boolean => type.startsWith('web_search')

/** @returns undefined when nothing was chosen, or only what no other dialect has (then it is an extra). */
export function readToolChoice(value: JsonValue | undefined, extras: Extra[]): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined
  if (value === 'auto' || value === 'none' || value === 'required') return { kind: value }
  const choice = objectOf(value)
  const name = stringOf(choice['name'])
  if (choice['type'] === 'function' && name !== undefined) return { kind: 'one', name, isCustom: false }
  if (choice['type'] === 'custom' && name !== undefined) return { kind: 'one', name, isCustom: true }
  if (choice['type'] === 'allowed_tools') {
    const names = arrayOf(choice['tools']).map((tool) => stringOf(objectOf(tool)['name']))
    const known = names.filter((allowed) => allowed !== undefined)
    const mode = choice['mode'] === 'required' ? 'required' : 'auto'
    if (known.length > 0 && known.length === names.length) return { kind: 'subset', names: known, mode }
  }
  extras.push({ path: 'tool_choice', value, cross: 'refuse' })
  return undefined
}

// Writing

/** @param sent a tool's name → as the target takes it. @param own the client speaks this dialect itself. */
export type ToolTarget = Readonly<{
  capabilities: Capabilities
  own: boolean
  sent: (name: string) => string
  losses: Losses
}>

export const writeTools = (tools: readonly Tool[], target: ToolTarget): readonly JsonValue[] =>
  tools.flatMap((tool, index) => writeTool(tool, `tools[${index}]`, target) ?? [])

function writeTool(tool: Tool, at: string, target: ToolTarget): JsonValue | null {
  const { capabilities, losses, sent } = target
  switch (tool.kind) {
    case 'function':
      return writeFunction(tool, at, target)
    case 'custom': {
      if (capabilities.customTools) {
        return {
          type: 'custom',
          name: sent(tool.name),
          ...(tool.description === undefined ? {} : { description: tool.description }),
          ...(tool.format === undefined ? {} : { format: tool.format }),
        }
      }
      if (tool.format !== undefined && tool.format['type'] !== 'text') losses.warn(at, 'degraded')
      return { ...writeFunction(asFunction(tool), at, target), strict: true }
    }
    case 'web-search':
      return tool.dialect === NAME ? tool.value : webSearch(tool, at, losses)
    case 'native':
      if (tool.dialect === NAME) return tool.value
      losses.refuse(at, `The provider has no tool of type '${tool.type}'.`)
      return null
  }
}

const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} }

function writeFunction(tool: FunctionTool, at: string, { own, sent, losses }: ToolTarget): JsonObject {
  const { native } = tool
  if (native !== undefined && native.dialect !== NAME) losses.warn(at, 'degraded')
  const parameters = tool.parameters ?? NO_PARAMETERS
  return {
    type: 'function',
    name: sent(tool.name),
    ...(tool.description === undefined ? {} : { description: tool.description }),
    parameters,
    ...strictness(tool.strict, parameters, own),
    ...(native?.dialect === NAME ? native.value : {}),
  }
}

/**
 * The service's default is strict, every other dialect's is not; and a strict schema that does not keep the
 * rules of strictness is an error.
 */
function strictness(
  strict: boolean | undefined,
  schema: JsonObject,
  own: boolean,
): Readonly<{ strict?: boolean }> {
  if (own) return strict === undefined ? {} : { strict }
  return { strict: strict === true && isStrictSchema(schema) }
}

/** Options of the other dialects' web searches, as far as there are the same here. */
function webSearch({ dialect, value }: WebSearchTool, at: string, losses: Losses): JsonObject {
  const place = objectOf(value['user_location'])
  const location = dialect === 'openai-chat' ? objectOf(place['approximate']) : place
  const size = stringOf(value['search_context_size'])
  const domains = arrayOf(value['allowed_domains'])
  for (const key of ['max_uses', 'blocked_domains']) {
    if (value[key] !== undefined && value[key] !== null) losses.warn(at, 'degraded')
  }
  return {
    type: 'web_search',
    ...(domains.length === 0 ? {} : { filters: { allowed_domains: domains } }),
    ...(Object.keys(location).length === 0 ? {} : { user_location: { ...location, type: 'approximate' } }),
    ...(size === undefined ? {} : { search_context_size: size }),
  }
}

/** @param isThinking some models take no forced call while they think. */
export function writeToolChoice(
  choice: ToolChoice,
  tools: readonly Tool[],
  target: ToolTarget,
  isThinking: boolean,
): JsonValue {
  const { capabilities, losses, sent } = target
  const forces =
    choice.kind === 'required' ||
    choice.kind === 'one' ||
    (choice.kind === 'subset' && choice.mode === 'required')
  const mayForce = capabilities.forcedToolChoice && (capabilities.forcedWithThinking || !isThinking)
  if (forces && !mayForce) losses.warn('toolChoice', 'degraded')
  const reference = (name: string): JsonObject => ({
    type:
      capabilities.customTools && tools.some((tool) => tool.kind === 'custom' && tool.name === name)
        ? 'custom'
        : 'function',
    name: sent(name),
  })
  switch (choice.kind) {
    case 'one':
      return mayForce ? reference(choice.name) : 'auto'
    case 'subset':
      return {
        type: 'allowed_tools',
        mode: mayForce ? choice.mode : 'auto',
        tools: choice.names.map((name) => reference(name)),
      }
    case 'required':
      return mayForce ? 'required' : 'auto'
    case 'auto':
    case 'none':
      return choice.kind
  }
}
