/**
 * The conversation as Anthropic's messages.
 *
 * Pure. Turns are brought into the order that the API insists on: every call answered in the next turn, no
 * empty texts, system turns only where the model knows them, a user's turn first.
 */
import type { JsonObject } from '../canonical/json.ts'
import { isObject, parseJson } from '../canonical/json.ts'
import type { Losses } from '../canonical/loss.ts'
import type {
  CacheMark,
  CanonicalRequest,
  MediaPart,
  Part,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../canonical/request.ts'
import type { WriteTarget } from '../dialect.ts'
import { fitCallIds } from '../repair/call-ids.ts'
import { wrapText } from '../repair/custom-tools.ts'
import { sniffMimeType } from '../repair/media.ts'
import type { ToolNames } from '../repair/tool-names.ts'
import { dropEmpty, mergeRuns, pairResults } from '../repair/turns.ts'
import { isOwnState } from './read-blocks.ts'
import { DIALECT, FILLER, isNativeCitation, writeCitation } from './terms.ts'

/** What writers of one request share. */
export type Writing = Readonly<{
  request: CanonicalRequest
  target: WriteTarget
  losses: Losses
  names: ToolNames
  /** The member `cache_control`, as long as marks are left. */
  mark: (cache: CacheMark | undefined) => JsonObject
}>

/** In the order of the API, still in canonical words. An Anthropic client's own order is left alone. */
export function arrange(writing: Writing): readonly Turn[] {
  const { request, target, losses } = writing
  const { callIdLength: length, callIdForm: form, midSystem } = target.capabilities
  if (request.dialect === DIALECT)
    return fitCallIds(dropEmpty(withoutForeign(request.turns, target)), { length, form })
  const paired = pairResults(withoutForeign(request.turns, target), losses)
  const shown = target.capabilities.toolResultMedia
    ? paired
    : paired.map((turn) => besideResults(turn, losses))
  const placed = placeSystemTurns(dropEmpty(shown), midSystem, writing)
  const turns = [...fitCallIds(mergeRuns(placed), { length, form })]
  if (turns[0]?.role !== 'user') {
    losses.warn('turns[0]', 'synthesised')
    turns.unshift({ role: 'user', parts: [{ kind: 'text', text: FILLER }] })
  }
  const last = turns.at(-1)
  if (last?.role === 'assistant') {
    turns.splice(-1, 1, ...prefill(last, request, target.capabilities.prefill, losses))
  }
  return turns
}

/** Thoughts without state that is Claude's own cannot be sent back; what was said remains. */
const withoutForeign = (turns: readonly Turn[], { provider }: WriteTarget): readonly Turn[] =>
  turns.map((turn) => {
    const parts = turn.parts.filter((part) => part.kind !== 'reasoning' || isOwnState(part.carrier, provider))
    return parts.length === turn.parts.length ? turn : { ...turn, parts }
  })

const ELSEWHERE: TextPart = { kind: 'text', text: 'See the content after this result.' }

/** For servers that take only text in results: media follow them in the same turn. */
function besideResults(turn: Turn, losses: Losses): Turn {
  const moved: MediaPart[] = []
  const parts = turn.parts.map((part): Part => {
    if (part.kind !== 'tool-result') return part
    const media = part.content.filter((piece) => piece.kind === 'media')
    if (media.length === 0) return part
    moved.push(...media)
    return { ...part, content: [...part.content.filter((piece) => piece.kind === 'text'), ELSEWHERE] }
  })
  if (moved.length === 0) return turn
  losses.warn('turns', 'moved')
  const after = parts.findLastIndex(({ kind }) => kind === 'tool-result') + 1
  return { ...turn, parts: [...parts.slice(0, after), ...moved, ...parts.slice(after)] }
}

/** A begun answer: only for models that continue it, and without blanks at its end. */
function prefill(turn: Turn, request: CanonicalRequest, isTaken: boolean, losses: Losses): Turn[] {
  const at = `turns[${request.turns.length - 1}]`
  if (!isTaken)
    losses.refuse(at, 'This model does not continue an answer: the last message must be the user’s.')
  const part = turn.parts.at(-1)
  if (part?.kind !== 'text' || part.text === part.text.trimEnd()) return [turn]
  const text = part.text.trimEnd()
  losses.warn(at, 'trimmed')
  const parts = [...turn.parts.slice(0, -1), ...(text === '' ? [] : [{ ...part, text }])]
  return parts.length === 0 ? [] : [{ ...turn, parts }]
}

/**
 * A system turn may stand after a user's turn; one that stands after an answer waits for the next user's
 * turn. Models that know none read it as a user's words.
 */
function placeSystemTurns(turns: readonly Turn[], isKnown: boolean, writing: Writing): readonly Turn[] {
  const placed: Turn[] = []
  let waiting: Turn[] = []
  for (const turn of turns) {
    if (turn.role === 'user' || turn.role === 'assistant') {
      if (turn.role === 'assistant') placed.push(...waiting.map(asUser))
      placed.push(turn)
      if (turn.role === 'user') placed.push(...waiting)
      waiting = []
      continue
    }
    const before = placed.at(-1)?.role
    if (!isKnown) {
      writing.losses.warn(placeOf(turn.parts[0], writing), 'degraded')
      placed.push(asUser(turn))
    } else if (before === 'user' || before === 'system') placed.push({ role: 'system', parts: turn.parts })
    else {
      writing.losses.warn(placeOf(turn.parts[0], writing), 'moved')
      waiting.push({ role: 'system', parts: turn.parts })
    }
  }
  return [...placed, ...waiting.map(asUser)]
}

const asUser = ({ parts }: Turn): Turn => ({ role: 'user', parts })

/** @returns JSON texts: calls' arguments stay as the model wrote them. */
export function writeMessages(turns: readonly Turn[], writing: Writing): string[] {
  return turns.flatMap((turn) => {
    const blocks = turn.parts.flatMap((part) => writePart(part, writing))
    return blocks.length === 0
      ? []
      : [`{"role":${JSON.stringify(turn.role)},"content":[${blocks.join(',')}]}`]
  })
}

/** Where a part stands, for what is said about it; arranged turns have other places than the client's. */
function placeOf(part: Part | undefined, { request }: Writing): string {
  if (part === undefined) return 'turns'
  for (const [turn, { parts }] of request.turns.entries()) {
    const index = parts.indexOf(part)
    if (index !== -1) return `turns[${turn}].parts[${index}]`
  }
  return 'turns'
}

function writePart(part: Part, writing: Writing): string[] {
  switch (part.kind) {
    case 'text':
      return [JSON.stringify(writeText(part, writing))]
    case 'refusal':
      return [JSON.stringify({ type: 'text', text: part.text })]
    case 'media': {
      const media = writeMedia(part, part, writing)
      return media === null ? [] : [JSON.stringify(media)]
    }
    case 'reasoning': {
      const { carrier } = part
      if (!isOwnState(carrier, writing.target.provider)) return []
      return [
        JSON.stringify(
          carrier.form === 'redacted'
            ? { type: 'redacted_thinking', data: carrier.data }
            : { type: 'thinking', thinking: carrier.text ?? part.text, signature: carrier.data },
        ),
      ]
    }
    case 'tool-call':
      return [writeCall(part, writing)]
    case 'tool-result':
      return [JSON.stringify(writeResult(part, writing))]
    case 'native':
      if (part.dialect === DIALECT) return [JSON.stringify(part.value)]
      writing.losses.refuse(
        placeOf(part, writing),
        `Content of type '${part.type}' cannot be sent to this model.`,
      )
      return []
  }
}

function writeText(part: TextPart, { mark }: Writing): JsonObject {
  const citations = part.citations?.filter(isNativeCitation) ?? []
  return {
    type: 'text',
    text: part.text,
    ...(citations.length === 0
      ? {}
      : { citations: citations.map((citation) => writeCitation(citation, part.text)) }),
    ...mark(part.cache),
  }
}

function writeCall(part: ToolCallPart, writing: Writing): string {
  const input = part.isCustom ? wrapText(part.args) : objectText(part, writing)
  const own = part.native?.dialect === DIALECT ? JSON.stringify(part.native.value).slice(1, -1) : ''
  return (
    `{"type":"tool_use","id":${JSON.stringify(part.id)},"name":${JSON.stringify(writing.names.sent(part.name))}` +
    `,"input":${input}${own === '' ? '' : `,${own}`}}`
  )
}

/** Arguments must be an object here; what is none is kept under a name of its own. */
function objectText(part: ToolCallPart, writing: Writing): string {
  const text = part.args.trim()
  if (text === '') return '{}'
  if (isObject(parseJson(text))) return text
  writing.losses.warn(placeOf(part, writing), 'wrapped')
  return JSON.stringify({ _raw: part.args })
}

function writeResult(part: ToolResultPart, writing: Writing): JsonObject {
  const blocks = part.content.flatMap((piece): JsonObject[] => {
    if (piece.kind === 'text') return [{ type: 'text', text: piece.text, ...writing.mark(piece.cache) }]
    const media = writeMedia(piece, part, writing)
    return media === null ? [] : [media]
  })
  const [only] = part.content
  const isPlain = part.content.length === 1 && only?.kind === 'text' && only.cache === undefined
  return {
    type: 'tool_result',
    tool_use_id: part.callId,
    ...(blocks.length === 0 ? {} : { content: isPlain ? only.text : blocks }),
    ...(part.isError ? { is_error: true } : {}),
    ...(part.native?.dialect === DIALECT ? part.native.value : {}),
    ...writing.mark(part.cache),
  }
}

const PICTURES = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp'])
const PDF = 'application/pdf'

/**
 * @param owner the part of the turn that it is, or is in.
 * @returns null after a refusal.
 */
function writeMedia(part: MediaPart, owner: Part, writing: Writing): JsonObject | null {
  const { capabilities } = writing.target
  const source = capabilities.media.includes(part.media) ? sourceOf(part, capabilities.urlMedia) : null
  if (source === null || typeof source === 'string') {
    const why = source ?? `This model does not take ${part.media} content.`
    writing.losses.refuse(placeOf(owner, writing), why)
    return null
  }
  if (part.media === 'image') {
    const isOriginal = part.detail === 'original' && writing.request.dialect === DIALECT
    return {
      type: 'image',
      source,
      ...(isOriginal ? { transformations: { oversized_image: 'error' } } : {}),
      ...writing.mark(part.cache),
    }
  }
  const title = part.title ?? part.filename
  return {
    type: 'document',
    source,
    ...(title === undefined ? {} : { title }),
    ...(part.context === undefined ? {} : { context: part.context }),
    ...(part.isCited === undefined ? {} : { citations: { enabled: part.isCited } }),
    ...writing.mark(part.cache),
  }
}

/** @returns why it cannot be sent, as a sentence. */
function sourceOf({ source, media, mimeType }: MediaPart, takesUrls: boolean): JsonObject | string {
  switch (source.kind) {
    case 'url':
      return takesUrls ? { type: 'url', url: source.url } : 'This model does not fetch content by URL.'
    case 'file':
      if (source.dialect !== DIALECT) return 'A file of another provider cannot be sent to this model.'
      return { type: 'file', file_id: source.id }
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: source.text }
    case 'base64': {
      const type = mimeType ?? sniffMimeType(source.data) ?? (media === 'image' ? 'image/png' : PDF)
      if (media === 'image' ? PICTURES.has(type) : type === PDF) {
        return { type: 'base64', media_type: type, data: source.data }
      }
      if (media === 'document' && isText(type)) {
        return { type: 'text', media_type: 'text/plain', data: Buffer.from(source.data, 'base64').toString() }
      }
      return `This model does not take content of type '${type}'.`
    }
  }
}

const isText = (type: string): boolean =>
  type.startsWith('text/') || type === 'application/json' || type === 'application/xml'
