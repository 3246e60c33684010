/**
 * What a client sends on one connection, as bytes: one to four requests as clients spell them, and spoiled.
 *
 * Pure, with the dice as an argument.
 */
import type { Random } from '#contracts/process/clock.ts'
import { chunked, spoilBytes } from '../../faults/http-bytes.ts'
import { oneOf, shuffled, wholeBetween } from '../../faults/dice.ts'
import { spoil, SPOILT } from './spoil.ts'

/** What is waited for before a piece is written: all that can happen by then, or a turn of the event loop. */
export type Before = 'quiet' | 'turn' | 'nothing'

export type Asked = Readonly<{
  pieces: readonly Readonly<{ bytes: Buffer; before: Before }>[]
  /** What the client does when nothing more happens. */
  ending: 'half-close' | 'destroy'
}>

/** What one of them is made of. */
export type Request = Readonly<{
  /** Of its head: the first, and one for each header. */
  lines: readonly string[]
  /** With whatever frames it. */
  body: Buffer
}>

/** Where bodies are read, of each up to so many bytes. Where none may come, nobody asks for it. */
export const LIMITS: ReadonlyMap<string, number> = new Map([
  ['/v1/chat/completions', 1_000_000],
  ['/v1/embeddings', 1_000],
  ['/v1/unread', 0],
])

const PATHS = [...LIMITS.keys()]
const HEADERS = [
  'Content-Type: application/json',
  'authorization: Bearer sk-0123456789',
  'User-Agent: OpenAI/Python 1.2.3',
  'accept: */*',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'X-Stainless-Retry-Count: 0',
  'session_id: 0199a213-81c0-7800-8aa1-bbab2a035a53',
  'X-Session_Id:\tone \t',
  'x-tags: a',
  'X-TAGS:b, c',
  'x-tags:   ',
  'x-title: \xfcber \xa0',
  'x-blank:',
  'x-odd!#$%&\'*+.^`|~: "quoted, \\"text\\""',
  'cookie: a=b; c=d',
  'Cookie: e=f',
  'Keep-Alive: timeout=5, max=100',
  'proxy-connection: keep-alive',
  'te: trailers',
  'trailer: x-sum',
  'x-forwarded-for: 10.0.0.1',
  'content-length-: 7',
  'xontent-length: 7',
  'Transfer-Encodinh: chunked',
  'content_length: 7',
]
const KEPT = ['keep-alive', 'Keep-Alive', 'KEEP-ALIVE', ' keep-alive\t']
const LONGEST_BODY = 3_000
const LONG_BODY = 100_000
/** Read as a request of its own by whoever ends the body before it. */
const HIDDEN = 'POST /v1/hidden HTTP/1.1\r\nhost: hidden\r\ncontent-length: 0\r\n\r\n'

/** Requests as they should be: mostly of the plainest kind. */
export function spelled(random: Random): Asked {
  return asked(
    random,
    severally(random).map((request) => bytesOf(request)),
  )
}

/** One of them has a head that is not what it should be, or some bytes are others, missing or too many. */
export function spoiled(random: Random): Asked {
  const requests = severally(random)
  const at = wholeBetween(random, 0, requests.length - 1)
  return asked(
    random,
    requests.map((request, place) => {
      if (place !== at) return bytesOf(request)
      return random() < 0.6
        ? bytesOf(spoil(random, request))
        : spoilBytes(random, bytesOf(request), { near: headLength(request), others: SPOILT })
    }),
  )
}

function severally(random: Random): Request[] {
  const count = wholeBetween(random, 1, 4)
  return Array.from({ length: count }, () => (random() < 0.85 ? plain(random) : other(random)))
}

function plain(random: Random): Request {
  const body = bodyOf(random)
  const headers = HEADERS.filter(() => random() < 0.25)
  if (random() < 0.3) headers.push(`Connection:${oneOf(random, KEPT)}`)
  if (random() < 0.02) headers.push(...many(random))
  headers.push(`${inSomeCase(random, 'host')}: 127.0.0.1`)
  headers.push(`${inSomeCase(random, 'content-length')}:${oneOf(random, ['', ' ', '  '])}${body.length}`)
  const lines = [`POST ${oneOf(random, PATHS)} HTTP/1.1`, ...shuffled(headers, random)]
  return { lines: random() < 0.02 ? lengthened(random, lines) : lines, body }
}

/** About as many as one takes, or so many that they are handed on in parts. */
function many(random: Random): string[] {
  const about = oneOf(random, [32, 64, 1_000, 2_000])
  return Array.from({ length: about + wholeBetween(random, -12, 4) }, (_, at) => `x${at % 10}:`)
}

