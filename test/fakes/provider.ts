/**
 * A provider that does what a test tells it to: an OpenAI-compatible server on loopback.
 *
 * A request's behaviour is the next of the queue (`next`), else the first rule that matches (`when`), else
 * the default (`byDefault`). Every request is recorded, the newest ones with their bytes.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import { freePort } from '../services/server.ts'
import { errorBody, type Behaviour, type Match, type Rule } from './behaviour.ts'
import { jsonAnswer, modelList, readChatRequest, streamAnswer } from './chat-answer.ts'
import { play, type Answer } from './play.ts'

export type ReceivedRequest = Readonly<{
  /** 1, 2, 3… over all requests. */
  number: number
  method: string
  path: string
  headers: IncomingHttpHeaders
  /** Name, value, name, value…, as they were sent. */
  rawHeaders: readonly string[]
  body: Buffer
  model: string
  /** Milliseconds by the monotonic clock. */
  at: number
  /** `aborted`: the client left before the answer was complete. */
  outcome: () => 'open' | 'answered' | 'cut' | 'aborted'
}>

/** A call that a provider would send a bill for: told when all of it has come, before any of the answer goes. */
export type BilledCall = Readonly<{ request: ReceivedRequest; input: number; output: number }>

export type ProviderStats = Readonly<{
  requests: number
  answered: number
  cut: number
  aborted: number
  open: number
}>

const DEFAULT_WORDS = ['Hello', ' from', ' the', ' fake', ' provider', '.']
/** Requests kept; older ones are only counted. */
const KEPT = 2_000

const CHAT = '/chat/completions'
const MODELS = '/models'

export class FakeProvider implements AsyncDisposable {
  readonly port: number
  /** As an operator writes it. */
  readonly baseUrl: string
  readonly requests: ReceivedRequest[] = []
  models: readonly string[] = ['fake-model']
  readonly #sockets = new Set<Socket>()
  readonly #queue: Behaviour[] = []
  readonly #stats = { requests: 0, answered: 0, cut: 0, aborted: 0, open: 0 }
  #rules: Rule[] = []
  #default: () => Behaviour = () => ({})
  #onBilled: ((call: BilledCall) => void) | null = null
  #resetting = false
  #connections = 0
  #server: Server

  static async start(port?: number): Promise<FakeProvider> {
    const provider = new FakeProvider(port ?? (await freePort()))
    await provider.listen()
    return provider
  }

  private constructor(port: number) {
    this.port = port
    this.baseUrl = `http://127.0.0.1:${port}/v1`
    this.#server = this.#makeServer()
  }

  /** The default is what happens when nothing else was said. */
  byDefault(behaviour: Behaviour | (() => Behaviour)): this {
    this.#default = typeof behaviour === 'function' ? behaviour : () => behaviour
    return this
  }

  /** For the next chat requests, one each. */
  next(...behaviours: readonly Behaviour[]): this {
    this.#queue.push(...behaviours)
    return this
  }

  /** For every request that matches; rules made later come later. */
  when(match: Match, behaviour: Behaviour): this {
    this.#rules.push({ match, behaviour })
    return this
  }

  /** @param listener told of every chat call that is answered with success, whether or not the answer arrives. */
  onBilled(listener: (call: BilledCall) => void): this {
    this.#onBilled = listener
    return this
  }

