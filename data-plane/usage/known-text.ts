/**
 * What is so of a request from its first attempt on, as its intents and its record say it.
 *
 * Pure in effect: what the requests of a caller have in common is remembered with the caller, and goes with it.
 */
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { UsageRecord } from '#contracts/usage/record.ts'
import type { Principal } from '../routing/snapshot.ts'
import { lastDigits, whole } from './digits.ts'
import { copyOf, NAME_LENGTH, word } from './names.ts'

/** What one and the same caller asks for again and again. */
type Asked = Pick<UsageRecord, 'asked' | 'model'> & Readonly<{ endpoint: ClientEndpoint }>
/** What is so for all callers until something changes. */
type Moment = Pick<UsageRecord, 'stream' | 'commit' | 'weights'>

/** Of a request; its id is one of ours, whose letters need no escapes. */
export type Known = Asked &
  Moment &
  Pick<UsageRecord, 'id' | 'at' | 'session' | 'seed'> &
  Readonly<{ principal: Principal; leases: readonly string[] }>

/** What is asked for as text: before the session. */
type Way = Asked & Readonly<{ text: string }>
/** The rest as text: behind a session, and with none. */
type MomentText = Moment & Readonly<{ behind: string; alone: string }>

/** Ways of asking that are remembered of a caller; then one after the other is replaced. */
const MOST_WAYS = 8
type Ways = { readonly all: Way[]; next: number }
const waysOf = new WeakMap<Principal, Ways>()

/** @returns what follows the front of a node (`entryOf`): the id, and members of a JSON object. */
export function knownText(known: Known): string {
  const { id, at, session, seed, leases } = known
  const { behind, alone } = momentText(known)
  const before =
    (at >= SECOND_MS ? id + secondText(at) + lastDigits(at) : `${id}","at":${whole(at)}`) + wayText(known)
  const text =
    session === null ? before + alone + whole(seed) : before + JSON.stringify(session) + behind + whole(seed)
  return leases.length === 0 ? text : `${text},"leases":${JSON.stringify(leases)}`
}

const SECOND_MS = 1_000
/** Under load hundreds come in one second. */
let lastSecond = { second: -1, text: '' }

/** @param at whole epoch milliseconds. @returns all of it but its last three digits. */
function secondText(at: number): string {
  const second = Math.floor(at / SECOND_MS)
  if (second !== lastSecond.second) lastSecond = { second, text: copyOf(`","at":${whole(second)}`) }
  return lastSecond.text
}

const momentOf = (stream: boolean, commit: number, weights: number): MomentText => {
  const behind = copyOf(`,"stream":${stream},"commit":${commit},"weights":${weights},"seed":`)
  return { stream, commit, weights, behind, alone: copyOf(`null${behind}`) }
}

/** The last one of streams, and of whole answers. */
let lastStream = momentOf(true, 0, 0)
let lastWhole = momentOf(false, 0, 0)

function momentText({ stream, commit, weights }: Known): MomentText {
  const last = stream ? lastStream : lastWhole
  if (last.commit === commit && last.weights === weights) return last
  const made = momentOf(stream, commit, weights)
  if (stream) lastStream = made
  else lastWhole = made
  return made
}

function wayText(known: Known): string {
  const { principal, endpoint, asked, model } = known
  const ways = waysOf.get(principal)
  if (ways !== undefined)
    for (const way of ways.all)
      if (way.endpoint === endpoint && way.asked === asked && way.model === model) return way.text
  const text =
    `,"key":${word(principal.keyId)},"endpoint":"${endpoint}",` +
    `"asked":${word(asked)},"model":${word(model)},"session":`
  // What is longer would be kept whole only to be found again.
  if (asked.length > NAME_LENGTH || model.length > NAME_LENGTH) return text
  const way = { endpoint, asked: copyOf(asked), model: copyOf(model), text: copyOf(text) }
  if (ways === undefined) waysOf.set(principal, { all: [way], next: 0 })
  else if (ways.all.length < MOST_WAYS) ways.all.push(way)
  else {
    ways.all[ways.next] = way
    ways.next = (ways.next + 1) % MOST_WAYS
  }
  return text
}
