/**
 * A canonical request as the Responses API takes it.
 *
 * Pure. Members stand in one order, what stays the same over a conversation first, so that the provider's
 * prompt cache meets. Requests of other dialects are not stored: their clients could never ask for them.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import { isArray, isObject } from '../canonical/json.ts'
import { Losses } from '../canonical/loss.ts'
import {
  EFFORTS,
  type CanonicalRequest,
  type Effort,
  type OutputFormat,
  type Params,
} from '../canonical/request.ts'
import type { WriteTarget, WrittenRequest } from '../dialect.ts'
import { fitCallIds } from '../repair/call-ids.ts'
import { effortFor } from '../repair/effort.ts'
import { isStrictSchema } from '../repair/strict-schema.ts'
import { fitToolNames } from '../repair/tool-names.ts'
import { dropEmpty, pairResults } from '../repair/turns.ts'
import { INCLUDE_LOGPROBS, INCLUDE_STATE, NAME } from './terms.ts'
import { writeToolChoice, writeTools } from './tools.ts'
import { cacheMark, NO_MARK, writeItems, type ItemTarget } from './items/write-input.ts'

/** Least cap on the answer that the service takes, in tokens. */
const LEAST_OUTPUT = 16
/** Longest identifier of an end user, in characters. */
const LONGEST_USER = 64

type Body = Record<string, JsonValue>

/** What its own clients ask for is left to the upstream's judgement, as when bytes pass. */
const ANYTHING: Partial<Capabilities> = {
  sampling: true,
  maxTemperature: Infinity,
  thinking: 'effort',
  efforts: [...EFFORTS],
  thinkingOff: true,
  forcedToolChoice: true,
  forcedWithThinking: true,
  parallelSwitch: true,
  customTools: true,
  structuredOutput: true,
  maxOutputTokens: null,
  extraFields: ['frequency_penalty', 'presence_penalty'],
}

export function writeRequest(
  request: CanonicalRequest,
  { capabilities: real, ...to }: WriteTarget,
): WrittenRequest {
  const losses = new Losses()
  const own = request.dialect === NAME
  const capabilities = own ? { ...real, ...ANYTHING } : real
  const target = { ...to, capabilities }
  // Its own clients know what names it takes.
  const form = { length: capabilities.toolNameLength, pattern: 'openai' } as const
  const names = fitToolNames(own ? [] : namesIn(request), form)
  const item: ItemTarget = {
    provider: target.provider,
    capabilities,
    own,
    sent: own ? (name) => name : names.sent,
    losses,
  }
  const effort = effortFor(request.reasoning, capabilities, request.params.maxTokens, losses)

  const body: Body = { model: target.model }
  if (target.stream) body['stream'] = true
  writeParams(request.params, body, target, losses)
  if (request.params.store !== undefined) body['store'] = request.params.store
  else if (!own) body['store'] = false
  writeReasoning(request, effort, body)
  writeText(request, body, target, losses)
  writeInclude(request, body, real)
  if (request.tools.length > 0) body['tools'] = writeTools(request.tools, item)
  if (request.toolChoice !== undefined) {
    const isThinking = effort !== null && effort !== 'none'
    body['tool_choice'] = writeToolChoice(request.toolChoice, request.tools, item, isThinking)
  }
  writeParallel(request, body, target, losses)
  writeExtras(request, body, target, losses)
  writeConversation(request, body, item)
  return { body: JSON.stringify(body), headers: [], losses: losses.list, toolNames: names.back }
}

/** Of the tools and of the calls in the history. */
const namesIn = ({ tools, turns }: CanonicalRequest): readonly string[] => [
  ...tools.flatMap((tool) => (tool.kind === 'function' || tool.kind === 'custom' ? [tool.name] : [])),
  ...turns.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === 'tool-call' ? [part.name] : []))),
]

/** Members that nothing here stands for, and that some hosts take all the same. */
const SOMETIMES = [
  ['topK', 'top_k'],
  ['frequencyPenalty', 'frequency_penalty'],
  ['presencePenalty', 'presence_penalty'],
  ['seed', 'seed'],
  ['stop', 'stop'],
] as const

function writeParams(params: Params, body: Body, { capabilities }: WriteTarget, losses: Losses): void {
  const { maxTokens, temperature, topP, endUser } = params
  if (maxTokens !== undefined) {
    const most = capabilities.maxOutputTokens ?? Infinity
    const cap = Math.min(Math.max(maxTokens, LEAST_OUTPUT), most)
    if (cap !== maxTokens) losses.warn('params.maxTokens', 'clamped')
    body['max_output_tokens'] = cap
  }
  if (temperature !== undefined) {
    if (capabilities.sampling) body['temperature'] = Math.min(temperature, capabilities.maxTemperature)
    if (!capabilities.sampling) losses.warn('params.temperature', 'unsupported')
    else if (temperature > capabilities.maxTemperature) losses.warn('params.temperature', 'clamped')
  }
  if (topP !== undefined) {
    if (capabilities.sampling) body['top_p'] = topP
    else losses.warn('params.topP', 'unsupported')
  }
  for (const [name, member] of SOMETIMES) {
    const value = params[name]
    if (value === undefined) continue
    if (capabilities.extraFields.includes(member)) body[member] = value
    else losses.warn(`params.${name}`, 'unsupported')
  }
  if (params.n !== undefined) losses.refuse('params.n', 'The provider gives one answer to a request.')
  if (params.logitBias !== undefined && Object.keys(params.logitBias).length > 0) {
    losses.refuse('params.logitBias', 'The provider does not let tokens be made likelier.')
  }
  if (params.topLogprobs !== undefined && params.topLogprobs > 0) body['top_logprobs'] = params.topLogprobs
  if (params.metadata !== undefined) body['metadata'] = params.metadata
  if (params.serviceTier !== undefined) body['service_tier'] = params.serviceTier
  if (params.cacheKey !== undefined) body['prompt_cache_key'] = params.cacheKey
  if (endUser !== undefined) {
    if (endUser.length <= LONGEST_USER) body['safety_identifier'] = endUser
    else losses.warn('params.endUser', 'dropped')
  }
}

