/**
 * A Messages request into the form in the middle.
 *
 * Pure. Nothing is validated that the provider validates better; only what could not be understood at all is
 * refused.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { readCarrier, type Sealer } from '../canonical/carrier.ts'
import {
  arrayOf,
  booleanOf,
  isArray,
  isObject,
  numberOf,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '../canonical/json.ts'
import {
  EFFORTS,
  type CanonicalRequest,
  type Effort,
  type Extra,
  type OutputFormat,
  type Params,
  type ReasoningWish,
  type SystemBlock,
  type Tool,
  type ToolChoice,
  type Turn,
} from '../canonical/request.ts'
import { isContent, misshapen, shapeOf, wrongContent } from '../canonical/shape.ts'
import type { ReadContext } from '../dialect.ts'
import { nativeMembers, readContent, type ReadState } from './read-blocks.ts'
import { BETA_HEADER, DIALECT, readCache, TIERS_READ, VERSION_HEADER } from './terms.ts'

export function readRequest(body: JsonObject, context: ReadContext): Result<CanonicalRequest, Problem> {
  if (!isArray(body['messages'])) return invalid('messages', "'messages' must be a list.")
  const fault = misshapen(body, SHAPE)
  if (fault !== null) return err(fault)
  const read = readTurns(body['messages'], stateReader(context.sealer))
  if (!read.ok) return read

  const choice = objectOf(body['tool_choice'])
  const toolChoice = readChoice(choice)
  const isParallelOff = booleanOf(choice['disable_parallel_tool_use'])
  const format = readFormat(body)
  const reasoning = readReasoning(body)
  return ok({
    dialect: DIALECT,
    model: context.model,
    stream: context.stream,
    system: readSystem(body['system']),
    turns: read.value,
    tools: arrayOf(body['tools']).filter(isObject).map(readTool),
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(isParallelOff === undefined ? {} : { parallelTools: !isParallelOff }),
    params: readParams(body),
    ...(format === undefined ? {} : { format }),
    ...(reasoning === undefined ? {} : { reasoning }),
    extras: readExtras(body, context.headers),
    telling: {
      usageChunk: true,
      legacyFunctions: false,
      framing: 'sse',
      reasoning: reasoning?.show !== 'none',
    },
    source: body,
  })
}

const SHAPE = shapeOf({
  system: ['text', 'objects'],
  max_tokens: 'number',
  temperature: 'number',
  top_p: 'number',
  top_k: 'number',
  stop_sequences: 'texts',
  metadata: 'object',
  service_tier: 'text',
  cache_control: 'object',
  tools: 'objects',
  tool_choice: 'object',
  thinking: 'object',
  'thinking.budget_tokens': 'number',
  output_config: 'object',
  'output_config.effort': 'text',
  'output_config.format': 'object',
  output_format: 'object',
})

const invalid = (param: string, message: string): Result<never, Problem> =>
  err({ code: 'invalid_value', param, message })

const stateReader =
  (sealer: Sealer): ReadState =>
  (data, form) =>
    readCarrier(data, sealer, { dialect: DIALECT, form, of: 'own' })

function readSystem(system: JsonValue | undefined): SystemBlock[] {
  if (typeof system === 'string') return system === '' ? [] : [{ text: system, role: 'system' }]
  return arrayOf(system).flatMap((block) => {
    const text = stringOf(objectOf(block)['text'])
    if (text === undefined || text === '') return []
    const cache = readCache(objectOf(block)['cache_control'])
    return [{ text, role: 'system', ...(cache === undefined ? {} : { cache }) }]
  })
}

const ROLES = ['user', 'assistant', 'system'] as const

function readTurns(messages: readonly JsonValue[], readState: ReadState): Result<readonly Turn[], Problem> {
  const turns: Turn[] = []
  for (const [index, message] of messages.entries()) {
    const role = isObject(message) ? ROLES.find((one) => one === message['role']) : undefined
    const at = `messages.${index}`
    if (!isObject(message) || role === undefined)
      return invalid(at, `'${at}' must be a message of user, assistant or system.`)
    if (!isContent(message['content'])) return err(wrongContent(`${at}.content`))
    turns.push({ role, parts: readContent(message['content'], readState) })
  }
  return ok(turns)
}

const TOOL_MEMBERS = new Set(['type', 'name', 'description', 'input_schema', 'strict', 'cache_control'])

function readTool(tool: JsonObject): Tool {
  const type = stringOf(tool['type']) ?? 'custom'
  if (type.startsWith('web_search_')) return { kind: 'web-search', dialect: DIALECT, value: tool }
  if (type !== 'custom') return { kind: 'native', dialect: DIALECT, type, value: tool }
  const description = stringOf(tool['description'])
  const strict = booleanOf(tool['strict'])
  const cache = readCache(tool['cache_control'])
  return {
    kind: 'function',
    name: stringOf(tool['name']) ?? '',
    ...(description === undefined ? {} : { description }),
    ...(isObject(tool['input_schema']) ? { parameters: tool['input_schema'] } : {}),
    ...(strict === undefined ? {} : { strict }),
    ...(cache === undefined ? {} : { cache }),
    ...nativeMembers(tool, TOOL_MEMBERS),
  }
}

function readChoice(choice: JsonObject): ToolChoice | undefined {
  switch (choice['type']) {
    case 'auto':
      return { kind: 'auto' }
    case 'any':
      return { kind: 'required' }
    case 'none':
      return { kind: 'none' }
    case 'tool':
      return { kind: 'one', name: stringOf(choice['name']) ?? '', isCustom: false }
    default:
      return undefined
  }
}

/** `output_format` is the place of the beta before `output_config`. */
function readFormat(body: JsonObject): OutputFormat | undefined {
  const format = objectOf(objectOf(body['output_config'])['format'] ?? body['output_format'])
  if (format['type'] !== 'json_schema' || !isObject(format['schema'])) return undefined
  return { kind: 'schema', schema: format['schema'], strict: true }
}

