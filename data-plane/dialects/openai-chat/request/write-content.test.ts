import { describe, expect, test } from 'vitest'
import { OPENAI, messagesOf, user, type Where } from '#test/conformance/chat-request.ts'
import { arrayOf, objectOf } from '../../canonical/json.ts'
import type { CanonicalRequest, Part, Turn } from '../../canonical/request.ts'

describe('media', () => {
  const media = (part: object, where: Where = {}) => {
    const { messages, losses } = messagesOf([user({ kind: 'media', ...part } as Part)], where)
    return { part: arrayOf(objectOf(arrayOf(messages)[0])['content'])[0], losses }
  }
  const base64 = { kind: 'base64', data: 'AAAA' }

  test.each<readonly [string, object, unknown]>([
    [
      'an image by URL',
      { media: 'image', source: { kind: 'url', url: 'u' }, detail: 'low' },
      { type: 'image_url', image_url: { url: 'u', detail: 'low' } },
    ],
    [
      'an image as data',
      { media: 'image', source: base64, mimeType: 'image/webp' },
      { type: 'image_url', image_url: { url: 'data:image/webp;base64,AAAA' } },
    ],
    [
      'an image that does not say what it is',
      { media: 'image', source: { kind: 'base64', data: '/9j/4AAQSkZJRg==' } },
      { type: 'image_url', image_url: { url: 'data:image/jpeg;base64,/9j/4AAQSkZJRg==' } },
    ],
    [
      'a document',
      { media: 'document', source: base64, mimeType: 'application/pdf', title: 't' },
      { type: 'file', file: { filename: 't', file_data: 'data:application/pdf;base64,AAAA' } },
    ],
    [
      'a document without a name',
      { media: 'document', source: base64, mimeType: 'application/pdf' },
      { type: 'file', file: { filename: 'document.pdf', file_data: 'data:application/pdf;base64,AAAA' } },
    ],
    [
      'a file of OpenAI',
      { media: 'document', source: { kind: 'file', id: 'file-1', dialect: 'openai-responses' } },
      { type: 'file', file: { file_id: 'file-1' } },
    ],
    [
      'a document of text',
      { media: 'document', source: { kind: 'text', text: 'grüße' }, title: 't', context: 'c' },
      { type: 'text', text: 'Document "t":\nc\n\ngrüße' },
    ],
    [
      'a document of text as data',
      {
        media: 'document',
        source: { kind: 'base64', data: Buffer.from('grüße').toString('base64') },
        mimeType: 'text/plain',
      },
      { type: 'text', text: 'Document:\n\ngrüße' },
    ],
    [
      'sound',
      { media: 'audio', source: base64, mimeType: 'audio/x-wav' },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
    ],
    [
      'music',
      { media: 'audio', source: base64, mimeType: 'audio/mpeg' },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
    ],
  ])('write %s', (_, part, expected) => {
    expect(media(part)).toEqual({ part: expected, losses: [] })
  })

  test.each<readonly [string, object, Where]>([
    ['a document by URL', { media: 'document', source: { kind: 'url', url: 'u' } }, {}],
    ['a video', { media: 'video', source: base64 }, {}],
    [
      'an image for a model that sees nothing',
      { media: 'image', source: base64 },
      { host: 'api.deepseek.com' },
    ],
    [
      'an image by URL for a host that fetches nothing',
      { media: 'image', source: { kind: 'url', url: 'u' } },
      { host: 'ollama.com' },
    ],
    [
      'a file of another vendor',
      { media: 'image', source: { kind: 'file', id: 'x', dialect: 'anthropic' } },
      {},
    ],
  ])('refuse %s', (_, part, where) => {
    expect(media(part, where).losses).toEqual(['turns[0].parts[0]:refuse'])
  })

  test('say video by URL to those who take it', () => {
    const where = { set: { media: ['video'] as 'video'[] } }
    expect(media({ media: 'video', source: { kind: 'url', url: 'u' } }, where).part).toEqual({
      type: 'video_url',
      video_url: { url: 'u' },
    })
  })
})

describe('cache marks', () => {
  const marked = (...ttl: readonly ('short' | 'long' | null)[]): readonly Turn[] => [
    user(...ttl.map((one, at): Part => ({ kind: 'text', text: String(at), cache: { ttl: one } }))),
  ]
  const breakpoints = (turns: readonly Turn[], where: Where, request: Partial<CanonicalRequest> = {}) => {
    const content = objectOf(arrayOf(messagesOf(turns, where, request).messages)[0])['content']
    return arrayOf(content).map((part) => objectOf(part)['prompt_cache_breakpoint'])
  }
  const NEW = { ...OPENAI, model: 'gpt-5.6-sol' }

  test('become breakpoints where they are known, and vanish in silence elsewhere', () => {
    expect(breakpoints(marked(null, 'short'), NEW)).toEqual([
      { mode: 'explicit' },
      { mode: 'explicit', ttl: '30m' },
    ])
    const { messages, losses } = messagesOf(marked('short'))
    expect(messages).toEqual([{ role: 'user', content: '0' }])
    expect(losses).toEqual([])
  })

  test('are long only by an OpenAI client’s own word', () => {
    expect(breakpoints(marked('long'), NEW)).toEqual([{ mode: 'explicit', ttl: '30m' }])
    expect(breakpoints(marked('long'), NEW, { dialect: 'openai-responses' })).toEqual([
      { mode: 'explicit', ttl: '12h' },
    ])
  })

  test('are four at most, the last ones', () => {
    const mark = { mode: 'explicit' }
    expect(breakpoints(marked(null, null, null, null, null), NEW)).toEqual([
      undefined,
      mark,
      mark,
      mark,
      mark,
    ])
  })
})
