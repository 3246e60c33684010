/**
 * The same answer, read by our own client of HTTP/1.1 and by undici's.
 */
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Pool } from 'undici'
import { guardedConnector } from '#contracts/security/guarded-connector.ts'
import { Origin } from '#data-plane/upstream/http/origin.ts'
import { answerTo } from '../../fakes/origin-rig.ts'
import { RawUpstream } from '../../fakes/raw-upstream.ts'
import type { Spelled } from './spelled.ts'

/** Null: it was no answer, or not a whole one. */
export type Read = Readonly<{ status: number; body: string }> | null

/** In milliseconds: nothing here takes as long. */
const SILENCE_MS = 2_000

/** What reads here has no faults. */
const raise = (error: unknown): never => {
  throw error
}

export class Duel implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack
  readonly #ours: Origin
  readonly #undicis: Pool
  #answer: Spelled = { pieces: [], isClosed: true, says: null }

  static async start(): Promise<Duel> {
    const stack = new AsyncDisposableStack()
    let answer: (socket: Socket) => void = () => undefined
    const upstream = stack.use(await RawUpstream.start((socket) => answer(socket)))
    const duel = new Duel(stack, upstream.origin)
    answer = (socket) => void duel.#say(socket)
    return duel
  }

  private constructor(stack: AsyncDisposableStack, origin: string) {
    this.#stack = stack
    this.#ours = stack.use(new Origin(origin, guardedConnector(true, SILENCE_MS), raise))
    const timeouts = { headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS }
    this.#undicis = stack.adopt(new Pool(origin, { pipelining: 1, allowH2: false, ...timeouts }), (pool) =>
      pool.destroy(),
    )
  }

  async read(answer: Spelled): Promise<Readonly<{ ours: Read; undicis: Read }>> {
    this.#answer = answer
    return { ours: await this.#readOurs(), undicis: await this.#readUndicis() }
  }

  async #readOurs(): Promise<Read> {
    const { status, text, code } = await answerTo(this.#ours, { idleMs: SILENCE_MS })
    return code === null ? { status, body: text } : null
  }

  async #readUndicis(): Promise<Read> {
    try {
      const { statusCode, body } = await this.#undicis.request({ method: 'POST', path: '/', body: '{}' })
      return { status: statusCode, body: Buffer.from(await body.arrayBuffer()).toString('latin1') }
    } catch {
      return null
    }
  }

  async #say(socket: Socket): Promise<void> {
    const { pieces, isClosed } = this.#answer
    for (const piece of pieces) {
      if (socket.destroyed) return
      socket.write(piece)
      await nextTurn()
    }
    if (isClosed) socket.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** @returns what is wrong with how it was read; null: nothing. */
export function judge(
  { says }: Spelled,
  { ours, undicis }: Readonly<{ ours: Read; undicis: Read }>,
): string | null {
  const told = (read: Read): string => (read === null ? 'none' : `${read.status}, ${read.body.length} bytes`)
  const isSame = (one: Read, other: Read): boolean =>
    one === other ||
    (one !== null && other !== null && one.status === other.status && one.body === other.body)
  if (says !== null) return isSame(ours, says) ? null : `says ${told(says)}, was taken for ${told(ours)}`
  // What undici refuses may be an answer all the same: it is as strict about what nobody reads.
  if (ours === null || undicis === null || isSame(ours, undicis)) return null
  return `was taken for ${told(ours)}, by undici for ${told(undicis)}`
}
