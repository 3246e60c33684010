/**
 * An exchange on a connection of Node's own server.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { chunkOf } from './chunked.ts'
import { ONE_WRITE_BYTES, STALL_MS, type ClientExchange } from './client-exchange.ts'
import { readNodeBody } from './node-body.ts'
import { ListedHeaders, type RequestHeaders } from '../http/request-headers.ts'

const NOTHING = Buffer.alloc(0)

export class NodeExchange implements ClientExchange {
  readonly method: string
  readonly url: string
  readonly headers: RequestHeaders
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  /** Its body goes out in chunks that we frame ourselves. */
  #isChunked = false
  /** Something of its body has gone out. */
  #isPieced = false

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.method = request.method ?? ''
    this.url = request.url ?? ''
    this.headers = new ListedHeaders(request.rawHeaders)
    this.#request = request
    this.#response = response
  }

  readBody(limit: number): Promise<Buffer | null> | null {
    return readNodeBody(this.#request, limit)
  }

  begin(status: number, headers: readonly string[]): void {
    const response = this.#response
    response.writeHead(status, [...headers])
    // Decided by the head that was just made: a client of HTTP/1.0 gets none.
    this.#isChunked = response.chunkedEncoding
    response.chunkedEncoding = false
  }

  write(data: Buffer): boolean {
    this.#isPieced = true
    return this.#response.write(this.#isChunked ? chunkOf(data) : data)
  }

  end(last: Buffer | null): void {
    const response = this.#response
    // Node takes a second end for none, but not one with bytes, and the end of chunks is some: an error nobody hears.
    if (response.writableEnded) return
    if (this.#isChunked) response.end(chunkOf(last ?? NOTHING, true))
    else if (last === null) response.end()
    else if (last.length > ONE_WRITE_BYTES || this.#isPieced) response.end(last)
    else response.end(last.toString('latin1'), 'latin1')
    this.#limitStall()
  }

  get isEnded(): boolean {
    return this.#response.writableEnded
  }

  onceDrained(listener: () => void): void {
    const { socket } = this.#response
    socket?.setTimeout(STALL_MS)
    this.#response.once('drain', () => {
      socket?.setTimeout(0)
      listener()
    })
  }

  destroy(): void {
    this.#response.destroy()
  }

  onClose(listener: (isWhole: boolean) => void): void {
    const response = this.#response
    response.on('close', () => listener(response.writableFinished))
  }

  /** What the kernel did not take at once is ours to keep until the client reads it, but not for ever. */
  #limitStall(): void {
    const { socket } = this.#response
    if (socket !== null && socket.writableLength > 0) socket.setTimeout(STALL_MS)
  }
}