  /** Forgets queue, rules, default, models and records. */
  reset(): this {
    this.#queue.length = 0
    this.#rules = []
    this.#default = () => ({})
    this.requests.length = 0
    this.models = ['fake-model']
    Object.assign(this.#stats, { requests: 0, answered: 0, cut: 0, aborted: 0 })
    return this
  }

  get stats(): ProviderStats {
    return { ...this.#stats }
  }

  /** The newest request. */
  get last(): ReceivedRequest {
    const request = this.requests.at(-1)
    if (request === undefined) throw new Error('no request was received')
    return request
  }

  /** TCP connections ever accepted. */
  get connections(): number {
    return this.#connections
  }

  /** From now on connections are refused, as from a program that is not running. Open ones are closed. */
  async stopListening(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Takes connections again, on the same port. */
  async listen(): Promise<void> {
    if (this.#server.listening) return
    this.#server = this.#makeServer()
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.port, '127.0.0.1', resolve)
    })
  }

  /** Connections are accepted and reset at once, or no longer. */
  resetOnAccept(resetting: boolean): this {
    this.#resetting = resetting
    return this
  }

  /** Closes kept-alive connections, as providers do when they feel like it. */
  dropIdleConnections(): void {
    this.#server.closeIdleConnections()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopListening()
  }

  #makeServer(): Server {
    // Limits off: a fake provider is as patient as the test needs it to be.
    const server = createServer(
      { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 },
      (request, response) => {
        void this.#receive(request, response)
      },
    )
    server.on('connection', (socket: Socket) => {
      this.#connections += 1
      if (this.#resetting) {
        socket.resetAndDestroy()
        return
      }
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    return server
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    const body = await readBody(request)
    if (body === null) return
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    const chat = readChatRequest(body.toString())
    let outcome: ReturnType<ReceivedRequest['outcome']> = 'open'
    this.#stats.requests += 1
    this.#stats.open += 1
    const received: ReceivedRequest = {
      number: this.#stats.requests,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body,
      model: chat.model,
      at: performance.now(),
      outcome: () => outcome,
    }
    this.requests.push(received)
    if (this.requests.length > KEPT) this.requests.shift()

    const behaviour = this.#behaviourFor(received, path)
    if (path.endsWith(CHAT) && (behaviour.status ?? 200) < 300) {
      const { words = DEFAULT_WORDS } = behaviour
      this.#onBilled?.({ request: received, input: chat.promptWords, output: words.length })
    }
    const played = await play(behaviour, this.#answerTo(received, path, behaviour), response, gone.signal)
    // Sent is not received: whether the client stayed to the end is known when the connection lets go.
    if (played === 'answered' && !response.writableFinished && !gone.signal.aborted) {
      await new Promise((resolve) => response.once('finish', resolve).once('close', resolve))
    }
    outcome = played === 'cut' ? 'cut' : response.writableFinished ? 'answered' : 'aborted'
    this.#stats[outcome] += 1
    this.#stats.open -= 1
  }

  #behaviourFor(request: ReceivedRequest, path: string): Behaviour {
    const queued = path.endsWith(CHAT) ? this.#queue.shift() : undefined
    return (
      queued ??
      this.#rules.find(({ match }) => matches(match, request, path))?.behaviour ??
      this.#defaultFor(path)
    )
  }

  #defaultFor(path: string): Behaviour {
    if (path.endsWith(CHAT)) return this.#default()
    return path.endsWith(MODELS)
      ? {}
      : { status: 404, body: errorBody(`no such path: ${path}`, 'invalid_request_error') }
  }

  #answerTo(request: ReceivedRequest, path: string, { words = DEFAULT_WORDS }: Behaviour): Answer {
    if (path.endsWith(MODELS)) return { contentType: 'application/json', pieces: [modelList(this.models)] }
    const chat = readChatRequest(request.body.toString())
    return chat.stream
      ? { contentType: 'text/event-stream; charset=utf-8', pieces: streamAnswer(chat, words, request.number) }
      : { contentType: 'application/json', pieces: [jsonAnswer(chat, words, request.number)] }
  }
}

function matches(match: Match, request: ReceivedRequest, path: string): boolean {
  return (
    path.endsWith(match.path ?? CHAT) &&
    (match.model === undefined || match.model === request.model) &&
    (match.authorization === undefined || match.authorization === request.headers.authorization)
  )
}

/** @returns null when the client left in the middle of its own request. */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer)
  } catch {
    return null
  }
  return Buffer.concat(chunks)
}
