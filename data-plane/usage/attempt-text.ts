/**
 * Attempts as records and intents say them, and what else is said of where they went.
 *
 * Pure in effect: how a place is said is remembered, and said the same again.
 */
import type { AttemptRecord, BegunAttempt } from '../upstream/failover.ts'
import { rounded, whole } from './digits.ts'
import { copyOf, NAME_LENGTH, word } from './names.ts'

type Begun = Pick<BegunAttempt, 'deployment' | 'lane' | 'why'>
type Dialect = AttemptRecord['dialect']

/** Where an attempt goes and why, as text: beside what it is found by, what is said of it. */
export type PlaceText = Readonly<{
  provider: string
  model: string
  credential: string | null
  dialect: Dialect
  why: BegunAttempt['why']
  /** Of an attempt, the members that stand before it is made. */
  begun: string
  /** An attempt of which nobody heard, but its last bracket. */
  lost: string
  /** Of an intent, what follows what is known, where it is the request's first attempt: up to its tokens. */
  intended: string
  /** Of a record, its first attempt, if that succeeds: up to its times. */
  succeeded: string
  /** Of either, what follows the attempts, if this is who answers: from the bracket of the last one up to its tokens. */
  answers: string
}>

/**
 * Of what is said of places; who has the same number is forgotten. By lane, two ways each of why and dialect, and the
 * model: those that nobody listed share a lane.
 */
const MOST_PLACES = 4_096
const PLACES_OF_LANE = 4
const places: (PlaceText | undefined)[] = Array.from({ length: MOST_PLACES }, () => undefined)

export function placeText({ deployment, lane, why }: Begun, dialect: Dialect): PlaceText {
  const { provider, model } = deployment
  const { credential } = lane
  const way = (why === 'weight' ? 0 : 1) + (dialect === 'openai-chat' ? 0 : 2)
  const at = ((lane.slot + spread(model)) * PLACES_OF_LANE + way) % MOST_PLACES
  const known = places[at]
  if (
    known !== undefined &&
    known.model === model &&
    known.provider === provider &&
    known.credential === credential &&
    known.dialect === dialect &&
    known.why === why
  )
    return known
  const made = placeOf(provider, model, credential, dialect, why)
  // What is longer would be kept whole only to be found again.
  if (model.length <= NAME_LENGTH) places[at] = made
  return made
}

/** Models of one provider differ in length, or in their last letters: versions, sizes, dates. */
const spread = (model: string): number => {
  const { length } = model
  return length < 2 ? length : 31 * length + 7 * model.charCodeAt(length - 1) + model.charCodeAt(length - 2)
}

/** Of every request that nobody heard of; 500: its client had no answer. */
const UNHEARD_OF = ',"status":500,"totalMs":0,"isEstimated":true,"candidates":[],"choices":[],"warnings":[]'
const ATTEMPTS = ',"attempts":['
/** Of a request that nobody answered, what follows its attempts. */
export const NOBODY = '}],"provider":"","upstream":"","tokens":{"input":'
/** The same where there were none. */
export const NO_ATTEMPTS = `${ATTEMPTS}${NOBODY.slice(1)}`

function placeOf(
  provider: string,
  model: string,
  credential: string | null,
  dialect: Dialect,
  why: BegunAttempt['why'],
): PlaceText {
  const begun =
    `{"provider":${word(provider)},"model":${word(model)},"credential":${word(credential ?? '')},` +
    `"dialect":"${dialect}","why":"${why}"`
  const lost = `${begun},"outcome":"lost","status":0,"firstMs":null,"totalMs":0`
  const answers = `}],"provider":${word(provider)},"upstream":${word(model)},"tokens":{"input":`
  return {
    provider,
    model: copyOf(model),
    credential,
    dialect,
    why,
    begun: copyOf(begun),
    lost: copyOf(lost),
    intended: copyOf(`${UNHEARD_OF}${ATTEMPTS}${lost}${answers}`),
    succeeded: copyOf(`${ATTEMPTS}${begun},"outcome":"success","status":0,"firstMs":`),
    answers: copyOf(answers),
  }
}

/**
 * @param before attempts; empty: there were none.
 * @param firstMs of a stream, where it was told apart from the attempt's end.
 * @returns all of them, as a member that lacks its last two brackets.
 */
export function attemptsText(
  before: string,
  place: PlaceText,
  attempt: AttemptRecord,
  firstMs: number | null,
): string {
  const { outcome, status, totalMs } = attempt
  const first = attempt.firstMs ?? firstMs
  const front =
    before === '' && outcome === 'success' && status === 0
      ? place.succeeded
      : `${before === '' ? ATTEMPTS : `${before}},`}${place.begun},"outcome":"${outcome}","status":${whole(status)},"firstMs":`
  return `${front}${first === null ? 'null' : rounded(first)},"totalMs":${rounded(totalMs)}`
}

/** @param before as of `attemptsText`. @returns the same with one more, of which nobody heard. */
export const withLost = (before: string, { lost }: PlaceText): string =>
  before === '' ? ATTEMPTS + lost : `${before}},${lost}`

const NOTHING_CAME =
  ',"output":0,"cacheRead":0,"cacheWrite":0,"cacheWriteLong":0,"reasoning":0,"inputAudio":0,"outputAudio":0}}'

/**
 * A whole record, if nothing more is heard.
 * @param known members. @param before attempts, as of `attemptsText`. @param to where it goes now.
 * @param input tokens that go in, about.
 */
export const intentText = (known: string, before: string, to: PlaceText, input: number): string =>
  before === ''
    ? `${known}${to.intended}${whole(input)}${NOTHING_CAME}`
    : `${known}${UNHEARD_OF}${withLost(before, to)}${to.answers}${whole(input)}${NOTHING_CAME}`
