/**
 * A server with both ways in which a client's request may come: Node's own, and plain (`data-plane/listener/plain/`).
 */
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { ClientExchange } from '#data-plane/listener/client-exchange.ts'
import { NodeExchange } from '#data-plane/listener/node-exchange.ts'
import { servePlainly } from '#data-plane/listener/plain/listen.ts'

export const WAYS = ['node', 'plain'] as const
export type Way = (typeof WAYS)[number]

export const PATH = '/v1/chat/completions'
/** The head of a plain request, without the line that ends it. */
export const PLAIN_HEAD = `POST ${PATH} HTTP/1.1\r\nhost: here\r\n`
/** A plain request. */
export const asked = (body: string): string => plainHead(body.length) + body
/** One that is none. */
export const OTHER = 'GET /other HTTP/1.1\r\nhost: a\r\n\r\n'
export const plainHead = (length: number): string => `${PLAIN_HEAD}content-length: ${length}\r\n\r\n`

/** How long the server waits, in milliseconds. */
export type Waits = Readonly<{ headers: number; request: number; keepAlive: number; check: number }>
type Options = Partial<Waits> &
  Readonly<{
    /** Told each plain exchange as it comes. */
    onPlain?: (client: ClientExchange) => void
  }>
const USUAL: Waits = { headers: 10_000, request: 60_000, keepAlive: 65_000, check: 1_000 }

export type Arrived = Readonly<{
  client: ClientExchange
  /** The server's side of the connection. */
  socket: Socket
}>

/** What a client has heard so far. */
export function heard(socket: Socket): Readonly<{ text: string; isOver: boolean }> {
  const all = { text: '', isOver: false }
  socket.on('data', (bytes: Buffer) => (all.text += bytes.toString('latin1')))
  socket.on('close', () => (all.isOver = true))
  return all
}

export function answer({ client }: Pick<Arrived, 'client'>, body = '{}'): void {
  client.begin(200, ['content-length', String(body.length)])
  client.end(Buffer.from(body))
}

export class ClientRig implements AsyncDisposable {
  readonly server: Server
  /** Exchanges in the order they came, by the way they came. */
  readonly arrived: (Arrived & Readonly<{ way: Way }>)[] = []
  /** What connections were refused for, as Node names it. */
  readonly refused: string[] = []
  /** Last answers from now on. */
  readonly stop: () => void
  readonly #sockets: Socket[] = []
  #waiting: ((arrived: Arrived) => void)[] = []

  /** @param way everything is Node's, or what is plain is not. */
  static async start(way: Way, options: Options = {}): Promise<ClientRig> {
    const rig = new ClientRig(way, options)
    await new Promise<void>((resolve) => rig.server.listen(0, '127.0.0.1', resolve))
    return rig
  }

  private constructor(way: Way, { onPlain, ...over }: Options) {
    const waits = { ...USUAL, ...over }
    const { headers: headersTimeout, request: requestTimeout, keepAlive: keepAliveTimeout } = waits
    const timeouts = { headersTimeout, requestTimeout, keepAliveTimeout, keepAliveTimeoutBuffer: 0 }
    this.server = createServer(timeouts, (incoming, response) => {
      this.#arrive('node', new NodeExchange(incoming, response), incoming.socket)
    })
    const taken = (client: ClientExchange): void => {
      const socket = this.#sockets.findLast(({ destroyed }) => !destroyed)
      this.#arrive('plain', client, socket)
      onPlain?.(client)
    }
    const handlers = new Map([[PATH, taken]])
    const refuse = (code: string, socket: Socket): void => {
      this.refused.push(code)
      socket.destroy()
    }
    this.stop =
      way === 'plain' ? servePlainly(this.server, { handlers, refuse, checkMs: waits.check }) : sayNothing
    this.server.prependListener('connection', (socket: Socket) => this.#sockets.push(socket))
  }

  /** How each request came. */
  get ways(): readonly Way[] {
    return this.arrived.map(({ way }) => way)
  }

  get port(): number {
    const address = this.server.address() as AddressInfo
    return address.port
  }

  /** The next request. */
  next(): Promise<Arrived> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** A connection that says this much. */
  connect(...parts: readonly (string | Buffer)[]): Socket {
    const socket = connect(this.port, '127.0.0.1')
    socket.on('error', () => undefined)
    for (const part of parts) socket.write(part)
    return socket
  }

  /** A plain request by Node's client, and its answer. */
  ask(body = ''): Readonly<{ answer: Promise<IncomingMessage>; leave: () => void }> {
    const options = { port: this.port, host: '127.0.0.1', path: PATH, method: 'POST', agent: false } as const
    const headers = { connection: 'keep-alive', 'content-length': Buffer.byteLength(body) }
    const asking = request({ ...options, headers })
    const coming = new Promise<IncomingMessage>((resolve, reject) =>
      asking.once('response', resolve).once('error', reject),
    )
    coming.catch(() => undefined)
    asking.end(body)
    return { answer: coming, leave: () => void asking.destroy() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  #arrive(way: Way, client: ClientExchange, socket: Socket | undefined): void {
    if (socket === undefined) throw new Error('a request without a connection')
    const arrived = { way, client, socket }
    this.arrived.push(arrived)
    this.#waiting.shift()?.(arrived)
  }
}

const sayNothing = (): void => undefined
