/**
 * The Anthropic dialect: `POST /v1/messages`.
 *
 * Pure.
 */
import { errorFrame, pathOf, writeError } from './anthropic/errors.ts'
import { readReply } from './anthropic/read-reply.ts'
import { readRequest } from './anthropic/read-request.ts'
import { openReader } from './anthropic/read-stream.ts'
import { writeReply } from './anthropic/write-reply.ts'
import { writeRequest } from './anthropic/write-request.ts'
import { openWriter } from './anthropic/write-stream.ts'
import type { Dialect } from './dialect.ts'

export const anthropic: Dialect = {
  name: 'anthropic',
  streamType: 'text/event-stream; charset=utf-8',
  readRequest,
  writeRequest,
  readReply,
  writeReply,
  openReader,
  openWriter,
  pathOf,
  writeError,
  writeErrorEvent: errorFrame,
}
