/**
 * Chat messages → system blocks and turns.
 *
 * Pure. Accepts what clients of compatible hosts send besides OpenAI's own parts: reasoning in its several
 * spellings, Mistral's thinking parts, video by URL, cache marks in Anthropic's words.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import type { Carrier, Sealer } from '../../canonical/carrier.ts'
import { arrayOf, isArray, isObject, objectOf, stringOf } from '../../canonical/json.ts'
import type { JsonObject, JsonValue } from '../../canonical/json.ts'
import type {
  MediaPart,
  Part,
  SystemBlock,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
} from '../../canonical/request.ts'
import { isContent, wrongContent } from '../../canonical/shape.ts'
import { shortHash } from '../../repair/hash.ts'
import { mediaKindOf, parseDataUrl, sniffMimeType } from '../../repair/media.ts'
import { clientCarriers, readSignature, readThought, type OpenCarrier } from '../reasoning.ts'
import { readCacheMark } from '../terms.ts'

export type ReadMessages = Readonly<{ system: readonly SystemBlock[]; turns: readonly Turn[] }>

/** Calls seen so far: what results need to know of them. */
type Calls = {
  readonly custom: Set<string>
  /** Legacy functions: name → id given to its latest call. */
  readonly legacy: Map<string, string>
}

export function readMessages(messages: readonly JsonValue[], sealer: Sealer): Result<ReadMessages, Problem> {
  const open = clientCarriers(sealer)
  const calls: Calls = { custom: new Set(), legacy: new Map() }
  const system: SystemBlock[] = []
  const turns: Turn[] = []
  for (const [index, message] of messages.entries()) {
    if (!isObject(message)) return refuse(`messages[${index}]`, 'must be an object')
    if (!isContent(message['content'])) return err(wrongContent(`messages[${index}].content`))
    const role = message['role']
    if (role === 'system' || role === 'developer') {
      const texts = readParts(message['content']).filter((part) => part.kind === 'text')
      if (turns.length === 0) system.push(...texts.map((text) => systemBlock(text, role)))
      else turns.push({ role, parts: texts, ...nameOf(message) })
    } else if (role === 'user') {
      turns.push({ role, parts: readParts(message['content']), ...nameOf(message) })
    } else if (role === 'assistant') {
      turns.push({ role, parts: readAssistant(message, index, calls, open), ...nameOf(message) })
    } else if (role === 'tool' || role === 'function') {
      const result = readResult(message, role, calls)
      if (result === null) return refuse(`messages[${index}].tool_call_id`, 'must be a string')
      turns.push({ role: 'user', parts: [result] })
    } else return refuse(`messages[${index}].role`, 'is none of system, developer, user, assistant, tool')
  }
  return ok({ system, turns })
}

const refuse = (param: string, what: string): Result<never, Problem> =>
  err({ code: 'invalid_value', param, message: `'${param}' ${what}.` })

const nameOf = (message: JsonObject): { name?: string } => {
  const name = stringOf(message['name'])
  return name === undefined ? {} : { name }
}

const systemBlock = ({ text, cache }: TextPart, role: SystemBlock['role']): SystemBlock => ({
  text,
  role,
  ...(cache === undefined ? {} : { cache }),
})

/** Content as text or as a list of parts. */
function readParts(content: JsonValue | undefined): readonly Part[] {
  if (typeof content === 'string') return [{ kind: 'text', text: content }]
  return arrayOf(content).filter(isObject).map(readPart)
}

function readPart(part: JsonObject): Part {
  const cache = readCacheMark(part)
  const mark = cache === undefined ? {} : { cache }
  switch (part['type']) {
    case 'text':
      return { kind: 'text', text: stringOf(part['text']) ?? '', ...mark }
    case 'refusal':
      return { kind: 'refusal', text: stringOf(part['refusal']) ?? '' }
    case 'thinking':
      return { kind: 'reasoning', text: thinkingText(part), isSummary: false }
    case 'image_url':
    case 'video_url':
    case 'audio_url': {
      const media = readUrlMedia(part, part['type'])
      return media === null ? nativePart(part) : { ...media, ...mark }
    }
    case 'input_audio': {
      const media = readAudio(objectOf(part['input_audio']))
      return media === null ? nativePart(part) : { ...media, ...mark }
    }
    case 'file': {
      const media = readFile(objectOf(part['file']))
      return media === null ? nativePart(part) : { ...media, ...mark }
    }
    default:
      return nativePart(part)
  }
}

const nativePart = (part: JsonObject): Part => ({
  kind: 'native',
  dialect: 'openai-chat',
  type: stringOf(part['type']) ?? 'unknown',
  value: part,
})

/** Mistral's: a list of texts. */
export const thinkingText = (part: JsonObject): string =>
  typeof part['thinking'] === 'string'
    ? part['thinking']
    : arrayOf(part['thinking'])
        .map((piece) => stringOf(objectOf(piece)['text']) ?? '')
        .join('')

const URL_KINDS = { image_url: 'image', video_url: 'video', audio_url: 'audio' } as const

/** Some clients write the URL without the object around it. */
export function readUrlMedia(part: JsonObject, type: keyof typeof URL_KINDS): MediaPart | null {
  const holder = objectOf(part[type])
  const url = stringOf(part[type]) ?? stringOf(holder['url'])
  if (url === undefined) return null
  const detail = stringOf(holder['detail'])
  const extra = detail === undefined ? {} : { detail }
  const inline = parseDataUrl(url)
  if (inline === null)
    return { kind: 'media', media: URL_KINDS[type], source: { kind: 'url', url }, ...extra }
  const { mimeType, data } = inline
  return { kind: 'media', media: URL_KINDS[type], source: { kind: 'base64', data }, mimeType, ...extra }
}

