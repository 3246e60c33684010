import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { diceOf } from '#contracts/routing/dice.ts'
import { isDoneBefore } from '../order.ts'
import { FaultProxy } from './proxy.ts'

/** A server that answers everything it hears, and what it heard. */
type Echo = AsyncDisposable & Readonly<{ port: number; sockets: Set<Socket>; heard: () => string }>

async function startEcho(): Promise<Echo> {
  const sockets = new Set<Socket>()
  const chunks: Buffer[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      socket.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    heard: () => Buffer.concat(chunks).toString(),
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** One client connection and everything that happened to it. */
class Caller {
  readonly socket: Socket
  readonly arrivals: { at: number; text: string }[] = []
  readonly ended: Promise<void>
  readonly closed: Promise<string>

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port })
    let problem = 'clean'
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      problem = error.code ?? error.message
    })
    this.socket.on('data', (chunk: Buffer) =>
      this.arrivals.push({ at: performance.now(), text: chunk.toString() }),
    )
    this.ended = new Promise((resolve) => this.socket.once('end', resolve))
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve(problem)))
  }

  get text(): string {
    return this.arrivals.map(({ text }) => text).join('')
  }

  /** @returns milliseconds until the whole text has come back. */
  async echo(text: string): Promise<number> {
    const before = this.text.length
    const sentAt = performance.now()
    this.socket.write(text)
    while (this.text.length < before + text.length) await moment()
    return performance.now() - sentAt
  }
}

const moment = (ms = 2): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await moment()
}

