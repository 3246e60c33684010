/**
 * The form in the middle → a Gemini request.
 *
 * Pure. The model and whether to stream stand in the address, not here. Members that stay the same from turn
 * to turn come first, the conversation last: that is what prompt caches meet.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import { Losses } from '../canonical/loss.ts'
import type { CanonicalRequest, FunctionTool } from '../canonical/request.ts'
import type { WrittenRequest, WriteTarget } from '../dialect.ts'
import { asFunction } from '../repair/custom-tools.ts'
import { budgetFor, effortFor } from '../repair/effort.ts'
import { fitToolNames, type ToolNames } from '../repair/tool-names.ts'
import { cleanSchema } from './schema.ts'
import { TIERS } from './terms.ts'
import { writeContents } from './write-parts.ts'

type Members = Record<string, JsonValue | undefined>

export function writeRequest(request: CanonicalRequest, target: WriteTarget): WrittenRequest {
  const losses = new Losses()
  const { capabilities } = target
  const names = fitToolNames(namesOf(request), { length: capabilities.toolNameLength, pattern: 'gemini' })
  const tools = writeTools(request, capabilities, names, losses)
  const hasFunctions = request.tools.some(({ kind }) => kind === 'function' || kind === 'custom')
  const config: Members = { ...writeParams(request, capabilities, losses) }
  const instruction = writeFormat(request, capabilities, hasFunctions, config, losses)
  const thinking = writeThinking(request, capabilities, losses)
  if (thinking !== undefined) config['thinkingConfig'] = thinking
  const body: Members = {}
  const calling = hasFunctions ? writeChoice(request, capabilities, names, losses) : undefined
  const toolConfig: Members = calling === undefined ? {} : { functionCallingConfig: calling }
  writeExtras(request, capabilities, { body, config, toolConfig }, losses)
  const system = request.system.map(({ text }) => text).filter((text) => text !== '')
  if (instruction !== undefined) system.push(instruction)
  const statics = {
    ...(Object.keys(config).length === 0 ? {} : { generationConfig: config }),
    ...writeTier(request, losses),
    ...writeStore(request, losses),
    ...body,
    ...(tools.length === 0 ? {} : { tools }),
    ...(Object.keys(toolConfig).length === 0 ? {} : { toolConfig }),
    ...(system.length === 0 ? {} : { systemInstruction: { parts: system.map((text) => ({ text })) } }),
  }
  const contents = writeContents(request, target, names.sent, losses)
  const head = JSON.stringify(statics)
  const joint = head === '{}' ? '' : ','
  return {
    body: `${head.slice(0, -1)}${joint}"contents":${contents}}`,
    headers: [],
    losses: losses.list,
    toolNames: names.back,
  }
}

/** Of the tools, and of the calls in the history. */
function namesOf(request: CanonicalRequest): readonly string[] {
  const names = request.tools.flatMap((tool) =>
    tool.kind === 'function' || tool.kind === 'custom' ? [tool.name] : [],
  )
  for (const { parts } of request.turns)
    for (const part of parts) if (part.kind === 'tool-call') names.push(part.name)
  return names
}

/** Most stop sequences it takes. */
const MOST_STOPS = 5
/** Most alternatives for a token. */
const MOST_LOGPROBS = 20

function writeParams(
  { params, ...request }: CanonicalRequest,
  capabilities: Capabilities,
  losses: Losses,
): Members {
  const config: Members = {}
  const { maxTokens, topLogprobs, stop, logitBias } = params
  const most = capabilities.maxOutputTokens ?? Infinity
  if (maxTokens !== undefined) {
    if (maxTokens > most) losses.warn('params.maxTokens', 'clamped')
    config['maxOutputTokens'] = Math.min(maxTokens, most)
  }
  for (const [name, member] of SAMPLING) {
    const value = params[name]
    if (value === undefined) continue
    if (!capabilities.sampling) losses.warn(`params.${name}`, 'unsupported')
    else if (name === 'temperature' && value > capabilities.maxTemperature) {
      losses.warn('params.temperature', 'clamped')
      config[member] = capabilities.maxTemperature
    } else config[member] = value
  }
  if (params.seed !== undefined) config['seed'] = params.seed
  if (params.n !== undefined) config['candidateCount'] = params.n
  if (stop !== undefined && stop.length > 0) {
    if (stop.length > MOST_STOPS) losses.warn('params.stop', 'clamped')
    config['stopSequences'] = stop.slice(0, MOST_STOPS)
  }
  if (topLogprobs !== undefined) {
    config['responseLogprobs'] = true
    if (topLogprobs > 0) config['logprobs'] = Math.min(topLogprobs, MOST_LOGPROBS)
  }
  if (logitBias !== undefined && Object.keys(logitBias).length > 0)
    losses.refuse('params.logitBias', 'This provider does not take a bias on tokens.')
  if (params.verbosity !== undefined) losses.warn('params.verbosity', 'unsupported')
  if (request.parallelTools === false && !capabilities.parallelSwitch)
    losses.warn('parallelTools', 'unsupported')
  return config
}

