/**
 * Canonical tools, tool choice and output format → chat's.
 *
 * Pure.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import { isObject, objectOf, type JsonObject, type JsonValue } from '../../canonical/json.ts'
import type { Losses } from '../../canonical/loss.ts'
import type {
  CanonicalRequest,
  CustomTool,
  FunctionTool,
  OutputFormat,
  Tool,
  WebSearchTool,
} from '../../canonical/request.ts'
import { asFunction } from '../../repair/custom-tools.ts'
import { isStrictSchema } from '../../repair/strict-schema.ts'
import type { ToolNames } from '../../repair/tool-names.ts'

export type ToolFields = Readonly<{
  tools?: readonly JsonObject[]
  tool_choice?: JsonValue
  parallel_tool_calls?: boolean
  web_search_options?: JsonObject
}>

type Context = Readonly<{ capabilities: Capabilities; names: ToolNames; losses: Losses }>

/** @param isThinking whether the model will think before it answers. */
export function writeTools(request: CanonicalRequest, isThinking: boolean, context: Context): ToolFields {
  const { toolChoice: choice, parallelTools } = request
  const { capabilities, losses } = context
  const isSubset = choice?.kind === 'subset' && capabilities.toolSubset !== true
  if (isSubset) losses.warn('toolChoice', 'degraded')
  const chosen = new Set(choice?.kind === 'subset' ? choice.names : [])
  const tools = request.tools.flatMap((tool, index): readonly JsonObject[] => {
    if (isSubset && 'name' in tool && !chosen.has(tool.name)) return []
    return writeTool(tool, index, context)
  })
  const search = request.tools.find((tool) => tool.kind === 'web-search')
  if (parallelTools === false && !capabilities.parallelSwitch && tools.length > 0)
    losses.warn('parallelTools', 'unsupported')
  const sayParallel = parallelTools !== undefined && capabilities.parallelSwitch
  return {
    ...(search === undefined ? {} : { web_search_options: writeSearch(search, losses) }),
    ...(tools.length === 0
      ? {}
      : {
          tools,
          ...(choice === undefined ? {} : { tool_choice: writeChoice(request, isThinking, context) }),
          ...(sayParallel ? { parallel_tool_calls: parallelTools } : {}),
        }),
  }
}

function writeTool(tool: Tool, index: number, context: Context): readonly JsonObject[] {
  switch (tool.kind) {
    case 'function':
      return [writeFunction(tool, index, context)]
    case 'custom': {
      if (context.capabilities.customTools) return [writeCustom(tool, context.names)]
      if (tool.format !== undefined && tool.format['type'] !== 'text')
        context.losses.warn(`tools[${index}].format`, 'degraded')
      return [writeFunction(asFunction(tool), index, context)]
    }
    case 'web-search':
      return []
    case 'native':
      if (tool.dialect === 'openai-chat') return [tool.value]
      context.losses.refuse(
        `tools[${index}]`,
        `A tool of type '${tool.type}' cannot be used with this model.`,
      )
      return []
  }
}

const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} }

function writeFunction(tool: FunctionTool, index: number, { names, losses }: Context): JsonObject {
  const parameters = tool.parameters ?? NO_PARAMETERS
  const cannotBeStrict = tool.strict === true && !isStrictSchema(parameters)
  if (cannotBeStrict) losses.warn(`tools[${index}].strict`, 'degraded')
  const strict = cannotBeStrict ? false : tool.strict
  return {
    type: 'function',
    function: {
      name: names.sent(tool.name),
      ...(tool.description === undefined ? {} : { description: tool.description }),
      parameters,
      ...(strict === undefined ? {} : { strict }),
    },
  }
}

function writeCustom({ name, description, format }: CustomTool, names: ToolNames): JsonObject {
  const { type, ...grammar } = format ?? {}
  const nested = type === 'grammar' ? { type, grammar } : format
  return {
    type: 'custom',
    custom: {
      name: names.sent(name),
      ...(description === undefined ? {} : { description }),
      ...(nested === undefined ? {} : { format: nested }),
    },
  }
}

function writeChoice(request: CanonicalRequest, isThinking: boolean, context: Context): JsonValue {
  const { toolChoice: choice } = request
  const { capabilities, names, losses } = context
  if (choice === undefined || choice.kind === 'auto' || choice.kind === 'none') return choice?.kind ?? 'auto'
  const isForced = choice.kind !== 'subset' || choice.mode === 'required'
  const mayForce = capabilities.forcedToolChoice && (capabilities.forcedWithThinking || !isThinking)
  if (isForced && !mayForce) {
    losses.warn('toolChoice', 'degraded')
    return 'auto'
  }
  if (choice.kind !== 'one' && choice.kind !== 'subset') return choice.kind
  const custom = new Set(request.tools.flatMap((tool) => (tool.kind === 'custom' ? [tool.name] : [])))
  const named = (name: string): JsonObject =>
    custom.has(name) && capabilities.customTools
      ? { type: 'custom', custom: { name: names.sent(name) } }
      : { type: 'function', function: { name: names.sent(name) } }
  if (choice.kind === 'one') return named(choice.name)
  if (capabilities.toolSubset !== true) return choice.mode
  return { type: 'allowed_tools', allowed_tools: { mode: choice.mode, tools: choice.names.map(named) } }
}

/** Where the user is and how much to read: what the others' searches have in common with chat's. */
function writeSearch({ dialect, value }: WebSearchTool, losses: Losses): JsonObject {
  if (dialect === 'openai-chat') return value
  const { type: _type, name: _name, search_context_size: size, user_location: place, ...rest } = value
  if (Object.values(rest).some((given) => given !== undefined && given !== null))
    losses.warn('tools.web_search', 'degraded')
  const { type: _approximate, ...approximate } = objectOf(place)
  return {
    ...(typeof size === 'string' ? { search_context_size: size } : {}),
    ...(isObject(place) ? { user_location: { type: 'approximate', approximate } } : {}),
  }
}

/** What a model that knows only JSON is told of the schema. */
const schemaInstruction = (schema: JsonObject): string =>
  `Answer with one JSON object that is valid against this JSON Schema, and with nothing else:\n${JSON.stringify(schema)}`

/** @returns also what has to be said in words, where the model has no schemas. */
export function writeFormat(
  request: CanonicalRequest,
  { capabilities, losses }: Pick<Context, 'capabilities' | 'losses'>,
): Readonly<{ format?: JsonObject; instruction?: string }> {
  const { format } = request
  if (format === undefined) return {}
  if (format.kind === 'json') return { format: { type: 'json_object' } }
  if (!capabilities.structuredOutput) {
    losses.warn('format', 'degraded')
    return { format: { type: 'json_object' }, instruction: schemaInstruction(format.schema) }
  }
  const strict = strictOf(format, request, losses)
  return {
    format: {
      type: 'json_schema',
      json_schema: {
        name: format.name ?? 'response',
        ...(format.description === undefined ? {} : { description: format.description }),
        schema: format.schema,
        ...(strict === undefined ? {} : { strict }),
      },
    },
  }
}

/** Elsewhere a schema holds always, so it is strict here where it can be. */
function strictOf(
  format: Extract<OutputFormat, { kind: 'schema' }>,
  request: CanonicalRequest,
  losses: Losses,
): boolean | undefined {
  const wanted = format.strict ?? (request.dialect === 'openai-chat' ? undefined : true)
  if (wanted !== true || isStrictSchema(format.schema)) return wanted
  if (format.strict === true) losses.warn('format.strict', 'degraded')
  return false
}
