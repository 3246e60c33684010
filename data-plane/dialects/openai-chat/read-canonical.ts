/**
 * A chat request → the form in the middle.
 *
 * Pure. Whatever OpenAI's own fields say goes to its canonical place; a field nobody else has stays an extra.
 * Bodies of other shapes are told apart before (`shapes.ts`).
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { arrayOf, booleanOf, isArray, isObject, numberOf, objectOf, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import {
  EFFORTS,
  type CanonicalRequest,
  type Extra,
  type OutputFormat,
  type Params,
  type ReasoningWish,
  type ToolChoice,
} from '../canonical/request.ts'
import { misshapen, shapeOf } from '../canonical/shape.ts'
import type { ReadContext } from '../dialect.ts'
import { readMessages } from './request/read-messages.ts'
import { readChoice, readTools } from './request/read-tools.ts'

export function readChat(body: JsonObject, context: ReadContext): Result<CanonicalRequest, Problem> {
  const messages = body['messages']
  if (!isArray(messages))
    return err({ code: 'invalid_value', param: 'messages', message: "'messages' must be a list." })
  const fault = misshapen(body, SHAPE)
  if (fault !== null) return err(fault)
  const read = readMessages(messages, context.sealer)
  if (!read.ok) return read
  const { system, turns } = read.value
  const reasoning = readReasoning(body)
  const format = readFormat(body['response_format'])
  const toolChoice = readChoice(body['tool_choice'] ?? body['function_call'])
  const parallelTools = booleanOf(body['parallel_tool_calls'])
  return ok({
    dialect: 'openai-chat',
    model: context.model,
    stream: context.stream,
    system,
    turns,
    tools: readTools(body),
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(parallelTools === undefined ? {} : { parallelTools }),
    params: readParams(body),
    ...(format === undefined ? {} : { format }),
    ...(reasoning === undefined ? {} : { reasoning }),
    extras: [...readExtras(body), ...readUnknownWords(body, toolChoice, format, reasoning)],
    telling: {
      usageChunk: objectOf(body['stream_options'])['include_usage'] === true,
      legacyFunctions: isArray(body['functions']) && !isArray(body['tools']),
      framing: context.framing,
      reasoning: reasoning !== undefined && reasoning.show !== 'none',
    },
    source: body,
  })
}

const SHAPE = shapeOf({
  max_completion_tokens: 'number',
  max_tokens: 'number',
  temperature: 'number',
  top_p: 'number',
  top_k: 'number',
  frequency_penalty: 'number',
  presence_penalty: 'number',
  seed: 'number',
  n: 'number',
  logit_bias: 'object',
  stop: ['text', 'texts'],
  logprobs: 'flag',
  top_logprobs: 'number',
  verbosity: 'text',
  safety_identifier: 'text',
  user: 'text',
  metadata: 'object',
  service_tier: 'text',
  prompt_cache_key: 'text',
  store: 'flag',
  tools: 'objects',
  tool_choice: ['text', 'object'],
  functions: 'objects',
  function_call: ['text', 'object'],
  parallel_tool_calls: 'flag',
  web_search_options: 'object',
  response_format: 'object',
  reasoning_effort: 'text',
  reasoning: 'object',
  stream_options: 'object',
})

/** Drops what was not said, so that writers see only what was. */
function present<Fields extends object>(fields: {
  [Name in keyof Fields]: Fields[Name] | undefined
}): Partial<Fields> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  const kept: Partial<Fields> = {}
  return Object.assign(kept, Object.fromEntries(entries))
}

function readParams(body: JsonObject): Params {
  const n = numberOf(body['n'])
  const logprobs = body['logprobs'] === true || numberOf(body['top_logprobs']) !== undefined
  return present<Params>({
    maxTokens: numberOf(body['max_completion_tokens']) ?? numberOf(body['max_tokens']),
    temperature: numberOf(body['temperature']),
    topP: numberOf(body['top_p']),
    topK: numberOf(body['top_k']),
    frequencyPenalty: numberOf(body['frequency_penalty']),
    presencePenalty: numberOf(body['presence_penalty']),
    seed: numberOf(body['seed']),
    n: n === 1 ? undefined : n,
    logitBias: isObject(body['logit_bias']) ? body['logit_bias'] : undefined,
    stop: readStop(body['stop']),
    topLogprobs: logprobs ? (numberOf(body['top_logprobs']) ?? 0) : undefined,
    verbosity: stringOf(body['verbosity']),
    endUser: stringOf(body['safety_identifier']) ?? stringOf(body['user']),
    metadata: readMetadata(body['metadata']),
    serviceTier: stringOf(body['service_tier']),
    cacheKey: stringOf(body['prompt_cache_key']),
    store: booleanOf(body['store']),
  })
}

