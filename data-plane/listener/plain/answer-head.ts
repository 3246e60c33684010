/**
 * Heads of answers, as text.
 */
import { STATUS_CODES } from 'node:http'

const TAB = 0x09
const SPACE = 0x20
const DELETE = 0x7f
const MOST = 0xff

/** @param headers name, value, name, value… Names in lower case. */
export function hasNoLength(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === 'content-length') return false
  return true
}

/**
 * @param headers name, value, name, value… Names are not looked at: they are the gateway's own.
 * @param closing further lines, each with its end.
 * @throws TypeError for a value that would be more than that.
 */
export function answerHead(
  status: number,
  headers: readonly string[],
  isChunked: boolean,
  closing: string,
): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`
  for (let at = 0; at < headers.length; at += 2) {
    const [name = '', value = ''] = [headers[at], headers[at + 1]]
    if (!isText(value)) throw new TypeError(`the header '${name}' has a value that no header can have`)
    head += `${name}: ${value}\r\n`
  }
  return isChunked ? `${head}transfer-encoding: chunked\r\n${closing}\r\n` : `${head}${closing}\r\n`
}

function isText(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if ((code < SPACE && code !== TAB) || code === DELETE || code > MOST) return false
  }
  return true
}
