/**
 * Pictures, documents, sound and film, as they stand in requests: data URLs and media types.
 *
 * Pure. Base64 is carried by slicing; only its first bytes are ever looked at.
 */
import type { MediaKind } from '../canonical/request.ts'

/** What a data URL without a media type holds, by RFC 2397. */
const UNSAID = 'text/plain'

/** Longest head of a data URL worth searching, so that megabytes are not searched for a comma. */
const LONGEST_HEAD = 1_000

/** @returns the media type (without parameters) and its base64; null for any other URL. */
export function parseDataUrl(url: string): { mimeType: string; data: string } | null {
  if (url.slice(0, 5).toLowerCase() !== 'data:') return null
  const comma = url.slice(0, LONGEST_HEAD).indexOf(',')
  if (comma === -1) return null
  const [type = '', ...parameters] = url.slice(5, comma).split(';')
  const rest = url.slice(comma + 1)
  const isBase64 = parameters.at(-1)?.trim().toLowerCase() === 'base64'
  const data = isBase64 ? rest : percentToBase64(rest)
  if (data === null) return null
  const said = type.trim().toLowerCase()
  return { mimeType: said === '' ? (sniffMimeType(data) ?? UNSAID) : said, data }
}

/**
 * Google's own client writes base64 in the alphabet for URLs, which no other vendor reads.
 * @returns the very same text where it is standard already.
 */
export function standardBase64(data: string): string {
  const isOther = data.includes('-') || data.includes('_')
  if (!isOther && data.length % 4 === 0) return data
  const standard = isOther ? data.replaceAll('-', '+').replaceAll('_', '/') : data
  // Lines of mail's base64 are no reason to pad.
  return /\s/.test(standard) ? standard : standard.padEnd(Math.ceil(standard.length / 4) * 4, '=')
}

export const dataUrl = (mimeType: string, data: string): string => `data:${mimeType};base64,${data}`

function percentToBase64(text: string): string | null {
  try {
    return Buffer.from(decodeURIComponent(text)).toString('base64')
  } catch {
    return null
  }
}

/** Bytes (one character each) at a place → what such a file is. The first that fits counts. */
const SIGNATURES: readonly Readonly<{ at: number; bytes: string; also?: string; mimeType: string }>[] = [
  { at: 0, bytes: '\x89PNG', mimeType: 'image/png' },
  { at: 0, bytes: '\xff\xd8\xff', mimeType: 'image/jpeg' },
  { at: 0, bytes: 'GIF8', mimeType: 'image/gif' },
  { at: 8, bytes: 'WEBP', also: 'RIFF', mimeType: 'image/webp' },
  { at: 0, bytes: 'BM', mimeType: 'image/bmp' },
  { at: 0, bytes: 'II*\0', mimeType: 'image/tiff' },
  { at: 0, bytes: 'MM\0*', mimeType: 'image/tiff' },
  { at: 4, bytes: 'ftypavif', mimeType: 'image/avif' },
  { at: 4, bytes: 'ftyphei', mimeType: 'image/heic' },
  { at: 4, bytes: 'ftypmif1', mimeType: 'image/heif' },
  { at: 0, bytes: '%PDF', mimeType: 'application/pdf' },
  { at: 8, bytes: 'WAVE', also: 'RIFF', mimeType: 'audio/wav' },
  { at: 8, bytes: 'AVI ', also: 'RIFF', mimeType: 'video/x-msvideo' },
  { at: 0, bytes: 'ID3', mimeType: 'audio/mpeg' },
  { at: 0, bytes: '\xff\xfb', mimeType: 'audio/mpeg' },
  { at: 0, bytes: '\xff\xf3', mimeType: 'audio/mpeg' },
  { at: 0, bytes: '\xff\xf1', mimeType: 'audio/aac' },
  { at: 0, bytes: 'OggS', mimeType: 'audio/ogg' },
  { at: 0, bytes: 'fLaC', mimeType: 'audio/flac' },
  { at: 8, bytes: 'AIFF', also: 'FORM', mimeType: 'audio/aiff' },
  { at: 4, bytes: 'ftypM4A', mimeType: 'audio/mp4' },
  { at: 4, bytes: 'ftypqt', mimeType: 'video/quicktime' },
  { at: 4, bytes: 'ftyp', mimeType: 'video/mp4' },
  { at: 0, bytes: '\x1a\x45\xdf\xa3', mimeType: 'video/webm' },
]

/** Characters of base64 that hold the 15 bytes the longest signature needs. */
const HEAD = 20

/** @returns the media type that the first bytes tell; undefined for none we know. */
export function sniffMimeType(base64: string): string | undefined {
  let head: string
  try {
    head = atob(base64.slice(0, HEAD).replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return undefined
  }
  return SIGNATURES.find(({ at, bytes, also = '' }) => head.startsWith(bytes, at) && head.startsWith(also))
    ?.mimeType
}

export function mediaKindOf(mimeType: string): MediaKind {
  const kind = mimeType.slice(0, mimeType.indexOf('/')).toLowerCase()
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'document'
}
