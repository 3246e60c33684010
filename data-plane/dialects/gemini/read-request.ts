/**
 * A Gemini request → the form in the middle.
 *
 * Pure. Both spellings of each field are taken, as the API does.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
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
  type Extra,
  type OutputFormat,
  type Params,
  type ReasoningWish,
  type SystemBlock,
  type Tool,
  type ToolChoice,
} from '../canonical/request.ts'
import { misshapen, shapeOf } from '../canonical/shape.ts'
import type { ReadContext } from '../dialect.ts'
import { readContents } from './read-parts.ts'
import { fromOpenApi } from './schema.ts'
import { camelled, tierOf } from './terms.ts'

export function readRequest(body: JsonObject, context: ReadContext): Result<CanonicalRequest, Problem> {
  const request = camelled(body)
  const config = camelled(request['generationConfig'])
  const fault = misshapen(request, SHAPE) ?? misshapen(config, CONFIG_SHAPE, 'generationConfig.')
  if (fault !== null) return err(fault)
  const turns = readContents(request['contents'], context.sealer)
  if (!turns.ok) return turns
  const calling = camelled(camelled(request['toolConfig'])['functionCallingConfig'])
  const toolChoice = readChoice(calling)
  const reasoning = readReasoning(config['thinkingConfig'])
  const format = readFormat(config)
  return ok({
    dialect: 'gemini',
    model: context.model,
    stream: context.stream,
    system: readSystem(request['systemInstruction']),
    turns: turns.value,
    tools: readTools(request['tools'], calling['mode'] === 'VALIDATED'),
    ...(toolChoice === undefined ? {} : { toolChoice }),
    params: readParams(request, config),
    ...(format === undefined ? {} : { format }),
    ...(reasoning === undefined ? {} : { reasoning }),
    extras: [...readExtras(request), ...readConfigExtras(config, format)],
    telling: {
      usageChunk: true,
      legacyFunctions: false,
      framing: context.framing,
      reasoning: reasoning?.show === 'auto',
    },
    source: body,
  })
}

const SHAPE = shapeOf({
  contents: ['text', 'object', 'list'],
  systemInstruction: ['text', 'object', 'list'],
  tools: ['object', 'objects'],
  toolConfig: 'object',
  generationConfig: 'object',
  safetySettings: 'objects',
  serviceTier: 'text',
  store: 'flag',
  labels: 'object',
})

const CONFIG_SHAPE = shapeOf({
  maxOutputTokens: 'number',
  temperature: 'number',
  topP: 'number',
  topK: 'number',
  frequencyPenalty: 'number',
  presencePenalty: 'number',
  seed: 'number',
  candidateCount: 'number',
  responseLogprobs: 'flag',
  logprobs: 'number',
  stopSequences: 'texts',
  thinkingConfig: 'object',
  responseMimeType: 'text',
})

/** A content, its parts, a list of either, or plain text. */
function readSystem(value: unknown): readonly SystemBlock[] {
  if (typeof value === 'string') return value === '' ? [] : [{ text: value, role: 'system' }]
  if (isArray(value)) return value.flatMap(readSystem)
  if (!isObject(value)) return []
  const { parts, text } = value
  if (parts !== undefined) return readSystem(parts)
  return typeof text === 'string' ? readSystem(text) : []
}

/** `tools` may also be a single object. */
function readTools(value: unknown, isStrict: boolean): readonly Tool[] {
  return (isObject(value) ? [value] : arrayOf(value)).flatMap((one) =>
    Object.entries(camelled(one)).flatMap(([type, tool]): readonly Tool[] => {
      if (type === 'functionDeclarations') return arrayOf(tool).map((each) => readFunction(each, isStrict))
      if (tool === undefined || tool === null) return []
      return type === 'googleSearch' || type === 'googleSearchRetrieval'
        ? [{ kind: 'web-search', dialect: 'gemini', value: { [type]: tool } }]
        : [{ kind: 'native', dialect: 'gemini', type, value: { [type]: tool } }]
    }),
  )
}

function readFunction(value: JsonValue, isStrict: boolean): Tool {
  const { name, description, parameters, parametersJsonSchema } = camelled(value)
  const schema = isObject(parametersJsonSchema)
    ? parametersJsonSchema
    : isObject(parameters)
      ? fromOpenApi(parameters)
      : undefined
  return {
    kind: 'function',
    name: stringOf(name) ?? '',
    ...(typeof description === 'string' && description !== '' ? { description } : {}),
    ...(schema === undefined ? {} : { parameters: schema }),
    ...(isStrict ? { strict: true } : {}),
  }
}

function readChoice(calling: JsonObject): ToolChoice | undefined {
  const names = arrayOf(calling['allowedFunctionNames']).filter((name) => typeof name === 'string')
  const [first] = names
  switch (stringOf(calling['mode'])?.toUpperCase()) {
    case 'NONE':
      return { kind: 'none' }
    case 'ANY':
      if (first === undefined) return { kind: 'required' }
      return names.length === 1
        ? { kind: 'one', name: first, isCustom: false }
        : { kind: 'subset', names, mode: 'required' }
    case 'AUTO':
    case 'VALIDATED':
      return first === undefined ? { kind: 'auto' } : { kind: 'subset', names, mode: 'auto' }
    default:
      return undefined
  }
}