const SAMPLING = [
  ['temperature', 'temperature'],
  ['topP', 'topP'],
  ['topK', 'topK'],
  ['presencePenalty', 'presencePenalty'],
  ['frequencyPenalty', 'frequencyPenalty'],
] as const

function writeTier({ params }: CanonicalRequest, losses: Losses): Members {
  const { serviceTier } = params
  if (serviceTier === undefined || serviceTier === 'auto') return {}
  const tier = TIERS.get(serviceTier)
  if (tier === undefined) losses.warn('params.serviceTier', 'unsupported')
  return tier === undefined ? {} : { serviceTier: tier }
}

/** Storing means something else to each vendor; not to store is what all do unless asked. */
function writeStore({ params, dialect }: CanonicalRequest, losses: Losses): Members {
  if (params.store === undefined) return {}
  if (dialect === 'gemini') return { store: params.store }
  if (params.store) losses.warn('params.store', 'unsupported')
  return {}
}

/** @returns an instruction instead, for models that give no schema together with tools. */
function writeFormat(
  { format }: CanonicalRequest,
  capabilities: Capabilities,
  hasFunctions: boolean,
  config: Members,
  losses: Losses,
): string | undefined {
  if (format === undefined) return undefined
  if (capabilities.structuredOutput && (capabilities.structuredWithTools || !hasFunctions)) {
    config['responseMimeType'] = 'application/json'
    if (format.kind === 'schema') config['responseJsonSchema'] = cleanSchema(format.schema)
    return undefined
  }
  losses.warn('format', 'degraded')
  return format.kind === 'json'
    ? 'Answer with a JSON object and nothing else.'
    : `Answer with JSON that fits this JSON Schema and with nothing else:\n${JSON.stringify(format.schema)}`
}

/** Output tokens of most thinking models, where the catalog does not know better. */
const OUTPUT = 65_536

function writeThinking(
  request: CanonicalRequest,
  capabilities: Capabilities,
  losses: Losses,
): Members | undefined {
  const { reasoning, params } = request
  if (reasoning === undefined) return undefined
  const config: Members = {}
  if (capabilities.thinking === 'budget') {
    const budget = budgetOf(request, capabilities, losses)
    if (budget !== null) config['thinkingBudget'] = budget
  } else {
    // Gemini 3 thinks as much as it likes unless told.
    const isFree =
      reasoning.effort === undefined && (reasoning.budget === -1 || reasoning.budget === undefined)
    const effort = isFree ? null : effortFor(reasoning, capabilities, params.maxTokens, losses)
    if (effort !== null) config['thinkingLevel'] = effort.toUpperCase()
  }
  if (reasoning.show !== undefined && capabilities.thinking !== 'none')
    config['includeThoughts'] = reasoning.show !== 'none'
  return Object.keys(config).length === 0 ? undefined : config
}

function budgetOf(
  { reasoning, params }: CanonicalRequest,
  capabilities: Capabilities,
  losses: Losses,
): number | null {
  const { leastBudget = 0, mostBudget = Infinity, thinkingOff } = capabilities
  const clamp = (budget: number): number => Math.min(Math.max(budget, leastBudget), mostBudget)
  if (reasoning?.budget !== undefined && reasoning.effort === undefined) {
    if (reasoning.budget < 0) return -1
    if (reasoning.budget > 0) return clamp(reasoning.budget)
  } else if (reasoning?.adaptive === true && reasoning.effort === undefined) return -1
  const effort = effortFor(reasoning, capabilities, params.maxTokens, losses)
  if (effort === null) return null
  if (effort === 'none') return thinkingOff ? 0 : clamp(1)
  if (reasoning?.effort === 'none' || reasoning?.budget === 0) return clamp(1)
  return clamp(
    budgetFor(effort, Math.min(params.maxTokens ?? Infinity, capabilities.maxOutputTokens ?? OUTPUT)),
  )
}

