/**
 * The content of messages and of tool results, from Responses parts.
 *
 * Pure.
 */
import {
  arrayOf,
  isArray,
  isObject,
  objectOf,
  stringOf,
  type JsonObject,
  type JsonValue,
} from '../../canonical/json.ts'
import type { CacheMark, MediaPart, Part, TextPart } from '../../canonical/request.ts'
import { mediaKindOf, parseDataUrl, sniffMimeType } from '../../repair/media.ts'
import { BETWEEN_SUMMARIES, NAME, readAnnotation } from '../terms.ts'

/** @returns null for what is no content at all. */
export function readContent(content: JsonValue | undefined): readonly Part[] | null {
  if (typeof content === 'string') return [{ kind: 'text', text: content }]
  if (content === null) return []
  if (!isArray(content) || !content.every(isObject)) return null
  return content.map(readPart)
}

/** What a tool gave: parts of text and media; anything else as the JSON it is. */
export function readResultContent(output: JsonValue | undefined): readonly (TextPart | MediaPart)[] {
  if (typeof output === 'string') return [{ kind: 'text', text: output }]
  if (!isArray(output)) {
    return output === undefined || output === null ? [] : [{ kind: 'text', text: JSON.stringify(output) }]
  }
  return output.map((entry) => {
    const part = isObject(entry) ? readPart(entry) : null
    return part?.kind === 'text' || part?.kind === 'media'
      ? part
      : { kind: 'text', text: JSON.stringify(entry) }
  })
}

function readPart(value: JsonObject): Part {
  const type = stringOf(value['type']) ?? 'input_text'
  switch (type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return readText(value)
    case 'refusal':
      return { kind: 'refusal', text: stringOf(value['refusal']) ?? '' }
    case 'input_image':
      return readImage(value) ?? native(type, value)
    case 'input_file':
      return readFile(value) ?? native(type, value)
    case 'input_audio':
      return readAudio(value) ?? native(type, value)
    case 'input_video': {
      const url = stringOf(value['video_url'])
      return url === undefined ? native(type, value) : { kind: 'media', media: 'video', ...sourceOf(url) }
    }
    default:
      return native(type, value)
  }
}

const native = (type: string, value: JsonObject): Part => ({ kind: 'native', dialect: NAME, type, value })

/** @returns the text of a message as the model or a client wrote it, with what it cites. */
export function readText(value: JsonObject): TextPart {
  const citations = arrayOf(value['annotations']).map((entry) => readAnnotation(objectOf(entry)))
  return {
    kind: 'text',
    text: stringOf(value['text']) ?? '',
    ...(citations.length === 0 ? {} : { citations }),
    ...cacheOf(value),
  }
}

/** @returns what a reasoning item shows: the texts of its summary or of its content, as one. */
export const textsOf = (value: unknown): string =>
  arrayOf(value)
    .map((entry) => stringOf(objectOf(entry)['text']) ?? '')
    .filter((text) => text !== '')
    .join(BETWEEN_SUMMARIES)

function cacheOf(value: JsonObject): Readonly<{ cache?: CacheMark }> {
  const mark = value['prompt_cache_breakpoint']
  if (!isObject(mark)) return {}
  const { ttl } = mark
  return { cache: { ttl: ttl === '12h' ? 'long' : ttl === '30m' ? 'short' : null } }
}

const sourceOf = (url: string): Pick<MediaPart, 'source' | 'mimeType'> => {
  const data = parseDataUrl(url)
  return data === null
    ? { source: { kind: 'url', url } }
    : { source: { kind: 'base64', data: data.data }, mimeType: data.mimeType }
}

function readImage(value: JsonObject): MediaPart | null {
  // Some clients nest the address as chat does.
  const url = stringOf(value['image_url']) ?? stringOf(objectOf(value['image_url'])['url'])
  const id = stringOf(value['file_id'])
  const detail = stringOf(value['detail'])
  const rest = { ...(detail === undefined ? {} : { detail }), ...cacheOf(value) }
  if (url !== undefined) return { kind: 'media', media: 'image', ...sourceOf(url), ...rest }
  if (id === undefined) return null
  return { kind: 'media', media: 'image', source: { kind: 'file', id, dialect: NAME }, ...rest }
}

function readFile(value: JsonObject): MediaPart | null {
  const filename = stringOf(value['filename'])
  const rest = { ...(filename === undefined ? {} : { filename }), ...cacheOf(value) }
  const data = stringOf(value['file_data'])
  if (data !== undefined) {
    const parsed = parseDataUrl(data)
    const base64 = parsed?.data ?? data
    const mimeType = parsed?.mimeType ?? sniffMimeType(data)
    return {
      kind: 'media',
      media: mimeType === undefined ? 'document' : mediaKindOf(mimeType),
      source: { kind: 'base64', data: base64 },
      ...(mimeType === undefined ? {} : { mimeType }),
      ...rest,
    }
  }
  const url = stringOf(value['file_url'])
  if (url !== undefined) return { kind: 'media', media: 'document', ...sourceOf(url), ...rest }
  const id = stringOf(value['file_id'])
  if (id === undefined) return null
  return { kind: 'media', media: 'document', source: { kind: 'file', id, dialect: NAME }, ...rest }
}

function readAudio(value: JsonObject): MediaPart | null {
  const audio = objectOf(value['input_audio'])
  const data = stringOf(audio['data'])
  if (data === undefined) return null
  const mimeType = audio['format'] === 'mp3' ? 'audio/mpeg' : `audio/${stringOf(audio['format']) ?? 'wav'}`
  return { kind: 'media', media: 'audio', source: { kind: 'base64', data }, mimeType }
}
