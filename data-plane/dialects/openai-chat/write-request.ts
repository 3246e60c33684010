/**
 * The form in the middle → a chat request.
 *
 * Pure. Static members first, the conversation last and everything always in the same order: that is what
 * prompt caches meet by.
 */
import type { JsonValue } from '../canonical/json.ts'
import { Losses } from '../canonical/loss.ts'
import type { CanonicalRequest, ParamName } from '../canonical/request.ts'
import type { WriteTarget, WrittenRequest } from '../dialect.ts'
import { effortFor } from '../repair/effort.ts'
import { shortHash } from '../repair/hash.ts'
import { fitToolNames } from '../repair/tool-names.ts'
import { writeMessages } from './request/write-messages.ts'
import { writeFormat, writeTools } from './request/write-tools.ts'

export function writeRequest(request: CanonicalRequest, target: WriteTarget): WrittenRequest {
  const losses = new Losses()
  const { capabilities } = target
  const names = fitToolNames(toolNames(request), { length: capabilities.toolNameLength, pattern: 'openai' })
  const effort = effortFor(request.reasoning, capabilities, request.params.maxTokens, losses)
  const { format, instruction } = writeFormat(request, { capabilities, losses })
  const system =
    instruction === undefined
      ? request.system
      : [...request.system, { text: instruction, role: 'system' as const }]
  const body: Fields = {
    model: target.model,
    ...streamFields(target),
    ...writeParams(request, target, losses),
    ...(effort === null ? {} : { reasoning_effort: effort }),
    ...(format === undefined ? {} : { response_format: format }),
    ...writeExtras(request, target, losses),
    ...writeTools(request, effort !== null && effort !== 'none', { capabilities, names, losses }),
  }
  dropRefused(body, capabilities.refusedFields ?? [], losses)
  body['messages'] = writeMessages({ ...request, system }, target, names, losses)
  return { body: JSON.stringify(body), headers: [], losses: losses.list, toolNames: names.back }
}

type Fields = { [name: string]: JsonValue | undefined }

const toolNames = ({ tools, turns }: CanonicalRequest): readonly string[] => [
  ...tools.flatMap((tool) => ('name' in tool ? [tool.name] : [])),
  ...turns.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === 'tool-call' ? [part.name] : []))),
]

/** Usage is always asked for: the gateway counts, whether or not the client does. */
const streamFields = ({ stream, capabilities }: WriteTarget): Fields =>
  stream
    ? { stream: true, ...(capabilities.streamUsage ? { stream_options: { include_usage: true } } : {}) }
    : {}

/** OpenAI's most characters of an end user's name. */
const END_USER_LENGTH = 64
const MOST_STOPS = 4

function writeParams(request: CanonicalRequest, { capabilities }: WriteTarget, losses: Losses): Fields {
  const { params } = request
  const isOwn = request.dialect === 'openai-chat'
  const fields: Fields = {}
  const set = (name: string, value: JsonValue | undefined): void => {
    if (value !== undefined) fields[name] = value
  }
  set(capabilities.maxCompletionTokens ? 'max_completion_tokens' : 'max_tokens', maxTokens())
  set('temperature', sampled('temperature', 1, capabilities.maxTemperature))
  set('top_p', sampled('topP', 1, 1))
  if (capabilities.extraFields.includes('top_k')) set('top_k', params.topK)
  else if (params.topK !== undefined) losses.warn('params.topK', 'unsupported')
  set('frequency_penalty', params.frequencyPenalty)
  set('presence_penalty', params.presencePenalty)
  set('seed', params.seed)
  set('n', params.n)
  set('logit_bias', params.logitBias)
  set('stop', params.stop?.slice(0, MOST_STOPS))
  if ((params.stop?.length ?? 0) > MOST_STOPS) losses.warn('params.stop', 'clamped')
  if (params.topLogprobs !== undefined) {
    set('logprobs', true)
    set('top_logprobs', params.topLogprobs > 0 ? params.topLogprobs : undefined)
  }
  set('verbosity', params.verbosity)
  // Hosts know the old name; who says the new one means OpenAI.
  const isSafety = request.source['safety_identifier'] !== undefined
  set(
    isSafety ? 'safety_identifier' : 'user',
    params.endUser === undefined ? undefined : shortened(params.endUser),
  )
  // Elsewhere it is the gateway's to keep, and OpenAI takes it only for what it stores.
  if (isOwn) set('metadata', params.metadata)
  set('service_tier', params.serviceTier)
  set('prompt_cache_key', params.cacheKey)
  if (isOwn) set('store', params.store)
  return fields

  function maxTokens(): number | undefined {
    const most = capabilities.maxOutputTokens ?? Infinity
    if (params.maxTokens === undefined || params.maxTokens <= most) return params.maxTokens
    losses.warn('params.maxTokens', 'clamped')
    return most
  }

  /** Models that refuse sampling refuse its default, too, but lose nothing without it. */
  function sampled(name: ParamName & ('temperature' | 'topP'), neutral: number, most: number) {
    const value = params[name]
    if (value === undefined) return undefined
    if (!capabilities.sampling) {
      if (value !== neutral) losses.warn(`params.${name}`, 'unsupported')
      return undefined
    }
    if (value > most) losses.warn(`params.${name}`, 'clamped')
    return Math.min(value, most)
  }
}

const shortened = (user: string): string => (user.length <= END_USER_LENGTH ? user : shortHash(user, 32))

/** Own fields go back as they came; of others', those that this host is known to take. */
function writeExtras(request: CanonicalRequest, { capabilities }: WriteTarget, losses: Losses): Fields {
  const fields: Fields = {}
  for (const { path, value, cross } of request.extras) {
    if (request.dialect === 'openai-chat' || capabilities.extraFields.includes(path)) fields[path] = value
    else if (cross === 'warn') losses.warn(path, 'unsupported')
    else if (cross === 'refuse') losses.refuse(path, `'${path}' cannot be used with this model.`)
  }
  return fields
}

/** Chat's name → the canonical one, for fields whose absence changes the answer. */
const CANONICAL: Readonly<Record<string, string>> = {
  temperature: 'params.temperature',
  top_p: 'params.topP',
  frequency_penalty: 'params.frequencyPenalty',
  presence_penalty: 'params.presencePenalty',
  seed: 'params.seed',
  n: 'params.n',
  logit_bias: 'params.logitBias',
  stop: 'params.stop',
  logprobs: 'params.topLogprobs',
  verbosity: 'params.verbosity',
  service_tier: 'params.serviceTier',
  reasoning_effort: 'reasoning.effort',
  response_format: 'format',
  web_search_options: 'tools',
}

function dropRefused(body: Fields, refused: readonly string[], losses: Losses): void {
  for (const name of refused) {
    if (body[name] === undefined) continue
    delete body[name]
    const at = CANONICAL[name]
    if (at !== undefined) losses.warn(at, 'unsupported')
  }
}