function readAudio(audio: JsonObject): MediaPart | null {
  const data = stringOf(audio['data'])
  if (data === undefined) return null
  const format = stringOf(audio['format']) ?? 'wav'
  const mimeType = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`
  return { kind: 'media', media: 'audio', source: { kind: 'base64', data }, mimeType }
}

/** `file_data` is a data URL, an address (OpenRouter), or base64 without a word about it. */
function readFile(file: JsonObject): MediaPart | null {
  const filename = stringOf(file['filename'])
  const name = filename === undefined ? {} : { filename }
  const id = stringOf(file['file_id'])
  if (id !== undefined)
    return { kind: 'media', media: 'document', source: { kind: 'file', id, dialect: 'openai-chat' }, ...name }
  const text = stringOf(file['file_data'])
  if (text === undefined) return null
  if (/^https?:\/\//.test(text))
    return { kind: 'media', media: 'document', source: { kind: 'url', url: text }, ...name }
  const inline = parseDataUrl(text)
  const mimeType = inline?.mimeType ?? sniffMimeType(text)
  return {
    kind: 'media',
    media: mimeType === undefined ? 'document' : mediaKindOf(mimeType),
    source: { kind: 'base64', data: inline?.data ?? text },
    ...(mimeType === undefined ? {} : { mimeType }),
    ...name,
  }
}

function readAssistant(message: JsonObject, index: number, calls: Calls, open: OpenCarrier): readonly Part[] {
  const thought = readThought(message, open)
  const signature = readSignature(message, open)
  const refusal = stringOf(message['refusal'])
  const said = [
    ...readParts(message['content']),
    ...(refusal === undefined ? [] : [{ kind: 'refusal', text: refusal } as const]),
  ]
  const invoked = [
    ...arrayOf(message['tool_calls'])
      .filter(isObject)
      .map((call) => readCall(call, calls, open)),
    ...readLegacyCall(message['function_call'], index, calls),
  ]
  // An empty text beside calls is how some hosts say that there is none.
  const isBare = invoked.length + thought.parts.length === 0
  const spoken = isBare ? said : said.filter((part) => part.kind !== 'text' || part.text !== '')
  const states = signature === null ? thought.next : [...thought.next, signature]
  return [...thought.parts, ...returnStates(spoken, states), ...invoked]
}

/**
 * State of texts goes back to them. Where a host joined what were several texts, the state knows its own.
 */
function returnStates(parts: readonly Part[], states: readonly Carrier[]): readonly Part[] {
  let left = states
  const given = parts.flatMap((part): readonly Part[] => {
    const pieces: Part[] = []
    let rest = part
    while (rest.kind === 'text' && left.length > 0) {
      const [carrier, ...others] = left
      if (carrier === undefined) break
      left = others
      const own = carrier.text ?? rest.text
      if (own === rest.text || !rest.text.startsWith(own)) return [...pieces, { ...rest, carrier }]
      pieces.push({ ...rest, text: own, carrier })
      rest = { ...rest, text: rest.text.slice(own.length) }
    }
    return [...pieces, rest]
  })
  // Their text is gone; an empty one keeps the state.
  return [...given, ...left.map((carrier): Part => ({ kind: 'text', text: '', carrier }))]
}

function readCall(call: JsonObject, calls: Calls, open: OpenCarrier): ToolCallPart {
  const id = stringOf(call['id']) ?? ''
  const carrier = readSignature(call, open)
  const state = carrier === null ? {} : { carrier }
  const custom = call['custom']
  if (isObject(custom)) {
    calls.custom.add(id)
    const args = stringOf(custom['input']) ?? ''
    return { kind: 'tool-call', id, name: stringOf(custom['name']) ?? '', args, isCustom: true, ...state }
  }
  const { name, args } = readFunction(objectOf(call['function']))
  return { kind: 'tool-call', id, name, args, isCustom: false, ...state }
}

/** Arguments are text; some hosts write the object itself. */
export function readFunction(called: JsonObject): { name: string; args: string } {
  const given = called['arguments']
  const args = typeof given === 'string' ? given : isObject(given) ? JSON.stringify(given) : ''
  return { name: stringOf(called['name']) ?? '', args }
}

/** Legacy calls have no id: they get one that the following result finds by the name. */
function readLegacyCall(value: JsonValue | undefined, index: number, calls: Calls): readonly ToolCallPart[] {
  if (!isObject(value)) return []
  const { name, args } = readFunction(value)
  const id = `call_${shortHash(`${index} ${name}`, 24)}`
  calls.legacy.set(name, id)
  return [{ kind: 'tool-call', id, name, args, isCustom: false }]
}

/** @returns null without an id. */
function readResult(message: JsonObject, role: 'tool' | 'function', calls: Calls): ToolResultPart | null {
  const name = stringOf(message['name'])
  const legacyId = role === 'function' && name !== undefined ? (calls.legacy.get(name) ?? name) : undefined
  const callId = stringOf(message['tool_call_id']) ?? legacyId
  if (callId === undefined) return null
  const content = readParts(message['content']).filter(
    (part) => part.kind === 'text' || part.kind === 'media',
  )
  const marked = isArray(message['content']) ? content.at(-1)?.cache : readCacheMark(message)
  return {
    kind: 'tool-result',
    callId,
    ...(name === undefined ? {} : { name }),
    content,
    isError: false,
    isCustom: calls.custom.has(callId),
    ...(marked === undefined ? {} : { cache: marked }),
  }
}
