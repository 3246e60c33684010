/**
 * The provider behind every subject, as a process of its own: `node test/bench/upstream.ts 9100`.
 *
 * Answers any POST at once with what its body's model name says (`load/script.ts`). Over `node:net` and with
 * no more of HTTP than its clients send, so that it is never what limits a run. Says `upstream on <port>`.
 */
import { createServer, type Socket } from 'node:net'
import { machineTime, markOf } from './load/mark.ts'
import { Pacer } from './load/pacer.ts'
import { scriptOf, type Script } from './load/script.ts'

const END_OF_HEAD = Buffer.from('\r\n\r\n')
const LENGTH = /\r\ncontent-length: *(\d+)/i
const MODEL_KEY = Buffer.from('"model"')
const MODEL_VALUE = /^"model"\s*:\s*"([^"]*)"/
/** The model stands near the front of the body. */
const LONGEST_MODEL = 200

type StreamScript = Extract<Script, { kind: 'stream' }>

const scripts = new Map<string, Script>()
const pacers = new Map<number, Pacer>()

class Exchange {
  readonly #socket: Socket
  /** Of a request whose model is not known yet. */
  #kept: Buffer | null = null
  /** Of the request's body, still to come. */
  #missing = 0
  #script: Script | null = null

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#feed(bytes))
    socket.on('error', () => undefined)
  }

  /** One request at a time: none of the subjects sends the next before it has the answer. */
  #feed(piece: Buffer): void {
    if (this.#missing > 0) {
      this.#missing -= piece.length
      if (this.#missing <= 0) this.#answer()
      return
    }
    const bytes = this.#kept === null ? piece : Buffer.concat([this.#kept, piece])
    this.#kept = null
    const headEnd = bytes.indexOf(END_OF_HEAD)
    const length = headEnd === -1 ? undefined : LENGTH.exec(bytes.toString('latin1', 0, headEnd))?.[1]
    if (headEnd !== -1 && length === undefined) {
      this.#socket.end('HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n\r\n')
      return
    }
    const bodyStart = headEnd + END_OF_HEAD.length
    const missing = bodyStart + Number(length) - bytes.length
    const at = headEnd === -1 ? -1 : bytes.indexOf(MODEL_KEY, bodyStart)
    const model = at === -1 ? null : MODEL_VALUE.exec(bytes.toString('latin1', at, at + LONGEST_MODEL))
    if (headEnd === -1 || (model === null && missing > 0)) {
      this.#kept = bytes
      return
    }
    this.#script = known(model?.[1] ?? '')
    this.#missing = missing
    if (missing <= 0) this.#answer()
  }

  #answer(): void {
    this.#missing = 0
    const script = this.#script
    if (script === null) this.#socket.write('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n')
    else if (script.kind === 'json') this.#socket.write(script.answer)
    else if (script.everyMs === 0) this.#socket.write(wholeStream(script), 'latin1')
    else this.#stream(script)
  }

  #stream(script: StreamScript): void {
    let sent = 1
    this.#socket.write(script.head + chunkOf(script), 'latin1')
    pacerOf(script.everyMs).add(() => {
      if (this.#socket.destroyed) return false
      const isOver = sent === script.chunks
      this.#socket.write(isOver ? script.end : chunkOf(script), 'latin1')
      sent += 1
      return !isOver
    })
  }
}

function known(model: string): Script | null {
  const script = scripts.get(model) ?? scriptOf(model)
  if (script !== null) scripts.set(model, script)
  return script
}

function pacerOf(everyMs: number): Pacer {
  const pacer = pacers.get(everyMs) ?? new Pacer(everyMs)
  pacers.set(everyMs, pacer)
  return pacer
}

const chunkOf = ({ chunk }: StreamScript): string => chunk.before + markOf(machineTime()) + chunk.after

const wholeStream = (script: StreamScript): string =>
  script.head + chunkOf(script).repeat(script.chunks) + script.end

const port = Number(process.argv[2])
const server = createServer({ noDelay: true }, (socket) => void new Exchange(socket))
server.listen({ port, host: '127.0.0.1', backlog: 4_096 }, () =>
  process.stdout.write(`upstream on ${port}\n`),
)
