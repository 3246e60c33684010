/**
 * All dialects by name.
 *
 * Pure.
 */
import { anthropic } from './anthropic.ts'
import type { DialectName } from './canonical/request.ts'
import type { Dialect } from './dialect.ts'
import { gemini } from './gemini.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiResponses } from './openai-responses.ts'

export const DIALECT: Readonly<Record<DialectName, Dialect>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic: anthropic,
  gemini: gemini,
}
