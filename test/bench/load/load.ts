/**
 * The load client: asks one subject over a number of connections, in a closed loop or at a fixed rate, and
 * tells what it saw in the window after the first moments.
 *
 * Over `node:net` and with a reader of its own, so that a run is bound by its subjects. Runs in the process
 * of the benchmark, which reads the subject's CPU time at the very moments the window begins and ends.
 */
import { Connection } from './connection.ts'
import { Tally, type LoadResult } from './tally.ts'

export type LoadPlan = Readonly<{
  port: number
  path: string
  headers: Readonly<Record<string, string>>
  body: Buffer
  stream: boolean
  connections: number
  /** Null: closed loop. */
  ratePerSecond: number | null
  settleMs: number
  windowMs: number
}>

export type WindowListener = Readonly<{ onBegin: () => void; onEnd: () => void }>

/** After the window answers under way may end, so that no subject is measured while it cleans up. */
const DRAIN_MS = 3_000

export async function runLoad(plan: LoadPlan, listener: WindowListener): Promise<LoadResult> {
  const tally = new Tally()
  const loop = new Loop(plan, tally)
  await loop.open()
  await sleep(plan.settleMs)
  listener.onBegin()
  tally.begin()
  await sleep(plan.windowMs)
  tally.end()
  listener.onEnd()
  await loop.stop()
  return tally.result()
}

class Loop {
  readonly #plan: LoadPlan
  readonly #connections: Connection[] = []
  readonly #idle: Connection[] = []
  /** Requests that are due and found no idle connection: when each was due. */
  readonly #waiting: number[] = []
  readonly #request: Buffer
  readonly #tally: Tally
  #timer: NodeJS.Timeout | undefined
  #isStopping = false

  constructor(plan: LoadPlan, tally: Tally) {
    this.#plan = plan
    this.#tally = tally
    this.#request = requestOf(plan)
  }

  /** Streams begin one after the other, so that their chunks do not come all at once. */
  async open(): Promise<void> {
    const { connections, stream, settleMs, ratePerSecond } = this.#plan
    const beganAt = performance.now()
    const overMs = stream ? settleMs * 0.8 : 0
    for (let count = 0; count < connections; count++) {
      this.#open()
      if (overMs === 0) continue
      const aheadMs = beganAt + (count * overMs) / connections - performance.now()
      if (aheadMs > 1) await sleep(aheadMs)
    }
    if (ratePerSecond !== null) this.#keepRate(1_000 / ratePerSecond, performance.now() + 50)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#timer)
    const giveUpAt = performance.now() + DRAIN_MS
    while (this.#connections.some(({ isBusy }) => isBusy) && performance.now() < giveUpAt) await sleep(20)
    for (const connection of this.#connections) connection.close()
  }

  #open(): void {
    const { port, stream, ratePerSecond } = this.#plan
    const onReady = (connection: Connection): void => {
      if (this.#isStopping) return
      if (ratePerSecond === null) connection.send(performance.now())
      else this.#take(connection)
    }
    const onLost = (connection: Connection): void => {
      const at = this.#idle.indexOf(connection)
      if (at !== -1) this.#idle.splice(at, 1)
    }
    this.#connections.push(
      new Connection({ port, request: this.#request, stream, tally: this.#tally, onReady, onLost }),
    )
  }

  #take(connection: Connection): void {
    const dueAt = this.#waiting.shift()
    if (dueAt === undefined) this.#idle.push(connection)
    else connection.send(dueAt)
  }

  /** A request is due when our own timer says so: its lateness is not the subject's. */
  #keepRate(everyMs: number, first: number): void {
    let next = first
    const tick = (): void => {
      const now = performance.now()
      for (; next <= now; next += everyMs) {
        const connection = this.#idle.shift()
        if (connection === undefined) this.#waiting.push(now)
        else connection.send(now)
      }
      this.#timer = setTimeout(tick, Math.max(1, next - now))
    }
    this.#timer = setTimeout(tick, first - performance.now())
  }
}

function requestOf({ port, path, headers, body, stream }: LoadPlan): Buffer {
  const fields = {
    host: `127.0.0.1:${port}`,
    'user-agent': 'bench',
    accept: stream ? 'text/event-stream' : 'application/json',
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...headers,
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), body])
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
