import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import type { CapabilityOverrides } from '#contracts/catalog/capability.ts'
import { blankRequest } from '#test/arbitraries/canonical.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest, DialectName, MediaPart, Part, Turn } from '../canonical/request.ts'
import { writeRequest } from './write-request.ts'

type Sent = { messages: JsonObject[]; lost: string[]; refused: string[] }

function send(
  turns: readonly Turn[],
  model = 'claude-sonnet-4-5',
  overrides: CapabilityOverrides = {},
  dialect: DialectName = 'openai-chat',
): Sent {
  const request: CanonicalRequest = {
    ...blankRequest(dialect),
    turns,
    tools: [{ kind: 'function', name: 'look' }],
  }
  const capabilities = capabilitiesOf('anthropic', 'api.anthropic.com', model, overrides)
  const written = writeRequest(request, { model, provider: 'claude', capabilities, stream: false })
  const { messages } = JSON.parse(written.body) as { messages: JsonObject[] }
  return {
    messages,
    lost: written.losses.filter(({ refuse }) => !refuse).map(({ at, reason }) => `${at}:${reason}`),
    refused: written.losses.filter(({ refuse }) => refuse).map(({ at }) => at),
  }
}

const text = (words: string): Part => ({ kind: 'text', text: words })
const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
const system = (words: string): Turn => ({ role: 'system', parts: [text(words)] })
const call = (id: string, args = '{}'): Part => ({
  kind: 'tool-call',
  id,
  name: 'look',
  args,
  isCustom: false,
})
const result = (
  callId: string,
  content: readonly (Extract<Part, { kind: 'text' }> | MediaPart)[],
  isError = false,
): Part => ({
  kind: 'tool-result',
  callId,
  content,
  isError,
  isCustom: false,
})
const said = (words: string) => ({ kind: 'text' as const, text: words })
const block = (words: string) => ({ type: 'text', text: words })

describe('system turns in mid-conversation', () => {
  const turns = [user(text('a')), system('s1'), system('s2'), assistant(text('b')), user(text('c'))]

  test('stay where they are on models that know them', () => {
    const { messages, lost } = send(turns, 'claude-opus-4-8')
    expect(messages).toEqual([
      { role: 'user', content: [block('a')] },
      { role: 'system', content: [block('s1'), block('s2')] },
      { role: 'assistant', content: [block('b')] },
      { role: 'user', content: [block('c')] },
    ])
    expect(lost).toEqual([])
  })

  test('are a user’s words on others', () => {
    const { messages, lost } = send(turns)
    expect(messages[0]).toEqual({ role: 'user', content: [block('a'), block('s1'), block('s2')] })
    expect(lost).toEqual(['turns[1].parts[0]:degraded', 'turns[2].parts[0]:degraded'])
  })

  test('wait for the next user’s turn when they follow an answer', () => {
    const { messages, lost } = send(
      [user(text('a')), assistant(text('b')), system('s'), user(text('c'))],
      'claude-opus-4-8',
    )
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'system'])
    expect(lost).toEqual(['turns[2].parts[0]:moved'])
  })

  test('are a user’s words when no user’s turn follows', () => {
    const { messages } = send([user(text('a')), assistant(text('b')), system('s')], 'claude-opus-4-8')
    expect(messages.at(-1)).toEqual({ role: 'user', content: [block('s')] })
  })

  test('never come between a call and its result', () => {
    const { messages } = send(
      [user(text('a')), assistant(call('1')), system('s'), user(result('1', [said('r')]))],
      'claude-opus-4-8',
    )
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'system'])
  })
})

