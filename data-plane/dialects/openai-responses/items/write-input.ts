/**
 * The conversation as Responses items.
 *
 * Pure. Items are written without ids, which mean something only where they were stored; a reasoning item
 * keeps the id that its state came with.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import { fits } from '../../canonical/carrier.ts'
import { isObject, type JsonObject, type JsonValue } from '../../canonical/json.ts'
import type { Losses } from '../../canonical/loss.ts'
import type {
  CacheMark,
  MediaPart,
  NativePart,
  Part,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../../canonical/request.ts'
import { wrapText } from '../../repair/custom-tools.ts'
import { shortHash } from '../../repair/hash.ts'
import { dataUrl } from '../../repair/media.ts'
import { NAME } from '../terms.ts'

export type ItemTarget = Readonly<{
  provider: string
  capabilities: Capabilities
  /** The client speaks this dialect itself: its words are left to the upstream's judgement. */
  own: boolean
  /** A tool's name → as the target takes it. */
  sent: (name: string) => string
  losses: Losses
}>

type Writing = ItemTarget & {
  readonly items: JsonValue[]
  /** Calls that were written as free-form ones: their results have to be, too. */
  readonly customCalls: Set<string>
}

export function writeItems(turns: readonly Turn[], target: ItemTarget): readonly JsonValue[] {
  const writing: Writing = { ...target, items: [], customCalls: new Set() }
  turns.forEach((turn, index) => {
    if (turn.role === 'assistant') writeAnswer(turn, `turns[${index}]`, writing)
    else writeMessage(turn, `turns[${index}]`, writing)
  })
  return writing.items
}

// The client's side

/** Parts of one turn are one message, results before and between them items of their own. */
function writeMessage(turn: Turn, at: string, writing: Writing): void {
  const role = turn.role === 'user' || writing.own ? turn.role : writing.capabilities.systemRole
  let content: JsonObject[] = []
  const flush = (): void => {
    if (content.length > 0) writing.items.push(message(role, content))
    content = []
  }
  turn.parts.forEach((part, index) => {
    const place = `${at}.parts[${index}]`
    if (part.kind === 'tool-result') {
      flush()
      content.push(...writeResult(part, place, writing))
    } else if (part.kind === 'native') {
      flush()
      writeNative(part, place, writing)
    } else {
      const written = writeContent(part, place, writing)
      if (written !== null) content.push(written)
    }
  })
  flush()
}

const message = (role: Turn['role'], content: readonly JsonObject[]): JsonObject => ({
  type: 'message',
  role,
  content: plainText(content) ?? content,
})

/** @returns the text when that is all there is. */
function plainText(content: readonly JsonObject[]): string | null {
  const [only, ...more] = content
  if (only === undefined || more.length > 0 || only['type'] !== 'input_text') return null
  if (only['prompt_cache_breakpoint'] !== undefined) return null
  return typeof only['text'] === 'string' ? only['text'] : null
}

/** @returns null for what has no place in a message. */
function writeContent(part: Part, at: string, target: ItemTarget): JsonObject | null {
  if (part.kind === 'text') return writeText(part, target)
  if (part.kind === 'refusal') return { type: 'input_text', text: part.text }
  return part.kind === 'media' ? writeMedia(part, at, target) : null
}

const writeText = (part: TextPart, target: ItemTarget): JsonObject => ({
  type: 'input_text',
  text: part.text,
  ...cacheMark(part.cache, target.capabilities),
})

export const NO_MARK: JsonObject = {}
const MARK: JsonObject = { prompt_cache_breakpoint: { mode: 'explicit' } }

export const cacheMark = (cache: CacheMark | undefined, { cacheMarks }: Capabilities): JsonObject =>
  cache !== undefined && cacheMarks ? MARK : NO_MARK

/** @returns null when it cannot be sent, which is told. */
function writeMedia(part: MediaPart, at: string, target: ItemTarget): JsonObject | null {
  const { capabilities, losses, own } = target
  const { source, media } = part
  if (!own && (media === 'audio' || media === 'video' || !capabilities.media.includes(media))) {
    losses.refuse(at, `The model takes no ${media} input.`)
    return null
  }
  if (source.kind === 'url' && !capabilities.urlMedia && !own) {
    losses.refuse(at, 'The provider does not fetch media from URLs; send the data itself.')
    return null
  }
  if (source.kind === 'file' && source.dialect !== NAME) {
    losses.refuse(at, 'A file of one provider means nothing to another; send the data itself.')
    return null
  }
  if (part.context !== undefined) losses.warn(at, 'degraded')
  const mark = cacheMark(part.cache, capabilities)
  if (media === 'image') return { ...writeImage(part), ...mark }
  if (media === 'audio') return writeAudio(part)
  if (media === 'video') return { type: 'input_video', video_url: addressOf(part) }
  return { ...writeFile(part), ...mark }
}

const addressOf = ({ source, mimeType }: MediaPart): string => {
  if (source.kind === 'url') return source.url
  return source.kind === 'base64' ? dataUrl(mimeType ?? 'application/octet-stream', source.data) : ''
}

const writeImage = (part: MediaPart): JsonObject => ({
  type: 'input_image',
  detail: part.detail ?? 'auto',
  ...(part.source.kind === 'file'
    ? { file_id: part.source.id }
    : { image_url: addressOf({ ...part, mimeType: part.mimeType ?? 'image/png' }) }),
})

const writeAudio = ({ source, mimeType }: MediaPart): JsonObject => ({
  type: 'input_audio',
  input_audio: {
    data: source.kind === 'base64' ? source.data : '',
    format: mimeType === 'audio/mpeg' ? 'mp3' : (mimeType ?? 'audio/wav').slice('audio/'.length),
  },
})

