/**
 * The same bytes, sent to Node's server alone and to one with our own reader and writer before it.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { turns } from '../../eventually.ts'
import type { Asked } from './spelled.ts'
import { TUNNEL, Witness, type SeenRequest, type Visit, type Way } from './witness.ts'

export type Seen = Readonly<{
  requests: readonly SeenRequest[]
  ways: readonly Way[]
  /** What the client was told: each status, what becomes of the connection, and which request it was. */
  answers: readonly string[]
  /** Had the server closed the connection when the client had nothing more to say, and when it had said so? */
  closed: readonly boolean[]
  /** Why Node gave up. */
  error: string
  /** Was the connection broken off, with what the client had not read yet? */
  isTorn: boolean
}>

/** Of the event loop: enough to be read, and for an answer or an end to come back. */
const A_FEW = 3
/** So many turns without anything new are taken for the end. */
const QUIET_TURNS = 4
/** What is still on its way after this long was not taken, in milliseconds. */
const LONGEST_MS = 20

export class Duel implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack
  readonly #ours: Witness
  readonly #nodes: Witness

  static async start(): Promise<Duel> {
    const stack = new AsyncDisposableStack()
    const ours = stack.use(await Witness.start(true))
    return new Duel(stack, ours, stack.use(await Witness.start(false)))
  }

  private constructor(stack: AsyncDisposableStack, ours: Witness, nodes: Witness) {
    this.#stack = stack
    this.#ours = ours
    this.#nodes = nodes
  }

  async see(asked: Asked): Promise<Readonly<{ ours: Seen; nodes: Seen }>> {
    return { ours: await ask(this.#ours, asked), nodes: await ask(this.#nodes, asked) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

async function ask(witness: Witness, asked: Asked): Promise<Seen> {
  const visit = witness.visit(namesIn(asked))
  const client = new Client(witness.port, visit)
  await client.connected()
  for (const { bytes, before } of asked.pieces) {
    if (before === 'quiet') await client.quiet()
    else if (before === 'turn') await turns(A_FEW)
    client.send(bytes)
  }
  await client.quiet()
  const closed = [client.isClosed]
  if (asked.ending === 'half-close') {
    client.end()
    await client.quiet()
    closed.push(client.isClosed)
  }
  await client.leave()
  const { requests, ways, error } = visit
  return { requests, ways, answers: client.answers, closed, error, isTorn: client.isTorn }
}

/** Each name that a header may have by anybody's reading, as it is asked for. */
function namesIn({ pieces }: Asked): readonly string[] {
  const text = Buffer.concat(pieces.map(({ bytes }) => bytes)).toString('latin1')
  return [...new Set(text.match(/(?<![\w-])[\w-]{1,40}(?=[^\n:]?:)/g)?.map((name) => name.toLowerCase()))]
}

class Client {
  isClosed = false
  isTorn = false
  readonly #visit: Visit
  readonly #socket: Socket
  #text = ''

  constructor(port: number, visit: Visit) {
    this.#visit = visit
    this.#socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.#socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1')
    })
    this.#socket.on('error', () => {
      this.isTorn = true // 'close' follows
    })
    for (const event of ['end', 'close'])
      this.#socket.on(event, () => {
        this.isClosed = true
      })
  }

  get answers(): readonly string[] {
    return (
      this.#text.match(/HTTP\/1\.1 \d+|\bconnection: [\w-]+|seen \d+/gi)?.map((one) => one.toLowerCase()) ??
      []
    )
  }

  async connected(): Promise<void> {
    await once(this.#socket, 'connect')
    while (this.#visit.socket === null) await turns(1)
  }

  send(bytes: Buffer): void {
    if (!this.isClosed) this.#socket.write(bytes)
  }

  end(): void {
    this.#socket.end()
  }

  /** When all that was sent, either way, has come, and nothing followed from it. */
  async quiet(): Promise<void> {
    const giveUpAt = performance.now() + LONGEST_MS
    let before = ''
    for (let quiet = 0; quiet < QUIET_TURNS || (this.#isOnItsWay && performance.now() < giveUpAt);) {
      if (quiet > 10 * QUIET_TURNS) await sleep(1)
      else await turns(1)
      const now = this.#state
      quiet = now === before && this.#visit.owed === 0 ? quiet + 1 : 0
      before = now
    }
  }

  async leave(): Promise<void> {
    this.#socket.destroy()
    const { socket } = this.#visit
    // Not `once` of `node:events`: an error is no end yet.
    if (socket !== null && !socket.closed) await new Promise((resolve) => socket.once('close', resolve))
    await this.quiet()
  }

  get #isOnItsWay(): boolean {
    const { socket } = this.#visit
    if (this.isClosed || socket === null || socket.destroyed) return false
    return socket.bytesRead < this.#socket.bytesWritten || this.#socket.bytesRead < socket.bytesWritten
  }

  get #state(): string {
    const { socket, requests } = this.#visit
    const bodies = requests.map(({ body, end }) => `${body.length} ${end}`)
    return [
      socket?.bytesRead,
      socket?.bytesWritten,
      socket?.destroyed,
      this.#socket.bytesRead,
      this.#socket.bytesWritten,
      this.isClosed,
      ...bodies,
    ].join()
  }
}