function readStop(value: JsonValue | undefined): readonly string[] | undefined {
  if (typeof value === 'string') return [value]
  const stops = arrayOf(value).filter((stop) => typeof stop === 'string')
  return stops.length === 0 ? undefined : stops
}

function readMetadata(value: JsonValue | undefined): Readonly<Record<string, string>> | undefined {
  if (!isObject(value)) return undefined
  const pairs = Object.entries(value).flatMap(([name, text]) =>
    typeof text === 'string' ? [[name, text] as const] : [],
  )
  return Object.fromEntries(pairs)
}

function readFormat(value: JsonValue | undefined): OutputFormat | undefined {
  const format = objectOf(value)
  if (format['type'] === 'json_object') return { kind: 'json' }
  if (format['type'] !== 'json_schema') return undefined
  const given = objectOf(format['json_schema'])
  if (!isObject(given['schema'])) return { kind: 'json' }
  return {
    kind: 'schema',
    schema: given['schema'],
    ...present<{ name: string; description: string; strict: boolean }>({
      name: stringOf(given['name']),
      description: stringOf(given['description']),
      strict: booleanOf(given['strict']),
    }),
  }
}

/** OpenAI's level, or OpenRouter's object: level or budget, hidden or not. */
function readReasoning(body: JsonObject): ReasoningWish | undefined {
  const wish = objectOf(body['reasoning'])
  const word = body['reasoning_effort'] ?? wish['effort']
  const effort = wish['enabled'] === false ? 'none' : EFFORTS.find((level) => level === word)
  const budget = numberOf(wish['max_tokens'])
  const isHidden = wish['exclude'] === true || body['include_reasoning'] === false
  const isShown = wish['exclude'] === false || body['include_reasoning'] === true
  const read = present<ReasoningWish>({
    effort,
    budget: effort === undefined ? budget : undefined,
    adaptive: wish['enabled'] === true && effort === undefined && budget === undefined ? true : undefined,
    show: isHidden ? 'none' : isShown ? 'auto' : undefined,
  })
  return Object.keys(read).length === 0 ? undefined : read
}

/** Fields read above; all others are extras. */
const READ: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_completion_tokens',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'frequency_penalty',
  'presence_penalty',
  'seed',
  'n',
  'logit_bias',
  'stop',
  'logprobs',
  'top_logprobs',
  'verbosity',
  'safety_identifier',
  'user',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'store',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'parallel_tool_calls',
  'web_search_options',
  'response_format',
  'reasoning_effort',
  'reasoning',
  'include_reasoning',
])

/** What leaving a field out means; `warn` for those not named. */
const CROSS: ReadonlyMap<string, Extra['cross']> = new Map([
  ['prediction', 'silent'],
  ['prompt_cache_options', 'silent'],
  ['prompt_cache_retention', 'silent'],
  ['audio', 'refuse'],
  ['moderation', 'refuse'],
])

/** Is it a field that chat itself knows? */
export const isChatField = (name: string): boolean =>
  READ.has(name) || CROSS.has(name) || name === 'modalities'

function readExtras(body: JsonObject): readonly Extra[] {
  return Object.entries(body).flatMap(([path, value]): readonly Extra[] => {
    if (READ.has(path) || value === undefined || value === null) return []
    if (path !== 'modalities') return [{ path, value, cross: CROSS.get(path) ?? 'warn' }]
    const isText = arrayOf(value).every((modality) => modality === 'text')
    return [{ path, value, cross: isText ? 'silent' : 'refuse' }]
  })
}

/** Members that were given and say nothing that is known here. */
function readUnknownWords(
  body: JsonObject,
  choice: ToolChoice | undefined,
  format: OutputFormat | undefined,
  reasoning: ReasoningWish | undefined,
): readonly Extra[] {
  const isPlain = objectOf(body['response_format'])['type'] === 'text'
  const unknown = [
    ...(choice === undefined ? ['tool_choice', 'function_call'] : []),
    ...(format === undefined && !isPlain ? ['response_format'] : []),
    ...(reasoning?.effort === undefined ? ['reasoning_effort'] : []),
  ]
  return unknown.flatMap((path): readonly Extra[] => {
    const value = body[path]
    return value === undefined || value === null ? [] : [{ path, value, cross: 'warn' }]
  })
}
