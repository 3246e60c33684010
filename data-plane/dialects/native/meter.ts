/**
 * What a provider's own answer says of its tokens, read from a few of its bytes as it passes untouched.
 *
 * Pure. Of a body only the usage member is parsed, of a stream the events that carry it: the last ones, and
 * Anthropic's first. Where an upstream counts nothing, the text that was seen is weighed instead.
 */
import * as anthropic from '../anthropic/terms.ts'
import { isArray, isObject, objectOf, parseJson, type JsonObject, type JsonValue } from '../canonical/json.ts'
import type { DialectName } from '../canonical/request.ts'
import type { Usage } from '../canonical/reply.ts'
import * as gemini from '../gemini/metadata.ts'
import * as chat from '../openai-chat/terms.ts'
import * as responses from '../openai-responses/terms.ts'
import { estimateText } from '../token-count.ts'

export type NativeMeter = Readonly<{
  /** @param usage as the judge of a whole answer found it. @returns null where it says nothing of it. */
  ofBody: (usage: string | null) => Usage | null
  /**
   * @param head the stream up to its first content, and `tail` its last kilobytes, both as latin1 text.
   */
  ofStream: (head: string, tail: string) => Usage | null
}>

/** Anthropic's counts are never both missing where there is a count. */
const readAnthropic = (value: unknown): Usage | null =>
  isObject(value) && (value['input_tokens'] !== undefined || value['output_tokens'] !== undefined)
    ? anthropic.readUsage(value)
    : null

const readResponses = (value: unknown): Usage | null =>
  typeof objectOf(value)['input_tokens'] === 'number' ? responses.readUsage(value) : null

export const NATIVE_METER: Readonly<Record<DialectName, NativeMeter>> = {
  'openai-chat': {
    ofBody: memberReader(chat.readUsage),
    ofStream: (_head, tail) => lastUsage(tail, 'usage', (event) => chat.readUsage(event['usage'])),
  },
  'openai-responses': {
    ofBody: memberReader(readResponses),
    ofStream: (_head, tail) =>
      lastUsage(tail, 'usage', (event) => readResponses(objectOf(event['response'])['usage'])) ??
      cutUsage(tail),
  },
  anthropic: {
    ofBody: memberReader(readAnthropic),
    ofStream: anthropicStream,
  },
  gemini: {
    ofBody: memberReader(gemini.readUsage),
    ofStream: (_head, tail) =>
      lastUsage(tail, 'usageMetadata', (event) => gemini.readUsage(event['usageMetadata'])),
  },
}

function memberReader(read: (value: unknown) => Usage | null): NativeMeter['ofBody'] {
  return (usage) => (usage === null ? null : read(parseJson(usage)))
}

/** More events than this with a usage that says nothing, and there is none: some send `null` with each. */
const EVENTS_TRIED = 8

/** The newest event that tells usage. */
function lastUsage(tail: string, key: string, read: (event: JsonObject) => Usage | null): Usage | null {
  let at = tail.length
  for (let tried = 0; tried < EVENTS_TRIED; tried++) {
    at = at <= 0 ? -1 : tail.lastIndexOf(`"${key}"`, at - 1)
    if (at === -1) return null
    const event = eventAround(tail, at)
    const usage = event === null ? null : read(event)
    if (usage !== null) return usage
    at = lineStart(tail, at)
  }
  return null
}

/** Where the line begins that has this position; most streams have no `\r` at all, so it is sought in one line only. */
function lineStart(text: string, at: number): number {
  const start = text.lastIndexOf('\n', at) + 1
  return start + text.slice(start, at + 1).lastIndexOf('\r') + 1
}

function eventAround(text: string, at: number): JsonObject | null {
  const start = lineStart(text, at)
  const rest = text.slice(start).search(/[\r\n]/)
  const line = text.slice(start, rest === -1 ? undefined : start + rest)
  const data = /^data: ?(.*)$/.exec(line)?.[1]
  const event = data === undefined ? undefined : parseJson(data)
  return isObject(event) ? event : null
}

/**
 * The last event of a Response repeats all of the answer and may begin before what was kept of the stream.
 * Its usage has two objects of plain numbers inside it, and stands behind the answer.
 */
function cutUsage(tail: string): Usage | null {
  const found = [...tail.matchAll(/"usage": ?(\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})/g)].at(-1)?.[1]
  return found === undefined ? null : readResponses(parseJson(found))
}

