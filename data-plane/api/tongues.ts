/**
 * How each dialect's clients are told errors.
 */
import type { DialectName } from '../dialects/canonical/request.ts'
import type { Dialect } from '../dialects/dialect.ts'
import { DIALECT } from '../dialects/registry.ts'
import type { Tongue } from './inquiry.ts'

const NONE: readonly string[] = []

/** A comment and a blank line: the one form every SDK's parser accepts. */
const COMMENT = ': keep-alive\n\n'

const tongueOf = (dialect: Dialect, idHeaders: Tongue['idHeaders'] = () => NONE): Tongue => ({
  errorBody: (problem, requestId) => dialect.writeError(problem, requestId),
  errorEvent: (problem, requestId) => dialect.writeErrorEvent(problem, requestId),
  streamType: dialect.streamType,
  keepAlive: COMMENT,
  idHeaders,
})

export const TONGUE: Readonly<Record<DialectName, Tongue>> = {
  'openai-chat': tongueOf(DIALECT['openai-chat']),
  'openai-responses': tongueOf(DIALECT['openai-responses']),
  anthropic: tongueOf(DIALECT.anthropic, (requestId) => ['request-id', requestId]),
  gemini: tongueOf(DIALECT.gemini),
}

/** Gemini's clients that did not ask for events: the stream is one JSON array, in which only space says nothing. */
export const GEMINI_ARRAY: Tongue = {
  ...TONGUE.gemini,
  errorEvent: (problem, requestId) => `[${DIALECT.gemini.writeError(problem, requestId).body}]`,
  streamType: 'application/json; charset=utf-8',
  keepAlive: '\n',
}
