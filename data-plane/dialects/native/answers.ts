/**
 * What a provider's own answer looks like in each dialect, as far as it passes untouched: is it an answer at
 * all, where does a body tell its tokens, has its stream begun, has it ended.
 *
 * Pure. Scans a body once and reads a few of its members, of a stream the first and last events.
 */
import type { SseEvent } from '../dialect.ts'
import { isObject, parseJson, type JsonObject } from '../canonical/json.ts'
import type { DialectName } from '../canonical/request.ts'
import { scanTopLevel, type Spans } from '../json-scan.ts'

/** `error`: an error in disguise, under a status that says otherwise. */
export type BodyVerdict = 'answer' | 'error' | 'neither' | 'not_json'

/** `usage`: JSON of what an answer tells of its tokens, for the meter of its dialect; null: nothing. */
export type JudgedAnswer = Readonly<{ verdict: BodyVerdict; usage: string | null }>

export type Judge = (body: Buffer) => JudgedAnswer

/** `hold`: nothing of the answer yet. `content`: it has begun. `error`: an error came instead. */
export type Verdict = 'hold' | 'content' | 'error'

/** How a stream ended, by its last bytes. `error_told`: the upstream itself told the client. */
export type Ending = 'finished' | 'error_told' | 'broken'

export type NativeAnswers = Readonly<{
  judgeBody: Judge
  judgeEvent: (event: SseEvent) => Verdict
  /** @param tail the last kilobytes of the stream, as latin1 text. */
  endingOf: (tail: string) => Ending
}>

export const NATIVE_ANSWERS: Readonly<Record<DialectName, NativeAnswers>> = {
  'openai-chat': {
    judgeBody: judgeBy({ members: ['choices'], usage: 'usage' }),
    judgeEvent: judgeEventBy(hasChatContent),
    endingOf: chatEnding,
  },
  'openai-responses': {
    // It has an `error` of null; one in the background is an answer before it has any output.
    judgeBody: judgeBy({ members: ['output'], usage: 'usage' }),
    judgeEvent: judgeResponsesEvent,
    endingOf: (tail) =>
      /"type": ?"response\.(completed|incomplete|cancelled)"/.test(tail)
        ? 'finished'
        : /"type": ?"(response\.failed|error)"/.test(tail)
          ? 'error_told'
          : 'broken',
  },
  anthropic: {
    judgeBody: judgeBy({ members: ['content'], usage: 'usage', isTyped: true }),
    judgeEvent: judgeMessagesEvent,
    endingOf: (tail) =>
      /^data: ?\{.*"type": ?"error"/m.test(tail) && !/"type": ?"message_stop"/.test(tail)
        ? 'error_told'
        : /"type": ?"message_stop"/.test(tail)
          ? 'finished'
          : 'broken',
  },
  gemini: {
    judgeBody: judgeBy({ members: ['candidates', 'promptFeedback'], usage: 'usageMetadata' }),
    judgeEvent: judgeEventBy(hasGeminiContent),
    endingOf: (tail) =>
      /^data: ?\{\s*"error"/m.test(tail)
        ? 'error_told'
        : /"finishReason": ?"|"blockReason": ?"/.test(tail)
          ? 'finished'
          : 'broken',
  },
}

/** Answers of calls that have no stream. */
const EMBEDDINGS = ['data', 'embedding', 'embeddings']
export const EMBEDDINGS_JUDGE: Readonly<Record<'openai-chat' | 'gemini', Judge>> = {
  'openai-chat': judgeBy({ members: EMBEDDINGS, usage: 'usage' }),
  gemini: judgeBy({ members: EMBEDDINGS, usage: 'usageMetadata' }),
}
export const judgeTokenCount = judgeBy({ members: ['input_tokens', 'totalTokens'], usage: null })

type Marks = Readonly<{
  /** An answer has one of these, as an object, an array or a number. */
  members: readonly string[]
  /** The member that tells its tokens; null: such a call costs nothing. */
  usage: string | null
  /** An error is also one that has `error` as its `type`. */
  isTyped?: boolean
}>

const NOT_JSON: JudgedAnswer = { verdict: 'not_json', usage: null }
const ERROR: JudgedAnswer = { verdict: 'error', usage: null }
const NEITHER: JudgedAnswer = { verdict: 'neither', usage: null }

/** One scan finds all that is to be known of an answer. */
function judgeBy({ members, usage, isTyped = false }: Marks): Judge {
  const marks = ['error', ...members, ...(isTyped ? ['type'] : [])]
  const [typeAt, usageAt] = [members.length + 1, marks.length]
  const wanted = usage === null ? marks : [...marks, usage]
  return (body) => {
    let spans = scanTopLevel(body, wanted)
    // Usage that is told twice is not told, but the answer is one.
    if (spans === 'duplicate_key') spans = scanTopLevel(body, marks)
    if (typeof spans === 'string') return NOT_JSON
    if (isSaid(body, spans, 0)) return ERROR
    if (isTyped && jsonAt(body, spans, typeAt) === '"error"') return ERROR
    return isAnyFilled(body, spans, members.length)
      ? { verdict: 'answer', usage: jsonAt(body, spans, usageAt) }
      : NEITHER
  }
}

const OPEN_OBJECT = 0x7b
const OPEN_ARRAY = 0x5b
const FIRST_OF_NULL = 0x6e

/** @param members how many there are, behind `error`. */
function isAnyFilled(body: Buffer, spans: Spans, members: number): boolean {
  for (let index = 1; index <= members; index++) {
    const first = body[spans[index * 2] ?? -1] ?? 0
    if (first === OPEN_ARRAY || first === OPEN_OBJECT || (first >= 0x30 && first <= 0x39)) return true
  }
  return false
}

/** Present and not null. */
function isSaid(body: Buffer, spans: Spans, index: number): boolean {
  const start = spans[index * 2] ?? -1
  return start !== -1 && body[start] !== FIRST_OF_NULL
}

function jsonAt(body: Buffer, spans: Spans, index: number): string | null {
  const start = spans[index * 2] ?? -1
  return start === -1 ? null : body.toString('utf8', start, spans[index * 2 + 1])
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
  if (tail.includes(END_OF_ERROR) && (isData(tail, '{"error":') || isFinish(tail, '"error"')))
    return 'error_told'
  return isData(tail, '[DONE]') || isFinish(tail, '"') ? 'finished' : 'broken'
}

/** Of the word, where it is a name or a value: few other words end so, and a search for few letters is quick. */
const END_OF_ERROR = 'ror"'

const isFinish = (tail: string, reason: string): boolean =>
  tail.includes(`"finish_reason":${reason}`) || tail.includes(`"finish_reason": ${reason}`)

const DATA = 'data:'

/** Is there a line of data that begins so? Searched from the end; a pattern would try every character. */
function isData(text: string, beginning: string): boolean {
  for (let at = text.lastIndexOf(beginning); at !== -1; at = lastBefore(text, beginning, at)) {
    const end = text[at - 1] === ' ' ? at - 1 : at
    const start = end - DATA.length
    if (text.startsWith(DATA, start) && (start === 0 || isLineEnd(text[start - 1]))) return true
  }
  return false
}

const lastBefore = (text: string, part: string, at: number): number =>
  at === 0 ? -1 : text.lastIndexOf(part, at - 1)

const isLineEnd = (letter: string | undefined): boolean => letter === '\n' || letter === '\r'