/** What goes in is told in the first event, what came out in the last but one; both are running totals. */
function anthropicStream(head: string, tail: string): Usage | null {
  const first = lastRaw(head, (event) => objectOf(event['message'])['usage'])
  const last = lastRaw(tail, (event) => (event['type'] === 'message_delta' ? event['usage'] : undefined))
  if (first === null && last === null) return null
  return readAnthropic(anthropic.mergeUsage(first ?? {}, last ?? {}))
}

function lastRaw(text: string, pick: (event: JsonObject) => JsonValue | undefined): JsonObject | null {
  let found: JsonObject | null = null
  lastUsage(text, 'usage', (event) => {
    const value = pick(event)
    if (!isObject(value)) return null
    found = value
    return anthropic.readUsage(value)
  })
  return found
}

/** Members that hold what a model said, in any of the dialects. */
const SAID: ReadonlySet<string> = new Set([
  'content',
  'text',
  'reasoning',
  'reasoning_content',
  'refusal',
  'thinking',
  'partial_json',
  'arguments',
  'delta',
])

/** @returns tokens, about, of what a whole answer's body says. */
export function weighBody(body: Buffer): number {
  return weigh(parseJson(body.toString()), '')
}

/** So much of a stream is looked at: about ten events. All of it would cost more than passing it on. */
const SAMPLE = 2 * 1024
const SAID_IN_TEXT = new RegExp(`"(?:${[...SAID].join('|')})": ?"((?:[^"\\\\]|\\\\.)*)"`, 'g')
/** Responses repeat what they said when a part, an item and the answer is done. */
const REPEATED = /^data: ?\{"type": ?"response\.(?!\w*\.delta").*$/gm

/**
 * What was said in a piece of a stream stands for all of it.
 *
 * @param tail its last kilobytes, as latin1 text. @param bytes length of the whole stream.
 */
export function weighStream(tail: string, bytes: number): number {
  if (tail.length === 0) return 0
  // From the front of what was kept: the very end is frames without words.
  const sample = tail.slice(0, SAMPLE)
  let tokens = 0
  const text = Buffer.from(sample, 'latin1').toString()
  const spoken = text.includes('"response.') ? text.replaceAll(REPEATED, '') : text
  for (const [, said = ''] of spoken.matchAll(SAID_IN_TEXT)) tokens += estimateText(said)
  return tokens * Math.max(1, bytes / sample.length)
}

function weigh(value: JsonValue | undefined, key: string): number {
  if (typeof value === 'string') return SAID.has(key) ? estimateText(value) : 0
  if (isArray(value)) return value.reduce<number>((sum, item) => sum + weigh(item, key), 0)
  if (!isObject(value)) return 0
  return Object.entries(value).reduce((sum, [name, item]) => sum + weigh(item, name), 0)
}

/** What a picture, a sound or a file in a request is taken for, in tokens, and what begins one. */
const MEDIA_TOKENS = 1_100
const MEDIA = ';base64,'
const QUOTE = 0x22

/** @returns tokens, about, of a request by its size: four bytes a token, media apart. */
export function weighRequest(body: Buffer): number {
  let bytes = body.length
  let media = 0
  for (let at = body.indexOf(MEDIA); at !== -1; at = body.indexOf(MEDIA, at + 1)) {
    const end = body.indexOf(QUOTE, at)
    if (end === -1) break
    bytes -= end - at
    media += 1
    at = end
  }
  return Math.ceil(bytes / 4) + media * MEDIA_TOKENS
}

/** Longer bodies are not searched. */
const SEARCHED_BYTES = 8 * 1024
const SAMPLES = 16
const SAMPLE_BYTES = 48

/** @returns tokens, about, as `weighRequest` does, in a time that does not grow with the body. */
export function glanceRequest(body: Buffer): number {
  if (body.length <= SEARCHED_BYTES) return weighRequest(body)
  const step = body.length / SAMPLES
  let encoded = 0
  // From the middle of each part: the ends are frame, whatever it holds.
  for (let at = 0.5; at < SAMPLES; at++) if (isBase64(body, Math.floor(at * step))) encoded += 1
  const text = body.length * (1 - encoded / SAMPLES)
  return Math.ceil(text / 4) + (encoded === 0 ? 0 : MEDIA_TOKENS)
}

/** Media: in words, no space and no comma comes for so long hardly ever. */
function isBase64(body: Buffer, start: number): boolean {
  for (let at = start; at < start + SAMPLE_BYTES; at++) {
    const byte = body[at] ?? 0
    const isLetter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a
    const isDigitOrSign = byte >= 0x2b && byte <= 0x39 && byte !== 0x2c && byte !== 0x2d && byte !== 0x2e
    if (!isLetter && !isDigitOrSign && byte !== 0x3d) return false
  }
  return true
}