describe('a fault proxy', () => {
  let echo: Echo
  let proxy: FaultProxy
  let caller: Caller

  beforeEach(async () => {
    echo = await startEcho()
    proxy = await FaultProxy.start(`127.0.0.1:${echo.port}`, 7)
    caller = new Caller(proxy.port)
  })

  afterEach(async () => {
    caller.socket.destroy()
    await proxy[Symbol.asyncDispose]()
    await echo[Symbol.asyncDispose]()
  })

  test('passes every byte in order when nothing is wrong', async () => {
    const text = Array.from({ length: 100_000 }, (_, at) => `${at},`).join('')
    await caller.echo(text)
    expect(caller.text).toBe(text)
  })

  test('passes the end of a stream on', async () => {
    await caller.echo('hello')
    caller.socket.end()
    await until(() => echo.sockets.size === 0)
    expect(await caller.closed).toBe('clean')
    expect(proxy.openConnections).toBe(0)
  })

  test('makes every byte late without making the path narrower', async () => {
    await caller.echo('warm up')
    proxy.set({ down: { latencyMs: 100 } })
    const sentAt = performance.now()
    for (let at = 0; at < 10; at++) {
      caller.socket.write(`${at}`)
      await moment()
    }
    await until(() => caller.text.endsWith('0123456789'))
    const arrivals = caller.arrivals.filter(({ at }) => at > sentAt).map(({ at }) => at)
    expect(arrivals[0]).toBeGreaterThan(sentAt + 100)
    // Of ten chunks that waited for each other the last would come 900 ms after the first.
    expect(arrivals.at(-1)).toBeLessThan(Number(arrivals[0]) + 800)
  })

  test('spreads lateness by its seeded dice', async () => {
    await using seeded = await FaultProxy.start(`127.0.0.1:${echo.port}`, 42)
    const own = new Caller(seeded.port)
    await own.echo('warm up')
    seeded.set({ up: { latencyMs: 40, jitterMs: 40 } })
    const dice = diceOf(42)
    // One throw for each chunk on its way up and one on its way down: first for the warm-up, then for each.
    for (let at = 0; at < 2; at++) dice()
    const lateness: number[] = []
    for (let at = 0; at < 6; at++) {
      const least = 40 + (dice() * 2 - 1) * 40
      dice()
      expect(await own.echo('x')).toBeGreaterThan(least - 1)
      lateness.push(least)
    }
    expect(Math.max(...lateness) - Math.min(...lateness)).toBeGreaterThan(20)
    own.socket.destroy()
  })

  test('lets no more bytes a second through than it is told, and all of them once it is healed', async () => {
    await caller.echo('warm up')
    proxy.set({ down: { bytesPerSecond: 20_000 } })
    const echoing = caller.echo('x'.repeat(100_000))
    await moment(200)
    expect(caller.text.length).toBeGreaterThan(1_000)
    expect(caller.text.length).toBeLessThan(20_000)
    proxy.heal()
    // Unhealed it would take five seconds.
    expect(await isDoneBefore(4_000, echoing)).toBe(true)
  })

  test('cuts bytes into slices with pauses between them', async () => {
    await caller.echo('warm up')
    caller.arrivals.length = 0
    proxy.set({ down: { sliceBytes: 4, slicePauseMs: 10 } })
    await caller.echo('0123456789ab')
    expect(caller.arrivals.map(({ text }) => text)).toEqual(['0123', '4567', '89ab'])
  })

  test('holds everything in a black hole and lets it arrive afterwards', async () => {
    await caller.echo('before ')
    proxy.blackHole()
    caller.socket.write('lost in between ')
    await moment(100)
    expect(caller.text).toBe('before ')
    expect(echo.heard()).toBe('before ')
    proxy.heal()
    await until(() => caller.text === 'before lost in between ')
  })

  test('keeps even the end of a connection in a black hole', async () => {
    await caller.echo('hello')
    proxy.blackHole()
    caller.socket.destroy()
    await moment(50)
    expect(echo.sockets.size).toBe(1)
    proxy.heal()
    await until(() => echo.sockets.size === 0)
  })

  test('accepts connections into a black hole and answers nothing', async () => {
    proxy.blackHole()
    const stranded = new Caller(proxy.port)
    stranded.socket.write('hello?')
    await moment(100)
    expect(stranded.text).toBe('')
    expect(stranded.socket.connecting).toBe(false)
    stranded.socket.destroy()
  })

  test('cuts one direction and leaves the other', async () => {
    await caller.echo('before ')
    proxy.partition('down')
    caller.socket.write('heard')
    await until(() => echo.heard() === 'before heard')
    await moment(50)
    expect(caller.text).toBe('before ')
    proxy.partition('up')
    await until(() => caller.text === 'before heard')
    caller.socket.write(' not heard')
    await moment(50)
    expect(echo.heard()).toBe('before heard')
  })

  test('ends a stream after a number of bytes, cleanly', async () => {
    proxy.set({ down: { limitBytes: 7 } })
    caller.socket.write('0123456789')
    await caller.ended
    expect(caller.text).toBe('0123456')
  })

  test('resets a connection after a number of bytes, which still arrive', async () => {
    proxy.set({ down: { resetAfterBytes: 7 } })
    caller.socket.write('0123456789')
    expect(await caller.closed).toBe('ECONNRESET')
    expect(caller.text).toBe('0123456')
  })

  test('resets what is open on demand and serves the next connection', async () => {
    await caller.echo('hello')
    proxy.resetAll()
    expect(await caller.closed).toBe('ECONNRESET')
    const next = new Caller(proxy.port)
    await next.echo('hello again')
    next.socket.destroy()
  })

  test('resets new connections while it refuses', async () => {
    await caller.echo('hello')
    proxy.refuse()
    expect(await new Caller(proxy.port).closed).toBe('ECONNRESET')
    await caller.echo('still here')
    proxy.heal()
    const next = new Caller(proxy.port)
    await next.echo('welcome')
    next.socket.destroy()
  })

  test('lets the end of a stream arrive late', async () => {
    await caller.echo('hello')
    proxy.set({ down: { slowCloseMs: 80 } })
    const closedAt = performance.now()
    for (const socket of echo.sockets) socket.end()
    await caller.ended
    expect(performance.now() - closedAt).toBeGreaterThan(75)
  })

  test('passes the loss of the server on as a reset', async () => {
    await caller.echo('hello')
    for (const socket of echo.sockets) socket.resetAndDestroy()
    expect(await caller.closed).toBe('ECONNRESET')
  })

  test('puts itself into the URLs of all services', () => {
    const at = `127.0.0.1:${proxy.port}`
    expect(proxy.via('nats://127.0.0.1:4222')).toBe(`nats://${at}`)
    expect(proxy.via('postgres://user:pass@db:5432/name?sslmode=disable')).toBe(
      `postgres://user:pass@${at}/name?sslmode=disable`,
    )
    expect(proxy.via('http://localhost:80/v1/')).toBe(`http://${at}/v1/`)
  })
})
