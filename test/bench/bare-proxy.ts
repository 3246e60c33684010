/**
 * The least a proxy in Node can do with libraries, as a process of its own: `node test/bench/bare-proxy.ts 9202 9100`.
 *
 * node:http in, undici's dispatch out, no features; what the gateway costs is told in multiples of this.
 * Still honest: it slows down with its client and lets the upstream go when the client leaves.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool, type Dispatcher } from 'undici'

const [port, upstreamPort] = process.argv.slice(2).map(Number)
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, {
  connections: 1_024,
  pipelining: 1,
  allowH2: false,
})
const headers = {
  'content-type': 'application/json',
  authorization: 'Bearer sk-upstream-0123456789abcdef0123456789abcdef',
}

class Passing implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  #controller: Dispatcher.DispatchController | null = null
  #isOver = false

  constructor(response: ServerResponse) {
    this.#response = response
    response.on('close', () => {
      if (!this.#isOver) this.#controller?.abort(new Error('the client has left'))
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    answered: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#response.writeHead(status, answered)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    this.#isOver = true
    this.#response.end()
  }

  onResponseError(): void {
    this.#isOver = true
    if (!this.#response.headersSent) this.#response.statusCode = 502
    this.#response.end()
  }
}

function collect(request: IncomingMessage, then: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () =>
    then(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
  )
}

createServer((request, response) => {
  collect(request, (body) => {
    pool.dispatch({ path: request.url ?? '/', method: 'POST', headers, body }, new Passing(response))
  })
}).listen({ port, host: '127.0.0.1', backlog: 4_096 }, () => process.stdout.write(`bare proxy on ${port}\n`))
