/**
 * What a provider's own answer looks like in each dialect, as far as it passes untouched: is it an answer at
 * all, has its stream begun, has it ended.
 *
 * Pure. Reads a few bytes of a body and the first and last events of a stream; the rest is not looked at.
 */
import type { SseEvent } from '../dialect.ts'
import { isObject, parseJson, type JsonObject } from '../canonical/json.ts'
import type { DialectName } from '../canonical/request.ts'
import { scanTopLevel, type Spans } from '../json-scan.ts'

/** `error`: an error in disguise, under a status that says otherwise. */
export type BodyVerdict = 'answer' | 'error' | 'neither' | 'not_json'

/** `hold`: nothing of the answer yet. `content`: it has begun. `error`: an error came instead. */
export type Verdict = 'hold' | 'content' | 'error'

/** How a stream ended, by its last bytes. `error_told`: the upstream itself told the client. */
export type Ending = 'finished' | 'error_told' | 'broken'

export type NativeAnswers = Readonly<{
  judgeBody: (body: Buffer) => BodyVerdict
  judgeEvent: (event: SseEvent) => Verdict
  /** @param tail the last kilobytes of the stream, as latin1 text. */
  endingOf: (tail: string) => Ending
}>

export const NATIVE_ANSWERS: Readonly<Record<DialectName, NativeAnswers>> = {
  'openai-chat': {
    judgeBody: judgeBy(['choices']),
    judgeEvent: judgeEventBy(hasChatContent),
    endingOf: chatEnding,
  },
  'openai-responses': {
    judgeBody: judgeResponse,
    judgeEvent: judgeResponsesEvent,
    endingOf: (tail) =>
      /"type": ?"response\.(completed|incomplete|cancelled)"/.test(tail)
        ? 'finished'
        : /"type": ?"(response\.failed|error)"/.test(tail)
          ? 'error_told'
          : 'broken',
  },
  anthropic: {
    judgeBody: judgeMessage,
    judgeEvent: judgeMessagesEvent,
    endingOf: (tail) =>
      /^data: ?\{.*"type": ?"error"/m.test(tail) && !/"type": ?"message_stop"/.test(tail)
        ? 'error_told'
        : /"type": ?"message_stop"/.test(tail)
          ? 'finished'
          : 'broken',
  },
  gemini: {
    judgeBody: judgeBy(['candidates', 'promptFeedback']),
    judgeEvent: judgeEventBy(hasGeminiContent),
    endingOf: (tail) =>
      /^data: ?\{\s*"error"/m.test(tail)
        ? 'error_told'
        : /"finishReason": ?"|"blockReason": ?"/.test(tail)
          ? 'finished'
          : 'broken',
  },
}

/** Answers of calls that have no stream: known by one member. */
export const judgeEmbeddings = judgeBy(['data', 'embedding', 'embeddings'])
export const judgeTokenCount = judgeBy(['input_tokens', 'totalTokens'])

/** An answer has one of these members, as an object, an array or a number; an error says so. */
function judgeBy(members: readonly string[]): (body: Buffer) => BodyVerdict {
  const keys = ['error', ...members]
  return (body) => {
    const spans = scanTopLevel(body, keys)
    if (typeof spans === 'string') return 'not_json'
    if (isSaid(body, spans, 0)) return 'error'
    return members.some((_, index) => isFilled(body, spans, index + 1)) ? 'answer' : 'neither'
  }
}

const OPEN_OBJECT = 0x7b
const OPEN_ARRAY = 0x5b

function isFilled(body: Buffer, spans: Spans, index: number): boolean {
  const first = body[spans[index * 2] ?? -1] ?? 0
  return first === OPEN_ARRAY || first === OPEN_OBJECT || (first >= 0x30 && first <= 0x39)
}

/** Present and not null. */
function isSaid(body: Buffer, spans: Spans, index: number): boolean {
  const [start = -1, end = -1] = [spans[index * 2], spans[index * 2 + 1]]
  return start !== -1 && body.toString('latin1', start, end) !== 'null'
}

const textAt = (body: Buffer, spans: Spans, index: number): string => {
  const [start = -1, end = -1] = [spans[index * 2], spans[index * 2 + 1]]
  return start === -1 ? '' : body.toString('latin1', start, end)
}

const RESPONSE_KEYS = ['error', 'output', 'status']

/** A Response has an `error` member of null; one in the background is an answer before it has any output. */
function judgeResponse(body: Buffer): BodyVerdict {
  const spans = scanTopLevel(body, RESPONSE_KEYS)
  if (typeof spans === 'string') return 'not_json'
  if (isSaid(body, spans, 0)) return 'error'
  return isFilled(body, spans, 1) ? 'answer' : 'neither'
}

const MESSAGE_KEYS = ['type', 'error', 'content']

function judgeMessage(body: Buffer): BodyVerdict {
  const spans = scanTopLevel(body, MESSAGE_KEYS)
  if (typeof spans === 'string') return 'not_json'
  if (textAt(body, spans, 0) === '"error"' || isSaid(body, spans, 1)) return 'error'
  return isFilled(body, spans, 2) ? 'answer' : 'neither'
}

function judgeEventBy(hasContent: (chunk: JsonObject) => boolean): (event: SseEvent) => Verdict {
  return ({ data }) => {
    const chunk = parseJson(data)
    if (!isObject(chunk)) return 'hold' // [DONE], or not JSON: not an answer
    const { error } = chunk
    if (isObject(error) || typeof error === 'string') return 'error'
    return hasContent(chunk) ? 'content' : 'hold'
  }
}

function hasChatContent({ choices }: JsonObject): boolean {
  if (!Array.isArray(choices)) return false
  return choices.some((choice: unknown) => {
    if (!isObject(choice)) return false
    const { finish_reason: finish, delta } = choice
    if (typeof finish === 'string') return true
    return isObject(delta) && Object.entries(delta).some(([key, value]) => key !== 'role' && isWorth(value))
  })
}

const isWorth = (value: unknown): boolean =>
  value !== null && value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)

function hasGeminiContent({ candidates, promptFeedback }: JsonObject): boolean {
  if (isObject(promptFeedback) && promptFeedback['blockReason'] !== undefined) return true
  if (!Array.isArray(candidates)) return false
  return candidates.some((candidate: unknown) => {
    if (!isObject(candidate)) return false
    const { finishReason, content } = candidate
    const parts = isObject(content) ? content['parts'] : undefined
    return typeof finishReason === 'string' || (Array.isArray(parts) && parts.length > 0)
  })
}

/** Lifecycle events; everything after them is the answer, also what later versions of the API may add. */
const RESPONSES_LIFECYCLE = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
  'keepalive',
  'ping',
])