/** About as long as a head may be. */
function lengthened(random: Random, lines: readonly string[]): string[] {
  const most = 16 * 1024 + wholeBetween(random, -80, 80)
  const { length } = lines.join('\r\n')
  return [...lines, `x-long: ${'l'.repeat(Math.max(0, most - length - 'x-long: \r\n\r\n\r\n'.length))}`]
}

function bodyOf(random: Random): Buffer {
  if (random() < 0.15) return Buffer.alloc(0)
  const text = Buffer.alloc(random() < 0.03 ? LONG_BODY : wholeBetween(random, 1, LONGEST_BODY), 'body ')
  return random() < 0.3 ? Buffer.concat([text, Buffer.from(HIDDEN), text.subarray(0, 9)]) : text
}

const inSomeCase = (random: Random, name: string): string =>
  [...name].map((one) => (random() < 0.2 ? one.toUpperCase() : one)).join('')

/** What Node answers, for its head or for its address. */
function other(random: Random): Request {
  const request = plain(random)
  const [first = '', ...headers] = request.lines
  const { body } = request
  const path = first.split(' ')[1] ?? ''
  const withLine = (line: string): Request => ({ lines: [first, line, ...headers], body })
  const from = (line: string, body_ = body): Request => ({ lines: [line, ...headers], body: body_ })
  const unframed = headers.filter((line) => !/^content-length:/i.test(line))
  switch (wholeBetween(random, 0, 12)) {
    case 0: // neither has a body
      return {
        lines: [`${oneOf(random, ['GET', 'HEAD', 'DELETE'])} ${path} HTTP/1.1`, ...unframed],
        body: EMPTY,
      }
    case 1:
      return {
        lines: [
          first,
          ...unframed,
          oneOf(random, ['Transfer-Encoding: chunked', 'transfer-encoding:Chunked']),
        ],
        body: chunked(random, body),
      }
    case 2:
      return withLine(oneOf(random, ['Connection: close', 'connection:CLOSE', 'connection: keep-alive, x-a']))
    case 3:
      return withLine(`Expect: ${oneOf(random, ['100-continue', '100-Continue', 'more'])}`)
    case 4:
      return { lines: [first, 'Connection: Upgrade', 'Upgrade: websocket', ...headers], body }
    case 5:
      return withLine(oneOf(random, ['upgrade: h2c', 'Origin: https://example.com']))
    case 6:
      return from(`POST ${oneOf(random, ['/', `${path}/`, `${path}?a=b`, '//', `/x${path}`])} HTTP/1.1`)
    case 7:
      return from(`POST http://127.0.0.1${path} HTTP/1.1`)
    case 8:
      return from(`POST ${path} HTTP/1.0`)
    case 9:
      return { lines: [first, ...headers.filter((line) => !/^host:/i.test(line))], body }
    case 10:
      return withLine(oneOf(random, ['Host: example.com', 'host:']))
    case 11: // old proxies ask for it so
      return withLine(oneOf(random, ['Proxy-Connection: close', 'proxy-connection: Close']))
    default:
      return from(`${oneOf(random, ['PUT', 'PATCH', 'OPTIONS'])} ${path} HTTP/1.1`)
  }
}

const EMPTY = Buffer.alloc(0)

const headOf = ({ lines }: Request): Buffer => Buffer.from([...lines, '', ''].join('\r\n'), 'latin1')
const headLength = (request: Request): number => headOf(request).length
const bytesOf = (request: Request): Buffer => Buffer.concat([headOf(request), request.body])

/** @param requests their bytes. Some come before the one before them was answered. */
function asked(random: Random, requests: readonly Buffer[]): Asked {
  const together: Buffer[][] = []
  const isPipelined = random() < 0.4
  for (const request of requests) {
    const last = together.at(-1)
    if (last !== undefined && isPipelined && random() < 0.8) last.push(request)
    else together.push([request])
  }
  const pieces = together.flatMap((several) =>
    cut(random, Buffer.concat(several)).map((bytes, at) => ({
      bytes,
      before: at === 0 ? ('quiet' as const) : oneOf(random, ['turn', 'turn', 'nothing'] as const),
    })),
  )
  return { pieces, ending: oneOf(random, ['half-close', 'destroy']) }
}

/** Most come whole: what comes in pieces is Node's from there on. */
function cut(random: Random, bytes: Buffer): Buffer[] {
  const share = random()
  const most = share < 0.5 ? 0 : share < 0.95 ? 3 : 40
  // Heads are shorter than bodies, and matter more.
  const ends = Array.from({ length: most }, () =>
    wholeBetween(random, 1, random() < 0.4 ? Math.min(bytes.length, 400) : bytes.length),
  ).sort((one, another) => one - another)
  return [0, ...ends]
    .map((from, at) => bytes.subarray(from, ends[at] ?? bytes.length))
    .filter(({ length }) => length > 0)
}