function readParams(request: JsonObject, config: JsonObject): Params {
  const { stopSequences, serviceTier, store, labels } = { ...config, ...request }
  const numbers = {
    maxTokens: numberOf(config['maxOutputTokens']),
    temperature: numberOf(config['temperature']),
    topP: numberOf(config['topP']),
    topK: numberOf(config['topK']),
    frequencyPenalty: numberOf(config['frequencyPenalty']),
    presencePenalty: numberOf(config['presencePenalty']),
    seed: numberOf(config['seed']),
    n: config['candidateCount'] === 1 ? undefined : numberOf(config['candidateCount']),
    topLogprobs: config['responseLogprobs'] === true ? (numberOf(config['logprobs']) ?? 0) : undefined,
  }
  const params: { -readonly [Name in keyof Params]: Params[Name] } = {}
  for (const name of NUMBERS) {
    const value = numbers[name]
    if (value !== undefined) params[name] = value
  }
  const stop = arrayOf(stopSequences).filter((text) => typeof text === 'string')
  if (stop.length > 0) params.stop = stop
  if (typeof serviceTier === 'string') params.serviceTier = tierOf(serviceTier)
  if (typeof store === 'boolean') params.store = store
  const texts = Object.entries(objectOf(labels)).flatMap(([key, text]): readonly [string, string][] =>
    typeof text === 'string' ? [[key, text]] : [],
  )
  if (texts.length > 0) params.metadata = Object.fromEntries(texts)
  return params
}

const NUMBERS = [
  'maxTokens',
  'temperature',
  'topP',
  'topK',
  'frequencyPenalty',
  'presencePenalty',
  'seed',
  'n',
  'topLogprobs',
] as const

function readFormat(config: JsonObject): OutputFormat | undefined {
  if (stringOf(config['responseMimeType']) !== 'application/json') return undefined
  const schema = config['responseJsonSchema'] ?? config['_responseJsonSchema']
  if (isObject(schema)) return { kind: 'schema', schema }
  const { responseSchema } = config
  return isObject(responseSchema) ? { kind: 'schema', schema: fromOpenApi(responseSchema) } : { kind: 'json' }
}

function readReasoning(value: unknown): ReasoningWish | undefined {
  const thinking = camelled(value)
  const level = stringOf(thinking['thinkingLevel'])?.toLowerCase()
  const effort = EFFORTS.find((one) => one === level)
  const budget = numberOf(thinking['thinkingBudget'])
  const isShown = booleanOf(thinking['includeThoughts'])
  if (effort === undefined && budget === undefined && isShown === undefined) return undefined
  return {
    ...(effort === undefined ? {} : { effort }),
    ...(budget === undefined ? {} : { budget }),
    ...(isShown === undefined ? {} : { show: isShown ? 'auto' : 'none' }),
  }
}

const KNOWN = new Set([
  'contents',
  'generationConfig',
  'systemInstruction',
  'tools',
  'toolConfig',
  'serviceTier',
  'store',
  'labels',
  'model',
])

/** Safety and state: the answer would be another one without them. */
const REFUSED = new Set(['modelArmorConfig', 'cachedContent', 'continuationToken'])

function readExtras(request: JsonObject): readonly Extra[] {
  const extras: Extra[] = []
  for (const [path, value] of Object.entries(request)) {
    if (KNOWN.has(path) || value === undefined || value === null) continue
    if (path === 'safetySettings') {
      if (isArray(value) && value.length === 0) continue
      extras.push({ path, value, cross: isLoosening(value) ? 'warn' : 'refuse' })
    } else extras.push({ path, value, cross: REFUSED.has(path) ? 'refuse' : 'warn' })
  }
  for (const [name, value] of Object.entries(camelled(request['toolConfig']))) {
    if (name === 'functionCallingConfig' || value === undefined) continue
    extras.push({ path: `toolConfig.${name}`, value, cross: 'warn' })
  }
  return extras
}

/** Whoever only switches filters off loses nothing where there are none. */
const isLoosening = (settings: JsonValue): boolean =>
  arrayOf(settings).every((setting) => {
    const { threshold } = objectOf(setting)
    return threshold === 'BLOCK_NONE' || threshold === 'OFF'
  })

const KNOWN_CONFIG = new Set([
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'frequencyPenalty',
  'presencePenalty',
  'seed',
  'candidateCount',
  'responseLogprobs',
  'logprobs',
  'stopSequences',
  'thinkingConfig',
])

const FORMAT = new Set(['responseMimeType', 'responseJsonSchema', '_responseJsonSchema', 'responseSchema'])

/** Another kind of output altogether. */
const REFUSED_CONFIG = new Set([
  'responseMimeType',
  'responseSchema',
  'responseFormat',
  'speechConfig',
  'imageConfig',
])

function readConfigExtras(config: JsonObject, format: OutputFormat | undefined): readonly Extra[] {
  const extras: Extra[] = []
  for (const [name, value] of Object.entries(config)) {
    if (KNOWN_CONFIG.has(name) || value === undefined || value === null) continue
    if (FORMAT.has(name) && (format !== undefined || value === 'text/plain')) continue
    const isTextOnly = arrayOf(value).every((one) => one === 'TEXT')
    if (name === 'responseModalities') {
      extras.push({ path: `generationConfig.${name}`, value, cross: isTextOnly ? 'silent' : 'refuse' })
      continue
    }
    const cross = REFUSED_CONFIG.has(name) ? 'refuse' : 'warn'
    extras.push({ path: `generationConfig.${name}`, value, cross })
  }
  return extras
}
