/**
 * The response around its items, as JSON text: of a whole answer and of every snapshot in a stream.
 *
 * Pure. It echoes the request, and every member that the Open Responses rules ask for is there. It is never
 * said to be stored: its client cannot ask for it again.
 */
import { ERRORS, type Problem } from '#contracts/errors.ts'
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
import type { Usage } from '../canonical/reply.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import { failureCode, NAME, usageJson, type Ending } from './terms.ts'

export type ResponseState = Readonly<{
  id: string
  model: string
  /** Epoch seconds. */
  now: number
  /** See `echoOf`. */
  echo: string
  ending: Ending | Readonly<{ status: 'in_progress'; reason: null }>
  /** Items, separated by commas. */
  output: string
  usage: Usage | null
  problem: Problem | null
}>

export function responseJson(state: ResponseState): string {
  const { ending, problem, now } = state
  const error =
    problem === null
      ? 'null'
      : `{"code":"${failureCode(problem)}","message":${JSON.stringify(problem.message ?? ERRORS[problem.code].message)}}`
  return (
    `{"id":"${state.id}","object":"response","created_at":${now},"status":"${ending.status}"` +
    `,"completed_at":${ending.status === 'completed' ? now : 'null'},"error":${error}` +
    `,"incomplete_details":${ending.reason === null ? 'null' : `{"reason":"${ending.reason}"}`}` +
    `,"model":${JSON.stringify(state.model)},"output":[${state.output}]` +
    `,"usage":${usageJson(state.usage)},${state.echo}}`
  )
}

const TIERS = new Set(['auto', 'default', 'flex', 'scale', 'priority', 'fast', 'ultrafast'])

/** @returns the members that repeat the request, as JSON text without braces: the same in every snapshot. */
export function echoOf(request: CanonicalRequest, serviceTier: string | null): string {
  const source = request.dialect === NAME ? request.source : {}
  const tier = serviceTier ?? stringOf(source['service_tier']) ?? 'default'
  const user = stringOf(source['user'])
  const echo: JsonObject = {
    background: false,
    frequency_penalty: numberOf(source['frequency_penalty']) ?? 0,
    instructions: stringOf(source['instructions']) ?? null,
    max_output_tokens: numberOf(source['max_output_tokens']) ?? null,
    max_tool_calls: numberOf(source['max_tool_calls']) ?? null,
    metadata: request.params.metadata ?? {},
    parallel_tool_calls: booleanOf(source['parallel_tool_calls']) ?? true,
    presence_penalty: numberOf(source['presence_penalty']) ?? 0,
    previous_response_id: stringOf(source['previous_response_id']) ?? null,
    prompt_cache_key: stringOf(source['prompt_cache_key']) ?? null,
    reasoning: reasoningEcho(objectOf(source['reasoning'])),
    safety_identifier: stringOf(source['safety_identifier']) ?? null,
    service_tier: TIERS.has(tier) && tier !== 'auto' ? tier : 'default',
    store: false,
    temperature: numberOf(source['temperature']) ?? 1,
    text: textEcho(objectOf(source['text'])),
    tool_choice: choiceEcho(source['tool_choice']),
    tools: arrayOf(source['tools']).map((tool) => toolEcho(objectOf(tool))),
    top_logprobs: numberOf(source['top_logprobs']) ?? 0,
    top_p: numberOf(source['top_p']) ?? 1,
    truncation: source['truncation'] === 'auto' ? 'auto' : 'disabled',
    ...(user === undefined ? {} : { user }),
  }
  return JSON.stringify(echo).slice(1, -1)
}

const reasoningEcho = (reasoning: JsonObject): JsonObject => ({
  ...reasoning,
  effort: stringOf(reasoning['effort']) ?? null,
  summary: stringOf(reasoning['summary']) ?? null,
})

const textEcho = (text: JsonObject): JsonObject => ({
  format: isObject(text['format']) ? text['format'] : { type: 'text' },
  verbosity: stringOf(text['verbosity']) ?? 'medium',
})

const choiceEcho = (choice: JsonValue | undefined): JsonValue =>
  typeof choice === 'string' || isObject(choice) ? choice : 'auto'

/** As the service tells functions back: whole, with its own defaults. */
function toolEcho(tool: JsonObject): JsonObject {
  if (tool['type'] !== 'function') return tool
  return {
    ...tool,
    description: stringOf(tool['description']) ?? null,
    parameters: isObject(tool['parameters']) ? tool['parameters'] : null,
    strict: booleanOf(tool['strict']) ?? true,
  }
}
