/**
 * The head of a request of the plainest kind: a POST of HTTP/1.1 with a body of a known length, of which nothing is
 * wanted that HTTP has beside that.
 *
 * Pure. Whatever else a head may be, it is Node's to understand or refuse, so this has no errors, only `null`.
 */
import { endOfHeaders, endOfLine, MOST_HEAD_BYTES, wholeNumber } from '../../http/head-lines.ts'
import { Headers } from '../../http/headers.ts'
import type { RequestHeaders } from '../../http/request-headers.ts'

export type PlainHead = Readonly<{
  /** With its query, as it was sent. */
  path: string
  headers: RequestHeaders
  /** Behind its empty line: the body begins there. */
  end: number
  /** Of the body, in bytes. */
  length: number
}>

/** Node takes ten times as many. */
const MOST_HEADERS = 100
const METHOD = Buffer.from('POST ')
const VERSION = Buffer.from(' HTTP/1.1')

/** @returns null: it is no such head, or not whole. */
export function readPlainHead(bytes: Buffer): PlainHead | null {
  const to = Math.min(bytes.length, MOST_HEAD_BYTES)
  if (!standsAt(bytes, 0, METHOD)) return null
  const lineEnd = endOfLine(bytes, METHOD.length, to)
  const pathEnd = lineEnd - VERSION.length
  if (pathEnd <= METHOD.length || !standsAt(bytes, pathEnd, VERSION)) return null
  const places: number[] = []
  const end = endOfHeaders(bytes, 0, lineEnd, to, places)
  if (end < 0 || places.length > MOST_HEADERS * 3) return null
  const text = bytes.toString('latin1', 0, end)
  const headers = new RequestHead(text, places)
  const length = lengthOf(headers, places)
  return length === null ? null : { path: text.slice(METHOD.length, pathEnd), headers, end, length }
}

function standsAt(bytes: Buffer, from: number, wanted: Buffer): boolean {
  for (let at = 0; at < wanted.length; at++) if (bytes[from + at] !== wanted[at]) return false
  return true
}

/** @returns null: there is more to it than to a plain one. */
function lengthOf(headers: RequestHead, places: readonly number[]): number | null {
  let hosts = 0
  let length: number | null = null
  for (let place = 0; place < places.length; place += 3)
    // Lengths first: this runs over every header of every request.
    switch (places[place]) {
      case 'host'.length:
        if (headers.isAt(place, 'host')) hosts += 1
        break
      case 'expect'.length:
        // Scripts in browsers are told what they may read.
        if (headers.isAt(place, 'expect') || headers.isAt(place, 'origin')) return null
        break
      case 'upgrade'.length:
        if (headers.isAt(place, 'upgrade')) return null
        break
      case 'proxy-connection'.length:
        // Node takes it for the other one.
        if (headers.isAt(place, 'proxy-connection') && !KEPT.test(headers.valueAt(place))) return null
        break
      case 'connection'.length:
        if (headers.isAt(place, 'connection') && !KEPT.test(headers.valueAt(place))) return null
        break
      case 'content-length'.length:
        if (!headers.isAt(place, 'content-length')) break
        if (length !== null) return null
        length = wholeNumber(headers.valueAt(place))
        if (length === null) return null
        break
      case 'transfer-encoding'.length:
        if (headers.isAt(place, 'transfer-encoding')) return null
        break
      default:
    }
  return hosts === 1 ? length : null
}

const KEPT = /^keep-alive$/i

/** The headers as they stand in the head. */
class RequestHead extends Headers implements RequestHeaders {
  override get(name: string): string | undefined {
    const value = super.get(name)
    return Array.isArray(value) ? value.join(', ') : value
  }

  isRepeated(name: string): boolean {
    return Array.isArray(super.get(name))
  }
}
