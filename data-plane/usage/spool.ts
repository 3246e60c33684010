/**
 * Records of requests on this node's disk, until the bus has them.
 *
 * Before a request is sent anywhere, what would have to be recorded if this process died now is written down:
 * its intent. When the request is over its record takes the intent's place. Intents without a record, found at
 * the next start, become records as they are. So whatever a provider was sent is in the books, and killing the
 * process at any moment loses none.
 *
 * Intents wait for `writeIntents`, which is asked for right before the first byte of a request is sent: the
 * requests of one turn of the event loop are sent together at its end, so their intents, and the records that
 * wait, are written in one go. A record is written within its turn in any case, and before its client has the
 * end of the answer. Every 200 ms what was written is forced to the disk, and what waits is published. Whatever
 * may have been published already is published again after a start: it is stored once by its id. Bounded: when
 * the disk's share is used up, the oldest records go, and are counted.
 */
import { BusUnavailable, type UsageStream } from '#contracts/bus/bus.ts'
import type { Clock } from '#contracts/process/clock.ts'
import { Roster } from '#contracts/roster.ts'
import type { Intent } from './intent.ts'
import { Journal, openIntents, takeRecords, type Segment } from './journal.ts'

export type SpoolPorts = Readonly<{
  /** Made if it is not there. */
  folder: string
  stream: Pick<UsageStream, 'publish'>
  /** Of records not yet published, in bytes. */
  mostBytes: number
  /** Of a line; null: it has none. */
  idOf: (line: string) => string | null
  onProblem: (message: string) => void
  clock: Pick<Clock, 'monotonic'>
}>

const ROUND_MS = 200
/** Rounds are at multiples of it, half a beat from the emitter's: together they would hold a turn up twice as long. */
const untilRound = (now: number): number => ROUND_MS + ROUND_MS / 2 - ((now + ROUND_MS / 2) % ROUND_MS)
const SEGMENT_BYTES = 4 * 1024 * 1024
/** One message on the bus; brokers refuse more than 1 MiB. */
const BATCH_BYTES = 256 * 1024
/** Held in memory while the disk refuses to be written. */
const HELD_BYTES = 4 * 1024 * 1024
/** When stopping: for what is still to be published, in milliseconds. */
const LAST_MS = 2_000
const NO_RECORDS: readonly string[] = []
const CANNOT_REMOVE = 'cannot remove a usage segment'

export class Spool implements AsyncDisposable {
  readonly #ports: SpoolPorts
  readonly #journal: Journal
  #timer: NodeJS.Timeout
  /** Without a record so far. */
  readonly #open = new Roster<Intent>()
  /** Lines of intents to be written. */
  #intended: string[] = []
  #held: string[] = []
  #heldBytes = 0
  /** To be told of what is held. */
  #waitingForIt: (() => void)[] = []
  #willWrite = false
  /** Until the next round: a disk that refuses is not asked for every request. */
  #isRefused = false
  #round: Promise<void> | null = null
  /** What is being published; null: that may still be on its way, or nothing was yet. */
  #batch: Buffer | null = null
  #dropped = 0
  #published = 0
  #recovered = 0
  #lastProblem = ''
  /**
   * Segments up to this one are of earlier processes; Infinity: nobody could look or write down what they left, or
   * some of it had to be dropped.
   */
  #earlier = 0

  /** Reads what an earlier process left. Never throws: without a disk records are held in memory. */
  constructor(ports: SpoolPorts) {
    this.#ports = ports
    this.#journal = new Journal(ports.folder)
    const isRead = this.#attempt('cannot read the usage spool', () => this.#load())
    const last = this.#journal.segments.at(-1)
    const isWritten = isRead && this.#held.length === 0 && this.#dropped === 0
    this.#earlier = !isWritten ? Infinity : last === undefined ? 0 : numberOf(last.name)
    this.#timer = setTimeout(this.#beat, untilRound(this.#ports.clock.monotonic())).unref()
  }

  /**
   * To be written by `writeIntents` before anything is sent.
   * @param intent of the request: an earlier line of it counts no more.
   */
  intend(intent: Intent, line: string): void {
    intent.line = line
    this.#open.add(intent)
    this.#intended.push(line)
  }