describe('the ends of a conversation', () => {
  test('a conversation that an assistant begins gets a user’s turn in front', () => {
    const { messages, lost } = send([assistant(text('hello')), user(text('hi'))])
    expect(messages[0]).toEqual({ role: 'user', content: [block('.')] })
    expect(lost).toEqual(['turns[0]:synthesised'])
    expect(
      send([assistant(text('hello')), user(text('hi'))], 'claude-sonnet-4-5', {}, 'anthropic').lost,
    ).toEqual([])
  })

  test('a conversation of nothing gets a user’s turn', () => {
    expect(send([]).messages).toEqual([{ role: 'user', content: [block('.')] }])
  })

  test('a begun answer is sent to models that go on with it, without blanks at its end', () => {
    const { messages, lost, refused } = send([user(text('a')), assistant(text('It is \n'))])
    expect(messages.at(-1)).toEqual({ role: 'assistant', content: [block('It is')] })
    expect(lost).toEqual(['turns[1]:trimmed'])
    expect(refused).toEqual([])
  })

  test('a begun answer is refused for models that do not', () => {
    expect(send([user(text('a')), assistant(text('It is'))], 'claude-opus-5').refused).toEqual(['turns[1]'])
  })

  test('a paused turn of an Anthropic client goes on', () => {
    const paused: Part = {
      kind: 'native',
      dialect: 'anthropic',
      type: 'server_tool_use',
      value: { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
    }
    const { messages, refused } = send([user(text('a')), assistant(paused)], 'claude-opus-5', {}, 'anthropic')
    expect(messages.at(-1)).toMatchObject({ role: 'assistant', content: [{ type: 'server_tool_use' }] })
    expect(refused).toEqual([])
  })
})

describe('calls and results', () => {
  test('results come first, together, in the order of the calls', () => {
    const { messages } = send([
      user(text('a')),
      assistant(call('1'), call('2')),
      user(result('2', [said('r2')])),
      user(text('and'), result('1', [said('r1')], true)),
    ])
    expect(messages[2]).toEqual({
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: '1', content: 'r1', is_error: true },
        { type: 'tool_result', tool_use_id: '2', content: 'r2' },
        block('and'),
      ],
    })
  })

  test('arguments stay as they were written', () => {
    const args = '{"big": 12345678901234567890, "dup":1, "dup":2}'
    const request = { ...blankRequest('gemini'), turns: [user(text('a')), assistant(call('1', args))] }
    const capabilities = capabilitiesOf('anthropic', 'h', 'claude-opus-5', {})
    const { body } = writeRequest(request, { model: 'm', provider: 'p', capabilities, stream: false })
    expect(body).toContain(`"input":${args}`)
  })

  test.each([
    ['', {}, []],
    ['{"a":', { _raw: '{"a":' }, ['turns[1].parts[0]:wrapped']],
    ['[1]', { _raw: '[1]' }, ['turns[1].parts[0]:wrapped']],
  ])('arguments %j are the input %o', (args, input, lost) => {
    const sent = send([user(text('a')), assistant(call('1', args)), user(result('1', []))])
    expect(sent.messages[1]).toMatchObject({ content: [{ input }] })
    expect(sent.lost).toEqual(lost)
  })

  test('ids that do not fit are replaced in both places', () => {
    const { messages } = send([
      user(text('a')),
      assistant(call('look:0')),
      user(result('look:0', [said('r')])),
    ])
    const [, { content: calls } = {}, { content: results } = {}] = messages
    expect((calls as JsonObject[])[0]?.['id']).toMatch(/^call_[a-z0-9]{24}$/)
    expect((results as JsonObject[])[0]?.['tool_use_id']).toBe((calls as JsonObject[])[0]?.['id'])
  })

  test('media in results follow them for servers that take only text there', () => {
    const png: MediaPart = { kind: 'media', media: 'image', source: { kind: 'url', url: 'https://a/b.png' } }
    const turns = [user(text('a')), assistant(call('1')), user(result('1', [said('r'), png]), text('and'))]
    const { messages, lost } = send(turns, 'glm-5', { toolResultMedia: false })
    expect(messages[2]?.['content']).toEqual([
      {
        type: 'tool_result',
        tool_use_id: '1',
        content: [block('r'), block('See the content after this result.')],
      },
      { type: 'image', source: { type: 'url', url: 'https://a/b.png' } },
      block('and'),
    ])
    expect(lost).toEqual(['turns:moved'])
  })

  test('content of Anthropic’s own in a result goes back as it came', () => {
    const content = [{ type: 'tool_reference', tool_name: 'a' }]
    const own = { ...result('1', [said('a')]), native: { dialect: 'anthropic' as const, value: { content } } }
    const { messages } = send(
      [user(text('a')), assistant(call('1')), user(own)],
      'claude-opus-5',
      {},
      'anthropic',
    )
    expect(messages[2]).toMatchObject({ content: [{ type: 'tool_result', content }] })
  })

  test('media in results are blocks', () => {
    const png: MediaPart = {
      kind: 'media',
      media: 'image',
      source: { kind: 'base64', data: 'AA==' },
      mimeType: 'image/png',
    }
    const { messages } = send([user(text('a')), assistant(call('1')), user(result('1', [said('r'), png]))])
    expect(messages[2]).toEqual({
      role: 'user',
      content: [
        {
          type: 'tool_result',
          tool_use_id: '1',
          content: [
            block('r'),
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA==' } },
          ],
        },
      ],
    })
  })
})