/** All functions stand in one tool object. */
function writeTools(
  { tools }: CanonicalRequest,
  capabilities: Capabilities,
  names: ToolNames,
  losses: Losses,
): readonly JsonObject[] {
  const functions: JsonObject[] = []
  const others: JsonObject[] = []
  tools.forEach((tool, index) => {
    if (tool.kind === 'function') functions.push(writeFunction(tool, names))
    else if (tool.kind === 'custom') {
      if (tool.format !== undefined && tool.format['type'] !== 'text')
        losses.warn(`tools[${index}].format`, 'degraded')
      functions.push(writeFunction(asFunction(tool), names))
    } else if (tool.dialect === 'gemini') others.push(tool.value)
    else if (tool.kind === 'web-search') {
      others.push({ googleSearch: {} })
      if (Object.keys(tool.value).some((key) => key !== 'type' && key !== 'name'))
        losses.warn(`tools[${index}]`, 'degraded')
    } else if (!capabilities.extraFields.includes(tool.type))
      losses.refuse(`tools[${index}]`, `A tool of type '${tool.type}' has no counterpart at this provider.`)
  })
  return functions.length === 0 ? others : [{ functionDeclarations: functions }, ...others]
}

const writeFunction = ({ name, description, parameters }: FunctionTool, names: ToolNames): JsonObject => ({
  name: names.sent(name),
  ...(description === undefined ? {} : { description }),
  ...(parameters === undefined ? {} : { parametersJsonSchema: cleanSchema(parameters) }),
})

function writeChoice(
  { toolChoice, tools, dialect }: CanonicalRequest,
  capabilities: Capabilities,
  names: ToolNames,
  losses: Losses,
): JsonObject | undefined {
  const isValidated =
    dialect === 'gemini' && tools.some((tool) => tool.kind === 'function' && tool.strict === true)
  if (toolChoice === undefined) return isValidated ? { mode: 'VALIDATED' } : undefined
  const isForced =
    toolChoice.kind === 'required' ||
    toolChoice.kind === 'one' ||
    (toolChoice.kind === 'subset' && toolChoice.mode === 'required')
  if (isForced && !capabilities.forcedToolChoice) {
    losses.warn('toolChoice', 'degraded')
    return { mode: 'AUTO' }
  }
  switch (toolChoice.kind) {
    case 'auto':
      return { mode: isValidated ? 'VALIDATED' : 'AUTO' }
    case 'none':
      return { mode: 'NONE' }
    case 'required':
      return { mode: 'ANY' }
    case 'one':
      return { mode: 'ANY', allowedFunctionNames: [names.sent(toolChoice.name)] }
    case 'subset':
      // Names are never taken together with AUTO.
      return {
        mode: toolChoice.mode === 'required' ? 'ANY' : 'VALIDATED',
        allowedFunctionNames: toolChoice.names.map(names.sent),
      }
  }
}

/** Back to where they came from in their own dialect; otherwise each is what its reader said it is. */
function writeExtras(
  request: CanonicalRequest,
  capabilities: Capabilities,
  into: Readonly<{ body: Members; config: Members; toolConfig: Members }>,
  losses: Losses,
): void {
  for (const { path, value, cross } of request.extras) {
    if (request.dialect === 'gemini') {
      const [first = '', second] = path.split('.')
      if (first === 'generationConfig' && second !== undefined) into.config[second] = value
      else if (first === 'toolConfig' && second !== undefined) into.toolConfig[second] = value
      else into.body[path] = value
    } else if (capabilities.extraFields.includes(path)) into.body[path] = value
    else if (cross === 'warn') losses.warn(path, 'unsupported')
    else if (cross === 'refuse') losses.refuse(path, `'${path}' has no counterpart at this provider.`)
  }
}