  /** All intents are written when this returns, if the disk can be written at all. */
  writeIntents(): void {
    if (this.#intended.length > 0) this.#write()
  }

  /**
   * @param intent whose place it takes. @param line without a line feed in it.
   * @param onWritten called once it is written, or cannot be now and is held in memory.
   */
  append(intent: Intent, line: string, onWritten?: () => void): void {
    this.#open.remove(intent)
    intent.line = ''
    this.#hold(line)
    if (onWritten !== undefined) this.#waitingForIt.push(onWritten)
    if (this.#willWrite) return
    this.#willWrite = true
    setImmediate(this.#writeInTurn)
  }

  /** Records waiting to be published. */
  get waiting(): number {
    const onDisk = this.#journal.segments.reduce(
      (sum, { records, sentRecords }) => sum + records - sentRecords,
      0,
    )
    return onDisk + this.#held.length
  }

  /** Has everything that earlier processes left here been published? */
  get isDrained(): boolean {
    if (this.#earlier === Infinity) return false
    return !this.#journal.segments.some((one) => numberOf(one.name) <= this.#earlier && !isSent(one))
  }

  /** Records lost because there was no room for them, since the start. */
  get dropped(): number {
    return this.#dropped
  }

  get published(): number {
    return this.#published
  }

  /** Intents that an earlier process left without a record. */
  get recovered(): number {
    return this.#recovered
  }

  /** Forces to disk what was written and publishes what can be. Never rejects. */
  flush(): Promise<void> {
    this.#round ??= this.#rounds().finally(() => {
      this.#round = null
    })
    return this.#round
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    // Whoever is still under way is cut off with this process.
    for (const { line } of this.#open.takeAll()) this.#hold(line)
    this.#write()
    const last = AbortSignal.timeout(LAST_MS)
    const tooLate = new Promise((resolve) => last.addEventListener('abort', resolve, { once: true }))
    await Promise.race([this.#round, tooLate])
    await Promise.race([this.flush(), tooLate])
    this.#journal.close()
    await Promise.race([this.#sync(), tooLate])
    this.#tidy()
    await Promise.race([this.#journal.gone, tooLate])
  }

  readonly #beat = (): void => {
    this.#timer = setTimeout(this.#beat, untilRound(this.#ports.clock.monotonic())).unref()
    void this.flush()
  }

  #load(): void {
    const lines = this.#journal.load()
    const left = openIntents(lines, this.#ports.idOf)
    for (const line of left.values()) this.#hold(line)
    this.#recovered = left.size
    this.#write()
    // What was left is told apart from what this process adds.
    this.#journal.close()
    for (const segment of this.#journal.segments.filter(isSent)) this.#remove(segment)
    this.#bound()
  }

  #hold(line: string): void {
    this.#held.push(line)
    this.#heldBytes += line.length
  }

  readonly #writeInTurn = (): void => {
    this.#willWrite = false
    this.#write()
  }

  /** Writes the intents and, in one go with them, what is held. */
  #write(): void {
    if (this.#held.length === 0 && this.#intended.length === 0) return
    const isWritten = !this.#isRefused && this.#attempt('cannot write the usage spool', () => this.#put())
    // What could not be written is open still, and so in whatever segment comes next.
    this.#intended = []
    if (!isWritten) {
      this.#isRefused = true
      this.#boundHeld()
    } else {
      this.#held = []
      this.#heldBytes = 0
      if ((this.#journal.segments.at(-1)?.bytes ?? 0) >= SEGMENT_BYTES) this.#turnOver()
      this.#bound()
    }
    const told = this.#waitingForIt
    this.#waitingForIt = []
    for (const tell of told) tell()
  }

  #put(): void {
    // A new segment tells all that are open, these among them.
    this.#journal.write(this.#journal.isOpen ? this.#intended : this.#intents(), this.#held)
  }

  /** What is open is told in the next segment at once: this one may be published and go. */
  #turnOver(): void {
    this.#journal.close()
    if (this.#open.size > 0)
      this.#attempt('cannot write the usage spool', () => this.#journal.write(this.#intents(), NO_RECORDS))
  }

  #intents(): readonly string[] {
    return this.#open.members.map(({ line }) => line)
  }

  /** Oldest segments go first; the one being written is small. */
  #bound(): void {
    const { segments } = this.#journal
    if (segments.length === 1) return
    let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
    while (bytes > this.#ports.mostBytes && segments.length > 1) {
      const oldest = segments[0]
      if (oldest === undefined) return
      bytes -= oldest.bytes
      this.#drop(oldest)
    }
  }

  #boundHeld(): void {
    while (this.#heldBytes > HELD_BYTES) {
      this.#heldBytes -= this.#held.shift()?.length ?? this.#heldBytes
      this.#dropped += 1
    }
  }

  /** Gives up what is not published of it. */
  #drop(segment: Segment): void {
    const { records, sentRecords, name } = segment
    this.#dropped += records - sentRecords
    if (!isSent(segment) && numberOf(name) <= this.#earlier) this.#earlier = Infinity
    this.#remove(segment)
  }

  /** Lets go of what is published, unless nothing else on the disk tells what is open. */
  #tidy(): void {
    const journal = this.#journal
    // Those alone: what else is published may be all that fills the disk.
    const telling = this.#open.size === 0 && this.#held.length === 0 ? [] : journal.telling
    for (const segment of journal.segments.filter((one) => isSent(one) && !journal.isWriting(one)))
      if (!telling.includes(segment)) journal.letGo(segment, (error) => this.#problem(CANNOT_REMOVE, error))
  }

  #remove(segment: Segment): void {
    this.#attempt(CANNOT_REMOVE, () => this.#journal.remove(segment))
  }

  async #rounds(): Promise<void> {
    this.#isRefused = false
    this.#write()
    await this.#sync()
    // Not what comes meanwhile: under load that would be a message for every few requests, and no end.
    const last = this.#journal.segments.at(-1)
    if (last === undefined) return
    const { bytes } = last
    while (!this.#isPublished(last, bytes) && (await this.#publishNext()));
    this.#tidy()
    await this.#journal.gone
  }

  /** With all before it. */
  #isPublished(segment: Segment, bytes: number): boolean {
    const { segments } = this.#journal
    const at = segments.indexOf(segment)
    return at === -1 || (segment.sentBytes >= bytes && segments.slice(0, at).every(isSent))
  }

  async #sync(): Promise<void> {
    await this.#journal.sync().catch((error: unknown) => this.#problem('cannot sync the usage spool', error))
  }

  /** @returns false when there is nothing more to publish, or nobody to publish to. */
  async #publishNext(): Promise<boolean> {
    const segment = this.#journal.segments.find((one) => !isSent(one))
    if (segment === undefined) return false
    const batch = this.#read(segment)
    if (batch === null) return true
    const end = segment.sentBytes + batch.length
    const { bytes, records } = takeRecords(batch)
    try {
      // Bounds that change with every try would be other messages; the same ones are the same message.
      const id = `${segment.name}.${segment.sentBytes}-${end}`
      if (records > 0) await this.#ports.stream.publish(id, bytes)
    } catch (error) {
      this.#batch = null
      if (!(error instanceof BusUnavailable)) this.#problem('cannot publish usage', error)
      return false
    }
    segment.sentBytes = end
    segment.sentRecords += records
    this.#published += records
    this.#tidy()
    return true
  }

  /** @returns the next lines; null: they cannot be read, and are given up. */
  #read(segment: Segment): Buffer | null {
    const into = (this.#batch ??= Buffer.allocUnsafeSlow(BATCH_BYTES))
    let batch: Buffer | null = null
    this.#attempt('cannot read the usage spool', () => {
      batch = this.#journal.read(segment, into)
    })
    if (batch !== null) return batch
    this.#drop(segment)
    return null
  }

  #attempt(what: string, work: () => void): boolean {
    try {
      work()
      return true
    } catch (error) {
      this.#problem(what, error)
      return false
    }
  }

  /** A disk that is full for an hour is one problem, not one for every record. */
  #problem(what: string, error: unknown): void {
    const message = `${what}: ${error instanceof Error ? error.message : String(error)}`
    if (message === this.#lastProblem) return
    this.#lastProblem = message
    this.#ports.onProblem(message)
  }
}

const numberOf = (name: string): number => Number(name.slice(0, 10))
const isSent = ({ bytes, sentBytes }: Segment): boolean => sentBytes >= bytes