function writeReasoning({ reasoning }: CanonicalRequest, effort: Effort | null, body: Body): void {
  const show = reasoning?.show === 'none' ? undefined : reasoning?.show
  // Where there is no thought there is nothing to sum up.
  const summary = effort === 'none' ? undefined : show
  if (effort === null && summary === undefined) return
  body['reasoning'] = {
    ...(effort === null ? {} : { effort }),
    ...(summary === undefined ? {} : { summary }),
  }
}

function writeText(
  { format, params, dialect }: CanonicalRequest,
  body: Body,
  target: WriteTarget,
  losses: Losses,
): void {
  const { verbosity } = params
  const written = format === undefined ? undefined : writeFormat(format, dialect, target, losses)
  if (written === undefined && verbosity === undefined) return
  body['text'] = {
    ...(written === undefined ? {} : { format: written }),
    ...(verbosity === undefined ? {} : { verbosity }),
  }
}

function writeFormat(
  format: OutputFormat,
  dialect: CanonicalRequest['dialect'],
  { capabilities }: WriteTarget,
  losses: Losses,
): JsonObject {
  if (format.kind === 'json') return { type: 'json_object' }
  if (!capabilities.structuredOutput && dialect !== NAME) {
    losses.warn('format', 'degraded')
    return { type: 'json_object' }
  }
  const strict = strictness(format, dialect)
  return {
    type: 'json_schema',
    name: format.name ?? 'response',
    ...(format.description === undefined ? {} : { description: format.description }),
    schema: format.schema,
    ...(strict === undefined ? {} : { strict }),
  }
}

/** Claude and Gemini hold to any schema they take, OpenAI only to a strict one: strict wherever it can be. */
function strictness(
  { schema, strict }: Extract<OutputFormat, { kind: 'schema' }>,
  dialect: CanonicalRequest['dialect'],
): boolean | undefined {
  if (dialect === NAME) return strict
  const wanted = strict ?? dialect !== 'openai-chat'
  return wanted && isStrictSchema(schema)
}

/** Whoever keeps the history has to be given the state of reasoning; models that do not think have none. */
function writeInclude(
  { params, extras, dialect }: CanonicalRequest,
  body: Body,
  { thinking }: Capabilities,
): void {
  const asked = dialect === NAME ? extras.find(({ path }) => path === 'include')?.value : undefined
  const include = [
    ...(isArray(asked) ? asked : []),
    ...(thinking === 'none' ? [] : [INCLUDE_STATE]),
    ...(params.topLogprobs === undefined ? [] : [INCLUDE_LOGPROBS]),
  ]
  if (include.length > 0) body['include'] = include
}

function writeParallel(
  request: CanonicalRequest,
  body: Body,
  { capabilities }: WriteTarget,
  losses: Losses,
): void {
  const { parallelTools } = request
  if (parallelTools === undefined) return
  if (capabilities.parallelSwitch) body['parallel_tool_calls'] = parallelTools
  else if (!parallelTools) losses.warn('parallelTools', 'unsupported')
}

function writeExtras(
  request: CanonicalRequest,
  body: Body,
  { capabilities }: WriteTarget,
  losses: Losses,
): void {
  for (const { path, value, cross } of request.extras) {
    if (request.dialect === NAME) {
      if (path !== 'include') putBack(body, path, value)
    } else if (capabilities.extraFields.includes(path)) body[path] = value
    else if (cross === 'warn') losses.warn(path, 'unsupported')
    else if (cross === 'refuse') losses.refuse(path, `The provider has nothing like '${path}'.`)
  }
}

/** Puts a member back where it was read: at the top, or beside the effort. */
function putBack(body: Body, path: string, value: JsonValue): void {
  if (!path.startsWith(IN_REASONING)) {
    body[path] = value
    return
  }
  const reasoning = body['reasoning']
  body['reasoning'] = { ...(isObject(reasoning) ? reasoning : {}), [path.slice(IN_REASONING.length)]: value }
}

const IN_REASONING = 'reasoning.'

function writeConversation(request: CanonicalRequest, body: Body, target: ItemTarget): void {
  const { capabilities, own, losses } = target
  const [first, ...others] = request.system
  // As it was sent; of another dialect's texts a single one only, because the order of several counts.
  const isInstructions = own
    ? first !== undefined && request.source['instructions'] === first.text
    : first !== undefined && others.length === 0 && cacheMark(first.cache, capabilities) === NO_MARK
  if (isInstructions && first !== undefined) body['instructions'] = first.text
  const blocks = isInstructions ? others : request.system
  const fitted = fitCallIds(request.turns, {
    length: capabilities.callIdLength,
    form: capabilities.callIdForm,
  })
  // Its own clients may leave out what the service has stored.
  const turns = own ? request.turns : dropEmpty(pairResults(fitted, losses))
  body['input'] = [
    ...blocks.map((block): JsonValue => {
      const mark = cacheMark(block.cache, capabilities)
      return {
        type: 'message',
        role: own ? block.role : capabilities.systemRole,
        content: mark === NO_MARK ? block.text : [{ type: 'input_text', text: block.text, ...mark }],
      }
    }),
    ...writeItems(turns, target),
  ]
}
