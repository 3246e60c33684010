/**
 * Records and intents as JSON text, written by hand: all members but the node, which `entryOf` puts before them.
 *
 * Pure in effect: names are remembered, and spelled the same again. `JSON.stringify` asks every value what it is
 * and spells every number with up to seventeen digits. Here it is known, and times have three decimals. What is
 * seldom there is left to `JSON.stringify`.
 */
import type { ClientEndpoint } from '#contracts/catalog/client-key.ts'
import type { NodeId } from '#contracts/ids.ts'
import type { Scored } from '#contracts/routing/standing.ts'
import type { CompiledStrategy } from '#contracts/routing/strategies.ts'
import { costFor, type RecordedChoice } from '#contracts/usage/choice.ts'
import { MOST_CANDIDATES, type UsageRecord } from '#contracts/usage/record.ts'
import type { Tokens } from '#contracts/usage/tokens.ts'
import type { Deployment } from '../routing/snapshot.ts'
import type { AttemptRecord, BegunAttempt } from '../upstream/failover.ts'

/** Names come from clients and can be megabytes long. */
const NAME_LENGTH = 200
/** Names that are remembered; then all are forgotten. */
const MOST_WORDS = 2_000

const words = new Map<string, string>()

export const cut = (text: string): string => text.slice(0, NAME_LENGTH).toWellFormed()

/** @returns a name, cut, as a JSON string. */
export function word(name: string): string {
  const known = words.get(name)
  if (known !== undefined) return known
  const text = JSON.stringify(cut(name))
  // What is longer would be kept whole only to be found again.
  if (name.length > NAME_LENGTH) return text
  if (words.size === MOST_WORDS) words.clear()
  // A copy: a name is a piece of the body or the address it came in, with a key in it maybe, and would keep all of that.
  words.set(Buffer.from(name).toString(), text)
  return text
}

/** @returns what makes of the members of an entry the whole entry of a node. */
export function entryOf(node: NodeId): (members: string) => string {
  const front = `{"node":${JSON.stringify(node)},`
  return (members) => `${front}${members}}`
}

/** Thousandths up to here are put together from two whole numbers; more, a million milliseconds, is rare. */
const MOST_UNITS = 1e9

/** @returns the number with three decimals, enough for people; 0 for what is less. */
export function rounded(value: number): string {
  const units = Math.round(value * 1_000)
  if (!(units > 0)) return '0'
  if (units > MOST_UNITS) return JSON.stringify(units / 1_000)
  const whole = Math.trunc(units / 1_000)
  const rest = units - whole * 1_000
  if (rest === 0) return `${whole}`
  return rest < 10 ? `${whole}.00${rest}` : rest < 100 ? `${whole}.0${rest}` : `${whole}.${rest}`
}

export const tokensText = (tokens: Tokens): string =>
  `{"input":${tokens.input},"output":${tokens.output},"cacheRead":${tokens.cacheRead},` +
  `"cacheWrite":${tokens.cacheWrite},"cacheWriteLong":${tokens.cacheWriteLong},` +
  `"reasoning":${tokens.reasoning},"inputAudio":${tokens.inputAudio},"outputAudio":${tokens.outputAudio}}`

type Known = Pick<
  UsageRecord,
  'id' | 'at' | 'key' | 'asked' | 'model' | 'session' | 'stream' | 'commit' | 'weights' | 'seed'
> &
  Readonly<{ endpoint: ClientEndpoint; leases: readonly string[] }>

/**
 * What is so from a request's first attempt on. In one piece, as it is kept until the answer has come: a text of
 * many pieces costs the collector more than joining them.
 * @param known its id is one of ours, whose letters need no escapes.
 */
export const knownText = (known: Known): string =>
  [
    '"v":1,"id":"',
    known.id,
    '","at":',
    known.at,
    ',"key":',
    word(known.key),
    ',"endpoint":"',
    known.endpoint,
    '","asked":',
    word(known.asked),
    ',"model":',
    word(known.model),
    ',"session":',
    known.session === null ? 'null' : JSON.stringify(known.session),
    ',"stream":',
    known.stream,
    ',"commit":',
    known.commit,
    ',"weights":',
    known.weights,
    ',"seed":',
    known.seed,
    known.leases.length === 0 ? '' : `,"leases":${JSON.stringify(known.leases)}`,
  ].join('')

