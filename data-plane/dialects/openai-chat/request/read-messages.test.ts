import { describe, expect, test } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import type { Carrier } from '../../canonical/carrier.ts'
import type { JsonObject } from '../../canonical/json.ts'
import type { CanonicalRequest, Part } from '../../canonical/request.ts'
import { readRequest } from '../shapes.ts'

const context = { model: 'm', stream: false, headers: {}, framing: 'sse', sealer: openSealer } as const
const HI = [{ role: 'user', content: 'Hi' }]

function read(body: JsonObject): CanonicalRequest {
  const result = readRequest({ model: 'm', messages: HI, ...body }, context)
  if (!result.ok) throw new Error(result.error.message)
  return result.value
}

/** Parts of the last turn. */
const parts = (...messages: readonly JsonObject[]): readonly Part[] =>
  read({ messages }).turns.at(-1)?.parts ?? []
const user = (...content: readonly JsonObject[]): readonly Part[] => parts({ role: 'user', content })
const assistant = (message: JsonObject): readonly Part[] =>
  parts({ role: 'user', content: 'Hi' }, { role: 'assistant', ...message })

describe('a chat message', () => {
  test.each<readonly [string, JsonObject, unknown]>([
    ['text', { type: 'text', text: 'a' }, { kind: 'text', text: 'a' }],
    [
      'an image by URL',
      { type: 'image_url', image_url: { url: 'https://x/y.png', detail: 'low' } },
      { kind: 'media', media: 'image', source: { kind: 'url', url: 'https://x/y.png' }, detail: 'low' },
    ],
    [
      'an image as data',
      { type: 'image_url', image_url: { url: 'data:image/webp;base64,AAAA' } },
      { kind: 'media', media: 'image', source: { kind: 'base64', data: 'AAAA' }, mimeType: 'image/webp' },
    ],
    [
      'an image whose URL stands bare',
      { type: 'image_url', image_url: 'https://x/y.png' },
      { kind: 'media', media: 'image', source: { kind: 'url', url: 'https://x/y.png' } },
    ],
    [
      'a video',
      { type: 'video_url', video_url: { url: 'https://x/y.mp4' } },
      { kind: 'media', media: 'video', source: { kind: 'url', url: 'https://x/y.mp4' } },
    ],
    [
      'sound',
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
      { kind: 'media', media: 'audio', source: { kind: 'base64', data: 'AAAA' }, mimeType: 'audio/mpeg' },
    ],
    [
      'a file as a data URL',
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' } },
      {
        kind: 'media',
        media: 'document',
        source: { kind: 'base64', data: 'AAAA' },
        mimeType: 'application/pdf',
        filename: 'a.pdf',
      },
    ],
    [
      'a file as bare base64',
      { type: 'file', file: { file_data: 'JVBERi0xLjQK' } },
      {
        kind: 'media',
        media: 'document',
        source: { kind: 'base64', data: 'JVBERi0xLjQK' },
        mimeType: 'application/pdf',
      },
    ],
    [
      'a file by URL (OpenRouter)',
      { type: 'file', file: { filename: 'a.pdf', file_data: 'https://x/a.pdf' } },
      {
        kind: 'media',
        media: 'document',
        source: { kind: 'url', url: 'https://x/a.pdf' },
        filename: 'a.pdf',
      },
    ],
    [
      'a file by id',
      { type: 'file', file: { file_id: 'file-1' } },
      { kind: 'media', media: 'document', source: { kind: 'file', id: 'file-1', dialect: 'openai-chat' } },
    ],
    [
      'something it does not know',
      { type: 'mystery', x: 1 },
      { kind: 'native', dialect: 'openai-chat', type: 'mystery', value: { type: 'mystery', x: 1 } },
    ],
    [
      'OpenAI’s cache mark',
      { type: 'text', text: 'a', prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } },
      { kind: 'text', text: 'a', cache: { ttl: 'long' } },
    ],
    [
      'Anthropic’s cache mark',
      { type: 'text', text: 'a', cache_control: { type: 'ephemeral' } },
      { kind: 'text', text: 'a', cache: { ttl: null } },
    ],
  ])('has %s as a part', (_, part, expected) => {
    expect(user(part)).toEqual([expected])
  })

  test('keeps leading instructions as blocks and later ones in their place', () => {
    const request = read({
      messages: [
        { role: 'developer', content: 'a' },
        {
          role: 'system',
          content: [
            { type: 'text', text: 'b' },
            { type: 'text', text: 'c' },
          ],
        },
        ...HI,
        { role: 'system', content: 'd' },
      ],
    })
    expect(request.system).toEqual([
      { text: 'a', role: 'developer' },
      { text: 'b', role: 'system' },
      { text: 'c', role: 'system' },
    ])
    expect(request.turns.map(({ role }) => role)).toEqual(['user', 'system'])
  })

  test.each<readonly [string, JsonObject, readonly unknown[]]>([
    [
      'text and calls',
      { content: 'a', tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      [
        { kind: 'text', text: 'a' },
        { kind: 'tool-call', id: '1', name: 'f', args: '{}', isCustom: false },
      ],
    ],
    [
      'no text beside calls',
      { content: '', tool_calls: [{ id: '1', function: { name: 'f', arguments: '{}' } }] },
      [{ kind: 'tool-call', id: '1', name: 'f', args: '{}', isCustom: false }],
    ],
    ['an empty text alone', { content: '' }, [{ kind: 'text', text: '' }]],
    ['a refusal', { content: null, refusal: 'no' }, [{ kind: 'refusal', text: 'no' }]],
    [
      'a refusal as a part',
      { content: [{ type: 'refusal', refusal: 'no' }] },
      [{ kind: 'refusal', text: 'no' }],
    ],
    [
      'DeepSeek’s thought',
      { content: 'a', reasoning_content: 'hm' },
      [
        { kind: 'reasoning', text: 'hm', isSummary: false },
        { kind: 'text', text: 'a' },
      ],
    ],
    [
      'OpenRouter’s thought',
      { content: 'a', reasoning: 'hm' },
      [
        { kind: 'reasoning', text: 'hm', isSummary: false },
        { kind: 'text', text: 'a' },
      ],
    ],
    [
      'Mistral’s thought',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
          { type: 'text', text: 'a' },
        ],
      },
      [
        { kind: 'reasoning', text: 'hm', isSummary: false },
        { kind: 'text', text: 'a' },
      ],
    ],
    [
      'a free-form call',
      { content: null, tool_calls: [{ id: '1', type: 'custom', custom: { name: 'f', input: 'x' } }] },
      [{ kind: 'tool-call', id: '1', name: 'f', args: 'x', isCustom: true }],
    ],
    [
      'thought in details, whose text stands once more beside them',
      {
        content: 'a',
        reasoning: 'hm',
        reasoning_details: [
          { type: 'reasoning.text', text: 'hm', signature: 'S', format: 'anthropic-claude-v1', index: 0 },
        ],
      },
      [
        {
          kind: 'reasoning',
          text: 'hm',
          isSummary: false,
          carrier: {
            dialect: 'openai-chat',
            provider: null,
            data: 'S',
            form: 'text/anthropic-claude-v1',
            of: 'own',
          },
        },
        { kind: 'text', text: 'a' },
      ],
    ],
    [
      'Google’s state on a call',
      {
        content: null,
        tool_calls: [
          {
            id: '1',
            function: { name: 'f', arguments: '{}' },
            extra_content: { google: { thought_signature: 'S' } },
          },
        ],
      },
      [
        {
          kind: 'tool-call',
          id: '1',
          name: 'f',
          args: '{}',
          isCustom: false,
          carrier: { dialect: 'openai-chat', provider: null, data: 'S', form: 'google', of: 'own' },
        },
      ],
    ],
  ])('has an assistant’s turn with %s', (_, message, expected) => {
    expect(assistant(message)).toEqual(expected)
  })

  describe('with sealed state', () => {
    const state = (more: Partial<Carrier> = {}): Carrier => ({
      dialect: 'gemini',
      provider: 'g',
      data: 'S',
      form: 'thought',
      of: 'own',
      ...more,
    })
    const sealed = (carrier: Carrier, index = 0): JsonObject => ({
      type: 'reasoning.encrypted',
      data: openSealer.seal(carrier),
      index,
    })

    test('opens thought with the text it was sealed with, whatever stands beside it', () => {
      const carrier = state({ dialect: 'anthropic', text: 'exactly  this' })
      const details = [sealed(carrier)]
      expect(assistant({ content: 'a', reasoning_content: 'this', reasoning_details: details })).toEqual([
        { kind: 'reasoning', text: 'exactly  this', isSummary: false, carrier },
        { kind: 'text', text: 'a' },
      ])
    })

    test('gives texts their own state back, also where they were joined', () => {
      const first = state({ of: 'next', text: 'ab' })
      const second = state({ of: 'next', text: 'cd', data: 'T' })
      const details = [sealed(first), sealed(second, 1)]
      expect(assistant({ content: 'abcd', reasoning_details: details })).toEqual([
        { kind: 'text', text: 'ab', carrier: { ...first, of: 'own' } },
        { kind: 'text', text: 'cd', carrier: { ...second, of: 'own' } },
      ])
      // The client changed the text: the state still stands with it.
      expect(assistant({ content: 'xy', reasoning_details: [sealed(first)] })).toEqual([
        { kind: 'text', text: 'xy', carrier: { ...first, of: 'own' } },
      ])
    })

    test('drops what it cannot open', () => {
      const details = [{ type: 'reasoning.encrypted', data: 'apx1.other.AAAA', index: 0 }]
      expect(assistant({ content: 'a', reasoning_details: details })).toEqual([{ kind: 'text', text: 'a' }])
    })
  })

  test('keeps the content of results, and knows those of free-form calls', () => {
    const calls = [{ id: '1', type: 'custom', custom: { name: 'f', input: 'x' } }]
    const content = [
      { type: 'text', text: 'a' },
      { type: 'image_url', image_url: { url: 'https://x/y.png' } },
    ]
    expect(
      parts(...HI, { role: 'assistant', tool_calls: calls }, { role: 'tool', tool_call_id: '1', content }),
    ).toEqual([
      {
        kind: 'tool-result',
        callId: '1',
        isCustom: true,
        isError: false,
        content: [
          { kind: 'text', text: 'a' },
          { kind: 'media', media: 'image', source: { kind: 'url', url: 'https://x/y.png' } },
        ],
      },
    ])
  })
})
