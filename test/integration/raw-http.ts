/**
 * HTTP as bytes, for clients that no library would be: one exchange on a connection of its own.
 */
import { connect } from 'node:net'

export type RawAnswer = Readonly<{
  status: number
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>
  body: string
  /** Did the server close the connection, or is it still open? */
  closed: boolean
}>

/** Sends `parts`, with a pause after each, and reads until the server has answered (so many times) or closed. */
export async function exchange(
  port: number,
  parts: readonly (string | Buffer)[],
  answers = 1,
): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  let text = ''
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')))
  const isOver = (): boolean => socket.destroyed || socket.readableEnded
  for (const part of parts) {
    if (isOver()) break
    socket.write(part)
    if (parts.length > 1) await pause(20)
  }
  const isHead = String(parts[0]).startsWith('HEAD ')
  while (!isOver() && !isAnswered(text, answers, isHead)) await pause(2)
  await pause(10) // a server that wants to close has closed by now
  const closed = isOver()
  socket.destroy()
  return { ...parsed(text), closed }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function isAnswered(text: string, answers: number, isHead: boolean): boolean {
  const heads = text.split('HTTP/1.1 ').slice(1)
  const last = heads.at(-1) ?? ''
  const end = last.indexOf('\r\n\r\n')
  if (heads.length < answers || end === -1) return false
  const length = /content-length: (\d+)/i.exec(last)?.[1]
  if (isHead || last.startsWith('304 ')) return true
  if (length !== undefined) return last.length - end - 4 >= Number(length)
  return last.endsWith('0\r\n\r\n')
}

function parsed(text: string): Omit<RawAnswer, 'closed'> {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, Math.max(0, end)).split('\r\n')
  const headers = lines.map((line) => [
    line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 1).trim(),
  ])
  return {
    status: Number(first.split(' ')[1] ?? 0),
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: text.slice(end + 4),
  }
}

/** A request as text; `host` and `content-length` are added unless given. */
export function requestText(line: string, headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const all = {
    host: 'gateway',
    ...(body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${line} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}
