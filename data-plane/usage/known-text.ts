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

/** What many requests of a caller have in common, one after the other. */
type Asked = Pick<UsageRecord, 'asked' | 'model' | 'stream' | 'commit' | 'weights'> &
  Readonly<{ endpoint: ClientEndpoint }>

/** Of a request; its id is one of ours, whose letters need no escapes. */
export type Known = Asked &
  Pick<UsageRecord, 'id' | 'at' | 'session' | 'seed'> &
  Readonly<{ principal: Principal; leases: readonly string[] }>

/** The same as text: before a session and behind it, and all of it where there is none. */
type Way = Asked & Readonly<{ before: string; behind: string; alone: string }>

/** Ways of asking that are remembered of a caller; then the oldest is forgotten. */
const MOST_WAYS = 4
const ways = new WeakMap<Principal, Way[]>()

/** @returns what follows the front of a node (`entryOf`): the id, and members of a JSON object. */
export function knownText(known: Known): string {
  const { id, at, session, seed, leases } = known
  const { before, behind, alone } = wayOf(known)
  const isUsual = at >= SECOND_MS && Math.floor(at) === at
  const front = isUsual ? id + secondText(at) + lastDigits(at) : `${id}","at":${whole(at)}`
  const text =
    session === null
      ? front + alone + whole(seed)
      : front + before + JSON.stringify(session) + behind + whole(seed)
  return leases.length === 0 ? text : `${text},"leases":${JSON.stringify(leases)}`
}

const SECOND_MS = 1_000
/** Under load hundreds come in one second. */
let lastSecond = { second: -1, text: '' }

/** @param at epoch milliseconds. @returns all of it but its last three digits. */
function secondText(at: number): string {
  const second = Math.floor(at / SECOND_MS)
  if (second !== lastSecond.second) lastSecond = { second, text: copyOf(`","at":${whole(second)}`) }
  return lastSecond.text
}

function wayOf(known: Known): Way {
  const { principal } = known
  const taken = ways.get(principal)
  if (taken !== undefined) for (const way of taken) if (isSame(way, known)) return way
  const made = wayTo(known)
  // What is longer would be kept whole only to be found again.
  if (known.asked.length > NAME_LENGTH || known.model.length > NAME_LENGTH) return made
  if (taken === undefined) ways.set(principal, [made])
  else {
    if (taken.length === MOST_WAYS) taken.shift()
    taken.push(made)
  }
  return made
}

const isSame = (one: Asked, other: Asked): boolean =>
  one.weights === other.weights &&
  one.commit === other.commit &&
  one.stream === other.stream &&
  one.endpoint === other.endpoint &&
  one.asked === other.asked &&
  one.model === other.model

function wayTo({ principal, endpoint, asked, model, stream, commit, weights }: Known): Way {
  const before =
    `,"key":${word(principal.keyId)},"endpoint":"${endpoint}",` +
    `"asked":${word(asked)},"model":${word(model)},"session":`
  const behind = `,"stream":${stream},"commit":${commit},"weights":${weights},"seed":`
  return {
    endpoint,
    asked: copyOf(asked),
    model: copyOf(model),
    stream,
    commit,
    weights,
    before: copyOf(before),
    behind: copyOf(behind),
    alone: copyOf(`${before}null${behind}`),
  }
}
