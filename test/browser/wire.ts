/**
 * The wire to a browser: its DevTools protocol over one WebSocket, one session a page.
 */
type Params = Readonly<Record<string, unknown>>
type Answer = Readonly<{
  id?: number
  method?: string
  params?: Record<string, unknown>
  sessionId?: string
  result?: Record<string, unknown>
  error?: { message: string }
}>

/** Longest wait for one answer, in milliseconds: the machine may be busy. */
const ANSWER_MS = 60_000

export class Wire implements AsyncDisposable {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #listeners = new Set<(answer: Answer) => void>()
  #sent = 0

  static async open(url: string): Promise<Wire> {
    const socket = new WebSocket(url)
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('error', () => reject(new Error(`the browser cannot be reached at ${url}`)))
    })
    return new Wire(socket)
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer)
      else for (const listener of this.#listeners) listener(answer)
    })
    socket.addEventListener('close', () => {
      for (const tell of this.#waiting.values()) tell({ error: { message: 'the browser has gone' } })
    })
  }

  async send(method: string, params: Params = {}, sessionId?: string): Promise<Record<string, unknown>> {
    this.#sent += 1
    const id = this.#sent
    const { promise, resolve } = Promise.withResolvers<Answer>()
    this.#waiting.set(id, resolve)
    const late = { error: { message: `no answer in ${ANSWER_MS} ms` } }
    const timer = setTimeout(resolve, ANSWER_MS, late)
    this.#socket.send(
      JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }),
    )
    const { result = {}, error } = await promise
    clearTimeout(timer)
    this.#waiting.delete(id)
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result
  }

  /** Told of everything that happens in a session. */
  on(sessionId: string, listener: (method: string, params: Record<string, unknown>) => void): void {
    this.#listeners.add((event) => {
      if (event.sessionId === sessionId) listener(event.method ?? '', event.params ?? {})
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close()
  }
}