/** Thinking that is off but for the gaps between tools is, elsewhere, thinking that is off. */
const OFF = ['disabled', 'between_tools']

function readReasoning(body: JsonObject): ReasoningWish | undefined {
  const thinking = objectOf(body['thinking'])
  const type = stringOf(thinking['type']) ?? ''
  const asked = stringOf(objectOf(body['output_config'])['effort'])
  const effort: Effort | undefined = OFF.includes(type) ? 'none' : EFFORTS.find((one) => one === asked)
  const budget = type === 'enabled' ? numberOf(thinking['budget_tokens']) : undefined
  const show = { summarized: 'auto', omitted: 'none' } as const
  const display = thinking['display']
  const shown = display === 'summarized' || display === 'omitted' ? show[display] : undefined
  if (effort === undefined && type === '') return undefined
  return {
    ...(effort === undefined ? {} : { effort }),
    ...(budget === undefined ? {} : { budget }),
    ...(type === 'adaptive' ? { adaptive: true } : {}),
    ...(shown === undefined ? {} : { show: shown }),
  }
}

function readParams(body: JsonObject): Params {
  const stop = arrayOf(body['stop_sequences']).filter((one) => typeof one === 'string')
  const cache = readCache(body['cache_control'])
  const given = {
    maxTokens: numberOf(body['max_tokens']),
    temperature: numberOf(body['temperature']),
    topP: numberOf(body['top_p']),
    topK: numberOf(body['top_k']),
    stop: stop.length === 0 ? undefined : stop,
    endUser: stringOf(objectOf(body['metadata'])['user_id']),
    serviceTier: body['speed'] === 'fast' ? 'fast' : TIERS_READ.get(stringOf(body['service_tier']) ?? ''),
    cache,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** Fields that have a place in the middle. */
const KNOWN = new Set([
  'model',
  'stream',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'metadata',
  'service_tier',
  'cache_control',
  'thinking',
  'output_config',
  'output_format',
])

/** Without these the answer would be another one (`refuse`), or is the same (`silent`). */
const CROSS: ReadonlyMap<string, Extra['cross']> = new Map([
  ['container', 'refuse'],
  ['mcp_servers', 'refuse'],
  ['thread', 'refuse'],
  ['safeguards', 'refuse'],
  ['diagnostics', 'silent'],
  ['inference_geo', 'silent'],
])

function readExtras(body: JsonObject, headers: ReadContext['headers']): Extra[] {
  const extras: Extra[] = []
  for (const header of [VERSION_HEADER, BETA_HEADER]) {
    const value = headers[header]
    if (value !== undefined) extras.push({ path: header, value, cross: 'silent' })
  }
  for (const [path, value] of Object.entries(body)) {
    if (KNOWN.has(path) || value === undefined || value === null) continue
    // `fast` is the tier's other half; `standard` is what everybody has.
    const cross = path === 'speed' ? 'silent' : (CROSS.get(path) ?? 'warn')
    if (path !== 'speed' || value !== 'fast') extras.push({ path, value, cross })
  }
  return [...extras, ...outputExtras(body)]
}

/** What `thinking` and `output_config` say beyond the wish for reasoning. */
function outputExtras(body: JsonObject): Extra[] {
  const extras: Extra[] = []
  const type = stringOf(objectOf(body['thinking'])['type']) ?? ''
  if (type === 'between_tools') extras.push({ path: 'thinking.type', value: type, cross: 'silent' })
  for (const [key, value] of Object.entries(objectOf(body['output_config']))) {
    if (key === 'format' || value === undefined || value === null) continue
    // An effort beside thinking that is off still governs how much is said.
    if (key !== 'effort') extras.push({ path: `output_config.${key}`, value, cross: 'warn' })
    else if (OFF.includes(type)) extras.push({ path: 'output_config.effort', value, cross: 'silent' })
  }
  return extras
}
