/**
 * Recorded traffic of real providers, by dialect.
 *
 * It is found by path (`APIPROXY_FIXTURES`, else `shared/fixtures` beside the repository) and is no part of the
 * project: without it `recordings` is empty, said aloud once, and suites over them skip.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { arrayOf, isArray, isObject, objectOf, stringOf } from '#data-plane/dialects/canonical/json.ts'
import type { JsonObject, JsonValue } from '#data-plane/dialects/canonical/json.ts'
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { SseEvent } from '#data-plane/dialects/dialect.ts'

export type Recording = Readonly<{
  /** Unique: folder, file and the item's own id. */
  id: string
  dialect: DialectName
  /** The provider's host, where it is known. */
  upstream: string
  /** As it was called; holds Gemini's model and method. */
  path: string
  /** Null: only the answer was recorded. */
  request: JsonObject | null
  status: number
  /** A whole answer, or an error; null: it was a stream, or no JSON. */
  body: JsonObject | null
  /** The exact text of an event stream; null: it was a whole answer. */
  stream: string | null
}>

const DIALECT_FOLDERS = ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const

export const FIXTURES =
  process.env['APIPROXY_FIXTURES'] ?? new URL('../../../shared/fixtures', import.meta.url).pathname

/** Every recording there is, in the order of files and lines. */
export const recordings: readonly Recording[] = existsSync(FIXTURES) ? readAll(FIXTURES) : sayAbsent()

/** For `describe.runIf`: suites over recordings are skipped when they are not there. */
export const hasRecordings = recordings.length > 0

export const recordingsOf = (dialect: DialectName): readonly Recording[] =>
  recordings.filter((recording) => recording.dialect === dialect)

function sayAbsent(): readonly Recording[] {
  process.stderr.write(
    `\nSKIPPED: no recorded traffic at ${FIXTURES}; set APIPROXY_FIXTURES to its folder.\n`,
  )
  return []
}

function readAll(root: string): readonly Recording[] {
  return [
    ...['exchanges', 'matrix-tool-choice', 'matrix-multimodal'].flatMap((folder) =>
      exchangesIn(root, folder),
    ),
    ...DIALECT_FOLDERS.flatMap((dialect) => sdkFilesIn(root, dialect)),
    ...anthropicStreamsIn(root),
    ...geminiReplaysIn(root),
  ]
}

function filesIn(folder: string, ending: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .toSorted()
}

function linesOf(path: string): readonly JsonObject[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => objectOf(JSON.parse(line) as JsonValue))
}

/** Whole HTTP exchanges, one a line. */
function exchangesIn(root: string, folder: string): readonly Recording[] {
  return DIALECT_FOLDERS.flatMap((dialect) => {
    const path = join(root, folder, `${dialect}.jsonl`)
    return (existsSync(path) ? linesOf(path) : []).map((line): Recording => {
      const request = objectOf(line['request'])
      const response = objectOf(line['response'])
      return {
        id: `${folder}/${dialect}/${stringOf(line['id'])}`,
        dialect,
        upstream: stringOf(line['upstream']) ?? '',
        path: stringOf(request['path']) ?? '',
        request: isObject(request['body']) ? request['body'] : null,
        status: Number(response['status']),
        body: bodyOf(response['body']),
        stream: stringOf(response['raw']) ?? null,
      }
    })
  })
}

/** Google's compatible endpoint wraps its errors in a list. */
function bodyOf(value: JsonValue | undefined): JsonObject | null {
  const body = isArray(value) ? value[0] : value
  return isObject(body) ? body : null
}

/** `*.json` are answers, `*.chunks.txt` one payload a line. */
function sdkFilesIn(root: string, dialect: DialectName): readonly Recording[] {
  const folder = join(root, 'streams-vercel-ai', dialect)
  const blank = { dialect, upstream: '', path: '', request: null }
  return [
    ...filesIn(folder, '.json').map((name): Recording => {
      const body = objectOf(JSON.parse(readFileSync(join(folder, name), 'utf8')) as JsonValue)
      const status = body['error'] === undefined || body['error'] === null ? 200 : 400
      return { ...blank, id: `streams-vercel-ai/${dialect}/${name}`, status, body, stream: null }
    }),
    ...filesIn(folder, '.chunks.txt').map((name): Recording => {
      const payloads = readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean)
      const stream = framed(dialect, payloads)
      return { ...blank, id: `streams-vercel-ai/${dialect}/${name}`, status: 200, body: null, stream }
    }),
  ]
}

/** The event stream that these payloads came in. */
function framed(dialect: DialectName, payloads: readonly string[]): string {
  if (dialect === 'gemini') return payloads.map((payload) => `data: ${payload}\r\n\r\n`).join('')
  if (dialect === 'openai-chat')
    return `${payloads.map((payload) => `data: ${payload}\n\n`).join('')}data: [DONE]\n\n`
  return payloads
    .map((payload) => {
      const type = stringOf(objectOf(JSON.parse(payload) as JsonValue)['type'])
      return `event: ${type}\ndata: ${payload}\n\n`
    })
    .join('')
}

function anthropicStreamsIn(root: string): readonly Recording[] {
  const folder = join(root, 'streams-anthropic-sdk')
  return [...filesIn(folder, '.txt'), ...filesIn(folder, '.sse')].map((name) => ({
    id: `streams-anthropic-sdk/${name}`,
    dialect: 'anthropic',
    upstream: 'api.anthropic.com',
    path: '/v1/messages',
    request: null,
    status: 200,
    body: null,
    stream: readFileSync(join(folder, name), 'utf8'),
  }))
}

/** The official SDK's replays: requests and answers in segments. */
function geminiReplaysIn(root: string): readonly Recording[] {
  const path = join(root, 'replays-js-genai', 'gemini.jsonl')
  return (existsSync(path) ? linesOf(path) : []).flatMap((line) =>
    arrayOf(line['interactions']).map((interaction, index): Recording => {
      const request = objectOf(objectOf(interaction)['request'])
      const response = objectOf(objectOf(interaction)['response'])
      const url = stringOf(request['url']) ?? ''
      const segments = arrayOf(response['bodySegments'])
      const isStream = url.includes(':streamGenerateContent')
      return {
        id: `replays-js-genai/${stringOf(line['recordID'])}.${index}`,
        dialect: 'gemini',
        upstream: stringOf(request['serverAddress']) ?? '',
        path: url,
        request: bodyOf(request['bodySegments']),
        status: Number(response['statusCode']),
        body: isStream ? null : bodyOf(segments),
        stream: isStream
          ? framed(
              'gemini',
              segments.map((segment) => JSON.stringify(segment)),
            )
          : null,
      }
    }),
  )
}

/** The events of a recorded stream: names and payloads, comments left out. */
export function eventsOf(stream: string): readonly SseEvent[] {
  return stream
    .replaceAll('\r\n', '\n')
    .split('\n\n')
    .flatMap((block) => {
      const lines = block.split('\n')
      const event =
        lines
          .find((line) => line.startsWith('event:'))
          ?.slice('event:'.length)
          .trim() ?? ''
      const data = lines
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).replace(/^ /, ''))
      return data.length === 0 ? [] : [{ event, data: data.join('\n') }]
    })
}
