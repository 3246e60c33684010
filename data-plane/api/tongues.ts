/**
 * How each dialect's clients are told errors.
 */
import { anthropicLimitHeaders, openaiLimitHeaders } from '../admission/limit-headers.ts'
import type { DialectName } from '../dialects/canonical/request.ts'
import type { Dialect } from '../dialects/dialect.ts'
import { DIALECT } from '../dialects/registry.ts'
import type { Tongue } from './inquiry.ts'

const NONE: readonly string[] = []

/** A comment and a blank line: the one form every SDK's parser accepts. */
const COMMENT = ': keep-alive\n\n'

const tongueOf = (
  dialect: Dialect,
  limitHeaders: Tongue['limitHeaders'],
  idHeaders: Tongue['idHeaders'] = () => NONE,
): Tongue => ({
  errorBody: (problem, requestId) => dialect.writeError(problem, requestId),
  errorEvent: (problem, requestId) => dialect.writeErrorEvent(problem, requestId),
  streamType: dialect.streamType,
  keepAlive: COMMENT,
  idHeaders,
  limitHeaders,
})

export const TONGUE: Readonly<Record<DialectName, Tongue>> = {
  'openai-chat': tongueOf(DIALECT['openai-chat'], openaiLimitHeaders),
  'openai-responses': tongueOf(DIALECT['openai-responses'], openaiLimitHeaders),
  anthropic: tongueOf(DIALECT.anthropic, anthropicLimitHeaders, (requestId) => ['request-id', requestId]),
  gemini: tongueOf(DIALECT.gemini, () => NONE),
}

/** Gemini's clients that did not ask for events: the stream is one JSON array, in which only space says nothing. */
export const GEMINI_ARRAY: Tongue = {
  ...TONGUE.gemini,
  errorEvent: (problem, requestId) => `[${DIALECT.gemini.writeError(problem, requestId).body}]`,
  streamType: 'application/json; charset=utf-8',
  keepAlive: '\n',
}
