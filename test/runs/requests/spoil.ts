/**
 * What may be wrong with a request, by mistake or on purpose.
 *
 * Pure, with the dice as an argument.
 */
import type { Random } from '#contracts/process/clock.ts'
import { oneOf, wholeBetween } from '../../faults/dice.ts'
import type { Request } from './spelled.ts'

/** A head that two readers may understand in two ways. */
export function spoil(random: Random, { lines, body }: Request): Request {
  const [first = '', ...headers] = lines
  const at = wholeBetween(random, 0, headers.length)
  switch (wholeBetween(random, 0, 4)) {
    case 0:
      return { lines: [spoiltFirst(random, first), ...headers], body }
    case 1: // the length is spelled in another way
      return {
        lines: lines.map((line) => (/^content-length:/i.test(line) ? spoiltLength(random, line) : line)),
        body,
      }
    case 2: // a line ends in another way
      return {
        lines: lines.map((line, place) => (place === at ? `${line}${oneOf(random, LINE_ENDS)}` : line)),
        body,
      }
    case 3: // there is too much behind a name, or before it
      return {
        lines: lines.map((line, place) => (place === at ? spoiltName(random, line) : line)),
        body,
      }
    default:
      return { lines: [first, ...headers.toSpliced(at, 0, oneOf(random, ADDED))], body }
  }
}

/** Each stands before the right end of its line. */
const LINE_ENDS = [
  '\r',
  '\n',
  '\r\n\n',
  '\n\r',
  '\r\r',
  '\0',
  '\v',
  '\f',
  '\x7f',
  '\x1f',
  '\x85',
  ' ',
  '\t',
  '\\',
]
const ADDED = [
  'content-length: 3',
  'Content-Length:',
  'Content-Length: 0',
  'Transfer-Encoding: chunked',
  'transfer-encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'transfer-encoding:\tchunked ',
  'Transfer-Encoding : chunked',
  'transfer_encoding: chunked',
  'Transfer-Encoding:',
  'transfer-encoding: xchunked',
  ' folded',
  '\tfolded: line',
  ' ',
  '',
  ':',
  ': nameless',
  'no colon',
  'x-\xe9: name',
  'x(y): name',
  '"x": name',
  'x\0: name',
  'x-nul: a\0b',
  'x-bell: a\x07b',
  'x-two: a\r\n folded',
  'x-two: a\r\n\tfolded',
  'content-length: 1\r\n 0',
  'Connection: close',
  'connection: close, keep-alive',
  'Connection: keep-alive, close',
  'connection:',
  'connection: keep-alive,',
  'connection: keep-alive\r\nconnection: close',
  'connection: content-length',
  'connection: upgrade',
  'connection: keep-alive\xa0',
  'Proxy-Connection: close',
  'proxy-connection: upgrade',
  'upgrade:',
  'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__',
  'expect:',
  'Host:',
  'host: a\r\nHOST: b',
  'origin:',
]

function spoiltFirst(random: Random, first: string): string {
  const [method = '', path = '', version = ''] = first.split(' ')
  return oneOf(random, [
    `${oneOf(random, ['post', 'Post', 'POSTS', 'POS', 'CONNECT', 'PRI', 'TRACE', 'QUERY', '\0POST', ''])} ${path} ${version}`,
    `${method} ${path} ${oneOf(random, ['HTTP/1.2', 'HTTP/2.0', 'HTTP/1.10', 'HTTP/01.1', 'http/1.1', 'HTTP/1,1', 'HTTP/1.1 ', 'HTTP/1.1\t', 'HTTP/1.', 'HTTP/', 'RTSP/1.0', 'HTTP/1.1 HTTP/1.1', 'HTTP/0.9', ''])}`,
    `${method} ${path}`,
    `${method}${oneOf(random, ['  ', '\t', '', ' \t'])}${path} ${version}`,
    `${method} ${path}${oneOf(random, ['  ', '\t', '', ' \t', '#', '%00', '\0', '\xe9', ' x'])}${version}`,
    `${method} ${path}${oneOf(random, ['#a', '%2f', '\0', '\x7f', '\xe9', ' x', ';a', '?', '\\'])} ${version}`,
    `${method} ${oneOf(random, ['*', '127.0.0.1:443', 'v1', path.toUpperCase(), `.${path}`])} ${version}`,
    `${oneOf(random, ['\r\n', '\n', '\r', '\r\n\r\n', ' ', '\0', '\t', '\r\n '])}${first}`,
  ])
}

function spoiltLength(random: Random, line: string): string {
  const [name = ''] = line.split(':')
  const length = line.slice(name.length + 1).trim()
  const other = oneOf<(text: string) => string>(random, [
    (text) => `+${text}`,
    (text) => `-${text}`,
    (text) => `0${text}`,
    (text) => `${'0'.repeat(20)}${text}`,
    (text) => `0x${Number(text).toString(16)}`,
    (text) => `${text}, ${text}`,
    (text) => `${text},`,
    (text) => `,${text}`,
    (text) => `${text}.0`,
    (text) => `${text}e0`,
    (text) => `${text} 0`,
    (text) => `${text}\t`,
    (text) => `${text} `,
    (text) => `${text} \t `,
    (text) => `\t ${text}`,
    (text) => `\v${text}`,
    (text) => `\xa0${text}`,
    (text) => `${text}\xa0`,
    (text) => `${text}\0`,
    (text) => `${text};`,
    (text) => `${text}_0`,
    (text) => `"${text}"`,
    (text) => String(Number(text) + 1),
    (text) => String(Math.max(0, Number(text) - 1)),
    () => '',
    () => ' ',
    () => '-0',
    () => '9007199254740993',
    () => '18446744073709551615',
    () => '18446744073709551616',
    () => '99999999999999999999999',
    () => '123456789012345',
  ])
  return `${name}:${oneOf(random, ['', ' '])}${other(length)}`
}

function spoiltName(random: Random, line: string): string {
  const colon = Math.max(0, line.indexOf(':'))
  const [name, rest] = [line.slice(0, colon), line.slice(colon)]
  return oneOf(random, [
    `${name} ${rest}`,
    `${name}\t${rest}`,
    ` ${line}`,
    `\t${line}`,
    `${name}\0${rest}`,
    `${name}\r\n${rest}`,
    `${name}:${rest}`,
    `${name}${rest}\r\n${name}${rest}`,
    `${name}\xa0${rest}`,
    `${name}-${rest}`,
    name,
  ])
}

/** What may stand where something else should. */
export const SPOILT = [
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
  ' ',
  '\t',
  '\x7f',
  '\xff',
  '\r\n ',
  '\r\ncontent-length: 3\r\n',
  '\r\ntransfer-encoding: chunked\r\n',
  '\r\n\r\nPOST /v1/hidden HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n',
]
