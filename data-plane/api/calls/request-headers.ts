/**
 * Headers of requests to upstreams: an allow-list, in the order Node sends fastest.
 *
 * Pure. A client's own headers reach an upstream of the same dialect only, and only those its API defines.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { DialectName } from '../../dialects/canonical/request.ts'

/** Sent to every upstream. We read no encoding but the plain one. */
const COMMON = ['content-type', 'application/json', 'accept-encoding', 'identity', 'user-agent', 'apiproxy']
const JSON_REQUEST: readonly string[] = [...COMMON, 'accept', 'application/json']
const STREAM_REQUEST: readonly string[] = [...COMMON, 'accept', 'text/event-stream']

/** Spoken to upstreams of Anthropic's dialect by clients that name no version. */
const ANTHROPIC_VERSION = '2023-06-01'

const OPENAI = ['openai-beta', 'idempotency-key'] as const
/** What a client of a dialect may say to an upstream of the same. */
const PASSED: Readonly<Record<DialectName, readonly string[]>> = {
  'openai-chat': OPENAI,
  'openai-responses': OPENAI,
  anthropic: ['anthropic-beta', 'anthropic-version', 'idempotency-key'],
  gemini: [],
}

// The same lists for all who ask alike: how they are spelled is remembered by them.
const VERSION = ['anthropic-version', ANTHROPIC_VERSION]
const VERSIONED_JSON: readonly string[] = [...JSON_REQUEST, ...VERSION]
const VERSIONED_STREAM: readonly string[] = [...STREAM_REQUEST, ...VERSION]
const base = (stream: boolean): readonly string[] => (stream ? STREAM_REQUEST : JSON_REQUEST)
const versioned = (stream: boolean): readonly string[] => (stream ? VERSIONED_STREAM : VERSIONED_JSON)

export function nativeHeaders(
  dialect: DialectName,
  headers: IncomingHttpHeaders,
  stream: boolean,
): readonly string[] {
  const isUnversioned = dialect === 'anthropic' && headers['anthropic-version'] === undefined
  const own = isUnversioned ? versioned(stream) : base(stream)
  let all: string[] | null = null
  for (const name of PASSED[dialect]) {
    const value = headers[name]
    if (typeof value === 'string') (all ??= [...own]).push(name, value)
  }
  return all ?? own
}

/** @param own what the writer of the body asks for. */
export const convertedHeaders = (stream: boolean, own: readonly string[]): readonly string[] =>
  own.length === 0 ? base(stream) : [...base(stream), ...own]
