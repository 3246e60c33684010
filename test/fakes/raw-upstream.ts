/**
 * An upstream that answers with bytes: for what no HTTP server library would send.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export type RawRequest = Readonly<{ head: string; body: string }>
/** Called for each request, when it is complete. */
export type RawAnswer = (socket: Socket, request: RawRequest) => void

export class RawUpstream implements AsyncDisposable {
  readonly port: number
  readonly requests: RawRequest[] = []
  /** Connections ever accepted. */
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(answer: RawAnswer): Promise<RawUpstream> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new RawUpstream(server, answer)
  }

  private constructor(server: Server, answer: RawAnswer) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket: Socket) => {
      this.connections += 1
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => undefined)
      let received = ''
      socket.on('data', (bytes: Buffer) => {
        received += bytes.toString('latin1')
        for (let request = complete(received); request !== null; request = complete(received)) {
          received = received.slice(request.head.length + 4 + request.body.length)
          this.requests.push(request)
          answer(socket, request)
        }
      })
    })
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get baseUrl(): string {
    return `${this.origin}/v1`
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function complete(received: string): RawRequest | null {
  const end = received.indexOf('\r\n\r\n')
  if (end === -1) return null
  const head = received.slice(0, end)
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
  const body = received.slice(end + 4, end + 4 + length)
  return body.length === length ? { head, body } : null
}

/** A whole answer. */
export const answered = (
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer = '',
): Buffer =>
  Buffer.concat([
    headOf(status, { 'content-length': String(Buffer.byteLength(body)), ...headers }),
    Buffer.from(body),
  ])

export function headOf(status: number, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`HTTP/1.1 ${status} Any\r\n${lines.join('')}\r\n`, 'latin1')
}

/** One piece of a chunked body. */
export const piece = (body: string | Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`${Buffer.byteLength(body).toString(16)}\r\n`),
    Buffer.from(body),
    Buffer.from('\r\n'),
  ])
export const LAST_PIECE = Buffer.from('0\r\n\r\n')
export const EVENT_STREAM = { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }
