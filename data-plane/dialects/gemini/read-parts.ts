/**
 * Gemini's contents → turns.
 *
 * Pure. Google's SDKs keep a streamed answer as one content for each chunk, so what belongs together comes
 * in pieces: neighbouring model contents are one turn, and their texts and thoughts are joined again.
 */
import type { Problem } from '#contracts/errors.ts'
import { err, ok, type Result } from '#contracts/result.ts'
import { readCarrier, type Carrier, type Sealer } from '../canonical/carrier.ts'
import { arrayOf, isArray, isObject, objectOf, parseJson, stringOf } from '../canonical/json.ts'
import type { JsonObject, JsonValue } from '../canonical/json.ts'
import type { MediaPart, Part, TextPart, Turn } from '../canonical/request.ts'
import { mediaKindOf, standardBase64 } from '../repair/media.ts'
import { callId, camelled } from './terms.ts'

export function readContents(contents: unknown, sealer: Sealer): Result<readonly Turn[], Problem> {
  const list: readonly JsonValue[] =
    typeof contents === 'string' || isObject(contents) ? [contents] : arrayOf(contents)
  if (list.length === 0) {
    return err({ code: 'invalid_value', param: 'contents', message: "'contents' must not be empty." })
  }
  const turns: { role: 'user' | 'assistant'; parts: Part[] }[] = []
  const calls = new Calls()
  for (const [index, content] of list.entries()) {
    const { role, parts } = typeof content === 'string' ? contentOf(content) : camelled(content)
    const fault = faultOf(content, parts)
    if (fault !== null) {
      const param = `contents[${index}]${fault.at}`
      return err({ code: 'invalid_value', param, message: `'${param}' must be ${fault.expected}.` })
    }
    if (role !== undefined && !ROLES.has(role)) {
      return err({
        code: 'invalid_value',
        param: `contents[${index}].role`,
        message: "A role must be 'user' or 'model'.",
      })
    }
    const isModel = role === 'model'
    const read = joined(arrayOf(parts).flatMap((part, place) => readPart(part, index, place, sealer, calls)))
    const last = turns.at(-1)
    if (isModel && last?.role === 'assistant') appendAll(last.parts, read)
    else turns.push({ role: isModel ? 'assistant' : 'user', parts: read })
  }
  return ok(turns)
}

/** What could not be read as a content, or as the parts of one, and what should stand there. */
function faultOf(content: JsonValue, parts: JsonValue | undefined): { at: string; expected: string } | null {
  if (typeof content !== 'string' && !isObject(content)) return { at: '', expected: 'an object' }
  if (parts === undefined || parts === null) return null
  if (!isArray(parts)) return { at: '.parts', expected: 'a list' }
  const odd = parts.findIndex((part) => typeof part !== 'string' && !isObject(part))
  return odd === -1 ? null : { at: `.parts[${odd}]`, expected: 'an object' }
}

const contentOf = (text: string): JsonObject => ({ role: 'user', parts: [{ text }] })

/** `function` is what results used to come under. */
const ROLES: ReadonlySet<unknown> = new Set(['user', 'model', 'function', 'tool', ''])

/** Calls of the conversation so far, for results that only name their function. */
class Calls {
  readonly #open: { id: string; name: string; wasNamed: boolean }[] = []

  add(id: string, name: string, wasNamed: boolean): void {
    this.#open.push({ id, name, wasNamed })
  }

  /** @returns the id of the call that this result answers: its own id, else the first open of that name. */
  answer(id: string | undefined, name: string, fallback: string): string {
    const exact = id === undefined ? -1 : this.#open.findIndex((call) => call.id === id)
    const at =
      exact === -1
        ? this.#open.findIndex((call) => call.name === name && (id === undefined || !call.wasNamed))
        : exact
    const [call] = at === -1 ? [] : this.#open.splice(at, 1)
    return call?.id ?? id ?? fallback
  }
}

function readPart(value: JsonValue, turn: number, place: number, sealer: Sealer, calls: Calls): Part[] {
  const part = camelled(typeof value === 'string' ? { text: value } : value)
  const signature = stringOf(part['thoughtSignature'])
  const carrier =
    signature === undefined || signature === ''
      ? null
      : readCarrier(signature, sealer, { dialect: 'gemini', form: 'thought', of: 'own' })
  const state = carrier === null ? {} : { carrier }
  const text = stringOf(part['text'])
  if (text !== undefined) {
    return part['thought'] === true
      ? [{ kind: 'reasoning', text: carrier?.text ?? text, isSummary: true, ...state }]
      : [{ kind: 'text', text, ...state }]
  }
  if (part['functionCall'] !== undefined) {
    const { id: said, name: called, args } = camelled(part['functionCall'])
    const name = stringOf(called) ?? ''
    const own = stringOf(said)
    const id = own === undefined || own === '' ? callId(`${turn}.${name}`, place) : own
    calls.add(id, name, id === own)
    return [{ kind: 'tool-call', id, name, args: JSON.stringify(args ?? {}), isCustom: false, ...state }]
  }
  if (part['functionResponse'] !== undefined)
    return [readResult(part['functionResponse'], turn, place, calls)]
  const media = part['videoMetadata'] === undefined ? readMedia(part) : null
  if (media !== null) return [media]
  const type = Object.keys(part).find((key) => key !== 'thoughtSignature' && key !== 'thought')
  // A signature may stand on a part of its own.
  if (type === undefined) return carrier === null ? [] : [{ kind: 'text', text: '', carrier }]
  return [{ kind: 'native', dialect: 'gemini', type, value: part }]
}

function readResult(value: JsonValue, turn: number, place: number, calls: Calls): Part {
  const result = camelled(value)
  const said = stringOf(result['id'])
  const name = stringOf(result['name']) ?? ''
  const callOf = calls.answer(said === '' ? undefined : said, name, callId(`${turn}.${name}`, place))
  const { text, isError } = readResponse(objectOf(result['response']))
  const media = arrayOf(result['parts']).flatMap((part) => readMedia(camelled(part)) ?? [])
  return {
    kind: 'tool-result',
    callId: callOf,
    name,
    content: [...(text === null ? [] : [{ kind: 'text' as const, text }]), ...media],
    isError,
    isCustom: false,
  }
}

/** What SDKs and Google's own examples wrap a plain text in. */
const WRAPPERS: ReadonlySet<string> = new Set(['output', 'result', 'return_value', 'content', 'error'])

/** @returns null for a response that says nothing. */
function readResponse(response: JsonObject): { text: string | null; isError: boolean } {
  const keys = Object.keys(response)
  const [key = ''] = keys
  const only = keys.length === 1 ? response[key] : undefined
  const isError = keys.length === 1 && key === 'error'
  if (typeof only === 'string' && WRAPPERS.has(key)) {
    // A text that would be taken for an object when it goes back stays as it was.
    return isError || !isObject(parseJson(only))
      ? { text: only, isError }
      : { text: JSON.stringify(response), isError }
  }
  return { text: keys.length === 0 ? null : JSON.stringify(isError ? only : response), isError }
}

const DETAILS: Readonly<Record<string, string>> = {
  MEDIA_RESOLUTION_LOW: 'low',
  MEDIA_RESOLUTION_MEDIUM: 'auto',
  MEDIA_RESOLUTION_HIGH: 'high',
  MEDIA_RESOLUTION_ULTRA_HIGH: 'original',
}

/** A file of Google's, which only Google can open. */
const OWN_FILE = /^gs:\/\/|^https:\/\/generativelanguage\.googleapis\.com\/|^files\//

/** @param part in camel case. */
export function readMedia(part: JsonObject): MediaPart | null {
  const inline = isObject(part['inlineData']) ? camelled(part['inlineData']) : null
  const file = isObject(part['fileData']) ? camelled(part['fileData']) : null
  const from = inline ?? file
  if (from === null) return null
  const mimeType = stringOf(from['mimeType'])
  const filename = stringOf(from['displayName'])
  const { mediaResolution } = part
  const level = stringOf(isObject(mediaResolution) ? mediaResolution['level'] : mediaResolution)
  const detail = level !== undefined && Object.hasOwn(DETAILS, level) ? DETAILS[level] : undefined
  const uri = stringOf(file?.['fileUri']) ?? ''
  return {
    kind: 'media',
    media: mediaKindOf(mimeType ?? ''),
    source:
      inline !== null
        ? { kind: 'base64', data: standardBase64(stringOf(inline['data']) ?? '') }
        : OWN_FILE.test(uri)
          ? { kind: 'file', id: uri, dialect: 'gemini' }
          : { kind: 'url', url: uri },
    ...(mimeType === undefined ? {} : { mimeType }),
    ...(filename === undefined ? {} : { filename }),
    ...(detail === undefined ? {} : { detail }),
  }
}

/** Within one content: a signature that came after its text or thought goes to it. */
function joined(parts: readonly Part[]): Part[] {
  const list: Part[] = []
  for (const part of parts) {
    const last = list.at(-1)
    const carrier = last === undefined ? undefined : closingCarrier(last, part)
    if (last !== undefined && carrier !== undefined) list[list.length - 1] = signed(last, carrier)
    else if (last !== undefined && isPlaceholder(last)) list[list.length - 1] = received(last, part)
    else list.push(part)
  }
  return list
}

/** Across contents: texts and thoughts go on as well. */
function appendAll(parts: Part[], more: readonly Part[]): void {
  for (const part of more) {
    const last = parts.at(-1)
    const carrier = last === undefined ? undefined : closingCarrier(last, part)
    const whole = last === undefined ? undefined : wholeOf(last, part)
    if (last !== undefined && carrier !== undefined) parts[parts.length - 1] = signed(last, carrier)
    else if (whole !== undefined) parts[parts.length - 1] = whole
    else parts.push(part)
  }
}

const isWords = (part: Part | undefined): part is TextPart | Extract<Part, { kind: 'reasoning' }> =>
  part?.kind === 'text' || part?.kind === 'reasoning'

/** The state that an empty piece brings for the words before it. */
function closingCarrier(last: Part, part: Part): Carrier | undefined {
  if (!isWords(last) || part.kind !== last.kind || last.carrier !== undefined) return undefined
  const isBare = part.text === '' || part.text === part.carrier?.text
  return isBare && part.carrier?.of === 'own' ? part.carrier : undefined
}

function signed(part: Part, carrier: Carrier): Part {
  if (!isWords(part)) return part
  return part.kind === 'reasoning' && carrier.text !== undefined
    ? { ...part, text: carrier.text, carrier }
    : { ...part, carrier }
}

/** State for the part after it. */
const isPlaceholder = (part: Part): boolean =>
  isWords(part) && part.text === '' && part.carrier?.of === 'next'

function received(placeholder: Part, part: Part): Part {
  const carrier = isWords(placeholder) ? placeholder.carrier : undefined
  if (carrier === undefined || (!isWords(part) && part.kind !== 'tool-call')) return part
  return { ...part, carrier: { ...carrier, of: 'own' } }
}

/** Words of one kind, of which the earlier were not signed off, are one part. */
function wholeOf(last: Part, part: Part): Part | undefined {
  if (last.kind === 'text' && part.kind === 'text' && last.carrier === undefined)
    return { ...part, text: last.text + part.text }
  if (last.kind === 'reasoning' && part.kind === 'reasoning' && last.carrier === undefined)
    return { ...part, text: last.text + part.text }
  return undefined
}
