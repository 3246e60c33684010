/**
 * OpenAI's Responses API, also as other hosts speak it (Open Responses).
 *
 * Pure.
 */
import type { Dialect } from './dialect.ts'
import { readReply } from './openai-responses/read-reply.ts'
import { readRequest } from './openai-responses/read-request.ts'
import { openReader } from './openai-responses/read-stream.ts'
import { errorEvent, NAME, pathOf, writeError } from './openai-responses/terms.ts'
import { writeReply } from './openai-responses/write-reply.ts'
import { writeRequest } from './openai-responses/write-request.ts'
import { openWriter } from './openai-responses/write-stream.ts'

export const openaiResponses: Dialect = {
  name: NAME,
  streamType: 'text/event-stream',
  readRequest,
  writeRequest,
  readReply,
  writeReply,
  openReader,
  openWriter,
  pathOf,
  writeError,
  // How many events came before is not counted where bytes only pass; nobody rebuilds an answer from this one.
  writeErrorEvent: (problem) => errorEvent(problem, 0),
}