describe('content', () => {
  const media = (part: Omit<MediaPart, 'kind'>): Part => ({ kind: 'media', ...part })
  const b64 = (data: string) => ({ kind: 'base64' as const, data })

  test.each([
    [
      'a picture by URL',
      media({ media: 'image', source: { kind: 'url', url: 'https://a/b.png' } }),
      { type: 'image', source: { type: 'url', url: 'https://a/b.png' } },
    ],
    [
      'a picture',
      media({ media: 'image', source: b64('AA'), mimeType: 'image/gif' }),
      { type: 'image', source: { type: 'base64', media_type: 'image/gif', data: 'AA' } },
    ],
    [
      'a picture that does not say what it is',
      media({ media: 'image', source: b64('/9j/4AAQSkZJRgABAQAA') }),
      { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: '/9j/4AAQSkZJRgABAQAA' } },
    ],
    [
      'a PDF',
      media({ media: 'document', source: b64('AA'), mimeType: 'application/pdf', filename: 'a.pdf' }),
      {
        type: 'document',
        source: { type: 'base64', media_type: 'application/pdf', data: 'AA' },
        title: 'a.pdf',
      },
    ],
    [
      'a PDF by URL',
      media({ media: 'document', source: { kind: 'url', url: 'https://a/b.pdf' } }),
      { type: 'document', source: { type: 'url', url: 'https://a/b.pdf' } },
    ],
    [
      'a text file',
      media({ media: 'document', source: b64('Z3LDvMOfZQ=='), mimeType: 'text/markdown' }),
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'grüße' } },
    ],
    [
      'a text',
      media({
        media: 'document',
        source: { kind: 'text', text: 'x' },
        title: 't',
        context: 'c',
        isCited: true,
      }),
      {
        type: 'document',
        source: { type: 'text', media_type: 'text/plain', data: 'x' },
        title: 't',
        context: 'c',
        citations: { enabled: true },
      },
    ],
    [
      'its own file',
      media({ media: 'image', source: { kind: 'file', id: 'f1', dialect: 'anthropic' } }),
      { type: 'image', source: { type: 'file', file_id: 'f1' } },
    ],
    ['a refusal', { kind: 'refusal' as const, text: 'no' }, block('no')],
  ])('%s', (_name, part, written) => {
    const { messages, refused } = send([user(part)])
    expect(messages[0]?.['content']).toEqual([written])
    expect(refused).toEqual([])
  })

  test.each([
    [
      'a picture of a kind it does not take',
      media({ media: 'image', source: b64('AA'), mimeType: 'image/tiff' }),
    ],
    ['sound', media({ media: 'audio', source: b64('AA'), mimeType: 'audio/wav' })],
    ['film', media({ media: 'video', source: { kind: 'url', url: 'https://a/b.mp4' } })],
    [
      'a file of another vendor',
      media({ media: 'image', source: { kind: 'file', id: 'f', dialect: 'openai-responses' } }),
    ],
    ['a spreadsheet', media({ media: 'document', source: b64('AA'), mimeType: 'application/vnd.ms-excel' })],
    [
      'a block of another vendor',
      { kind: 'native' as const, dialect: 'gemini' as const, type: 'executableCode', value: {} },
    ],
  ])('%s is refused where it stands', (_name, part) => {
    expect(send([user(text('a'), part)]).refused).toEqual(['turns[0].parts[1]'])
  })

  test('media by URL are refused for servers that do not fetch', () => {
    const url = media({ media: 'image', source: { kind: 'url', url: 'https://a/b.png' } })
    expect(send([user(url)], 'glm-5', { urlMedia: false }).refused).toEqual(['turns[0].parts[0]'])
  })

  test('empty texts and turns are left out', () => {
    const { messages } = send([user(text(''), text('a')), assistant(text('')), user(text('b'))])
    expect(messages).toEqual([{ role: 'user', content: [block('a'), block('b')] }])
  })

  test('citations go back only as Anthropic made them', () => {
    const value = { type: 'char_location', cited_text: 'x', document_index: 0 }
    const cited: Part = {
      kind: 'text',
      text: 'x',
      citations: [
        { kind: 'document', native: { dialect: 'anthropic', value } },
        { kind: 'url', url: 'https://a' },
      ],
    }
    const { messages } = send([user(text('a')), assistant(cited), user(text('b'))])
    expect(messages[1]?.['content']).toEqual([{ type: 'text', text: 'x', citations: [value] }])
  })
})
