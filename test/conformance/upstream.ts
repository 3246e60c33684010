/**
 * An upstream of all four dialects that says what it is told to: one answer for each model name, or one after
 * the other, made from what it was sent.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ProviderDefinitionInput } from '#contracts/catalog/provider.ts'
import { objectOf, parseJson, stringOf, type JsonObject } from '#data-plane/dialects/canonical/json.ts'
import type { DialectName } from '#data-plane/dialects/canonical/request.ts'
import type { GatewayProvider } from '../integration/gateway.ts'
import type { Recording } from './recordings.ts'

export type Answer = Readonly<{
  /** Absent: 200. */
  status?: number
  headers?: Readonly<Record<string, string>>
  text: string
  stream: boolean
  /** A stream is cut off here instead of ending, in bytes. */
  cutAt?: number
  /** Nothing more comes after so many bytes, and the connection stays open; 0: not even a status. */
  hangAt?: number
}>

export type Sent = Readonly<{
  method: string
  path: string
  headers: IncomingMessage['headers']
  /** Bytes as they came. */
  bytes: Buffer
  body: JsonObject
  model: string
  /** By the body, or Gemini's method. */
  stream: boolean
}>

/** @param step how many requests for this model came before. @throws what the test should fail with. */
export type Script = (sent: Sent, step: number) => Answer

const KIND = {
  'openai-chat': { kind: 'openai', dialects: ['openai-chat'] },
  'openai-responses': { kind: 'openai', dialects: ['openai-responses'] },
  anthropic: { kind: 'anthropic', dialects: ['anthropic'] },
  gemini: { kind: 'gemini', dialects: ['gemini'] },
} as const satisfies Readonly<Record<DialectName, Pick<ProviderDefinitionInput, 'kind' | 'dialects'>>>

/** The machine may be busy: nothing here is about time. */
const PATIENT = { connectMs: 10_000, answerMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 }

export class Upstream implements AsyncDisposable {
  readonly port: number
  /** In the order they came. */
  readonly sent: Sent[] = []
  /** What scripts threw: their answer was a 500. */
  readonly complaints: unknown[] = []
  readonly #server: Server
  readonly #scripts = new Map<string, Script>()
  readonly #steps = new Map<string, number>()

  static async start(): Promise<Upstream> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Upstream(server)
  }

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => this.#answer(request, Buffer.concat(pieces), response))
    })
  }

  /** As operators write it, for a dialect's own SDK and for the gateway alike. */
  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** One provider for each dialect, named as it. */
  get providers(): Readonly<Record<DialectName, GatewayProvider>> {
    const provider = (dialect: DialectName): GatewayProvider => {
      const isOpenai = KIND[dialect].kind === 'openai'
      const dialects = [...KIND[dialect].dialects]
      return {
        baseUrl: isOpenai ? `${this.baseUrl}/v1` : this.baseUrl,
        definition: { kind: KIND[dialect].kind, dialects, timeouts: PATIENT },
      }
    }
    return {
      'openai-chat': provider('openai-chat'),
      'openai-responses': provider('openai-responses'),
      anthropic: provider('anthropic'),
      gemini: provider('gemini'),
    }
  }

  /** What is answered to requests for this model from now on. */
  script(model: string, script: Script): void {
    this.#scripts.set(model, script)
    this.#steps.delete(model)
  }

  /** The last request for this model. */
  lastFor(model: string): Sent {
    const sent = this.sent.findLast((one) => one.model === model)
    if (sent === undefined) throw new Error(`nothing was sent for ${model}`)
    return sent
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(request: IncomingMessage, bytes: Buffer, response: ServerResponse): void {
    const { url = '', method = '', headers } = request
    const body = objectOf(parseJson(bytes.toString()))
    const named = /\/models\/([^:?]+)/.exec(url)?.[1]
    const model = named === undefined ? (stringOf(body['model']) ?? '') : decodeURIComponent(named)
    const stream = body['stream'] === true || url.includes(':streamGenerateContent')
    const sent = { method, path: url, headers, bytes, body, model, stream }
    this.sent.push(sent)
    const step = this.#steps.get(model) ?? 0
    this.#steps.set(model, step + 1)
    try {
      const script = this.#scripts.get(model)
      if (script === undefined) throw new Error(`nothing to say for model '${model}' at ${url}`)
      tell(response, script(sent, step))
    } catch (error) {
      this.complaints.push(error)
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: { message: String(error) } }))
    }
  }
}

function tell(
  response: ServerResponse,
  { status = 200, headers, text, stream, cutAt, hangAt }: Answer,
): void {
  if (hangAt === 0) return
  const type = stream ? 'text/event-stream' : 'application/json'
  response.writeHead(status, { 'content-type': type, ...headers })
  if (hangAt !== undefined) {
    response.write(Buffer.from(text).subarray(0, hangAt))
    return
  }
  if (cutAt === undefined) {
    response.end(text)
    return
  }
  response.write(Buffer.from(text).subarray(0, cutAt), () => response.destroy())
}

/** The recorded answer, as it was told. Some files have lost the blank line after their last event. */
export function recordedAnswer({ status, body, stream }: Recording): Answer {
  if (stream !== null) {
    const isWhole = stream.endsWith('\n\n') || stream.endsWith('\r\n\r\n')
    return { status, text: isWhole ? stream : `${stream.trimEnd()}\n\n`, stream: true }
  }
  return { status, text: JSON.stringify(body), stream: false }
}
