/**
 * The form in the middle as a Messages request, in the API version that takes it.
 *
 * Pure. Static members first, the conversation last, always in the same order: prompt caches match from the
 * front. `2026-10-21` refuses sampling and some older forms of content; a request that needs them goes out as
 * `2023-06-01`.
 */
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import { Losses } from '../canonical/loss.ts'
import type { CacheMark, CanonicalRequest, Part, Turn } from '../canonical/request.ts'
import type { WriteTarget, WrittenRequest } from '../dialect.ts'
import { plainSchema } from '../repair/plain-schema.ts'
import { fitToolNames } from '../repair/tool-names.ts'
import { isOwnState } from './read-blocks.ts'
import {
  BETA_HEADER,
  DIALECT,
  FIRST_VERSION,
  isNativeCitation,
  MOST_CACHE_MARKS,
  TIERS_ASKED,
  VERSION_HEADER,
  writeCache,
} from './terms.ts'
import { planThinking, writeSampling, type Thinking } from './write-thinking.ts'
import { calledNames, writeChoice, writeTools } from './write-tools.ts'
import { arrange, writeMessages, type Writing } from './write-turns.ts'

/** Where the catalog knows no maximum: every Claude can say as much. */
const LEAST_MAXIMUM = 4_096

/** Some models take `speed: fast` only with it. */
const FAST_BETA = 'fast-mode-2026-02-01'

export function writeRequest(request: CanonicalRequest, target: WriteTarget): WrittenRequest {
  const writing = begin(request, target)
  const { losses } = writing
  refuseForeign(writing)
  const turns = arrange(writing)
  const maxTokens = maximum(writing)
  const thinking = withBlocks(planThinking(request, target.capabilities, maxTokens, losses), turns, writing)
  const sampling = writeSampling(request, target.capabilities, thinking.isOn, losses)
  const read = writeRead(turns, thinking, writing)
  const fields: JsonObject = {
    model: target.model,
    max_tokens: maxTokens,
    ...(target.stream ? { stream: true } : {}),
    ...sampling,
    ...settings(writing),
    ...read.fields,
  }
  return {
    body: bodyOf(fields, read.messages),
    headers: headersFor(writing, turns, fields),
    losses: losses.list,
    toolNames: writing.names.back,
  }
}

/** What `POST /v1/messages/count_tokens` takes of a request: what is read, not how it is answered. */
export function writeTokenCount(request: CanonicalRequest, target: WriteTarget): WrittenRequest {
  const writing = begin(request, target)
  const turns = arrange(writing)
  const thinking = planThinking(request, target.capabilities, maximum(writing), writing.losses)
  const read = writeRead(turns, withBlocks(thinking, turns, writing), writing)
  const fields = { model: target.model, ...read.fields, ...writing.mark(request.params.cache) }
  return {
    body: bodyOf(fields, read.messages),
    headers: headersFor(writing, turns, fields),
    losses: writing.losses.list,
    toolNames: writing.names.back,
  }
}

const bodyOf = (fields: JsonObject, messages: readonly string[]): string =>
  `${JSON.stringify(fields).slice(0, -1)},"messages":[${messages.join(',')}]}`

/** What becomes part of the prompt. In its order, because cache marks count from its end. */
function writeRead(
  turns: readonly Turn[],
  thinking: Thinking,
  writing: Writing,
): Readonly<{ fields: JsonObject; messages: readonly string[] }> {
  const tools = writeTools(writing)
  const choice = writeChoice(writing, thinking.isOn, tools.length > 0)
  const output = outputConfig(thinking, writing)
  const system = writeSystem(writing)
  const messages = writeMessages(turns, writing)
  return {
    fields: {
      ...(thinking.field === null ? {} : { thinking: thinking.field }),
      ...(Object.keys(output).length === 0 ? {} : { output_config: output }),
      ...(tools.length === 0 ? {} : { tools }),
      ...(choice === null ? {} : { tool_choice: choice }),
      ...(system.length === 0 ? {} : { system }),
    },
    messages,
  }
}

function begin(request: CanonicalRequest, target: WriteTarget): Writing {
  const names = [
    ...request.tools.flatMap((tool) =>
      tool.kind === 'function' || tool.kind === 'custom' ? [tool.name] : [],
    ),
    ...calledNames(request),
  ]
  return {
    request,
    target,
    losses: new Losses(),
    names: fitToolNames(names, { length: target.capabilities.toolNameLength, pattern: 'openai' }),
    mark: markWriter(request, target),
  }
}

