/**
 * Answers over HTTP/1.1 as bytes: as servers spell them, and spoiled.
 *
 * Pure, with the dice as an argument.
 */
import type { Random } from '#contracts/process/clock.ts'
import { oneOf, wholeBetween } from '../../faults/dice.ts'
import { chunked, spoilBytes } from '../../faults/http-bytes.ts'

export type Spelled = Readonly<{
  /** Written one after the other, a turn of the event loop apart. */
  pieces: readonly Buffer[]
  /** Does the server close the connection behind it? */
  isClosed: boolean
  /** What it says; null: nobody knows. */
  says: Readonly<{ status: number; body: string }> | null
}>

const STATUSES = [200, 200, 200, 201, 299, 400, 404, 429, 500, 503, 529]
const NO_BODY = [204, 304]
const HEADERS = [
  'Content-Type: application/json',
  'content-type:text/event-stream; charset=utf-8',
  'Date: Mon, 30 Nov 2026 09:00:00 GMT',
  'x-request-id: req_0123456789',
  'X-RateLimit-Remaining-Requests: 59',
  'set-cookie: a=b; path=/',
  'Server: \u00fcber/1.0',
  'connection: keep-alive',
  'Keep-Alive: timeout=5, max=100',
  'cf-ray:  9a-FRA',
  'empty:',
]
const LONGEST_BODY = 3_000

/** An answer as it should be. */
export function spelled(random: Random): Spelled {
  const status = random() < 0.1 ? oneOf(random, NO_BODY) : oneOf(random, STATUSES)
  const headers = HEADERS.filter(() => random() < 0.4)
  const data = NO_BODY.includes(status)
    ? Buffer.alloc(0)
    : bytesOf(random, wholeBetween(random, 0, LONGEST_BODY))
  const framing = NO_BODY.includes(status) ? 'none' : oneOf(random, ['length', 'length', 'chunked', 'close'])
  if (framing === 'length')
    headers.push(`${oneOf(random, ['Content-Length', 'content-length'])}: ${data.length}`)
  if (framing === 'chunked')
    headers.push(oneOf(random, ['Transfer-Encoding: chunked', 'transfer-encoding:Chunked']))
  if (random() < 0.1) headers.push('Connection: close')
  const hints = random() < 0.1 ? 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n' : ''
  const line = `HTTP/1.1 ${status} ${oneOf(random, ['OK', '', 'Not So Good'])}`
  const head = hints + [line, ...headers, '', ''].join('\r\n')
  const bytes = Buffer.concat([
    Buffer.from(head, 'latin1'),
    framing === 'chunked' ? chunked(random, data) : data,
  ])
  return {
    pieces: cut(random, bytes),
    isClosed: framing === 'close' || headers.includes('Connection: close'),
    says: { status, body: data.toString('latin1') },
  }
}

/** An answer of which some bytes are others, missing or too many. */
export function spoiled(random: Random): Spelled {
  const { pieces } = spelled(random)
  const bytes = spoilBytes(random, Buffer.concat(pieces), { near: HEAD_LENGTH, others: SPOILT })
  return { pieces: cut(random, bytes), isClosed: true, says: null }
}

/** About. */
const HEAD_LENGTH = 300
const SPOILT = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\0',
  ':',
  '0',
  '5',
  'f',
  '-',
  ',',
  '\x7f',
  '\xff',
  'content-length: 3\r\n',
  '\r\ntransfer-encoding: chunked\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno',
]

function bytesOf(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = wholeBetween(random, 0, 255)
  return bytes
}

function cut(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  const longest = oneOf(random, [1, 20, 500, 10_000])
  // A piece for every byte would take a second for a long answer.
  const least = Math.ceil(bytes.length / 200)
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + Math.max(least, wholeBetween(random, 1, longest)))
    pieces.push(piece)
    at += piece.length
  }
  return pieces
}
