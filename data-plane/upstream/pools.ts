/**
 * Connections to providers: one pool per origin, guarded against addresses a provider may not have.
 *
 * The data plane's home of undici. Plain HTTP/1.1: a stream broken on one HTTP/2 connection would break its
 * neighbours with it.
 */
import { Pool, type Dispatcher } from 'undici'
import { guardedConnector } from '#contracts/security/guarded-connector.ts'

export type { Dispatcher } from 'undici'

/** At most this many connections to one origin; more requests wait in the pool. */
const CONNECTIONS = 1_024
/** Idle connections are closed before most servers close theirs (nginx 75 s, Node 5 s), in milliseconds. */
const KEEP_ALIVE_MS = 4_000

/** Where to connect: what a deployment says about its provider's address. */
export type Destination = Readonly<{
  origin: string
  /** Loopback and private addresses are fine. */
  allowPrivate: boolean
  timeouts: Readonly<{ connectMs: number }>
}>

export class Pools implements AsyncDisposable {
  readonly #pools = new Map<string, Pool>()
  /** The same by object: a request need not spell its destination's key. */
  #known = new WeakMap<Destination, Pool>()

  for(destination: Destination): Dispatcher {
    const known = this.#known.get(destination)
    if (known !== undefined) return known
    const key = keyOf(destination)
    const pool = this.#pools.get(key) ?? this.#open(key, destination)
    this.#known.set(destination, pool)
    return pool
  }

  #open(key: string, { origin, allowPrivate, timeouts }: Destination): Pool {
    const pool = new Pool(origin, {
      connections: CONNECTIONS,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Each attempt has its own deadlines; see attempt.ts.
      headersTimeout: 0,
      connect: guardedConnector(allowPrivate, timeouts.connectMs),
    })
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
      pool.close().catch(() => undefined) // already closing
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
  }
}

const keyOf = ({ origin, allowPrivate, timeouts }: Destination): string =>
  `${origin} ${allowPrivate} ${timeouts.connectMs}`
