/**
 * A request as the bytes that go out.
 *
 * Pure in effect: heads are remembered, and spelled the same again.
 */
import { piecesOf, type RequestBody } from '../request-body.ts'
import { NAME } from './head.ts'

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

type Spelled = Readonly<{ method: string; path: string; headers: readonly string[]; text: string | null }>

/** Heads of requests to one host. */
export class Heads {
  readonly #host: string
  /** All but the length, by who asks: most ask for the same, in the very same words, again and again. */
  readonly #spelled = new WeakMap<readonly string[], Spelled>()

  /** @param host as the `host` header names it. */
  constructor(host: string) {
    this.#host = host
  }

  /** @returns null: something in it would be more than it says it is. */
  textOf(request: Request): string | null {
    const { method, path, headers, credential, body } = request
    const known = this.#spelled.get(credential)
    const isKnown = known?.headers === headers && known.path === path && known.method === method
    const text = isKnown ? known.text : this.#spell(request)
    if (text === null) return null
    if (body === null && method !== 'POST') return `${text}\r\n`
    return `${text}content-length: ${body === null ? 0 : lengthOf(body)}\r\n\r\n`
  }

  #spell({ method, path, headers, credential }: Request): string | null {
    const named = linesOf(headers)
    const asking = linesOf(credential)
    const text =
      !PATH.test(path) || named === null || asking === null
        ? null
        : `${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\nconnection: keep-alive\r\n${named}${asking}`
    this.#spelled.set(credential, { method, path, headers, text })
    return text
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

/** In bytes. */
export const lengthOf = (body: RequestBody): number =>
  Buffer.isBuffer(body) ? body.length : piecesOf(body).reduce((sum, piece) => sum + piece.length, 0)
