/**
 * The chat dialect: OpenAI's `POST /chat/completions`, as OpenAI and the many hosts like it speak it.
 *
 * Pure.
 */
import { ERRORS } from '#contracts/errors.ts'
import { openaiErrorBody, openaiErrorEvent } from '#contracts/http/openai-error.ts'
import type { Dialect, ErrorBody } from './dialect.ts'
import { pathOf } from './openai-chat/paths.ts'
import { readRequest } from './openai-chat/read-canonical.ts'
import { readReply } from './openai-chat/read-reply.ts'
import { openReader } from './openai-chat/read-stream.ts'
import { writeReply } from './openai-chat/write-reply.ts'
import { writeRequest } from './openai-chat/write-request.ts'
import { openWriter } from './openai-chat/write-stream.ts'

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
