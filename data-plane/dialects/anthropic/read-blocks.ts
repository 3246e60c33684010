/**
 * Content blocks of requests and answers into parts.
 *
 * Pure. Blocks that only Anthropic has (server tools, search results, compaction, …) stay as they are.
 */
import { fits, type Carrier } from '../canonical/carrier.ts'
import {
  arrayOf,
  booleanOf,
  isArray,
  isObject,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '../canonical/json.ts'
import type { AnswerPart } from '../canonical/reply.ts'
import type {
  CacheMark,
  MediaPart,
  NativePart,
  Part,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../canonical/request.ts'
import { DIALECT, readCache, readCitation } from './terms.ts'

/** How opaque text becomes a carrier: a client's may be sealed, an upstream's belongs to its provider. */
export type ReadState = (data: string, form: 'signature' | 'redacted') => Carrier | null

/**
 * @param content a string, or a list of blocks.
 * @returns the parts in their order; sealed state that stood in a block of its own for want of a place is on
 * the part it belongs to again.
 */
export function readContent(content: JsonValue | undefined, readState: ReadState): Part[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content }]
  const parts: Part[] = []
  let forNext: Carrier | undefined
  for (const block of arrayOf(content)) {
    if (!isObject(block)) continue
    const part = readBlock(block, readState)
    if (part === null) continue
    const carrier = part.kind === 'reasoning' ? part.carrier : undefined
    if (carrier?.of === 'next') forNext = carrier
    else if (carrier?.of === 'previous') giveLast(parts, carrier)
    else {
      parts.push(forNext === undefined ? part : withState(part, forNext))
      forNext = undefined
    }
  }
  return parts
}

function giveLast(parts: Part[], carrier: Carrier): void {
  const last = parts.at(-1)
  if (last !== undefined) parts[parts.length - 1] = withState(last, carrier)
}

/** On parts that have a place for state; elsewhere it means nothing. */
function withState(part: Part, carrier: Carrier): Part {
  const own: Carrier = { ...carrier, of: 'own' }
  return part.kind === 'text' || part.kind === 'tool-call' || part.kind === 'reasoning'
    ? { ...part, carrier: own }
    : part
}

/** @returns null for a block without meaning: a sealed state that cannot be opened, and nothing beside it. */
function readBlock(block: JsonObject, readState: ReadState): Part | null {
  switch (block['type']) {
    case 'text':
      return readText(block)
    case 'thinking':
    case 'redacted_thinking':
      return readThinking(block, readState)
    case 'tool_use':
      return readCall(block)
    case 'tool_result':
      return readResult(block)
    case 'image':
    case 'document':
      return readMedia(block) ?? native(block)
    default:
      return native(block)
  }
}

/** A whole block of an answer. */
export function readAnswerBlock(
  block: JsonObject,
  provider: string,
  toolNames: ReadonlyMap<string, string>,
): AnswerPart | null {
  const readState: ReadState = (data, form) => ({ dialect: DIALECT, provider, data, form, of: 'own' })
  switch (block['type']) {
    case 'text':
      return readText(block)
    case 'thinking':
    case 'redacted_thinking':
      return readThinking(block, readState)
    case 'tool_use': {
      const call = readCall(block)
      return { ...call, name: toolNames.get(call.name) ?? call.name }
    }
    default:
      return native(block)
  }
}

const native = (block: JsonObject): NativePart => ({
  kind: 'native',
  dialect: DIALECT,
  type: stringOf(block['type']) ?? 'unknown',
  value: block,
})

const cacheOf = (block: JsonObject): { cache?: CacheMark } => {
  const cache = readCache(block['cache_control'])
  return cache === undefined ? {} : { cache }
}

function readText(block: JsonObject): TextPart {
  const text = stringOf(block['text']) ?? ''
  const citations = arrayOf(block['citations']).filter(isObject)
  return {
    kind: 'text',
    text,
    ...cacheOf(block),
    ...(citations.length === 0 ? {} : { citations: citations.map((one) => readCitation(one, text.length)) }),
  }
}

function readThinking(block: JsonObject, readState: ReadState): ReasoningPart | null {
  const text = stringOf(block['thinking']) ?? ''
  const isRedacted = block['type'] === 'redacted_thinking'
  const data = stringOf(block[isRedacted ? 'data' : 'signature']) ?? ''
  const carrier = data === '' ? null : readState(data, isRedacted ? 'redacted' : 'signature')
  if (carrier === null) return text === '' ? null : { kind: 'reasoning', text, isSummary: false }
  return { kind: 'reasoning', text, isSummary: false, carrier }
}

const CALL_MEMBERS = new Set(['type', 'id', 'name', 'input', 'cache_control', 'caller'])

