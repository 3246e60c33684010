/**
 * Streams through a conversion, without sockets: cut into chunks as a network may cut them, and spoiled as a
 * host may spoil them.
 */
import { createSealer } from '#data-plane/carriers/sealer.ts'
import { objectOf, stringOf } from '#data-plane/dialects/canonical/json.ts'
import { DIALECTS, type DialectName } from '#data-plane/dialects/canonical/request.ts'
import { DIALECT } from '#data-plane/dialects/registry.ts'
import { ConvertedPassage } from '#data-plane/upstream/passage/converted.ts'
import type { StreamPassage } from '#data-plane/upstream/passage.ts'
import { eventsOf } from '../recordings.ts'

export type Outcome = Readonly<{
  /** All that the client was told, its last words included. */
  text: string
  ending: 'finished' | 'error_told' | 'broken'
  /** An error before anything was told: the request would go to somebody else, or get an HTTP status. */
  isRefused: boolean
}>

const sealer = createSealer(Buffer.alloc(32, 3))

/** What a client of each dialect asks so that it is told everything. */
const ASKED: Readonly<Record<DialectName, object>> = {
  'openai-chat': {
    messages: [{ role: 'user', content: 'hello' }],
    stream_options: { include_usage: true },
  },
  'openai-responses': { input: 'hello' },
  anthropic: { max_tokens: 1_000, messages: [{ role: 'user', content: 'hello' }] },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'hello' }] }] },
}

/** A passage from one dialect to another, with ids and time that are always the same. */
export function openConversion(from: DialectName, to: DialectName): StreamPassage {
  let ids = 0
  const context = { model: 'm', stream: true, headers: {}, framing: 'sse', sealer } as const
  const request = DIALECT[to].readRequest(objectOf({ ...ASKED[to], model: 'm', stream: true }), context)
  if (!request.ok) throw new Error(JSON.stringify(request.error))
  return new ConvertedPassage({
    upstream: DIALECT[from],
    origin: { provider: 'p', toolNames: new Map() },
    client: DIALECT[to],
    target: {
      request: request.value,
      newId: () => `id${++ids}`,
      now: 1_790_000_000,
      sealer: { ...sealer, seal: ({ data }) => `apx1.k.${Buffer.from(data).toString('base64url')}` },
      requestId: 'req_1',
    },
    onAnswered: () => undefined,
    onTold: () => undefined,
  }).openStream()
}

/** @param ends where each chunk ends; the rest is the last one. */
export function carry(passage: StreamPassage, stream: Buffer, ends: readonly number[]): Outcome {
  let text = ''
  let from = 0
  for (const end of [...ends, stream.length]) {
    text += passage.push(stream.subarray(from, end))?.toString() ?? ''
    from = end
    if (passage.verdict === 'error') return { text, ending: 'error_told', isRefused: true }
  }
  const { ending, last } = passage.end()
  if (passage.verdict !== 'content') return { text, ending, isRefused: true }
  text += last?.toString() ?? ''
  if (ending === 'broken') text += passage.breakOff({ code: 'stream_broken' }).toString()
  return { text, ending, isRefused: false }
}

/** With the other line ends, in all but what stands inside of JSON. */
export const withLineEnds = (stream: string, lineEnd: '\n' | '\r\n'): Buffer =>
  Buffer.from(stream.replaceAll('\r\n', '\n').replaceAll('\n', lineEnd))

/** Every pair of two different dialects that begins with this one. */
export const othersThan = (dialect: DialectName): readonly DialectName[] =>
  DIALECTS.filter((other) => other !== dialect)

/** Does a stream to a client of this dialect end as its SDK demands: with the end of an answer, or with an error? */
export function endsWell(dialect: DialectName, { text, ending }: Outcome): boolean {
  const events = eventsOf(text)
  if (!text.endsWith('\n\n') && !text.endsWith('\r\n\r\n')) return false
  const payloads = events.map(({ data }) => data)
  const isDone = payloads.at(-1) === '[DONE]'
  const lastJson = payloads.findLast((data) => data !== '[DONE]') ?? '{}'
  const last = objectOf(JSON.parse(lastJson))
  const isError =
    last['error'] !== undefined || last['type'] === 'error' || last['type'] === 'response.failed'
  if (ending !== 'finished') return isError
  switch (dialect) {
    case 'openai-chat':
      return isDone && payloads.some((data) => /"finish_reason":"/.test(data))
    case 'openai-responses':
      return /^response\.(completed|incomplete|failed)$/.test(stringOf(last['type']) ?? '')
    case 'anthropic':
      return last['type'] === 'message_stop'
    case 'gemini':
      return payloads.some((data) => /"finishReason":"|"blockReason":"/.test(data))
    default:
      return dialect satisfies never
  }
}
