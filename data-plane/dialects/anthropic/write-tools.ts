/**
 * Tools and the choice among them, as Anthropic is told.
 *
 * Pure.
 */
import type { JsonObject } from '../canonical/json.ts'
import { isArray, isObject, objectOf, stringOf } from '../canonical/json.ts'
import type { CanonicalRequest, FunctionTool, Tool, ToolChoice, WebSearchTool } from '../canonical/request.ts'
import { asFunction } from '../repair/custom-tools.ts'
import { plainSchema } from '../repair/plain-schema.ts'
import { DIALECT } from './terms.ts'
import type { Writing } from './write-turns.ts'

/** The oldest, which every model with a web search knows. */
const WEB_SEARCH = 'web_search_20250305'

const NO_ARGUMENTS: JsonObject = { type: 'object', properties: {} }

/** @returns the field `tools`; empty: none. */
export function writeTools(writing: Writing): JsonObject[] {
  const { request, losses } = writing
  const { toolChoice } = request
  const tools = request.tools.flatMap((tool, index): JsonObject[] => {
    if (toolChoice?.kind === 'subset' && !isNamed(tool, toolChoice.names)) return []
    const written = writeTool(tool, `tools[${index}]`, writing)
    return written === null ? [] : [written]
  })
  if (toolChoice?.kind === 'subset' && tools.length < request.tools.length) {
    // Another list of tools is another prompt to the cache.
    losses.warn('toolChoice', 'degraded')
  }
  if (tools.length > 0 || request.dialect === DIALECT) return tools
  // A history with calls is refused without tools.
  const called = calledNames(request)
  if (called.length > 0) losses.warn('tools', 'synthesised')
  return called.map((name) => ({ name: writing.names.sent(name), input_schema: { type: 'object' } }))
}

const isNamed = (tool: Tool, names: readonly string[]): boolean =>
  (tool.kind === 'function' || tool.kind === 'custom') && names.includes(tool.name)

export const calledNames = ({ turns }: CanonicalRequest): string[] => [
  ...new Set(
    turns.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === 'tool-call' ? [part.name] : []))),
  ),
]

function writeTool(tool: Tool, at: string, writing: Writing): JsonObject | null {
  switch (tool.kind) {
    case 'function':
      return writeFunction(tool, at, writing)
    case 'custom':
      if (tool.format !== undefined && tool.format['type'] !== 'text') writing.losses.warn(at, 'degraded')
      return writeFunction(asFunction(tool), at, writing)
    case 'web-search':
      return writeWebSearch(tool, at, writing)
    case 'native':
      if (tool.dialect === DIALECT) return tool.value
      writing.losses.refuse(at, `A tool of type '${tool.type}' cannot be used with this model.`)
      return null
  }
}

function writeFunction(tool: FunctionTool, at: string, writing: Writing): JsonObject {
  const { capabilities } = writing.target
  const isOwn = tool.native?.dialect === DIALECT
  const isStrict = tool.strict === true && capabilities.structuredOutput
  const said = tool.parameters ?? NO_ARGUMENTS
  const schema =
    writing.request.dialect === DIALECT
      ? said
      : rootObject(isStrict ? plainSchema(said, () => writing.losses.warn(at, 'simplified')) : said, () =>
          writing.losses.warn(at, 'simplified'),
        )
  const strict = isStrict || (tool.strict === false && writing.request.dialect === DIALECT)
  return {
    name: writing.names.sent(tool.name),
    ...(tool.description === undefined ? {} : { description: tool.description }),
    input_schema: schema,
    ...(strict ? { strict: isStrict } : {}),
    ...(isOwn ? tool.native.value : {}),
    ...writing.mark(tool.cache),
  }
}

/** An object at the root, and no union there: Anthropic refuses both. A union's members become optional. */
function rootObject(schema: JsonObject, onLoss: () => void): JsonObject {
  const union = schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']
  if (union === undefined) return schema['type'] === 'object' ? schema : { ...schema, type: 'object' }
  onLoss()
  const { anyOf: _any, oneOf: _one, allOf: _all, ...rest } = schema
  const variants = isArray(union) ? union.filter(isObject) : []
  let properties = objectOf(schema['properties'])
  for (const variant of variants) properties = { ...objectOf(variant['properties']), ...properties }
  return { ...rest, type: 'object', properties }
}

function writeWebSearch({ dialect, value }: WebSearchTool, at: string, { losses }: Writing): JsonObject {
  if (dialect === DIALECT) return value
  losses.warn(at, 'degraded')
  const place = objectOf(value['user_location'])
  // Chat writes the place one level deeper than Responses.
  const location = {
    ...objectOf(place['approximate']),
    ...place,
    type: 'approximate',
    approximate: undefined,
  }
  const domains = objectOf(value['filters'])['allowed_domains']
  return {
    type: WEB_SEARCH,
    name: 'web_search',
    ...(isArray(domains) && domains.length > 0 ? { allowed_domains: domains } : {}),
    ...(Object.keys(place).length === 0 ? {} : { user_location: withoutNulls(location) }),
  }
}

const withoutNulls = (value: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null && member !== undefined))

/** @returns the field `tool_choice`, or null for none. */
export function writeChoice(writing: Writing, isThinking: boolean, hasTools: boolean): JsonObject | null {
  const { request, target, losses } = writing
  const { toolChoice, parallelTools } = request
  if (!hasTools) return null
  if (request.tools.length === 0) return { type: 'none' }
  // On is the default everywhere.
  const isSerial = parallelTools === false && target.capabilities.parallelSwitch
  const serial = isSerial ? { disable_parallel_tool_use: true } : {}
  if (toolChoice === undefined) return isSerial ? { type: 'auto', ...serial } : null
  if (toolChoice.kind === 'none') return { type: 'none' }
  const { forcedToolChoice, forcedWithThinking } = target.capabilities
  const isForced = toolChoice.kind !== 'auto' && !(toolChoice.kind === 'subset' && toolChoice.mode === 'auto')
  if (isForced && (!forcedToolChoice || (isThinking && !forcedWithThinking))) {
    losses.warn('toolChoice', 'degraded')
    return { type: 'auto', ...serial }
  }
  return { ...kindOf(toolChoice, writing), ...serial }
}

function kindOf(choice: ToolChoice, writing: Writing): JsonObject {
  switch (choice.kind) {
    case 'auto':
    case 'none':
      return { type: choice.kind }
    case 'required':
      return { type: 'any' }
    case 'one':
      return {
        type: 'tool',
        name: nativeName(choice.name, writing.request) ?? writing.names.sent(choice.name),
      }
    case 'subset':
      return { type: choice.mode === 'required' ? 'any' : 'auto' }
  }
}

/** Anthropic's own tools have names that are theirs. */
const nativeName = (name: string, { tools }: CanonicalRequest): string | undefined =>
  tools.some(
    (tool) => (tool.kind === 'native' || tool.kind === 'web-search') && stringOf(tool.value['name']) === name,
  )
    ? name
    : undefined
