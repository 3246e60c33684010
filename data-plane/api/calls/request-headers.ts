/**
 * Headers of requests to upstreams: an allow-list, in the order Node sends fastest.
 *
 * Pure. A client's own headers reach an upstream of the same dialect only, and only those its API defines.
 */
import type { DialectName } from '../../dialects/canonical/request.ts'
import type { RequestHeaders } from '../../http/request-headers.ts'

/** Sent to every upstream. We read no encoding but the plain one. */
const COMMON = ['content-type', 'application/json', 'accept-encoding', 'identity', 'user-agent', 'apiproxy']
const JSON_REQUEST: readonly string[] = [...COMMON, 'accept', 'application/json']
const STREAM_REQUEST: readonly string[] = [...COMMON, 'accept', 'text/event-stream']

/** Spoken to upstreams of Anthropic's dialect by clients that name no version. */
const ANTHROPIC_VERSION = '2023-06-01'

// The same lists for all who ask alike: how they are spelled is remembered by them.
const VERSION = ['anthropic-version', ANTHROPIC_VERSION]
const VERSIONED_JSON: readonly string[] = [...JSON_REQUEST, ...VERSION]
const VERSIONED_STREAM: readonly string[] = [...STREAM_REQUEST, ...VERSION]
const base = (stream: boolean): readonly string[] => (stream ? STREAM_REQUEST : JSON_REQUEST)
const versioned = (stream: boolean): readonly string[] => (stream ? VERSIONED_STREAM : VERSIONED_JSON)

export function nativeHeaders(
  dialect: DialectName,
  headers: RequestHeaders,
  stream: boolean,
): readonly string[] {
  if (dialect === 'gemini') return base(stream)
  const once = headers.get('idempotency-key')
  if (dialect !== 'anthropic') {
    const beta = headers.get('openai-beta')
    return beta === undefined && once === undefined
      ? base(stream)
      : [...base(stream), ...said('openai-beta', beta), ...said('idempotency-key', once)]
  }
  const beta = headers.get('anthropic-beta')
  const version = headers.get('anthropic-version')
  const own = version === undefined ? versioned(stream) : base(stream)
  return beta === undefined && version === undefined && once === undefined
    ? own
    : [
        ...own,
        ...said('anthropic-beta', beta),
        ...said('anthropic-version', version),
        ...said('idempotency-key', once),
      ]
}

const said = (name: string, value: string | undefined): readonly string[] =>
  value === undefined ? [] : [name, value]

/** @param own what the writer of the body asks for. */
export const convertedHeaders = (stream: boolean, own: readonly string[]): readonly string[] =>
  own.length === 0 ? base(stream) : [...base(stream), ...own]
