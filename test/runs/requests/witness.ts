/**
 * A server and what is seen behind it: of each connection the requests in their order, and what was made of them.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { ClientExchange } from '#data-plane/listener/client-exchange.ts'
import { NodeExchange } from '#data-plane/listener/node-exchange.ts'
import type { Handler } from '#data-plane/listener/plain/connection.ts'
import { servePlainly } from '#data-plane/listener/plain/listen.ts'
import { turns } from '../../eventually.ts'
import { LIMITS } from './spelled.ts'

export type Way = 'ours' | 'nodes'

export type SeenRequest = {
  readonly method: string
  readonly url: string
  /** Of each header that may have come its name, its value and whether it came several times. */
  readonly headers: readonly string[]
  body: string
  /** What its handler was told of its end. */
  end: string
}

/** Why Node has nothing more to do with a connection on which a tunnel was asked for. */
export const TUNNEL = 'CONNECT'

/** One connection. */
export class Visit {
  /** What headers may be called. */
  readonly names: readonly string[]
  readonly requests: SeenRequest[] = []
  /** Who read each of them. */
  readonly ways: Way[] = []
  /** Node gave up on it for this reason. */
  error = ''
  socket: Socket | null = null
  /** Answers that wait for nothing but a turn. */
  owed = 0

  constructor(names: readonly string[]) {
    this.names = names
  }
}

/** As in production (`data-plane/server.ts`), in milliseconds. */
const HEADERS_MS = 10_000
const REQUEST_MS = 60_000
const CHECK_MS = 1_000
const KEEP_ALIVE_MS = 65_000

export class Witness implements AsyncDisposable {
  readonly #server: Server
  readonly #stop: () => void
  #visit = new Visit([])

  /** @param isPlain are plain requests read by ourselves? */
  static async start(isPlain: boolean): Promise<Witness> {
    const witness = new Witness(isPlain)
    await once(witness.#server.listen(0, '127.0.0.1'), 'listening')
    return witness
  }

  private constructor(isPlain: boolean) {
    this.#server = createServer({
      requestTimeout: REQUEST_MS,
      headersTimeout: HEADERS_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    })
    this.#server.on('request', (request, response) => {
      void this.#serve(new NodeExchange(request, response), 'nodes')
    })
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      this.#visit.error = error.code ?? error.message
      refuse(error.code ?? '', socket)
    })
    // As without a listener, but told.
    this.#server.on('connect', (_request, socket) => {
      this.#visit.error = TUNNEL
      socket.destroy()
    })
    this.#stop = isPlain ? this.#servePlainly() : () => undefined
    this.#server.on('connection', (socket: Socket) => {
      this.#visit.socket = socket
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Whatever comes from now on belongs to it. */
  visit(names: readonly string[]): Visit {
    this.#visit = new Visit(names)
    return this.#visit
  }

  #servePlainly(): () => void {
    const handle: Handler = (exchange) => void this.#serve(exchange, 'ours')
    return servePlainly(this.#server, {
      handlers: new Map([...LIMITS.keys()].map((path) => [path, handle])),
      checkMs: CHECK_MS,
      refuse: (code, socket) => {
        this.#visit.error = code
        refuse(code, socket)
      },
    })
  }

  async #serve(exchange: ClientExchange, way: Way): Promise<void> {
    const visit = this.#visit
    const { method, url, headers } = exchange
    const found = visit.names.map(
      (name) =>
        `${name}: ${JSON.stringify(headers.get(name))}${headers.isRepeated(name) ? ' (repeated)' : ''}`,
    )
    const request: SeenRequest = { method, url, headers: found, body: 'awaited', end: '' }
    const count = visit.requests.push(request)
    visit.ways.push(way)
    exchange.onClose((isWhole) => {
      request.end += isWhole ? 'whole' : 'cut'
    })
    const limit = LIMITS.get(url) ?? 0
    const body = limit === 0 ? null : await exchange.readBody(limit)
    request.body = body === null ? 'unread' : `read: ${body.toString('latin1')}`
    visit.owed += 1
    await aWhile(count)
    visit.owed -= 1
    answer(exchange, count)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop()
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}

/** Some are answered at once, some after what came with them was read, some later. */
async function aWhile(count: number): Promise<void> {
  if (count % 4 === 2) await turns(1)
  if (count % 4 === 3) await turns(5)
}

/** Some tell how long they are. */
function answer(exchange: ClientExchange, count: number): void {
  const text = Buffer.from(`seen ${count}`)
  if (count % 2 === 1) {
    exchange.begin(200, ['content-type', 'text/plain', 'content-length', String(text.length)])
    exchange.end(text)
  } else {
    exchange.begin(200, ['content-type', 'text/plain'])
    exchange.write(text)
    exchange.end(null)
  }
}

const STATUS_OF = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Late'],
])

/** As in production: whoever was told something before may be in the middle of an answer. */
function refuse(code: string, socket: Socket): void {
  const status = STATUS_OF.get(code) ?? (code.startsWith('HPE_') ? '400 Bad' : null)
  if (status === null || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
  socket.destroySoon()
}