function judgeResponsesEvent({ event, data }: SseEvent): Verdict {
  const parsed = parseJson(data)
  const type = isObject(parsed) && typeof parsed['type'] === 'string' ? parsed['type'] : event
  if (type === 'error' || type === 'response.failed') return 'error'
  if (isObject(parsed) && type === '' && parsed['error'] !== undefined) return 'error'
  return type === '' || RESPONSES_LIFECYCLE.has(type) ? 'hold' : 'content'
}

function judgeMessagesEvent({ event, data }: SseEvent): Verdict {
  const parsed = parseJson(data)
  const type = isObject(parsed) && typeof parsed['type'] === 'string' ? parsed['type'] : event
  if (type === 'error' || (isObject(parsed) && isObject(parsed['error']))) return 'error'
  return type === '' || type === 'message_start' || type === 'ping' ? 'hold' : 'content'
}

/** A finish reason counts as an end: some hosts leave out `[DONE]`, and a clean close after it is whole. */
function chatEnding(tail: string): Ending {
  // OpenRouter's way to say it: an ordinary chunk with an error in it, finished by `error`.
  if (/^data: ?\{"error":/m.test(tail) || /"finish_reason": ?"error"/.test(tail)) return 'error_told'
  return /^data: ?\[DONE\]/m.test(tail) || /"finish_reason": ?"/.test(tail) ? 'finished' : 'broken'
}
