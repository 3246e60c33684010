/**
 * Records as JSON text, written by hand: what an answer used up, and how its choices were made.
 *
 * Pure in effect: what was said of a deployment or a choice is remembered, and said the same again.
 * `JSON.stringify` asks every value what it is and spells every number with up to seventeen digits. Here it is known,
 * and times have three decimals. What is seldom there is left to `JSON.stringify`.
 *
 * Texts are put together from the left and made one by whoever writes them: then each letter is copied once.
 */
import type { NodeId } from '#contracts/ids.ts'
import type { Scored } from '#contracts/routing/standing.ts'
import type { CompiledStrategy } from '#contracts/routing/strategies.ts'
import { costFor, type RecordedChoice } from '#contracts/usage/choice.ts'
import { MOST_CANDIDATES } from '#contracts/usage/record.ts'
import type { Spent } from '../upstream/spent.ts'
import { rounded, whole } from './digits.ts'
import { copyOf, NAME_LENGTH, word } from './names.ts'

/** @returns what puts before the rest of an entry what all of a node have in common: the whole entry. */
export function entryOf(node: NodeId): (rest: string) => string {
  const front = copyOf(`{"node":${JSON.stringify(node)},"v":1,"id":"`)
  return (rest) => front + rest
}

const NO_OTHERS = ',"cacheWrite":0,"cacheWriteLong":0,"reasoning":0,"inputAudio":0,"outputAudio":0}'
const CANDIDATES = ',"candidates":['
const INPUT_AND_OUTPUT = copyOf(`,"cacheRead":0${NO_OTHERS},"isEstimated":false${CANDIDATES}`)

/** @param before a record up to its tokens that went in. @returns the same up to its candidates. */
export function spentText(before: string, { tokens, isEstimated }: Spent): string {
  const { cacheRead, cacheWrite, cacheWriteLong, reasoning, inputAudio, outputAudio } = tokens
  const text = `${before}${whole(tokens.input)},"output":${whole(tokens.output)}`
  const hasOthers =
    cacheWrite !== 0 || cacheWriteLong !== 0 || reasoning !== 0 || inputAudio !== 0 || outputAudio !== 0
  if (!hasOthers && cacheRead === 0 && !isEstimated) return text + INPUT_AND_OUTPUT
  const others = hasOthers
    ? `,"cacheWrite":${whole(cacheWrite)},"cacheWriteLong":${whole(cacheWriteLong)},` +
      `"reasoning":${whole(reasoning)},"inputAudio":${whole(inputAudio)},"outputAudio":${whole(outputAudio)}}`
    : NO_OTHERS
  return `${text},"cacheRead":${whole(cacheRead)}${others},"isEstimated":${isEstimated}${CANDIDATES}`
}

/** Of a candidate what comes before its factor, and up to its share where that is 1. */
type CandidateText = Readonly<{ tier: number; weight: number; front: string; sound: string }>

/** Deployments that are remembered as candidates; then all are forgotten. */
const MOST_CANDIDATE_TEXTS = 2_000
const candidateTexts = new Map<string, CandidateText>()

function candidateText({ candidate: { deployment, weight }, tier }: Scored): CandidateText {
  const { id } = deployment
  const known = candidateTexts.get(id)
  if (known !== undefined && known.tier === tier && known.weight === weight) return known
  const front = `{"deployment":${word(id)},"tier":${tier},"weight":${weight},"factor":`
  const made = { tier, weight, front: copyOf(front), sound: copyOf(`${front}1,"share":`) }
  // What is longer would be kept whole only to be found again. An id is put together, and no piece of a body.
  if (id.length > NAME_LENGTH) return made
  if (candidateTexts.size === MOST_CANDIDATE_TEXTS) candidateTexts.clear()
  candidateTexts.set(id, made)
  return made
}

const CHOICES = '],"choices":['
const IN = ',"out":null},'
const LAST_IN = copyOf(`,"out":null}${CHOICES}`)

/** @param before a record up to its candidates. @returns the same with them, as a choice saw them, up to its choices. */
export function candidatesText(before: string, scored: readonly Scored[], taste: CompiledStrategy): string {
  const count = Math.min(scored.length, MOST_CANDIDATES)
  if (count === 0) return before + CHOICES
  let text = before
  for (let at = 0; at < count; at++) {
    const one = scored[at]
    if (one === undefined) continue
    const { front, sound } = candidateText(one)
    text += one.factor === 1 ? sound : `${front}${rounded(one.factor)},"share":`
    text += rounded(one.share)
    const { out } = one.standing
    const cost = costFor(taste, one.candidate.deployment)
    const isLast = at === count - 1
    if (out === null && cost === null) text += isLast ? LAST_IN : IN
    else
      text +=
        `,"out":${out === null ? 'null' : `"${out}"`}` +
        `${cost === null ? '' : `,"cost":${JSON.stringify(cost)}`}}${isLast ? CHOICES : ','}`
  }
  return text
}

/** The choice of a kind that was made last: nothing but who, why and the table. */
type PlainChoice = Readonly<{ why: string; epoch: number; seq: number; text: string }>

const NO_TABLE = -1
/** By index of who was chosen. */
const plainChoices: (PlainChoice | undefined)[] = Array.from({ length: MOST_CANDIDATES }, () => undefined)

export function choiceText(choice: RecordedChoice): string {
  const { chosen, why, drawn, table, futility, known } = choice
  const isPlain =
    drawn === undefined && futility === undefined && known === undefined && table?.say === undefined
  if (!isPlain || chosen === null || chosen >= MOST_CANDIDATES) return spelledChoice(choice)
  const epoch = table?.epoch ?? NO_TABLE
  const seq = table?.seq ?? NO_TABLE
  const last = plainChoices[chosen]
  if (last !== undefined && last.why === why && last.epoch === epoch && last.seq === seq) return last.text
  const text = copyOf(spelledChoice(choice))
  plainChoices[chosen] = { why, epoch, seq, text }
  return text
}

function spelledChoice({ chosen, why, drawn, table, futility, known }: RecordedChoice): string {
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
