/**
 * Canonical parts → the parts of a chat message's content.
 *
 * Pure. What chat has no part for becomes text where that says the same, and is refused where it does not.
 */
import type { Capabilities } from '#contracts/catalog/capability.ts'
import type { JsonObject } from '../../canonical/json.ts'
import type { Losses } from '../../canonical/loss.ts'
import type { CacheMark, MediaPart, NativePart, TextPart } from '../../canonical/request.ts'
import { dataUrl, sniffMimeType } from '../../repair/media.ts'

export type WrittenPart = { [name: string]: JsonObject[string] }

/** OpenAI keeps so many breakpoints of a request; the last ones cover most. */
const MOST_MARKS = 4

/** Writes content for one target and keeps the account of its cache marks. */
export class ContentWriter {
  readonly #capabilities: Capabilities
  readonly #losses: Losses
  /** Long lives are paid for: only an OpenAI client's own word asks for one. */
  readonly #mayBeLong: boolean
  readonly #marked: WrittenPart[] = []

  constructor(capabilities: Capabilities, losses: Losses, mayBeLong: boolean) {
    this.#capabilities = capabilities
    this.#losses = losses
    this.#mayBeLong = mayBeLong
  }

  text({ text, cache }: Pick<TextPart, 'text' | 'cache'>): WrittenPart {
    return this.mark({ type: 'text', text }, cache)
  }

  mark(part: WrittenPart, cache: CacheMark | undefined): WrittenPart {
    if (cache === undefined || !this.#capabilities.cacheMarks) return part
    const ttl = cache.ttl === null ? {} : { ttl: cache.ttl === 'long' && this.#mayBeLong ? '12h' : '30m' }
    part['prompt_cache_breakpoint'] = { mode: 'explicit', ...ttl }
    this.#marked.push(part)
    return part
  }

  /** Once all is written: only the last marks stay. */
  settle(): void {
    for (const part of this.#marked.slice(0, -MOST_MARKS)) delete part['prompt_cache_breakpoint']
  }

  /** @param at where it stands in the request. @returns null for what cannot be said. */
  media(part: MediaPart, at: string): WrittenPart | null {
    const written = part.source.kind === 'text' || isPlainText(part) ? plainText(part) : this.#coded(part, at)
    return written === null ? null : this.mark(written, part.cache)
  }

  #coded(part: MediaPart, at: string): WrittenPart | null {
    const { source, media } = part
    if (!this.#capabilities.media.includes(media))
      return this.#refuse(at, `This model takes no ${media === 'document' ? 'documents' : media}.`)
    if (source.kind === 'file') {
      if (media === 'document' && source.dialect.startsWith('openai'))
        return { type: 'file', file: { file_id: source.id } }
      return this.#refuse(at, 'A file of another provider cannot be used with this model.')
    }
    if (source.kind === 'url' && !this.#capabilities.urlMedia)
      return this.#refuse(at, 'This model fetches nothing by URL; send the data itself.')
    if (media === 'image') return writeImage(part)
    if (media === 'video') return { type: 'video_url', video_url: { url: urlOf(part, 'video/mp4') } }
    if (source.kind === 'base64')
      return media === 'audio' ? writeAudio(part, source.data) : writeFile(part, source.data)
    return this.#refuse(at, `This model takes ${media}s as data only, not by URL.`)
  }

  native(part: NativePart, at: string): WrittenPart | null {
    if (part.dialect === 'openai-chat') return { ...part.value }
    return this.#refuse(at, `A part of type '${part.type}' cannot be used with this model.`)
  }

  #refuse(at: string, message: string): null {
    this.#losses.refuse(at, message)
    return null
  }
}

function urlOf({ source, mimeType }: MediaPart, unsaid: string): string {
  if (source.kind === 'url') return source.url
  if (source.kind !== 'base64') return ''
  return dataUrl(mimeType ?? sniffMimeType(source.data) ?? unsaid, source.data)
}

const writeImage = (part: MediaPart): WrittenPart => ({
  type: 'image_url',
  image_url: {
    url: urlOf(part, 'image/png'),
    ...(part.detail === undefined ? {} : { detail: part.detail }),
  },
})

/** OpenAI's words are wav and mp3; others are a host's own affair. */
function writeAudio({ mimeType }: MediaPart, data: string): WrittenPart {
  const type = (mimeType ?? sniffMimeType(data) ?? 'audio/wav').slice('audio/'.length)
  const format = type === 'mpeg' ? 'mp3' : type.replace(/^(x-|vnd\.)?wav(e)?$/, 'wav')
  return { type: 'input_audio', input_audio: { data, format } }
}

/** OpenAI wants a name with the data. */
function writeFile(part: MediaPart, data: string): WrittenPart {
  const mimeType = part.mimeType ?? sniffMimeType(data) ?? 'application/pdf'
  const ending = mimeType === 'application/pdf' ? 'pdf' : mimeType.slice(mimeType.indexOf('/') + 1)
  const filename = part.filename ?? part.title ?? `document.${ending}`
  return { type: 'file', file: { filename, file_data: dataUrl(mimeType, data) } }
}

const isPlainText = ({ source, mimeType }: MediaPart): boolean =>
  source.kind === 'base64' && mimeType !== undefined && mimeType.startsWith('text/')

/** A document of plain text, under its name. */
function plainText({ source, filename, title, context }: MediaPart): WrittenPart {
  const text =
    source.kind === 'text'
      ? source.text
      : source.kind === 'base64'
        ? Buffer.from(source.data, 'base64').toString('utf8')
        : ''
  const name = filename ?? title
  const head = [
    name === undefined ? 'Document:' : `Document "${name}":`,
    ...(context === undefined ? [] : [context]),
  ]
  return { type: 'text', text: `${head.join('\n')}\n\n${text}` }
}
