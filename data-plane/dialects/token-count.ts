/**
 * Counting the tokens of a request that is not sent: Anthropic's `count_tokens`, Gemini's `countTokens`,
 * OpenAI's `/responses/input_tokens`, and an estimate for targets that have nothing of the kind.
 *
 * Pure. What is counted is the request that would be generated from, so it is read and written by the
 * dialects like any other; here is only what goes around it.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Carrier } from './canonical/carrier.ts'
import { isObject, numberOf, type JsonObject, type JsonValue } from './canonical/json.ts'
import type { CanonicalRequest, DialectName, MediaPart, Part, Tool } from './canonical/request.ts'

/** What the endpoints take; the others are refused as unknown. */
const ANTHROPIC = [
  'model',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'cache_control',
  'context_management',
  'mcp_servers',
  'speed',
  'messages',
]
const RESPONSES = [
  'model',
  'instructions',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'text',
  'reasoning',
  'truncation',
  'conversation',
  'previous_response_id',
  'personality',
  'input',
]

const only = (body: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(names.flatMap((name) => (body[name] === undefined ? [] : [[name, body[name]]])))

/**
 * The body of a generation → the body that has its tokens counted.
 *
 * @param model Gemini says it in the body here, although it stands in the address.
 * @returns null for dialects without such an endpoint.
 */
export function toCountBody(dialect: DialectName, body: JsonObject, model: string): JsonObject | null {
  switch (dialect) {
    case 'anthropic':
      return only(body, ANTHROPIC)
    case 'openai-responses':
      return only(body, RESPONSES)
    case 'gemini':
      return { generateContentRequest: { model: `models/${model.replace(/^models\//, '')}`, ...body } }
    case 'openai-chat':
      return null
  }
}

/** A client's body for counting → the generation it is about. Only Gemini wraps it. */
export function fromCountBody(dialect: DialectName, body: JsonObject): Result<JsonObject, Problem> {
  if (dialect !== 'gemini') return ok(body)
  const wrapped = body['generateContentRequest'] ?? body['generate_content_request']
  if (wrapped === undefined) return ok(body)
  if (!isObject(wrapped) || body['contents'] !== undefined) {
    return err({
      code: 'invalid_value',
      param: 'generateContentRequest',
      message: "Either 'contents' or 'generateContentRequest' must be given.",
    })
  }
  return ok(wrapped)
}

/** @returns null for an answer that tells no count. */
export function readCount(dialect: DialectName, body: JsonObject): number | null {
  const count = numberOf(body[dialect === 'gemini' ? 'totalTokens' : 'input_tokens'])
  return count === undefined || count < 0 ? null : count
}

export function writeCount(dialect: DialectName, tokens: number): JsonObject {
  switch (dialect) {
    case 'gemini':
      return { totalTokens: tokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens }] }
    case 'anthropic':
      return { input_tokens: tokens }
    case 'openai-responses':
    case 'openai-chat':
      return { object: 'response.input_tokens', input_tokens: tokens }
  }
}

/** Around each turn, and around each tool, call and result, in tokens. */
const TURN = 2
const TOOL = 6

/** Declarations are rewritten by the vendors, tersely: JSON's quotes and braces cost little there. */
const TERSE = 0.6

/** Characters of a signature for each token of the thought that it brings back. */
const SIGNATURE = 5

/** What a picture costs at about a megapixel: 765 to 1 600 by vendor. */
const IMAGE = 1_100
/** A page of a PDF as text and picture, and how many bytes one usually takes. */
const PAGE = 1_500
const PAGE_BYTES = 50_000
/** Of a document whose size is not known. */
const PAGES = 4
/** Bytes of compressed sound (16 kB a second) and film (250 kB a second) for a token, at Gemini's 32 and 300 a second. */
const AUDIO_BYTES = 500
const VIDEO_BYTES = 830
/** Half a minute, of sound or film whose size is not known. */
const AUDIO = 1_000
const VIDEO = 9_000

/**
 * An estimate, to be marked as one. Texts of recorded requests come, all together, within a quarter of what
 * Google counted; media go by their size alone.
 *
 * Four ASCII characters make a token, two of other alphabets, one of Chinese, Japanese and Korean; half of
 * that again for characters beyond the first 65 536, which are mostly emoji.
 */
export function estimateTokens(request: CanonicalRequest): number {
  let tokens = 0
  for (const { text } of request.system) tokens += TURN + estimateText(text)
  for (const { parts } of request.turns) tokens += TURN + parts.reduce((sum, part) => sum + ofPart(part), 0)
  for (const tool of request.tools) tokens += TOOL + TERSE * ofJson(essence(tool))
  if (request.format?.kind === 'schema') tokens += TOOL + TERSE * ofJson(request.format.schema)
  return Math.ceil(tokens)
}

/** @returns tokens, not rounded. */
export function estimateText(text: string): number {
  let quarters = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit < 0x80) quarters += 1
    else if (unit < 0x2e80) quarters += 2
    // Either half of a pair.
    else if (unit >= 0xd800 && unit < 0xe000) quarters += 3
    else quarters += 4
  }
  return quarters / 4
}

const ofJson = (value: JsonValue): number => estimateText(JSON.stringify(value))

function ofPart(part: Part): number {
  switch (part.kind) {
    case 'text':
    case 'reasoning':
      return estimateText(part.text) + ofState(part.carrier)
    case 'refusal':
      return estimateText(part.text)
    case 'tool-call':
      return TOOL + estimateText(part.name) + estimateText(part.args) + ofState(part.carrier)
    case 'tool-result':
      return TOOL + part.content.reduce((sum, piece) => sum + ofPart(piece), 0)
    case 'media':
      return ofMedia(part)
    case 'native':
      return ofJson(part.value)
  }
}

const ofState = (carrier: Carrier | undefined): number => (carrier?.data.length ?? 0) / SIGNATURE

function ofMedia({ source, media, mimeType }: MediaPart): number {
  if (source.kind === 'text') return estimateText(source.text)
  const bytes = source.kind === 'base64' ? (source.data.length * 3) / 4 : null
  if (bytes !== null && mimeType?.startsWith('text/') === true) return bytes / 4
  switch (media) {
    case 'image':
      return IMAGE
    case 'document':
      return PAGE * (bytes === null ? PAGES : Math.max(1, Math.round(bytes / PAGE_BYTES)))
    case 'audio':
      return bytes === null ? AUDIO : bytes / AUDIO_BYTES
    case 'video':
      return bytes === null ? VIDEO : bytes / VIDEO_BYTES
  }
}

const essence = (tool: Tool): JsonValue =>
  tool.kind === 'function' || tool.kind === 'custom'
    ? {
        name: tool.name,
        description: tool.description,
        parameters: tool.kind === 'function' ? tool.parameters : tool.format,
      }
    : tool.value
