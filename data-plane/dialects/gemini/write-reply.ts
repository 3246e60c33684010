/**
 * The form in the middle → a Gemini answer.
 *
 * Pure.
 */
import { writeCarrier, type Carrier } from '../canonical/carrier.ts'
import { isObject, parseJson, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply, Candidate, Finish, Usage } from '../canonical/reply.ts'
import type { AnswerTarget } from '../dialect.ts'
import { wrapText } from '../repair/custom-tools.ts'
import { writeGrounding, writeLogprobs, writeUsage, type Placed } from './metadata.ts'
import { FINISH_REASONS, TIERS } from './terms.ts'

export function writeReply(reply: CanonicalReply, target: AnswerTarget): string {
  const candidates = reply.candidates.map((candidate) => writeCandidate(candidate, target))
  const usage = reply.usage === null ? {} : { usageMetadata: usageOf(reply.usage, reply.serviceTier) }
  return `{"candidates":[${candidates.join(',')}],${JSON.stringify({
    ...usage,
    modelVersion: reply.model ?? target.request.model,
    createTime: new Date((reply.created ?? target.now) * 1_000).toISOString(),
    responseId: reply.dialect === 'gemini' && reply.id !== null ? reply.id : target.newId(),
  }).slice(1)}`
}

/** What Google itself counted is passed on as it is. */
export function usageOf(usage: Usage, serviceTier: string | null): JsonObject {
  if (usage.native['promptTokenCount'] !== undefined) return usage.native
  const tier = serviceTier === null ? undefined : TIERS.get(serviceTier)
  return { ...writeUsage(usage), ...(tier === undefined ? {} : { serviceTier: tier }) }
}

function writeCandidate(candidate: Candidate, target: AnswerTarget): string {
  const parts: string[] = []
  const texts: string[] = []
  const placed: Placed[] = []
  for (const part of candidate.parts) {
    parts.push(...writePart(part, target))
    if (part.kind !== 'text') continue
    for (const citation of part.citations ?? []) placed.push({ text: texts.length, citation })
    texts.push(part.text)
  }
  if (parts.length === 0) parts.push('{"text":""}')
  const grounding = writeGrounding(texts, placed)
  return `{"content":{"parts":[${parts.join(',')}],"role":"model"},${JSON.stringify({
    ...finishMembers(candidate.finish),
    index: candidate.index,
    ...(grounding === undefined ? {} : { groundingMetadata: grounding }),
    ...(candidate.logprobs === null ? {} : { logprobsResult: writeLogprobs(candidate.logprobs) }),
  }).slice(1)}`
}

export function finishMembers({ kind, explanation, details }: Finish): JsonObject {
  const reason = details?.['finishReason']
  const told = kind === 'stop' || kind === 'tool-calls' ? undefined : explanation
  return {
    finishReason: typeof reason === 'string' ? reason : FINISH_REASONS[kind],
    ...(told === undefined ? {} : { finishMessage: told }),
  }
}

/** @returns none for what Gemini has no words for. */
function writePart(part: AnswerPart, target: AnswerTarget): readonly string[] {
  switch (part.kind) {
    case 'text':
      return [textPart(part.text, false, part.carrier, target)]
    case 'refusal':
      return [textPart(part.text, false, undefined, target)]
    case 'reasoning':
      return writeReasoning(part.text, part.carrier, target)
    case 'tool-call':
      return [callPart(part.id, part.name, part.args, part.isCustom, part.carrier, target)]
    case 'media':
    case 'native':
      return writeOther(part)
  }
}

/** State that needs the words it belongs to takes them along where the client does not get to see them. */
function writeReasoning(text: string, carrier: Carrier | undefined, target: AnswerTarget): readonly string[] {
  if (target.request.telling.reasoning) return [textPart(text, true, carrier, target)]
  return carrier === undefined ? [] : [textPart('', true, hiding(carrier, text), target)]
}

export const hiding = (carrier: Carrier, text: string): Carrier =>
  carrier.dialect === 'gemini' || text === '' ? carrier : { ...carrier, text: carrier.text ?? text }

const stateOf = (carrier: Carrier | undefined, target: AnswerTarget): string =>
  carrier === undefined
    ? ''
    : `,"thoughtSignature":${JSON.stringify(writeCarrier(carrier, 'gemini', target.sealer))}`

export const textPart = (
  text: string,
  isThought: boolean,
  carrier: Carrier | undefined,
  target: AnswerTarget,
): string =>
  `{"text":${JSON.stringify(text)}${isThought ? ',"thought":true' : ''}${stateOf(carrier, target)}}`

/** Arguments as they came, if they are an object. */
export function callPart(
  id: string,
  name: string,
  text: string,
  isCustom: boolean,
  carrier: Carrier | undefined,
  target: AnswerTarget,
): string {
  const args = isCustom
    ? wrapText(text)
    : text.trim() === ''
      ? '{}'
      : isObject(parseJson(text))
        ? text
        : JSON.stringify({ _raw: text })
  const call = `{"functionCall":{"id":${JSON.stringify(id)},"name":${JSON.stringify(name)},"args":${args}}`
  return `${call}${stateOf(carrier, target)}}`
}

export function writeOther(part: Extract<AnswerPart, { kind: 'media' | 'native' }>): readonly string[] {
  if (part.kind === 'native') return part.dialect === 'gemini' ? [JSON.stringify(part.value)] : []
  const { source } = part
  const type = part.mimeType === undefined ? {} : { mimeType: part.mimeType }
  if (source.kind === 'base64') return [JSON.stringify({ inlineData: { ...type, data: source.data } })]
  if (source.kind === 'text') return [JSON.stringify({ text: source.text })]
  const uri = source.kind === 'url' ? source.url : source.id
  return [JSON.stringify({ fileData: { ...type, fileUri: uri } })]
}
