/**
 * How each dialect's clients are told errors.
 */
import type { DialectName } from '../dialects/canonical/request.ts'
import type { Dialect } from '../dialects/dialect.ts'
import { DIALECT } from '../dialects/registry.ts'
import type { Tongue } from './inquiry.ts'

const NONE: readonly string[] = []

const tongueOf = (dialect: Dialect, idHeaders: Tongue['idHeaders'] = () => NONE): Tongue => ({
  errorBody: (problem, requestId) => dialect.writeError(problem, requestId),
  errorEvent: (problem, requestId) => dialect.writeErrorEvent(problem, requestId),
  streamType: dialect.streamType,
  idHeaders,
})

export const TONGUE: Readonly<Record<DialectName, Tongue>> = {
  'openai-chat': tongueOf(DIALECT['openai-chat']),
  'openai-responses': tongueOf(DIALECT['openai-responses']),
  anthropic: tongueOf(DIALECT.anthropic, (requestId) => ['request-id', requestId]),
  gemini: tongueOf(DIALECT.gemini),
}
