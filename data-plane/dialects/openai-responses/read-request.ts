/**
 * A Responses request, read into canonical form.
 *
 * Pure. What leans on state that the service keeps (an earlier response, a conversation, a stored prompt, a
 * job in the background) is an extra that no other dialect can do without giving a wrong answer.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import {
  arrayOf,
  booleanOf,
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
  type Extra,
  type OutputFormat,
  type Params,
  type ReasoningWish,
} from '../canonical/request.ts'
import { misshapen, shapeOf } from '../canonical/shape.ts'
import type { ReadContext } from '../dialect.ts'
import { readInput } from './items/read-input.ts'
import { INCLUDE_LOGPROBS, INCLUDE_STATE, NAME } from './terms.ts'
import { readToolChoice, readTools } from './tools.ts'

/** Read member by member; whatever else is there is an extra. */
const READ = new Set([
  'model',
  'input',
  'instructions',
  'stream',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'frequency_penalty',
  'presence_penalty',
  'reasoning',
  'text',
  'include',
  'metadata',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'store',
])

/** Members that lean on what only their provider has, or that guard. */
const REFUSED = new Set([
  'previous_response_id',
  'conversation',
  'prompt',
  'context_management',
  'access_programs',
])

/** Members that change nothing about what is answered. */
const SILENT = new Set([
  'stream_options',
  'prompt_cache_options',
  'prompt_cache_retention',
  'user',
  'prewarm',
  'client_metadata',
])

const SHAPE = shapeOf({
  instructions: 'text',
  tools: 'objects',
  tool_choice: ['text', 'object'],
  parallel_tool_calls: 'flag',
  max_output_tokens: 'number',
  temperature: 'number',
  top_p: 'number',
  top_logprobs: 'number',
  frequency_penalty: 'number',
  presence_penalty: 'number',
  reasoning: 'object',
  text: 'object',
  'text.format': 'object',
  'text.verbosity': 'text',
  include: 'texts',
  metadata: 'object',
  service_tier: 'text',
  safety_identifier: 'text',
  user: 'text',
  prompt_cache_key: 'text',
  store: 'flag',
  background: 'flag',
  truncation: 'text',
})

export function readRequest(body: JsonObject, context: ReadContext): Result<CanonicalRequest, Problem> {
  const fault = misshapen(body, SHAPE)
  if (fault !== null) return err(fault)
  const conversation = readInput(body, context.sealer)
  if (!conversation.ok) return conversation
  const extras: Extra[] = []
  const tools = readTools(body['tools'])
  const toolChoice = readToolChoice(body['tool_choice'], extras)
  const parallelTools = booleanOf(body['parallel_tool_calls'])
  const format = readFormat(objectOf(objectOf(body['text'])['format']))
  const reasoning = readReasoning(body['reasoning'], extras)
  readExtras(body, extras)
  return ok({
    dialect: NAME,
    model: context.model,
    stream: context.stream,
    ...conversation.value,
    tools,
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(parallelTools === undefined ? {} : { parallelTools }),
    params: readParams(body),
    ...(format === undefined ? {} : { format }),
    ...(reasoning === undefined ? {} : { reasoning }),
    extras,
    telling: { usageChunk: false, legacyFunctions: false, framing: 'sse', reasoning: true },
    source: body,
  })
}

function readParams(body: JsonObject): Params {
  const maxTokens = numberOf(body['max_output_tokens'])
  const temperature = numberOf(body['temperature'])
  const topP = numberOf(body['top_p'])
  const frequencyPenalty = numberOf(body['frequency_penalty'])
  const presencePenalty = numberOf(body['presence_penalty'])
  const topLogprobs = readTopLogprobs(body)
  const verbosity = stringOf(objectOf(body['text'])['verbosity'])
  const endUser = stringOf(body['safety_identifier']) ?? stringOf(body['user'])
  const metadata = readMetadata(body['metadata'])
  const serviceTier = stringOf(body['service_tier'])
  const cacheKey = stringOf(body['prompt_cache_key'])
  const store = booleanOf(body['store'])
  return {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presencePenalty }),
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
    ...(verbosity === undefined ? {} : { verbosity }),
    ...(endUser === undefined ? {} : { endUser }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(cacheKey === undefined ? {} : { cacheKey }),
    ...(store === undefined ? {} : { store }),
  }
}

/** Probabilities come only when included; a number of alternatives without that asks for nothing. */
function readTopLogprobs(body: JsonObject): number | undefined {
  if (!arrayOf(body['include']).includes(INCLUDE_LOGPROBS)) return undefined
  return numberOf(body['top_logprobs']) ?? 0
}

function readMetadata(value: JsonValue | undefined): Readonly<Record<string, string>> | undefined {
  if (!isObject(value)) return undefined
  const pairs = Object.entries(value).flatMap(([key, text]) =>
    typeof text === 'string' ? [[key, text] as const] : [],
  )
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs)
}

function readReasoning(value: JsonValue | undefined, extras: Extra[]): ReasoningWish | undefined {
  if (!isObject(value)) return undefined
  const effort = EFFORTS.find((level) => level === value['effort'])
  const show = SHOWN.find((kind) => kind === (value['summary'] ?? value['generate_summary']))
  for (const [key, member] of Object.entries(value)) {
    if (REASONING.has(key) || member === undefined || member === null) continue
    const cross = key === 'context' && member === 'auto' ? 'silent' : 'warn'
    extras.push({ path: `reasoning.${key}`, value: member, cross })
  }
  if (effort === undefined && show === undefined) return undefined
  return { ...(effort === undefined ? {} : { effort }), ...(show === undefined ? {} : { show }) }
}

const SHOWN = ['auto', 'concise', 'detailed'] as const
const REASONING = new Set(['effort', 'summary', 'generate_summary'])

function readFormat(format: JsonObject): OutputFormat | undefined {
  if (format['type'] === 'json_object') return { kind: 'json' }
  if (format['type'] !== 'json_schema') return undefined
  const name = stringOf(format['name'])
  const description = stringOf(format['description'])
  const strict = booleanOf(format['strict'])
  return {
    kind: 'schema',
    schema: objectOf(format['schema']),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(strict === undefined ? {} : { strict }),
  }
}

function readExtras(body: JsonObject, extras: Extra[]): void {
  const include = arrayOf(body['include']).filter(
    (entry) => entry !== INCLUDE_LOGPROBS && entry !== INCLUDE_STATE,
  )
  // Sources and results of the service's own tools: whoever cannot run these tools has none to show.
  if (include.length > 0) extras.push({ path: 'include', value: include, cross: 'silent' })
  for (const [path, value] of Object.entries(body)) {
    if (READ.has(path) || value === undefined || value === null) continue
    extras.push({ path, value, cross: crossOf(path, value) })
  }
}

function crossOf(path: string, value: JsonValue): Extra['cross'] {
  if (REFUSED.has(path)) return 'refuse'
  if (SILENT.has(path)) return 'silent'
  if (path === 'background') return value === true ? 'refuse' : 'silent'
  if (path === 'truncation') return value === 'disabled' ? 'silent' : 'refuse'
  // A guard must not fall silent; mere reporting may.
  if (path === 'moderation') return isObject(objectOf(value)['policy']) ? 'refuse' : 'warn'
  return 'warn'
}
