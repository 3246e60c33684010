/**
 * A whole chat answer → the form in the middle.
 *
 * Pure. Takes what compatible hosts make of it: content as a list (Mistral's thinking), reasoning beside it,
 * calls without type or id, a choice without a message (Azure's filter), images in an answer (OpenRouter).
 */
import { err, ok, type Result } from '#contracts/result.ts'
import { arrayOf, isArray, isObject, numberOf, objectOf, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { AnswerPart, Candidate, CanonicalReply } from '../canonical/reply.ts'
import type { TextPart, ToolCallPart } from '../canonical/request.ts'
import type { AnswerOrigin } from '../dialect.ts'
import { shortHash } from '../repair/hash.ts'
import { providerCarriers, readSignature, readThought, type OpenCarrier } from './reasoning.ts'
import { readFunction, readUrlMedia, thinkingText } from './request/read-messages.ts'
import { readCitations, readFinish, readLogprobs, readUsage } from './terms.ts'

export function readReply(body: JsonObject, origin: AnswerOrigin): Result<CanonicalReply, string> {
  const choices = body['choices']
  if (!isArray(choices)) return err('an answer without choices')
  const id = stringOf(body['id']) ?? null
  const open = providerCarriers(origin.provider)
  const candidates = choices
    .filter(isObject)
    .map((choice, place) => readChoice(choice, place, id, { open, toolNames: origin.toolNames }))
  if (candidates.length === 0) return err('an answer with no choice')
  return ok({
    dialect: 'openai-chat',
    id,
    model: stringOf(body['model']) ?? null,
    created: numberOf(body['created']) ?? null,
    candidates,
    usage: readUsage(body['usage']),
    serviceTier: stringOf(body['service_tier']) ?? null,
  })
}

type Context = Readonly<{ open: OpenCarrier; toolNames: AnswerOrigin['toolNames'] }>

function readChoice(choice: JsonObject, place: number, id: string | null, context: Context): Candidate {
  const parts = readMessage(objectOf(choice['message']), `${id} ${place}`, context)
  return {
    index: numberOf(choice['index']) ?? place,
    parts,
    finish: readFinish(stringOf(choice['finish_reason']) ?? null, {
      calls: parts.some(({ kind }) => kind === 'tool-call'),
      refusal: parts.some(({ kind }) => kind === 'refusal'),
    }),
    logprobs: readLogprobs(choice['logprobs']),
  }
}

/** @param seed of the ids that calls without one are given. */
function readMessage(message: JsonObject, seed: string, context: Context): readonly AnswerPart[] {
  const thought = readThought(message, context.open)
  const refusal = stringOf(message['refusal'])
  return [
    ...thought.parts,
    ...withMessageMembers(readContent(message['content']), message, context.open),
    ...(refusal === undefined || refusal === '' ? [] : [{ kind: 'refusal', text: refusal } as const]),
    ...arrayOf(message['images']).flatMap(readImage),
    ...readAudio(message['audio']),
    ...arrayOf(message['tool_calls'])
      .filter(isObject)
      .map((call, index) => readCall(call, callId(call, `${seed} ${index}`), context)),
    ...readLegacyCall(message['function_call'], seed, context),
  ]
}

function readContent(content: JsonValue | undefined): readonly AnswerPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ kind: 'text', text: content }]
  return arrayOf(content).flatMap((piece): readonly AnswerPart[] => {
    const part = objectOf(piece)
    if (part['type'] === 'thinking')
      return [{ kind: 'reasoning', text: thinkingText(part), isSummary: false }]
    const text = stringOf(part['text']) ?? ''
    if (part['type'] === 'text') return text === '' ? [] : [{ kind: 'text', text }]
    return readImage(part)
  })
}

export function readImage(piece: JsonValue): readonly AnswerPart[] {
  const part = objectOf(piece)
  const image = part['type'] === 'image_url' ? readUrlMedia(part, 'image_url') : null
  return image === null ? [] : [image]
}

/** Citations and Google's state stand beside the content but belong to its text. */
function withMessageMembers(
  parts: readonly AnswerPart[],
  message: JsonObject,
  open: OpenCarrier,
): readonly AnswerPart[] {
  const citations = readCitations(message['annotations'])
  const carrier = readSignature(message, open)
  if (citations.length === 0 && carrier === null) return parts
  const at = parts.findIndex(({ kind }) => kind === 'text')
  const text = parts[at]
  const members: Partial<TextPart> = {
    ...(citations.length === 0 ? {} : { citations }),
    ...(carrier === null ? {} : { carrier }),
  }
  if (text?.kind === 'text') return parts.with(at, { ...text, ...members })
  return carrier === null ? parts : [...parts, { kind: 'text', text: '', carrier }]
}

/** Sound is asked for by chat's own fields only, so no other format has to understand it. */
const readAudio = (audio: JsonValue | undefined): readonly AnswerPart[] =>
  isObject(audio) ? [{ kind: 'native', dialect: 'openai-chat', type: 'audio', value: audio }] : []

/** Google's and some local servers' calls have no id. */
const callId = (call: JsonObject, seed: string): string => {
  const id = stringOf(call['id']) ?? ''
  return id === '' ? inventId(seed) : id
}

export const inventId = (seed: string): string => `call_${shortHash(seed, 24)}`

function readCall(call: JsonObject, id: string, { open, toolNames }: Context): ToolCallPart {
  const carrier = readSignature(call, open)
  const custom = call['custom']
  const { name, args } = isObject(custom)
    ? { name: stringOf(custom['name']) ?? '', args: stringOf(custom['input']) ?? '' }
    : readFunction(objectOf(call['function']))
  return {
    kind: 'tool-call',
    id,
    name: toolNames.get(name) ?? name,
    args,
    isCustom: isObject(custom),
    ...(carrier === null ? {} : { carrier }),
  }
}

function readLegacyCall(
  value: JsonValue | undefined,
  seed: string,
  { toolNames }: Context,
): readonly ToolCallPart[] {
  if (!isObject(value)) return []
  const { name, args } = readFunction(value)
  const own = toolNames.get(name) ?? name
  return [{ kind: 'tool-call', id: inventId(`${seed} ${name}`), name: own, args, isCustom: false }]
}
