/**
 * The form in the middle → a whole chat answer.
 *
 * Pure.
 */
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { AnswerPart, Candidate, CanonicalReply } from '../canonical/reply.ts'
import type { CanonicalRequest, MediaPart, ToolCallPart } from '../canonical/request.ts'
import type { AnswerTarget } from '../dialect.ts'
import { writeCarrier, type Sealer } from '../canonical/carrier.ts'
import { unwrapText } from '../repair/custom-tools.ts'
import { dataUrl, sniffMimeType } from '../repair/media.ts'
import { writeSignature, writeThought } from './reasoning.ts'
import { writeCitations, writeFinish, writeLogprobs, writeUsage } from './terms.ts'

export function writeReply(reply: CanonicalReply, target: AnswerTarget): string {
  return JSON.stringify({
    id: answerId(reply, target),
    object: 'chat.completion',
    created: reply.created ?? target.now,
    model: reply.model ?? target.request.model,
    choices: reply.candidates.map((candidate) => writeChoice(candidate, target)),
    ...(reply.usage === null ? {} : { usage: writeUsage(reply.usage) }),
    ...(reply.serviceTier === null ? {} : { service_tier: reply.serviceTier }),
  })
}

/** OpenAI's own ids are kept; others would promise what is behind them. */
export const answerId = (
  { dialect, id }: Pick<CanonicalReply, 'dialect' | 'id'>,
  { newId }: AnswerTarget,
): string => (dialect === 'openai-chat' && id !== null && id !== '' ? id : `chatcmpl-${newId()}`)

function writeChoice(candidate: Candidate, { request, sealer }: AnswerTarget): JsonObject {
  const { parts, finish } = candidate
  const said = {
    calls: parts.some(({ kind }) => kind === 'tool-call'),
    refusal: parts.some(({ kind }) => kind === 'refusal'),
  }
  const refusal = refusalOf(parts, finish.kind === 'refusal' ? finish.explanation : undefined)
  return {
    index: candidate.index,
    message: writeMessage(parts, refusal, request, sealer),
    logprobs: candidate.logprobs === null ? null : writeLogprobs(candidate.logprobs),
    finish_reason: writeFinish(finish, said, request.telling.legacyFunctions),
  }
}

function refusalOf(parts: readonly AnswerPart[], explanation: string | undefined): string | null {
  const said = parts.flatMap((part) => (part.kind === 'refusal' ? [part.text] : []))
  return said.length > 0 ? said.join('') : (explanation ?? null)
}

function writeMessage(
  parts: readonly AnswerPart[],
  refusal: string | null,
  request: CanonicalRequest,
  sealer: Sealer,
): JsonObject {
  const thought = writeThought(parts, sealer)
  const calls = parts.filter((part) => part.kind === 'tool-call')
  const images = parts.filter((part) => part.kind === 'media').filter(({ media }) => media === 'image')
  const audio = parts.find((part) => part.kind === 'native' && part.type === 'audio')
  let text = ''
  const annotations: JsonObject[] = []
  for (const part of parts) {
    if (part.kind !== 'text') continue
    annotations.push(...writeCitations(part.citations ?? [], text.length, part.text.length))
    text += part.text
  }
  const hasOther = calls.length > 0 || refusal !== null
  return {
    role: 'assistant',
    content: text === '' && hasOther ? null : text,
    refusal,
    annotations,
    ...(thought.text === '' ? {} : { reasoning_content: thought.text }),
    ...(thought.details.length === 0 ? {} : { reasoning_details: thought.details }),
    ...(images.length === 0 ? {} : { images: images.map(writeImage) }),
    ...(audio?.kind === 'native' && audio.dialect === 'openai-chat' ? { audio: audio.value } : {}),
    ...writeCalls(calls, request, sealer),
  }
}

/** As OpenRouter tells images in an answer. */
export const writeImage = ({ source, mimeType }: MediaPart, index: number): JsonObject => {
  const url =
    source.kind === 'url'
      ? source.url
      : source.kind === 'base64'
        ? dataUrl(mimeType ?? sniffMimeType(source.data) ?? 'image/png', source.data)
        : ''
  return { type: 'image_url', index, image_url: { url } }
}

/** Who sent `functions` knows one call and no ids. */
function writeCalls(calls: readonly ToolCallPart[], request: CanonicalRequest, sealer: Sealer): JsonObject {
  const [first] = calls
  if (first === undefined) return {}
  if (request.telling.legacyFunctions)
    return { function_call: { name: first.name, arguments: argsOf(first) } }
  const custom = customNames(request)
  return { tool_calls: calls.map((call) => writeCall(call, custom, sealer)) }
}

/** Free-form tools of the request: their calls may come back as functions'. */
export const customNames = ({ tools }: CanonicalRequest): ReadonlySet<string> =>
  new Set(tools.flatMap((tool) => (tool.kind === 'custom' ? [tool.name] : [])))

const argsOf = ({ args }: ToolCallPart): string => (args === '' ? '{}' : args)

function writeCall(call: ToolCallPart, custom: ReadonlySet<string>, sealer: Sealer): JsonObject {
  const { id, name, args } = call
  const state: Record<string, JsonValue> =
    call.carrier === undefined
      ? {}
      : { extra_content: writeSignature(writeCarrier(call.carrier, 'openai-chat', sealer)) }
  if (call.isCustom) return { id, type: 'custom', custom: { name, input: args }, ...state }
  if (custom.has(name)) return { id, type: 'custom', custom: { name, input: unwrapText(args) }, ...state }
  return { id, type: 'function', function: { name, arguments: argsOf(call) }, ...state }
}
