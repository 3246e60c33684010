/**
 * A Gemini answer → the form in the middle.
 *
 * Pure. Google writes its answers in camel case only.
 */
import { err, ok, type Result } from '#contracts/result.ts'
import type { Carrier } from '../canonical/carrier.ts'
import { arrayOf, isArray, isObject, numberOf, objectOf, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply, Candidate, Finish } from '../canonical/reply.ts'
import type { AnswerOrigin } from '../dialect.ts'
import { readCitations, readLogprobs, readUsage } from './metadata.ts'
import { readMedia } from './read-parts.ts'
import { callId, finishKindOf, tierOf } from './terms.ts'

export function readReply(body: JsonObject, origin: AnswerOrigin): Result<CanonicalReply, string> {
  const { candidates, promptFeedback, responseId, modelVersion, usageMetadata, createTime } = body
  if (!isArray(candidates) && promptFeedback === undefined && usageMetadata === undefined)
    return err('neither candidates nor a reason why there are none')
  const id = stringOf(responseId) ?? null
  const read = arrayOf(candidates).map((candidate, place) =>
    readCandidate(objectOf(candidate), place, id, origin),
  )
  const created = Math.floor(Date.parse(stringOf(createTime) ?? '') / 1_000)
  return ok({
    dialect: 'gemini',
    id,
    model: modelOf(modelVersion),
    created: Number.isNaN(created) ? null : created,
    candidates:
      read.length === 0 ? [{ index: 0, parts: [], finish: blockOf(promptFeedback), logprobs: null }] : read,
    usage: readUsage(usageMetadata),
    serviceTier: tierIn(usageMetadata),
  })
}

/** Some answers name the model with its resource path. */
export const modelOf = (version: unknown): string | null =>
  stringOf(version)?.replace(/^models\//, '') ?? null

export function tierIn(usage: unknown): string | null {
  const tier = stringOf(objectOf(usage)['serviceTier'])
  return tier === undefined ? null : tierOf(tier)
}

/** A refused prompt is an answer without candidates. */
export function blockOf(feedback: unknown): Finish {
  const { blockReason, blockReasonMessage } = objectOf(feedback)
  if (blockReason === undefined) return { kind: 'other', explanation: 'The answer has no candidates.' }
  const reason = stringOf(blockReason) ?? 'OTHER'
  const explanation = stringOf(blockReasonMessage) ?? `The prompt was blocked: ${reason}`
  return { kind: 'content-filter', explanation, details: objectOf(feedback) }
}

/** @returns null while the candidate goes on. */
export function finishOf(candidate: JsonObject, hasCalls: boolean): Finish | null {
  const reason = stringOf(candidate['finishReason'])
  if (reason === undefined || reason === 'FINISH_REASON_UNSPECIFIED') return null
  const kind = finishKindOf(reason)
  if (kind === 'stop') return { kind: hasCalls ? 'tool-calls' : 'stop' }
  const message = stringOf(candidate['finishMessage'])
  if (kind === 'length') return { kind }
  return {
    kind,
    explanation: message ?? `The model stopped: ${reason}`,
    details: { finishReason: reason, safetyRatings: candidate['safetyRatings'] },
  }
}

function readCandidate(
  candidate: JsonObject,
  place: number,
  id: string | null,
  origin: AnswerOrigin,
): Candidate {
  const index = numberOf(candidate['index']) ?? place
  const parts: AnswerPart[] = []
  const texts: number[] = []
  const places: (number | undefined)[] = []
  for (const value of arrayOf(objectOf(candidate['content'])['parts'])) {
    const part = readPart(objectOf(value), callId(`${id ?? ''}/${index}`, parts.length), origin)
    const last = parts.at(-1)
    const isVisible = part?.kind === 'text'
    const signed = last === undefined || part === null ? null : signedBy(last, part)
    if (signed !== null) {
      parts[parts.length - 1] = signed
      places.push(undefined)
      continue
    }
    places.push(isVisible ? texts.length : undefined)
    if (part === null) continue
    if (isVisible) texts.push(parts.length)
    parts.push(part)
  }
  const hasCalls = parts.some(({ kind }) => kind === 'tool-call')
  const finish = finishOf(candidate, hasCalls) ?? { kind: hasCalls ? 'tool-calls' : 'stop' }
  return {
    index,
    parts: cite(candidate, parts, texts, places),
    finish,
    logprobs: readLogprobs(candidate['logprobsResult']),
  }
}

/** @returns the words before an empty part that only brings their state; null for any other part. */
function signedBy(last: AnswerPart, part: AnswerPart): AnswerPart | null {
  if (last.kind !== 'text' && last.kind !== 'reasoning') return null
  if (last.kind !== part.kind || part.text !== '' || last.carrier !== undefined) return null
  return part.carrier === undefined ? null : { ...last, carrier: part.carrier }
}

export function carrierOf(part: JsonObject, origin: AnswerOrigin): Carrier | undefined {
  const signature = stringOf(part['thoughtSignature'])
  if (signature === undefined || signature === '') return undefined
  return { dialect: 'gemini', provider: origin.provider, data: signature, form: 'thought', of: 'own' }
}

/** @returns null for a part that says nothing. */
function readPart(part: JsonObject, ownId: string, origin: AnswerOrigin): AnswerPart | null {
  const carrier = carrierOf(part, origin)
  const state = carrier === undefined ? {} : { carrier }
  const text = stringOf(part['text'])
  if (text !== undefined) {
    if (text === '' && carrier === undefined) return null
    return part['thought'] === true
      ? { kind: 'reasoning', text, isSummary: true, ...state }
      : { kind: 'text', text, ...state }
  }
  if (isObject(part['functionCall'])) {
    const { id, name, args } = part['functionCall']
    return {
      kind: 'tool-call',
      id: stringOf(id) ?? ownId,
      name: nameOf(name, origin),
      args: JSON.stringify(args ?? {}),
      isCustom: false,
      ...state,
    }
  }
  return readOther(part) ?? (carrier === undefined ? null : { kind: 'text', text: '', carrier })
}

export function nameOf(name: JsonValue | undefined, origin: AnswerOrigin): string {
  const said = stringOf(name) ?? ''
  return origin.toolNames.get(said) ?? said
}

/** Media, or what only Gemini knows: code it ran, its server tools. */
export function readOther(part: JsonObject): Extract<AnswerPart, { kind: 'media' | 'native' }> | null {
  const media = readMedia(part)
  if (media !== null) return media
  const type = Object.keys(part).find((key) => key !== 'thoughtSignature' && key !== 'thought')
  return type === undefined ? null : { kind: 'native', dialect: 'gemini', type, value: part }
}

function cite(
  candidate: JsonObject,
  parts: readonly AnswerPart[],
  texts: readonly number[],
  places: readonly (number | undefined)[],
): readonly AnswerPart[] {
  const words = texts.map((at) => wordsOf(parts[at]))
  const cited = new Map<number, AnswerPart>()
  for (const { text, citation } of readCitations(candidate, words, places)) {
    const at = texts[text]
    const part = at === undefined ? undefined : (cited.get(at) ?? parts[at])
    if (at === undefined || part?.kind !== 'text') continue
    cited.set(at, { ...part, citations: [...(part.citations ?? []), citation] })
  }
  return cited.size === 0 ? parts : parts.map((part, at) => cited.get(at) ?? part)
}

const wordsOf = (part: AnswerPart | undefined): string => (part?.kind === 'text' ? part.text : '')
