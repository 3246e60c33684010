/**
 * Turns → Gemini's contents, as JSON text.
 *
 * Pure. Arguments of calls are spliced in as they were written, so that no number is rounded on its way.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import { fits, type Carrier } from '../canonical/carrier.ts'
import { isObject, parseJson, type JsonObject } from '../canonical/json.ts'
import type { Losses } from '../canonical/loss.ts'
import type {
  CanonicalRequest,
  MediaPart,
  Part,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../canonical/request.ts'
import type { WriteTarget } from '../dialect.ts'
import { fitCallIds } from '../repair/call-ids.ts'
import { wrapText } from '../repair/custom-tools.ts'
import { mediaKindOf, sniffMimeType } from '../repair/media.ts'
import { dropEmpty, mergeRuns, pairResults } from '../repair/turns.ts'
import { UNSIGNED } from './terms.ts'

type Context = Readonly<{
  request: CanonicalRequest
  target: WriteTarget
  /** The name that a tool has for this target. */
  sent: (name: string) => string
  /** Call id → name, where a result does not say it. */
  names: ReadonlyMap<string, string>
}>

/** Gemini wants somebody to have spoken before the model did. */
const OPENING: Turn = { role: 'user', parts: [{ kind: 'text', text: '.' }] }

/** @returns the JSON text of the list. */
export function writeContents(
  request: CanonicalRequest,
  target: WriteTarget,
  sent: (name: string) => string,
  losses: Losses,
): string {
  const { capabilities } = target
  const names = namesOf(request.turns)
  request.turns.forEach((turn, index) => noteLosses(turn, index, target, names, losses))
  const spoken = request.turns.map((turn, index) => settle(turn, index, losses))
  const turns = [...dropEmpty(mergeRuns(fitIds(pairResults(spoken, losses), capabilities)))]
  if (turns[0]?.role === 'assistant') {
    losses.warn('turns[0]', 'synthesised')
    turns.unshift(OPENING)
  }
  if (!capabilities.prefill && turns.at(-1)?.role === 'assistant')
    losses.refuse(`turns[${request.turns.length - 1}]`, 'This model does not go on with an answer begun.')
  const context = { request, target, sent, names: new Map([...names, ...namesOf(turns)]) }
  const contents: string[] = []
  turns.forEach((turn) => {
    const parts = writeTurn(turn, context, losses)
    if (parts.length === 0) return
    const role = turn.role === 'assistant' ? 'model' : 'user'
    contents.push(`{"role":"${role}","parts":[${parts.join(',')}]}`)
  })
  return `[${contents.join(',')}]`
}

const fitIds = (turns: readonly Turn[], { callIdLength, callIdForm }: Capabilities): readonly Turn[] =>
  fitCallIds(turns, { length: callIdLength, form: callIdForm })

function namesOf(turns: readonly Turn[]): Map<string, string> {
  const names = new Map<string, string>()
  for (const { parts } of turns)
    for (const part of parts) if (part.kind === 'tool-call') names.set(part.id, part.name)
  return names
}

/** There is one instruction, at the top: what comes later is said by the user. */
function settle(turn: Turn, index: number, losses: Losses): Turn {
  if (turn.role !== 'system' && turn.role !== 'developer') return turn
  losses.warn(`turns[${index}]`, 'degraded')
  return { role: 'user', parts: turn.parts }
}

/** What cannot be said here, told by the places where the client said it. */
function noteLosses(
  turn: Turn,
  index: number,
  { capabilities }: WriteTarget,
  names: ReadonlyMap<string, string>,
  losses: Losses,
): void {
  turn.parts.forEach((part, place) => {
    const at = `turns[${index}].parts[${place}]`
    if (part.kind === 'media') noteMedia(part, at, capabilities, losses)
    if (part.kind === 'native' && part.dialect !== 'gemini')
      losses.refuse(at, `A part of type '${part.type}' has no counterpart at this provider.`)
    if (part.kind === 'tool-call' && !part.isCustom && rawArgs(part.args) === null)
      losses.warn(at, 'degraded')
    if (part.kind !== 'tool-result') return
    if (part.name === undefined && !names.has(part.callId))
      losses.refuse(at, 'The result names no function, and no call has its id.')
    for (const piece of part.content) {
      if (piece.kind !== 'media') continue
      noteMedia(piece, at, capabilities, losses)
      if (!capabilities.toolResultMedia) losses.warn(at, 'moved')
    }
  })
}

function noteMedia(part: MediaPart, at: string, capabilities: Capabilities, losses: Losses): void {
  const { source, media } = part
  if (source.kind === 'text') return
  if (!capabilities.media.includes(media)) losses.refuse(at, `This model does not take ${media} input.`)
  else if (source.kind === 'file' && source.dialect !== 'gemini')
    losses.refuse(at, 'A file of one provider cannot be opened by another.')
  else if (source.kind === 'url' && !capabilities.urlMedia)
    losses.refuse(at, 'This provider does not fetch media by URL.')
}

function writeTurn(turn: Turn, context: Context, losses: Losses): readonly string[] {
  const written: string[] = []
  const moved: string[] = []
  let hasCall = false
  for (const part of turn.parts) {
    const isFirstCall = part.kind === 'tool-call' && !hasCall
    if (part.kind === 'tool-call') hasCall = true
    if (part.kind === 'tool-result') written.push(writeResult(part, context, moved))
    else {
      const text = writePart(part, context, isFirstCall, losses)
      if (text !== null) written.push(text)
    }
  }
  return moved.length === 0 ? written : [...written, ...moved]
}

