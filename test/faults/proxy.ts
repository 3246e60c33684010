/**
 * A TCP proxy that spoils connections the way networks do. It stands on every path of an integration test,
 * also when nothing is wrong (`none`), so that what is tested with faults is what was tested without.
 *
 * Faults are set per direction and take effect at once, on open connections too. Bytes are delayed, held or
 * cut off but never changed or reordered: TCP sees to that, so a test must not do otherwise.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Random } from '#contracts/process/clock.ts'
import { diceOf } from '#contracts/routing/dice.ts'
import { Flow } from './flow.ts'

/** What is wrong with one direction of a path. */
export type Faults = Readonly<{
  /** Added to every byte's way, in milliseconds. The path stays as wide as it was. */
  latencyMs?: number
  /** Up to this much more or less, at random. */
  jitterMs?: number
  bytesPerSecond?: number
  /** Bytes travel in pieces of at most this size, with a pause after each. */
  sliceBytes?: number
  slicePauseMs?: number
  /** The end of the stream arrives this much later. */
  slowCloseMs?: number
  /** Nothing arrives, nothing is refused. What was sent meanwhile arrives when it is over, as with TCP. */
  blackHole?: boolean
  /** After this many bytes of a connection the stream ends. */
  limitBytes?: number
  /** After this many bytes of a connection both ends see a reset. */
  resetAfterBytes?: number
}>

const NONE: Faults = {}

export type Direction = 'up' | 'down'

/** `up` is what the client sends, `down` what the server answers. */
export type PathFaults = Readonly<{ up?: Faults; down?: Faults }>

type Path = Readonly<{ client: Socket; server: Socket; up: Flow; down: Flow }>

export class FaultProxy implements AsyncDisposable {
  readonly port: number
  readonly #listener: Server
  readonly #target: Readonly<{ host: string; port: number }>
  readonly #random: Random
  readonly #paths = new Set<Path>()
  #faults: PathFaults = {}
  #refusing = false
  #accepted = 0

  /** @param target `host:port`, or a URL whose host and port are meant. */
  static async start(target: string, seed = 1): Promise<FaultProxy> {
    const url = new URL(target.includes('://') ? target : `tcp://${target}`)
    const listener = createServer({ allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen(0, '127.0.0.1', resolve)
    })
    return new FaultProxy(listener, { host: url.hostname, port: Number(url.port) }, diceOf(seed))
  }

  private constructor(listener: Server, target: { host: string; port: number }, random: Random) {
    this.#listener = listener
    this.#target = target
    this.#random = random
    this.port = (listener.address() as AddressInfo).port
    listener.on('connection', (client) => this.#accept(client))
  }

  /** @returns the target's URL with this proxy in its place. */
  via(url: string): string {
    const through = new URL(url)
    through.host = `127.0.0.1:${this.port}`
    // The URL of a bare `nats://host:port` gains no slash this way: it is passed on as it was written.
    return url.endsWith('/') ? through.href : through.href.replace(/\/$/, '')
  }

  /** Sets the faults of both directions; a direction left out is sound again. */
  set(faults: PathFaults): void {
    this.#faults = faults
    for (const path of this.#paths) {
      path.up.faultsChanged()
      path.down.faultsChanged()
    }
  }

  /** The path is sound again, and what a black hole held back goes on its way. */
  heal(): void {
    this.#refusing = false
    this.set({})
  }

  /** Nothing passes in either direction, on open connections and new ones. */
  blackHole(): void {
    this.set({ up: { blackHole: true }, down: { blackHole: true } })
  }

  /** Only one direction is dead: the other side goes on talking to nobody. */
  partition(direction: Direction): void {
    this.set({ [direction]: { blackHole: true } })
  }

  /** Both ends of every open connection see a reset. New ones are not affected. */
  resetAll(): void {
    for (const path of this.#paths) destroyPath(path)
  }

  /** New connections are reset as soon as they are made. */
  refuse(): void {
    this.#refusing = true
  }

  get openConnections(): number {
    return this.#paths.size
  }

  /** Connections ever made through this proxy. */
  get accepted(): number {
    return this.#accepted
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()))
    this.resetAll()
    await closed
  }

  #accept(client: Socket): void {
    this.#accepted += 1
    client.on('error', () => undefined)
    if (this.#refusing) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ ...this.#target, allowHalfOpen: true })
    client.setNoDelay(true)
    server.setNoDelay(true)
    const ports = { random: this.#random, reset: () => destroyPath(path) }
    const path: Path = {
      client,
      server,
      up: new Flow(client, server, () => this.#faults.up ?? NONE, ports),
      down: new Flow(server, client, () => this.#faults.down ?? NONE, ports),
    }
    this.#paths.add(path)
    // A reset goes straight through: it is the loss of the connection itself. Except into a black hole.
    const lost = (flow: Flow): void => {
      flow.whenPassable(() => destroyPath(path))
    }
    server.on('error', () => lost(path.down))
    client.on('error', () => lost(path.up))
    const forget = (): void => {
      if (client.destroyed && server.destroyed) this.#paths.delete(path)
    }
    client.on('close', forget)
    server.on('close', forget)
  }
}

function destroyPath({ client, server, up, down }: Path): void {
  up.stop()
  down.stop()
  for (const socket of [client, server]) {
    if (socket.connecting) socket.destroy()
    else socket.resetAndDestroy()
  }
}