/**
 * Something came behind a request that was to be the last. Node begins requests that came together at once and we one
 * after the other, so with us it may come before that one is answered. (Node gives up likewise when it answers late.)
 */
const TOO_MUCH = 'HPE_CLOSED_CONNECTION'

/** @returns what is not the same; null: all is. */
export function judge({ ours, nodes }: Readonly<{ ours: Seen; nodes: Seen }>): string | null {
  const reasons = `Node gave up for '${nodes.error}', behind us for '${ours.error}'`
  const isLate = nodes.error === '' && ours.error === TOO_MUCH
  for (let at = 0; at < Math.max(ours.requests.length, nodes.requests.length); at++) {
    const [one, other] = [ours.requests[at], nodes.requests[at]]
    if (one === undefined || other === undefined)
      return `request ${at + 1} was seen behind ${one === undefined ? 'Node' : 'us'} alone; ${reasons}`
    const difference = differenceOf(one, other, isLate ? TOO_MUCH : nodes.error)
    if (difference !== null) return `request ${at + 1}: ${difference}; ${reasons}`
  }
  if (ours.error !== nodes.error && !isLate) return reasons
  if (!areAnswersAlike(ours, nodes, isLate))
    return `we told ${ours.answers.join(', ')}; Node told ${nodes.answers.join(', ')}; ${reasons}`
  return String(ours.closed) === String(nodes.closed)
    ? null
    : `we closed: ${ours.closed.join(', ')}; Node closed: ${nodes.closed.join(', ')}; ${reasons}`
}

function differenceOf(ours: SeenRequest, nodes: SeenRequest, error: string): string | null {
  const lines = ({ method, url, headers }: SeenRequest): readonly string[] => [`${method} ${url}`, ...headers]
  const others = lines(nodes)
  const at = lines(ours).findIndex((line, place) => line !== others[place])
  if (at !== -1) return `we saw ${lines(ours)[at]}; Node ${others[at]}`
  // Node goes on reading before a request is answered: what it gives up on then takes those before it along.
  const isCutOff = error !== '' && nodes.body === 'awaited'
  if (ours.body !== nodes.body && !isCutOff)
    return `we saw a body ${shortened(ours.body)}; Node ${shortened(nodes.body)}`
  // Nor does it tell those that wait for their turn when somebody asks for a tunnel instead.
  if (error === TUNNEL && nodes.end === '') return null
  const ends = error === '' ? new RegExp(`^${nodes.end}$`) : /^(whole|cut)$/
  return ends.test(ours.end) && /^(whole|cut)$/.test(nodes.end)
    ? null
    : `our handler was told the end '${ours.end}'; Node's '${nodes.end}'`
}

/**
 * Node goes on reading before it has answered. Of requests that came together with one that it refuses it answers
 * some: how many is a matter of when the bytes came and how they were read, for Node alone too.
 */
function areAnswersAlike(ours: Seen, nodes: Seen, isLate: boolean): boolean {
  // Node puts what it says before an answer into the answer, when that has to wait for another.
  const told = ({ answers }: Seen): string => answers.filter((one) => one !== 'http/1.1 100').join()
  if (told(ours) === told(nodes)) return true
  const answered = ({ answers }: Seen): string => answers.filter((one) => one.startsWith('seen')).join()
  const [one, other] = [answered(ours), answered(nodes)]
  const isCutOff = isLate || nodes.error !== '' || ours.isTorn || nodes.isTorn
  return isCutOff && (one.startsWith(other) || other.startsWith(one))
}

const shortened = (text: string): string =>
  text.length > 200 ? `${text.slice(0, 100)}…${text.slice(-100)} (${text.length})` : text
