/**
 * The chat dialect: OpenAI's `POST /chat/completions`, as OpenAI and the many hosts like it speak it.
 *
 * Pure.
 */
import { ERRORS } from '#contracts/errors.ts'
import { openaiErrorBody, openaiErrorEvent } from '#contracts/http/openai-error.ts'
import type { Dialect, ErrorBody } from './dialect.ts'
import { readReply } from './openai-chat/read-reply.ts'
import { openReader } from './openai-chat/read-stream.ts'
import { readRequest } from './openai-chat/shapes.ts'
import { writeReply } from './openai-chat/write-reply.ts'
import { writeRequest } from './openai-chat/write-request.ts'
import { openWriter } from './openai-chat/write-stream.ts'

/** Canonical places in the words of a chat request. */
const PATHS: Readonly<Record<string, string>> = {
  'params.maxTokens': 'max_completion_tokens',
  'params.temperature': 'temperature',
  'params.topP': 'top_p',
  'params.topK': 'top_k',
  'params.frequencyPenalty': 'frequency_penalty',
  'params.presencePenalty': 'presence_penalty',
  'params.seed': 'seed',
  'params.n': 'n',
  'params.logitBias': 'logit_bias',
  'params.stop': 'stop',
  'params.topLogprobs': 'logprobs',
  'params.verbosity': 'verbosity',
  'params.endUser': 'safety_identifier',
  'params.metadata': 'metadata',
  'params.serviceTier': 'service_tier',
  'params.cacheKey': 'prompt_cache_key',
  'params.cache': 'prompt_cache_options',
  'params.store': 'store',
  'reasoning.effort': 'reasoning_effort',
  reasoning: 'reasoning_effort',
  format: 'response_format',
  'format.strict': 'response_format.json_schema.strict',
  toolChoice: 'tool_choice',
  parallelTools: 'parallel_tool_calls',
  system: 'messages',
  turns: 'messages',
}

/** A turn is a message, but leading instructions are none: its place in the list is not told. */
function pathOf(at: string): string {
  const known = PATHS[at]
  if (known !== undefined) return known
  if (at.startsWith('turns[') || at.startsWith('system[')) return 'messages'
  // A tool's own path is the same but for the level that chat has more.
  return at.replace(/^(tools\[\d+\])\.(?=\w)/, '$1.function.')
}

export const openaiChat: Dialect = {
  name: 'openai-chat',
  streamType: 'text/event-stream; charset=utf-8',
  readRequest,
  writeRequest,
  readReply,
  writeReply,
  openReader,
  openWriter,
  pathOf,
  writeError: (problem): ErrorBody => ({
    status: problem.status ?? ERRORS[problem.code].status,
    body: openaiErrorBody(problem),
  }),
  writeErrorEvent: (problem): string => openaiErrorEvent(problem),
}