function writeFile(part: MediaPart): JsonObject {
  const { source } = part
  if (source.kind === 'file') return { type: 'input_file', file_id: source.id }
  if (source.kind === 'url') return { type: 'input_file', file_url: source.url }
  const isText = source.kind === 'text'
  const mimeType = isText ? 'text/plain' : (part.mimeType ?? 'application/pdf')
  const data = isText ? Buffer.from(source.text).toString('base64') : source.data
  return {
    type: 'input_file',
    // Data without a name is refused.
    filename: part.filename ?? `${part.title ?? 'document'}.${extensionOf(mimeType)}`,
    file_data: dataUrl(mimeType, data),
  }
}

const extensionOf = (mimeType: string): string =>
  mimeType === 'text/plain' ? 'txt' : mimeType.slice(mimeType.indexOf('/') + 1)

/** @returns media that cannot stand in a result here: they follow in a message. */
function writeResult(part: ToolResultPart, at: string, writing: Writing): readonly JsonObject[] {
  const { capabilities, customCalls, own } = writing
  const inside: JsonObject[] = []
  const after: JsonObject[] = []
  for (const piece of part.content) {
    const written = writeContent(piece, at, writing)
    if (written === null) continue
    if (piece.kind === 'text' || own || capabilities.toolResultMedia) inside.push(written)
    else after.push(written)
  }
  if (after.length > 0) {
    writing.losses.warn(at, 'degraded')
    inside.push({ type: 'input_text', text: 'What this tool returned is in the next message.' })
  }
  const isCustom = customCalls.has(part.callId) || (own && part.isCustom)
  writing.items.push({
    type: isCustom ? 'custom_tool_call_output' : 'function_call_output',
    call_id: part.callId,
    output: inside.length === 0 ? '' : (plainText(inside) ?? inside),
  })
  return after
}

// The model's side

function writeAnswer(turn: Turn, at: string, writing: Writing): void {
  const pictures: JsonObject[] = []
  turn.parts.forEach((part, index) => {
    const place = `${at}.parts[${index}]`
    switch (part.kind) {
      case 'text':
        sayText(part, turn.parts[index - 1], writing)
        return
      case 'refusal':
        writing.items.push(refusal(part.text))
        return
      case 'reasoning':
        writeReasoning(part, writing)
        return
      case 'tool-call':
        writeCall(part, writing)
        return
      case 'native':
        writeNative(part, place, writing)
        return
      case 'media': {
        // A picture the model made: here only the client can show one.
        const written = writeMedia(part, place, writing)
        if (written === null) return
        writing.losses.warn(place, 'degraded')
        pictures.push(written)
        return
      }
      case 'tool-result':
        return
    }
  })
  if (pictures.length > 0) writing.items.push(message('user', pictures))
}

/** A text that was only cut in two where its citations begin stays one message. */
function sayText(part: TextPart, before: Part | undefined, writing: Writing): void {
  const last = writing.items.at(-1)
  const wasCut =
    before?.kind === 'text' &&
    before.phase === part.phase &&
    (before.citations !== undefined || part.citations !== undefined)
  if (wasCut && isSaid(last)) {
    writing.items.splice(-1, 1, { ...last, content: last.content + part.text })
    return
  }
  writing.items.push({
    type: 'message',
    role: 'assistant',
    content: part.text,
    ...(part.phase === undefined ? {} : { phase: part.phase }),
  })
}

const isSaid = (item: JsonValue | undefined): item is JsonObject & { content: string } =>
  isObject(item) && typeof item['content'] === 'string' && item['role'] === 'assistant'

/** Only the full form of a message takes a refusal. */
const refusal = (text: string): JsonObject => ({
  type: 'message',
  id: `msg_${shortHash(text, ID_LENGTH)}`,
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'refusal', refusal: text }],
})

const ID_LENGTH = 24

/**
 * Reasoning goes back with its state, or, to hosts that want the thought itself back, as text. Nothing is
 * lost to see when it does not: the client has read it, the model makes its own.
 */
function writeReasoning({ text, isSummary, carrier }: ReasoningPart, target: Writing): void {
  const state = carrier !== undefined && fits(carrier, NAME, target.provider) ? carrier : null
  const said = state?.text ?? text
  const wantsText = target.capabilities.reasoningReplay !== 'none' && !isSummary && said !== ''
  if (state === null && !wantsText) return
  target.items.push({
    type: 'reasoning',
    id: state?.id ?? `rs_${shortHash(state?.data ?? said, ID_LENGTH)}`,
    summary: isSummary && said !== '' ? [{ type: 'summary_text', text: said }] : [],
    ...(isSummary || said === '' ? {} : { content: [{ type: 'reasoning_text', text: said }] }),
    ...(state === null ? {} : { encrypted_content: state.data }),
  })
}

function writeCall(part: ToolCallPart, writing: Writing): void {
  const { id, args, isCustom } = part
  const name = writing.sent(part.name)
  const isFree = isCustom && (writing.own || writing.capabilities.customTools)
  if (isFree) {
    writing.customCalls.add(id)
    writing.items.push({ type: 'custom_tool_call', call_id: id, name, input: args })
    return
  }
  const text = isCustom ? wrapText(args) : args === '' ? '{}' : args
  writing.items.push({ type: 'function_call', call_id: id, name, arguments: text })
}

/** What is left of a search after its answer is a trace; everything else was part of what was said. */
const TRACES = /^(server_tool_use|web_search)/

function writeNative(part: NativePart, at: string, { items, losses }: Writing): void {
  if (part.dialect === NAME) items.push(part.value)
  else if (TRACES.test(part.type)) losses.warn(at, 'dropped')
  else losses.refuse(at, `The provider has no content of type '${part.type}'.`)
}