function readCall(block: JsonObject): ToolCallPart {
  return {
    kind: 'tool-call',
    id: stringOf(block['id']) ?? '',
    name: stringOf(block['name']) ?? '',
    args: JSON.stringify(block['input'] ?? {}),
    isCustom: false,
    ...nativeMembers(
      block,
      CALL_MEMBERS,
      isObject(block['caller']) && block['caller']['type'] !== 'direct' ? ['caller'] : [],
    ),
  }
}

/** Members that only Anthropic has, kept for Anthropic. */
export function nativeMembers(
  value: JsonObject,
  known: ReadonlySet<string>,
  besides: readonly string[] = [],
): { native?: NonNullable<ToolCallPart['native']> } {
  const kept = Object.entries(value).filter(([key]) => !known.has(key) || besides.includes(key))
  return kept.length === 0 ? {} : { native: { dialect: DIALECT, value: Object.fromEntries(kept) } }
}

const RESULT_MEMBERS = new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control'])

function readResult(block: JsonObject): ToolResultPart {
  const isWhole = arrayOf(block['content']).every((piece) => isShared(objectOf(piece)['type']))
  return {
    kind: 'tool-result',
    callId: stringOf(block['tool_use_id']) ?? '',
    content: readResultContent(block['content']),
    isError: block['is_error'] === true,
    isCustom: false,
    ...cacheOf(block),
    ...nativeMembers(block, RESULT_MEMBERS, isWhole ? [] : ['content']),
  }
}

/** Content that other dialects have as well. */
const isShared = (type: JsonValue | undefined): boolean =>
  type === 'text' || type === 'image' || type === 'document'

function readResultContent(content: JsonValue | undefined): (TextPart | MediaPart)[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content }]
  return arrayOf(content).flatMap((piece): (TextPart | MediaPart)[] => {
    if (!isObject(piece)) return []
    if (piece['type'] === 'text') return [readText(piece)]
    const media = piece['type'] === 'image' || piece['type'] === 'document' ? readMedia(piece) : null
    // A search result, a reference to a tool: said as it was written rather than left out.
    return [media ?? { kind: 'text', text: readSearchResult(piece) ?? JSON.stringify(piece) }]
  })
}

function readSearchResult(block: JsonObject): string | null {
  if (block['type'] !== 'search_result') return null
  const texts = arrayOf(block['content']).map((piece) => stringOf(objectOf(piece)['text']) ?? '')
  return [stringOf(block['title']) ?? '', stringOf(block['source']) ?? '', ...texts].join('\n')
}

/** @returns null for a source that no other dialect could tell: blocks within a document. */
function readMedia(block: JsonObject): MediaPart | null {
  const source = readSource(objectOf(block['source']))
  if (source === null) return null
  const title = stringOf(block['title'])
  const context = stringOf(block['context'])
  const isCited = booleanOf(objectOf(block['citations'])['enabled'])
  const oversized = objectOf(block['transformations'])['oversized_image']
  return {
    kind: 'media',
    media: block['type'] === 'image' ? 'image' : 'document',
    ...source,
    ...(title === undefined ? {} : { title }),
    ...(context === undefined ? {} : { context }),
    ...(isCited === undefined ? {} : { isCited }),
    ...(oversized === undefined ? {} : { detail: oversized === 'error' ? 'original' : 'auto' }),
    ...cacheOf(block),
  }
}

function readSource(source: JsonObject): Pick<MediaPart, 'source' | 'mimeType'> | null {
  const mimeType = stringOf(source['media_type'])
  const typed = mimeType === undefined ? {} : { mimeType }
  switch (source['type']) {
    case 'base64':
      return { source: { kind: 'base64', data: stringOf(source['data']) ?? '' }, ...typed }
    case 'url':
      return { source: { kind: 'url', url: stringOf(source['url']) ?? '' } }
    case 'file':
      return { source: { kind: 'file', id: stringOf(source['file_id']) ?? '', dialect: DIALECT } }
    case 'text':
      return { source: { kind: 'text', text: stringOf(source['data']) ?? '' }, ...typed }
    case 'content': {
      const text = textOf(source['content'])
      return text === null ? null : { source: { kind: 'text', text } }
    }
    default:
      return null
  }
}

function textOf(content: JsonValue | undefined): string | null {
  if (typeof content === 'string') return content
  if (!isArray(content)) return null
  const texts = content.map((piece) =>
    isObject(piece) && piece['type'] === 'text' ? stringOf(piece['text']) : undefined,
  )
  return texts.every((text) => text !== undefined) ? texts.join('\n') : null
}

/** State a request may send back: Anthropic's own, and of the provider it goes to. */
export const isOwnState = (carrier: Carrier | undefined, provider: string): carrier is Carrier =>
  carrier !== undefined && carrier.of === 'own' && fits(carrier, DIALECT, provider)
