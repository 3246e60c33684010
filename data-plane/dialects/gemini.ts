/**
 * Google's Gemini API (`generateContent`, `streamGenerateContent`).
 *
 * Pure. Puts the folder of the same name together.
 */
import type { Dialect } from './dialect.ts'
import { readReply } from './gemini/read-reply.ts'
import { readRequest } from './gemini/read-request.ts'
import { openReader } from './gemini/read-stream.ts'
import { errorOf, pathOf } from './gemini/terms.ts'
import { writeReply } from './gemini/write-reply.ts'
import { writeRequest } from './gemini/write-request.ts'
import { openWriter } from './gemini/write-stream.ts'

export const gemini: Dialect = {
  name: 'gemini',
  /** Without `alt=sse` it is `application/json`: the array of all chunks. */
  streamType: 'text/event-stream',
  readRequest,
  writeRequest,
  readReply,
  writeReply,
  openReader,
  openWriter,
  pathOf,
  writeError: (problem) => {
    const { status, body } = errorOf(problem)
    return { status, body: JSON.stringify(body) }
  },
  writeErrorEvent: (problem) => `data: ${JSON.stringify(errorOf(problem).body)}\r\n\r\n`,
}