/**
 * The last four marks in the order of the prompt (tools, system, conversation) count most. An hour must not
 * stand behind five minutes. An Anthropic client has placed its own.
 */
function markWriter(request: CanonicalRequest, { capabilities }: WriteTarget): Writing['mark'] {
  if (!capabilities.cacheMarks) return () => ({})
  if (request.dialect === DIALECT) {
    return (cache) => (cache === undefined ? {} : { cache_control: writeCache(cache) })
  }
  let surplus = countMarks(request) - MOST_CACHE_MARKS
  let isShortNow = false
  return (cache: CacheMark | undefined) => {
    if (cache === undefined || surplus-- > 0) return {}
    const ttl = isShortNow && cache.ttl === 'long' ? 'short' : cache.ttl
    isShortNow ||= ttl !== 'long'
    return { cache_control: writeCache({ ttl }) }
  }
}

function countMarks({ tools, system, turns, params }: CanonicalRequest): number {
  const marks = (value: object): number => ('cache' in value && value.cache !== undefined ? 1 : 0)
  const inPart = (part: Part): number =>
    marks(part) + (part.kind === 'tool-result' ? part.content.reduce((sum, one) => sum + marks(one), 0) : 0)
  return (
    tools.reduce((sum, tool) => sum + marks(tool), 0) +
    system.reduce((sum, block) => sum + marks(block), 0) +
    turns.reduce((sum, turn) => sum + turn.parts.reduce((inTurn, part) => inTurn + inPart(part), 0), 0) +
    marks(params)
  )
}

/** Everything said in other dialects that has no place here. */
function refuseForeign({ request, target, losses }: Writing): void {
  const { params, extras } = request
  if ((params.n ?? 1) > 1) losses.refuse('params.n', 'This model gives one answer at a time.')
  if (Object.keys(params.logitBias ?? {}).length > 0) {
    losses.refuse('params.logitBias', 'This model does not take biases of tokens.')
  }
  if (params.topLogprobs !== undefined) {
    losses.refuse('params.topLogprobs', 'This model does not tell probabilities of tokens.')
  }
  if ((params.frequencyPenalty ?? 0) !== 0) losses.warn('params.frequencyPenalty', 'unsupported')
  if ((params.presencePenalty ?? 0) !== 0) losses.warn('params.presencePenalty', 'unsupported')
  if (params.seed !== undefined) losses.warn('params.seed', 'unsupported')
  if (params.verbosity !== undefined) losses.warn('params.verbosity', 'unsupported')
  if (request.dialect === DIALECT) return
  for (const { path, cross } of extras) {
    if (target.capabilities.extraFields.includes(path) || cross === 'silent') continue
    if (cross === 'warn') losses.warn(path, 'unsupported')
    else losses.refuse(path, `'${path}' means nothing to this model.`)
  }
}

function maximum({ request, target, losses }: Writing): number {
  const most = target.capabilities.maxOutputTokens
  const asked = request.params.maxTokens
  if (asked === undefined) return most ?? LEAST_MAXIMUM
  if (most === null || asked <= most) return asked
  losses.warn('params.maxTokens', 'clamped')
  return most
}

/**
 * Models with a thinking budget refuse a history whose last calls are not preceded by their thoughts; then
 * the request goes on without thinking. They cannot think on in a begun answer either.
 */
function withBlocks(thinking: Thinking, turns: readonly Turn[], { target, losses }: Writing): Thinking {
  if (thinking.field?.['type'] !== 'enabled') return thinking
  const last = turns.findLast(({ role }) => role === 'assistant')
  const isBegun = turns.at(-1)?.role === 'assistant'
  const isCalling = last?.parts.some(({ kind }) => kind === 'tool-call') === true && isInLoop(turns)
  const [first] = last?.parts ?? []
  const hasThoughts = first?.kind === 'reasoning' && isOwnState(first.carrier, target.provider)
  if (!isBegun && (!isCalling || hasThoughts)) return thinking
  losses.warn('reasoning', 'dropped')
  return { field: null, effort: null, isOn: false }
}

/** The last user's turn answers calls and says nothing else. */
const isInLoop = (turns: readonly Turn[]): boolean =>
  turns.at(-1)?.parts.some(({ kind }) => kind === 'tool-result') === true

