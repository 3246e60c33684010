/**
 * Gemini's words for what all dialects say: finish reasons, tiers, error states, parameter paths.
 *
 * Pure.
 */
import { ERRORS, type ErrorCode, type Problem } from '#contracts/errors.ts'
import { isObject, type JsonObject, type JsonValue } from '../canonical/json.ts'
import type { FinishKind } from '../canonical/reply.ts'
import { shortHash } from '../repair/hash.ts'

/**
 * The API takes each field in both spellings, and clients use both, also mixed in one body.
 * @returns the object's own fields in camel case, and the same object when they already are; what is inside
 * them stays as it is.
 */
export function camelled(value: unknown): JsonObject {
  if (!isObject(value)) return {}
  if (!Object.keys(value).some((key) => key.includes('_', 1))) return value
  const fields: Record<string, JsonValue | undefined> = {}
  for (const [key, field] of Object.entries(value)) {
    fields[key.replace(/(?<=.)_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())] = field
  }
  return fields
}

/**
 * What Gemini 3 takes for a signature it has never given, for calls that other models made or whose
 * signature was lost. Documented by Google for this; it costs the model what it thought at that call.
 */
export const UNSIGNED = 'skip_thought_signature_validator'

const FINISH_KINDS: Readonly<Record<string, FinishKind>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  CONTINUATION: 'length',
  SAFETY: 'content-filter',
  RECITATION: 'content-filter',
  BLOCKLIST: 'content-filter',
  PROHIBITED_CONTENT: 'content-filter',
  SPII: 'content-filter',
  LANGUAGE: 'content-filter',
  MODEL_ARMOR: 'content-filter',
}

/** Values that are not known, now or ever, never throw. */
export function finishKindOf(reason: string): FinishKind {
  if (Object.hasOwn(FINISH_KINDS, reason)) return FINISH_KINDS[reason] ?? 'other'
  return reason.startsWith('IMAGE_') && reason !== 'IMAGE_OTHER' ? 'content-filter' : 'other'
}

export const FINISH_REASONS: Readonly<Record<FinishKind, string>> = {
  stop: 'STOP',
  'stop-sequence': 'STOP',
  length: 'MAX_TOKENS',
  'context-full': 'MAX_TOKENS',
  'tool-calls': 'STOP',
  'content-filter': 'SAFETY',
  refusal: 'STOP',
  pause: 'STOP',
  other: 'OTHER',
}

/** Gemini's tiers in OpenAI's words, and back. */
export const tierOf = (tier: string): string =>
  tier.toLowerCase() === 'standard' ? 'default' : tier.toLowerCase()

export const TIERS: ReadonlyMap<string, string> = new Map([
  ['default', 'standard'],
  ['standard', 'standard'],
  ['flex', 'flex'],
  ['priority', 'priority'],
])

/** Older models give calls no id: the same answer read again gives the same ones. */
export const callId = (answerId: string, place: number): string =>
  `call_${shortHash(`${answerId}#${place}`, 24)}`

/** gRPC's word for an HTTP status. */
const STATES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  402: 'RESOURCE_EXHAUSTED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ABORTED',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

const stateOf = (status: number): string => STATES[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL')

/** A bad gateway is none of Google's statuses: nobody there is to be had, or something broke. */
function statusOf(code: ErrorCode): number {
  const { status } = ERRORS[code]
  if (status !== 502) return status
  return code === 'upstream_refused' ? 503 : 500
}

/** The SDK wants a number from 400 to 599 in `code`, in streams as well; otherwise it reads on in silence. */
export function errorOf(problem: Problem): { status: number; body: JsonObject } {
  const entry = ERRORS[problem.code]
  const status = problem.status ?? statusOf(problem.code)
  const details: JsonObject[] = []
  if (problem.param !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.BadRequest',
      fieldViolations: [{ field: problem.param }],
    })
  }
  if (problem.retryAfterMs !== undefined) {
    details.push({
      '@type': 'type.googleapis.com/google.rpc.RetryInfo',
      retryDelay: `${Math.ceil(problem.retryAfterMs / 1_000)}s`,
    })
  }
  const error = {
    code: status,
    message: problem.message ?? entry.message,
    status: problem.code === 'content_filter' ? 'FAILED_PRECONDITION' : stateOf(status),
    ...(details.length === 0 ? {} : { details }),
  }
  return { status, body: { error } }
}

const PATHS: Readonly<Record<string, string>> = {
  'params.maxTokens': 'generationConfig.maxOutputTokens',
  'params.temperature': 'generationConfig.temperature',
  'params.topP': 'generationConfig.topP',
  'params.topK': 'generationConfig.topK',
  'params.frequencyPenalty': 'generationConfig.frequencyPenalty',
  'params.presencePenalty': 'generationConfig.presencePenalty',
  'params.seed': 'generationConfig.seed',
  'params.n': 'generationConfig.candidateCount',
  'params.stop': 'generationConfig.stopSequences',
  'params.topLogprobs': 'generationConfig.logprobs',
  'params.metadata': 'labels',
  'params.serviceTier': 'serviceTier',
  'params.store': 'store',
  toolChoice: 'toolConfig.functionCallingConfig',
  format: 'generationConfig.responseMimeType',
  'format.schema': 'generationConfig.responseJsonSchema',
  reasoning: 'generationConfig.thinkingConfig',
  'reasoning.effort': 'generationConfig.thinkingConfig',
  'reasoning.budget': 'generationConfig.thinkingConfig.thinkingBudget',
  'reasoning.show': 'generationConfig.thinkingConfig.includeThoughts',
  system: 'systemInstruction',
}

/** @returns the path as a Gemini client writes it. */
export const pathOf = (at: string): string =>
  (Object.hasOwn(PATHS, at) ? PATHS[at] : undefined) ??
  at.replace(/^turns(?=\[|$)/, 'contents').replace(/^system\[(\d+)\]/, 'systemInstruction.parts[$1]')
