/**
 * Connections to providers: one pool per origin, guarded against addresses a provider may not have.
 *
 * Plain HTTP/1.1: a stream broken on one HTTP/2 connection would break its neighbours with it.
 */
import { guardedConnector } from '#contracts/security/guarded-connector.ts'
import type { FaultListener } from './http/call.ts'
import { Origin } from './http/origin.ts'

/** Where to connect: what a deployment says about its provider's address. */
export type Destination = Readonly<{
  origin: string
  /** Loopback and private addresses are fine. */
  allowPrivate: boolean
  timeouts: Readonly<{ connectMs: number }>
}>

export class Pools implements AsyncDisposable {
  readonly #onFault: FaultListener
  readonly #pools = new Map<string, Origin>()
  /** The same by object: a request need not spell its destination's key. */
  #known = new WeakMap<Destination, Origin>()

  constructor(onFault: FaultListener) {
    this.#onFault = onFault
  }

  for(destination: Destination): Origin {
    const known = this.#known.get(destination)
    if (known !== undefined) return known
    const key = keyOf(destination)
    const pool = this.#pools.get(key) ?? this.#open(key, destination)
    this.#known.set(destination, pool)
    return pool
  }

  #open(key: string, { origin, allowPrivate, timeouts }: Destination): Origin {
    const connect = guardedConnector(allowPrivate, timeouts.connectMs)
    const pool = new Origin(origin, connect, this.#onFault)
    this.#pools.set(key, pool)
    return pool
  }

  /** Closes the pools of destinations that no longer exist; what is under way finishes. */
  keepOnly(destinations: Iterable<Destination>): void {
    const wanted = new Set<string>()
    for (const destination of destinations) wanted.add(keyOf(destination))
    for (const [key, pool] of this.#pools) {
      if (wanted.has(key)) continue
      this.#pools.delete(key)
      this.#known = new WeakMap()
      pool.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool[Symbol.asyncDispose]()))
  }
}

const keyOf = ({ origin, allowPrivate, timeouts }: Destination): string =>
  `${origin} ${allowPrivate} ${timeouts.connectMs}`