function writePart(part: Part, context: Context, isFirstCall: boolean, losses: Losses): string | null {
  switch (part.kind) {
    case 'text':
      return JSON.stringify({ text: part.text, ...signature(part.carrier, context) })
    case 'refusal':
      return JSON.stringify({ text: part.text })
    case 'reasoning': {
      const state = signature(part.carrier, context)
      // Another model's thoughts say nothing to this one; its own come back with their state.
      if (state.thoughtSignature === undefined && context.request.dialect !== 'gemini') return null
      if (part.text === '' && state.thoughtSignature === undefined) return null
      return JSON.stringify({ text: part.carrier?.text ?? part.text, thought: true, ...state })
    }
    case 'tool-call':
      return writeCall(part, context, isFirstCall, losses)
    case 'media':
      return JSON.stringify(writeMedia(part, context.target.capabilities))
    case 'native':
      return part.dialect === 'gemini' ? JSON.stringify(part.value) : null
    case 'tool-result':
      return null
  }
}

const signature = (carrier: Carrier | undefined, { target }: Context): { thoughtSignature?: string } =>
  carrier !== undefined && fits(carrier, 'gemini', target.provider) ? { thoughtSignature: carrier.data } : {}

function writeCall(part: ToolCallPart, context: Context, isFirst: boolean, losses: Losses): string {
  const args = part.isCustom
    ? wrapText(part.args)
    : (rawArgs(part.args) ?? JSON.stringify({ _raw: part.args }))
  const head = `{"functionCall":{"id":${JSON.stringify(part.id)},"name":${JSON.stringify(context.sent(part.name))}`
  const { thoughtSignature } = signature(part.carrier, context)
  const isOwed = isFirst && context.target.capabilities.signedCalls === true
  if (thoughtSignature === undefined && isOwed) losses.warn('turns', 'unsigned')
  const state = thoughtSignature ?? (isOwed ? UNSIGNED : undefined)
  return `${head},"args":${args}}${state === undefined ? '' : `,"thoughtSignature":${JSON.stringify(state)}`}}`
}

/** @returns JSON text of an object; null for anything else. */
function rawArgs(args: string): string | null {
  if (args.trim() === '') return '{}'
  return isObject(parseJson(args)) ? args : null
}

function writeResult(part: ToolResultPart, context: Context, moved: string[]): string {
  const { capabilities } = context.target
  const texts: string[] = []
  const media: JsonObject[] = []
  for (const piece of part.content) {
    if (piece.kind === 'text') texts.push(piece.text)
    else if (capabilities.toolResultMedia) media.push(writeMedia(piece, capabilities))
    else {
      texts.push(`(${piece.media} of this result: see below, ${part.callId})`)
      moved.push(JSON.stringify({ text: `Result ${part.callId}:` }))
      moved.push(JSON.stringify(writeMedia(piece, capabilities)))
    }
  }
  const name = JSON.stringify(context.sent(part.name ?? context.names.get(part.callId) ?? ''))
  const response = writeResponse(texts, part.isError)
  const extra = media.length === 0 ? '' : `,"parts":${JSON.stringify(media)}`
  return `{"functionResponse":{"id":${JSON.stringify(part.callId)},"name":${name},"response":${response}${extra}}}`
}

/** An object is the response; any other text stands in one. */
function writeResponse(texts: readonly string[], isError: boolean): string {
  if (texts.length === 0) return isError ? '{"error":""}' : '{}'
  const text = texts.join('\n')
  if (isError) return `{"error":${JSON.stringify(text)}}`
  return isObject(parseJson(text)) ? text : `{"output":${JSON.stringify(text)}}`
}

const RESOLUTIONS: Readonly<Record<string, string>> = {
  low: 'MEDIA_RESOLUTION_LOW',
  high: 'MEDIA_RESOLUTION_HIGH',
  original: 'MEDIA_RESOLUTION_ULTRA_HIGH',
}

/** The type by the name's ending, where nobody said it: Gemini must be told one. */
const ENDINGS: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  heic: 'image/heic',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
  mp4: 'video/mp4',
  mov: 'video/quicktime',
  webm: 'video/webm',
}

/** By kind alone, when no name tells more. */
const PLAIN = {
  image: 'image/jpeg',
  document: 'application/pdf',
  audio: 'audio/mpeg',
  video: 'video/mp4',
} as const

function mimeTypeOf(part: MediaPart, name: string): string {
  if (part.mimeType !== undefined) return part.mimeType
  const ending = /\.([a-z0-9]+)(?:[?#]|$)/i.exec(name.slice(-200))?.[1]?.toLowerCase() ?? ''
  const named = Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending] : undefined
  return named !== undefined && mediaKindOf(named) === part.media ? named : PLAIN[part.media]
}

function writeMedia(part: MediaPart, capabilities: Capabilities): JsonObject {
  const { source, filename, title, context, detail } = part
  const level = detail !== undefined && Object.hasOwn(RESOLUTIONS, detail) ? RESOLUTIONS[detail] : undefined
  const resolution =
    level !== undefined && capabilities.partResolution === true ? { mediaResolution: { level } } : {}
  switch (source.kind) {
    case 'text': {
      const head = [title ?? filename, context].filter((line) => line !== undefined)
      return { text: [...head, source.text].join('\n\n') }
    }
    case 'base64': {
      const mimeType = part.mimeType ?? sniffMimeType(source.data) ?? mimeTypeOf(part, filename ?? '')
      return { inlineData: { mimeType, data: source.data }, ...resolution }
    }
    case 'url':
      return { fileData: { mimeType: mimeTypeOf(part, source.url), fileUri: source.url }, ...resolution }
    case 'file':
      return {
        fileData: {
          ...(part.mimeType === undefined ? {} : { mimeType: part.mimeType }),
          fileUri: source.id,
        },
        ...resolution,
      }
  }
}
