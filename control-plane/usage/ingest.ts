/**
 * Brings usage from the bus into the books, and lets old days go.
 *
 * A message is done only when its records are committed; one that comes again adds nothing. Several control
 * planes may do this at the same time.
 */
import { BusUnavailable, type Delivery, type UsageStream } from '#contracts/bus/bus.ts'
import type { Catalog } from '#contracts/catalog/catalog.ts'
import { priceAt } from '#contracts/catalog/price.ts'
import { keyId, providerId } from '#contracts/ids.ts'
import type { Clock } from '#contracts/process/clock.ts'
import type { Logger } from '#contracts/process/logger.ts'
import { decodeRecord } from '#contracts/usage/record.ts'
import { DAY_MS, type Entry, type UsageBooks } from '../store/usage-books.ts'

export type IngestPorts = Readonly<{
  stream: Pick<UsageStream, 'take'>
  books: Pick<UsageBooks, 'enter' | 'dropBefore'>
  catalog: () => Catalog
  /** Days that records are kept; their sums are kept for ever. */
  retentionDays: number
  clock: Clock
  logger: Logger
}>

const utf8 = new TextDecoder()
/** Messages of up to 256 KiB each. */
const MESSAGES_AT_ONCE = 16
const WAIT_MS = 1_000
/** After a failure. */
const PAUSE_MS = 500
const TIDY_MS = 3_600_000
/** Clocks of nodes may be wrong; further ahead than this a record would open days that nobody lets go. */
const AHEAD_MS = DAY_MS

export class UsageIngest implements AsyncDisposable {
  readonly #ports: IngestPorts
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #added = 0
  #repeated = 0
  #refused = 0
  #tidiedAt = -Infinity
  #isFailing = false
  #emptiedAt = -Infinity

  constructor(ports: IngestPorts) {
    this.#ports = ports
    this.#running = this.#run()
  }

  /** Records by what became of them since the start; `refused`: unreadable, or of a time that cannot be. */
  get counts(): Readonly<{ added: number; repeated: number; refused: number }> {
    return { added: this.#added, repeated: this.#repeated, refused: this.#refused }
  }

  /** When nothing more waited on the bus, as far as this process can see; epoch milliseconds. */
  get emptiedAt(): number {
    return this.#emptiedAt
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { stream, logger } = this.#ports
    while (!this.#stop.signal.aborted) {
      try {
        const askedAt = this.#ports.clock.now()
        const taken = await stream.take(MESSAGES_AT_ONCE, WAIT_MS)
        await this.#enter(taken)
        if (taken.length < MESSAGES_AT_ONCE) this.#emptiedAt = askedAt
        await this.#tidy()
        this.#isFailing = false
      } catch (error) {
        // Said once: an hour without a database is one problem. The bus says so itself.
        if (!this.#isFailing && !(error instanceof BusUnavailable)) {
          logger.warn({ error }, 'usage waits: it cannot be written now')
        }
        this.#isFailing = true
        await this.#pause()
      }
    }
  }

  async #enter(taken: readonly Delivery[]): Promise<void> {
    if (taken.length === 0) return
    const lines = taken.flatMap(({ bytes }) => utf8.decode(bytes).split('\n'))
    const entries = lines.flatMap((line) => this.#read(line))
    const { added, refused } = await this.#ports.books.enter(entries)
    this.#added += added
    this.#refused += lines.length - entries.length + refused
    this.#repeated += entries.length - added - refused
    await Promise.all(taken.map(({ done }) => done()))
  }

  #read(line: string): readonly Entry[] {
    const { clock, retentionDays, catalog, logger } = this.#ports
    const read = decodeRecord(line)
    if (!read.ok) {
      logger.error({ reason: read.error }, 'a usage record cannot be read and is left out')
      return []
    }
    const record = read.value
    const now = clock.now()
    if (record.at > now + AHEAD_MS || record.at < now - retentionDays * DAY_MS) return []
    const tags = tagsOf(catalog(), record.key)
    const provider = catalog().providers.get(providerId(record.provider))
    const price = provider === undefined ? null : priceAt(provider, record.upstream, record.at)
    return [{ record, tags, price }]
  }

  async #tidy(): Promise<void> {
    const { books, clock, retentionDays } = this.#ports
    const now = clock.monotonic()
    if (now - this.#tidiedAt < TIDY_MS) return
    await books.dropBefore(clock.now() - retentionDays * DAY_MS)
    this.#tidiedAt = now
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, PAUSE_MS)
      this.#stop.signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer)
          resolve()
        },
        { once: true },
      )
    })
  }
}

/** As the key has them when its usage is entered. */
const tagsOf = ({ keys }: Catalog, key: string): readonly string[] => keys.get(keyId(key))?.tags ?? []
