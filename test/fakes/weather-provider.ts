/**
 * A provider whose behaviour is a matter of chance and load, as real trouble is: it fails a share of its
 * requests, is slow, says nothing, keeps a limit or has few places, and remembers who came when.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { errorBody } from './behaviour.ts'
import { readChatRequest } from './chat-answer.ts'

export type Weather = Readonly<{
  /** Share of requests that fail at once with a 500. */
  failing: number
  /** To the first token, in milliseconds. */
  firstMs: number
  /** Takes requests and says nothing more. */
  isSilent: boolean
  /** Requests a second by a bucket of one second; beyond it 429 with Retry-After. */
  limit: number
  /** Requests at once; beyond it 529. */
  places: number
}>

export const FAIR: Weather = { failing: 0, firstMs: 40, isSilent: false, limit: Infinity, places: Infinity }
/** From the first token to the last, in milliseconds. */
const REST_MS = 30

const chunk = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
  })}\n\n`

export class WeatherProvider implements AsyncDisposable {
  weather: Weather = FAIR
  /** Chat requests: when they came and for which model. */
  readonly came: { at: number; model: string }[] = []
  readonly #server = createServer((request, response) => {
    void text(request).then((body) => this.#serve(body, response))
  })
  #tokens = 0
  #filledAt = performance.now()
  #underWay = 0

  static async start(): Promise<WeatherProvider> {
    const provider = new WeatherProvider()
    await new Promise<void>((listening) => provider.#server.listen(0, '127.0.0.1', listening))
    return provider
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((closed) => this.#server.close(() => closed()))
  }

  #serve(body: string, response: ServerResponse): void {
    const { model, stream } = readChatRequest(body)
    const { failing, firstMs, isSilent, places } = this.weather
    this.came.push({ at: performance.now(), model })
    if (isSilent) return
    if (Math.random() < failing) return refuse(response, 500, 'server_error')
    if (!this.#takesOne()) return refuse(response, 429, 'rate_limit_exceeded', { 'retry-after': '1' })
    if (this.#underWay >= places) return refuse(response, 529, 'overloaded_error')
    this.#underWay += 1
    response.once('close', () => (this.#underWay -= 1))
    // A tenth to either side: nothing real is always the same.
    const after = firstMs * (0.9 + 0.2 * Math.random())
    if (!stream) {
      const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }]
      setTimeout(() => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', choices }))
      }, after)
      return
    }
    setTimeout(() => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk({ role: 'assistant', content: 'Hi' }, null))
      setTimeout(() => response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`), REST_MS)
    }, after)
  }

  #takesOne(): boolean {
    const { limit } = this.weather
    if (limit === Infinity) return true
    const now = performance.now()
    this.#tokens = Math.min(limit, this.#tokens + ((now - this.#filledAt) / 1_000) * limit)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(errorBody('No', 'server_error', code))
}