type Begun = Pick<BegunAttempt, 'deployment' | 'lane' | 'why'>

/** Where an attempt goes and why: members of it that stand before it is made. */
const begunText = (
  { deployment: { provider, model }, lane, why }: Begun,
  dialect: AttemptRecord['dialect'],
): string =>
  `"provider":${word(provider)},"model":${word(model)},"credential":${word(lane.credential ?? '')},` +
  `"dialect":"${dialect}","why":"${why}"`

/** @param firstMs of a stream, where it was told apart from the attempt's end. */
export function attemptText(attempt: AttemptRecord, firstMs: number | null): string {
  const { outcome, status, totalMs } = attempt
  const first = attempt.firstMs ?? firstMs
  const times = `"firstMs":${first === null ? 'null' : rounded(first)},"totalMs":${rounded(totalMs)}`
  return `{${begunText(attempt, attempt.dialect)},"outcome":"${outcome}","status":${status},${times}}`
}

/** An attempt of which nobody heard. In one piece; see `knownText`. */
export const lostText = (begun: BegunAttempt): string =>
  [
    '{',
    begunText(begun, begun.prepared.dialect),
    ',"outcome":"lost","status":0,"firstMs":null,"totalMs":0}',
  ].join('')

/** Of every request that nobody heard of; 500: its client had no answer. What went in is put before the other tokens. */
const UNHEARD_OF =
  '"status":500,"totalMs":0,"isEstimated":true,"candidates":[],"choices":[],"warnings":[],"attempts":['
const NOTHING_CAME =
  ',"output":0,"cacheRead":0,"cacheWrite":0,"cacheWriteLong":0,"reasoning":0,"inputAudio":0,"outputAudio":0}'

/**
 * A whole record, if nothing more is heard.
 * @param known members. @param attempts with commas between them. @param to where the last of them goes.
 * @param input tokens that go in, about. @returns members, in one piece.
 */
export const intentText = (
  known: string,
  attempts: string,
  { provider, model }: Deployment,
  input: number,
): string =>
  [
    known,
    ',',
    UNHEARD_OF,
    attempts,
    '],"provider":',
    word(provider),
    ',"upstream":',
    word(model),
    ',"tokens":{"input":',
    input,
    NOTHING_CAME,
  ].join('')

/** Candidates as a choice saw them. */
export function candidatesText(scored: readonly Scored[], taste: CompiledStrategy): string {
  let text = '['
  for (let at = 0; at < scored.length && at < MOST_CANDIDATES; at++) {
    const one = scored[at]
    if (one !== undefined) text += at === 0 ? candidateText(one, taste) : `,${candidateText(one, taste)}`
  }
  return `${text}]`
}

function candidateText(
  { candidate: { deployment, weight }, tier, factor, share, standing: { out } }: Scored,
  taste: CompiledStrategy,
): string {
  const cost = costFor(taste, deployment)
  return (
    `{"deployment":${word(deployment.id)},"tier":${tier},"weight":${weight},"factor":${rounded(factor)},` +
    `"share":${rounded(share)},"out":${out === null ? 'null' : `"${out}"`}` +
    (cost === null ? '}' : `,"cost":${JSON.stringify(cost)}}`)
  )
}

export function choiceText({ chosen, why, drawn, table, futility, known }: RecordedChoice): string {
  let text = `{"chosen":${chosen},"why":"${why}"`
  if (drawn !== undefined) text += `,"drawn":${drawn}`
  if (table !== undefined) {
    text += `,"table":{"epoch":${table.epoch},"seq":${table.seq}`
    text += table.say === undefined ? '}' : `,"say":${table.say}}`
  }
  if (futility !== undefined) text += `,"futility":${futility}`
  if (known !== undefined) text += `,"known":${JSON.stringify(known)}`
  return `${text}}`
}