function settings({ request, target, losses, mark }: Writing): JsonObject {
  const { params, extras } = request
  const stop = params.stop?.filter((sequence) => sequence.trim() !== '')
  if (stop?.length !== params.stop?.length) losses.warn('params.stop', 'dropped')
  const tier = TIERS_ASKED.get(params.serviceTier ?? '')
  const isFast = params.serviceTier === 'fast'
  if (params.serviceTier !== undefined && tier === undefined && !isFast) {
    losses.warn('params.serviceTier', 'unsupported')
  }
  const kept = extras.filter(({ path }) =>
    request.dialect === DIALECT
      ? path !== VERSION_HEADER && path !== BETA_HEADER && !path.includes('.')
      : target.capabilities.extraFields.includes(path),
  )
  return {
    ...(stop === undefined || stop.length === 0 ? {} : { stop_sequences: stop }),
    ...(params.endUser === undefined ? {} : { metadata: { user_id: params.endUser } }),
    ...(tier === undefined ? {} : { service_tier: tier }),
    ...(isFast ? { speed: 'fast' } : {}),
    ...Object.fromEntries(kept.map(({ path, value }) => [path, value])),
    ...mark(params.cache),
  }
}

function outputConfig(thinking: Thinking, writing: Writing): JsonObject {
  const { request, target, losses } = writing
  const { format } = request
  const fields: Record<string, JsonValue> = {}
  if (request.dialect === DIALECT) {
    for (const { path, value } of request.extras) {
      const [parent, name] = path.split('.')
      if (parent === 'output_config' && name !== undefined && name !== 'effort') fields[name] = value
    }
  }
  if (thinking.effort !== null) fields['effort'] = thinking.effort
  if (format?.kind === 'schema' && target.capabilities.structuredOutput) {
    const isOwn = request.dialect === DIALECT
    const schema = isOwn
      ? format.schema
      : plainSchema(format.schema, () => losses.warn('format', 'simplified'))
    fields['format'] = { type: 'json_schema', schema }
  } else if (format !== undefined) losses.warn('format', 'degraded')
  return fields
}

/** Block borders are kept; a form of answer that cannot be enforced is asked for in words. */
function writeSystem({ request, target, mark }: Writing): JsonObject[] {
  const { format } = request
  const blocks: JsonObject[] = request.system.map(({ text, cache }) => ({
    type: 'text',
    text,
    ...mark(cache),
  }))
  const isAsked =
    format?.kind === 'json' || (format?.kind === 'schema' && !target.capabilities.structuredOutput)
  if (!isAsked) return blocks
  const schema =
    format.kind === 'schema' ? ` that fits this JSON Schema: ${JSON.stringify(format.schema)}` : ''
  return [...blocks, { type: 'text', text: `Answer with one JSON object and nothing else${schema}.` }]
}

function headersFor(writing: Writing, turns: readonly Turn[], fields: JsonObject): string[] {
  const { request, target } = writing
  const said = (name: string): string | undefined => {
    const value = request.extras.find(({ path }) => path === name)?.value
    return request.dialect === DIALECT && typeof value === 'string' ? value : undefined
  }
  const version = needsFirstVersion(turns, fields)
    ? FIRST_VERSION
    : (said(VERSION_HEADER) ?? target.capabilities.anthropicVersion)
  const betas =
    said(BETA_HEADER)
      ?.split(',')
      .map((beta) => beta.trim()) ?? []
  if (fields['speed'] === 'fast' && !betas.includes(FAST_BETA)) betas.push(FAST_BETA)
  return [VERSION_HEADER, version, ...(betas.length === 0 ? [] : [BETA_HEADER, betas.join(',')])]
}

/** What `2026-10-21` answers with 400. */
function needsFirstVersion(turns: readonly Turn[], fields: JsonObject): boolean {
  if (['temperature', 'top_p', 'top_k'].some((name) => fields[name] !== undefined)) return true
  return turns.some(({ role, parts }) =>
    parts.some((part) =>
      role === 'assistant'
        ? (part.kind === 'media' && part.media === 'document') ||
          (part.kind === 'native' && part.type === 'document')
        : role === 'user' && part.kind === 'text' && part.citations?.some(isNativeCitation) === true,
    ),
  )
}
