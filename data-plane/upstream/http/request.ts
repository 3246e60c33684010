/**
 * A request as the bytes that go out.
 *
 * Pure in effect: heads are remembered, and spelled the same again.
 */
import { lengthOf, piecesOf, type RequestBody } from '../request-body.ts'
import { NAME } from '../../http/head-lines.ts'

export type Request = Readonly<{
  method: 'GET' | 'POST' | 'DELETE'
  /** With its query. */
  path: string
  /** Name, value, name, value… Never changed: their text is remembered, and that of `credential`. */
  headers: readonly string[]
  /** More of them: who asks. */
  credential: readonly string[]
  /** Null: none. */
  body: RequestBody | null
  /** Longest silence within an answer, in milliseconds. */
  idleMs: number
  /** Over a connection that was never used before: the last one turned out to be closed. */
  isFresh?: boolean
}>

const PATH = /^\/[\x21-\x7e]*$/
/** Said here, and by nobody else: who reads two of one takes the other. */
const OURS = /^(?:host|connection|content-length|transfer-encoding)$/i
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Up to this length a body is written with its head: one write is cheaper than two gathered. In bytes. */
export const SHORT_BODY_BYTES = 4 * 1024

type Spelled = Readonly<{
  method: string
  path: string
  headers: readonly string[]
  /** Null: it cannot be spelled. */
  bytes: Buffer | null
}>

/** How requests to one host begin. */
export class Heads {
  readonly #host: string
  /** All but the length, by who asks: most ask for the same, in the very same words, again and again. */
  readonly #spelled = new WeakMap<readonly string[], Spelled>()

  /** @param host as the `host` header names it. */
  constructor(host: string) {
    this.#host = host
  }

  /** @returns head and, if it is short, body; null: something in the head would be more than it says it is. */
  bytesOf(request: Request): Buffer | null {
    const { method, path, headers, credential, body } = request
    const known = this.#spelled.get(credential)
    const isKnown = known?.headers === headers && known.path === path && known.method === method
    const front = isKnown ? known.bytes : this.#spell(request)
    if (front === null) return null
    const length = body === null ? 0 : lengthOf(body)
    const rest = body === null && method !== 'POST' ? '\r\n' : `content-length: ${length}\r\n\r\n`
    const isShort = body !== null && length <= SHORT_BODY_BYTES
    const bytes = Buffer.allocUnsafe(front.length + rest.length + (isShort ? length : 0))
    bytes.set(front)
    let end = front.length + bytes.write(rest, front.length, 'latin1')
    if (!isShort) return bytes
    for (const piece of piecesOf(body)) {
      bytes.set(piece, end)
      end += piece.length
    }
    return bytes
  }

  #spell({ method, path, headers, credential }: Request): Buffer | null {
    const named = linesOf(headers)
    const asking = linesOf(credential)
    const bytes =
      !PATH.test(path) || named === null || asking === null
        ? null
        : Buffer.from(
            `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\nconnection: keep-alive\r\n${named}${asking}`,
            'latin1',
          )
    this.#spelled.set(credential, { method, path, headers, bytes })
    return bytes
  }
}

function linesOf(headers: readonly string[]): string | null {
  let text = ''
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (!NAME.test(name) || OURS.test(name) || !VALUE.test(value)) return null
    text += `${name}: ${value}\r\n`
  }
  return text
}
