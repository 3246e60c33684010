/**
 * Keeps what was said, after it was said: in the session that the client named, and under the request's id where
 * its key has contents logged. Never on the path of a request.
 */
import { termsOf } from '#contracts/catalog/client-key.ts'
import type { ContentStore } from '#contracts/content/content.ts'
import { SESSION_ID } from '#contracts/http/headers.ts'
import type { KeyId } from '#contracts/ids.ts'
import type { Sealer } from '../dialects/canonical/carrier.ts'
import type { DialectName } from '../dialects/canonical/request.ts'
import type { RequestHeaders } from '../http/request-headers.ts'
import type { Principal, RoutingSnapshot } from '../routing/snapshot.ts'
import { encodeTurn, isSessionId, LONGEST_ID, type ContextStore, type ContextTurn } from './context.ts'
import {
  answerParts,
  CONTENT_BOUNDS,
  contextBounds,
  MOST_BYTES,
  requestParts,
  retell,
  type Said,
  type Told,
} from './retell.ts'

/** Requests waiting to be kept; beyond them the newest are let go, and counted. */
const MOST_WAITING = 100

/** As much of an answer under way as is listened to. */
export type Heard = Readonly<{
  status: number
  provider: string | null
  listen: (listener: (chunk: Buffer) => void) => void
  onClosed: (listener: (isWhole: boolean) => void) => void
}>

export type Spoken = Readonly<{
  id: string
  principal: Principal
  headers: RequestHeaders
  /** Undefined: a call that makes no model answer, of which nothing is kept. */
  conversation: Readonly<{ dialect: DialectName; framing: 'sse' | 'json-array' }> | undefined
  body: Buffer
  model: string
  stream: boolean
}>

export type RecorderPorts = Readonly<{
  /** Null: nothing is kept of sessions. */
  contexts: ContextStore | null
  /** Null: there is no place that those who may read contents can reach. */
  contents: ContentStore | null
  sealer: Sealer
  /** What keys want kept by now: one may have changed its mind since its request began. */
  holder: Readonly<{ current: RoutingSnapshot | null }>
  /** Epoch milliseconds. */
  now: () => number
}>

type About = Omit<ContextTurn, 'request' | 'answer'>
/** Where what is said goes; null: not there. */
type Places = Readonly<{ session: string | null; content: Principal['contentLog'] }>

export class Recorder {
  readonly #ports: RecorderPorts
  readonly #waiting: (() => void)[] = []
  readonly #dropped = { turns: 0, contents: 0 }

  constructor(ports: RecorderPorts) {
    this.#ports = ports
  }

  /** What was not kept since the start because too much came at once, or because there is no place for it. */
  get dropped(): Readonly<{ turns: number; contents: number }> {
    return this.#dropped
  }

  /** Listens to an answer, if anything of it is to be kept. */
  watch(heard: Heard, spoken: Spoken): void {
    const { conversation } = spoken
    const places = this.#placesOf(spoken)
    if (conversation === undefined || (places.session === null && places.content === null)) return
    const beginning = new Chunks()
    heard.listen((chunk) => beginning.take(chunk))
    const at = this.#ports.now()
    heard.onClosed((isWhole) => {
      if (this.#waiting.length >= MOST_WAITING) {
        this.#drop(places)
        return
      }
      this.#waiting.push(() => {
        const { body: request, model, stream, principal } = spoken
        const { bytes: answer, isCut: isAnswerCut } = beginning
        const said = { ...conversation, model, stream, request, answer, isAnswerCut }
        const about: About = {
          id: spoken.id,
          at,
          model: model.slice(0, LONGEST_ID),
          provider: heard.provider,
          status: heard.status,
          complete: isWhole,
        }
        const wanted = this.#stillWanted(places, principal)
        try {
          this.#keep(wanted, principal, said, about)
        } catch {
          // Clients can send JSON that is too deep for the stack; nobody waits for this here.
          this.#drop(wanted)
        }
      })
      if (this.#waiting.length === 1) setImmediate(() => this.#keepNext())
    })
  }

  /** One at a time: between two of them requests have their turn. */
  #keepNext(): void {
    this.#waiting.shift()?.()
    if (this.#waiting.length > 0) setImmediate(() => this.#keepNext())
  }

  #placesOf({ principal, headers }: Spoken): Places {
    const { keepContext, contentLog } = principal
    const named = headers.get(SESSION_ID)
    const isKept = this.#ports.contexts !== null && keepContext && isSessionId(named)
    return { session: isKept ? named : null, content: contentLog }
  }

  #stillWanted({ session, content }: Places, { keyId }: Principal): Places {
    const key = this.#ports.holder.current?.source.keys.get(keyId)
    if (key === undefined) return { session: null, content: null }
    const { keepContext, contentLog: log } = termsOf(key)
    const shorter = content !== null && log !== null && log.ttlSeconds < content.ttlSeconds ? log : content
    return { session: keepContext ? session : null, content: log === null ? null : shorter }
  }

  #drop({ session, content }: Places): void {
    if (session !== null) this.#dropped.turns += 1
    if (content !== null) this.#dropped.contents += 1
  }

  #keep({ session, content }: Places, { keyId }: Principal, said: Said, about: About): void {
    if (session === null && content === null) return
    const told = retell(said, this.#ports.sealer)
    const all = { ...about, complete: about.complete && told.isWhole }
    if (session !== null) this.#keepTurn(session, keyId, told, all)
    if (content !== null) this.#keepContent(content, keyId, told, all)
  }

  #keepTurn(session: string, key: KeyId, told: Told, about: About): void {
    const { contexts } = this.#ports
    if (contexts === null) return
    const bounds = contextBounds(contexts.limits.textLength)
    const [request, answer] = [requestParts(told, bounds).parts, answerParts(told, bounds).parts]
    contexts.add({ key, session }, encodeTurn({ ...about, request, answer }))
  }

  #keepContent({ ttlSeconds }: NonNullable<Places['content']>, key: KeyId, told: Told, about: About): void {
    const { contents } = this.#ports
    if (contents === null) {
      this.#dropped.contents += 1
      return
    }
    const [request, answer] = [requestParts(told, CONTENT_BOUNDS), answerParts(told, CONTENT_BOUNDS)]
    contents.keep({
      v: 1,
      ...about,
      key,
      until: about.at + ttlSeconds * 1_000,
      request: [...request.parts],
      answer: [...answer.parts],
      leftOut: { request: request.leftOut, answer: answer.leftOut },
    })
  }
}

/** The beginning of an answer, in whatever pieces it comes. */
class Chunks {
  readonly #chunks: Buffer[] = []
  #length = 0
  #isCut = false

  get isCut(): boolean {
    return this.#isCut
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  take(chunk: Buffer): void {
    const room = MOST_BYTES - this.#length
    this.#isCut ||= chunk.length > room
    if (room === 0) return
    // A copy: a part of a large one would keep all of it.
    const kept = chunk.length > room ? Buffer.from(chunk.subarray(0, room)) : chunk
    this.#chunks.push(kept)
    this.#length += kept.length
  }
}
