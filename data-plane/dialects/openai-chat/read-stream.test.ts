import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../canonical/json.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import { openReader } from './read-stream.ts'

/** A chunk of one choice. */
const chunk = (delta: JsonObject | null, more: JsonObject = {}, frame: JsonObject = {}): JsonObject => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, ...(delta === null ? {} : { delta }), finish_reason: null, ...more }],
  ...frame,
})
const STOP = chunk({}, { finish_reason: 'stop' })

function heard(
  chunks: readonly (JsonObject | string)[],
  toolNames = new Map<string, string>(),
): StreamEvent[] {
  const reader = openReader({ provider: 'p', toolNames })
  const events = chunks.flatMap((one) =>
    reader.push({ event: '', data: typeof one === 'string' ? one : JSON.stringify(one) }),
  )
  return [...events, ...reader.end()]
}

/** What was said, part by part, and how it ended; throws at what breaks the promises of a reader. */
function told(events: readonly StreamEvent[]) {
  const parts: Record<string, unknown>[] = []
  const open = new Set<number>()
  const ends: unknown[] = []
  for (const [at, event] of events.entries()) {
    expect(event.kind === 'start').toBe(at === 0 && event.kind !== 'error')
    if (event.kind === 'part-start') {
      expect(event.index).toBe(parts.length)
      open.add(event.index)
      parts.push({
        ...event.part,
        ...(event.candidate === 0 ? {} : { candidate: event.candidate }),
        said: '',
      })
    } else if ('index' in event) {
      expect(open.has(event.index)).toBe(true)
      const part = parts[event.index]
      if (event.kind === 'part-end') open.delete(event.index)
      else if (part !== undefined && 'text' in event) part['said'] = `${part['said'] as string}${event.text}`
      else if (part !== undefined && event.kind === 'carrier') part['state'] = event.carrier
      else if (part !== undefined && event.kind === 'citation') part['url'] = event.citation.url
    } else if (event.kind === 'finish') {
      ends.push(event.finish.kind)
      const left = [...open].filter((index) => (parts[index]?.['candidate'] ?? 0) === event.candidate)
      expect(left).toEqual([])
    }
    if (event.kind === 'error') expect(at).toBe(events.length - 1)
  }
  return { parts, ends }
}

const text = (said: string) => ({ kind: 'text', said })
const thought = (said: string, more: object = {}) => ({ kind: 'reasoning', isSummary: false, said, ...more })
const call = (id: string, name: string, said: string, more: object = {}) => ({
  kind: 'tool-call',
  id,
  name,
  isCustom: false,
  said,
  ...more,
})
const piece = (
  index: number | undefined,
  id: string | undefined,
  name: string | undefined,
  args: string,
) => ({
  ...(index === undefined ? {} : { index }),
  ...(id === undefined ? {} : { id }),
  function: { ...(name === undefined ? {} : { name }), arguments: args },
})
const calls = (...pieces: readonly object[]) => chunk({ tool_calls: pieces as readonly JsonObject[] })

describe('a chat stream', () => {
  test.each<readonly [string, readonly JsonObject[], readonly unknown[]]>([
    [
      'text in pieces, an empty one first',
      [chunk({ role: 'assistant', content: '' }), chunk({ content: 'a' }), chunk({ content: 'b' })],
      [text('ab')],
    ],
    [
      'the role on every chunk',
      [chunk({ role: 'assistant', content: 'a' }), chunk({ role: 'assistant', content: 'b' })],
      [text('ab')],
    ],
    ['no role at all', [chunk({ content: 'a' })], [text('a')]],
    ['null for content', [chunk({ role: 'assistant', content: null }), chunk({ content: 'a' })], [text('a')]],
    [
      'content as lists, with thinking (Mistral)',
      [
        chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'h' }] }] }),
        chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'm' }] }] }),
        chunk({ content: [{ type: 'text', text: '4' }] }),
      ],
      [thought('hm'), text('4')],
    ],
    [
      'thought before text (DeepSeek)',
      [
        chunk({ reasoning_content: 'h' }),
        chunk({ reasoning_content: 'm', content: null }),
        chunk({ content: '4' }),
      ],
      [thought('hm'), text('4')],
    ],
    [
      'thought told twice (OpenRouter)',
      [
        chunk({
          content: '',
          reasoning: 'h',
          reasoning_details: [{ type: 'reasoning.text', text: 'h', index: 0 }],
        }),
        chunk({
          content: '',
          reasoning: 'm',
          reasoning_details: [{ type: 'reasoning.text', text: 'm', index: 0 }],
        }),
        chunk({ content: 'a', reasoning: null, reasoning_details: [] }),
      ],
      [thought('hm'), text('a')],
    ],
    [
      'a signature after its thought, and state by itself',
      [
        chunk({ reasoning_details: [{ type: 'reasoning.text', text: 'h', index: 0, format: 'f' }] }),
        chunk({ reasoning_details: [{ type: 'reasoning.text', signature: 'S', index: 0, format: 'f' }] }),
        chunk({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'E', id: 'i', index: 1 }] }),
      ],
      [
        thought('h', { state: expect.objectContaining({ data: 'S', form: 'text/f', provider: 'p' }) }),
        thought('', { state: expect.objectContaining({ data: 'E', form: 'encrypted', id: 'i' }) }),
      ],
    ],
    [
      'a summary and the state of the same thought',
      [
        chunk({ reasoning_details: [{ type: 'reasoning.summary', summary: 'h', index: 0 }] }),
        chunk({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'E', index: 0 }] }),
      ],
      [thought('h', { isSummary: true, state: expect.objectContaining({ data: 'E' }) })],
    ],
    ['a refusal', [chunk({ refusal: 'n' }), chunk({ refusal: 'o' })], [{ kind: 'refusal', said: 'no' }]],
    [
      'parallel calls in pieces',
      [
        calls(piece(0, 'a', 'f', '')),
        calls(piece(0, undefined, undefined, '{"x"')),
        calls(piece(1, 'b', 'g', '')),
        calls(piece(0, undefined, undefined, ':1}'), piece(1, undefined, undefined, '{}')),
      ],
      [call('a', 'f', '{"x":1}'), call('b', 'g', '{}')],
    ],
    [
      'calls without index (Mistral)',
      [calls(piece(undefined, 'a', 'f', '{}'), piece(undefined, 'b', 'g', '{}'))],
      [call('a', 'f', '{}'), call('b', 'g', '{}')],
    ],
    [
      'a call without index in pieces whose later ids are null',
      [calls(piece(undefined, 'a', 'f', '{')), calls(piece(undefined, 'null', '', '}'))],
      [call('a', 'f', '{}')],
    ],
    [
      'an id repeated in every piece (Alibaba)',
      [calls(piece(0, 'a', 'f', '{')), calls(piece(0, 'a', undefined, '}'))],
      [call('a', 'f', '{}')],
    ],
    [
      'an id that is empty in later pieces',
      [calls(piece(0, 'a', 'f', '{')), calls(piece(0, '', undefined, '}'))],
      [call('a', 'f', '{}')],
    ],
    [
      'two calls under one index, by their ids',
      [calls(piece(0, 'a', 'f', '{}')), calls(piece(0, 'b', 'g', '{}'))],
      [call('a', 'f', '{}'), call('b', 'g', '{}')],
    ],
    [
      'two calls under one index without ids (Google)',
      [calls(piece(0, '', 'f', '{"x":1}')), calls(piece(0, '', 'f', '{"x":2}'))],
      [
        call(expect.stringMatching(/^call_[a-z0-9]{24}$/) as string, 'f', '{"x":1}'),
        call(expect.stringMatching(/^call_[a-z0-9]{24}$/) as string, 'f', '{"x":2}'),
      ],
    ],
    [
      'an id that counts the chunks',
      [calls(piece(0, 'a', 'f', '{')), calls(piece(0, 'a-2', undefined, '}'))],
      [call('a', 'f', '{}')],
    ],
    [
      'a name after the arguments began',
      [calls(piece(0, 'a', undefined, '{')), calls(piece(0, undefined, 'f', '}'))],
      [call('a', 'f', '{}')],
    ],
    [
      'Google’s state on a call',
      [calls({ ...piece(0, 'a', 'f', '{}'), extra_content: { google: { thought_signature: 'S' } } })],
      [call('a', 'f', '{}', { state: expect.objectContaining({ data: 'S', form: 'google' }) })],
    ],
    [
      'a legacy function call',
      [chunk({ function_call: { name: 'f', arguments: '' } }), chunk({ function_call: { arguments: '{}' } })],
      [call(expect.stringMatching(/^call_/) as string, 'f', '{}')],
    ],
    [
      'a free-form call',
      [calls({ index: 0, id: 'a', type: 'custom', custom: { name: 'f', input: 'x y' } })],
      [call('a', 'f', 'x y', { isCustom: true })],
    ],
    [
      'text, a call, and text again',
      [chunk({ content: 'a' }), calls(piece(0, 'a', 'f', '{}')), chunk({ content: 'b' })],
      [text('a'), call('a', 'f', '{}'), text('b')],
    ],
    [
      'citations',
      [
        chunk({ content: 'a' }),
        chunk({ annotations: [{ type: 'url_citation', url_citation: { url: 'u' } }] }),
      ],
      [{ kind: 'text', said: 'a', url: 'u' }],
    ],
    [
      'an image (OpenRouter)',
      [
        chunk({
          content: 'a',
          images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }],
        }),
      ],
      [
        text('a'),
        {
          kind: 'media',
          media: 'image',
          source: { kind: 'base64', data: 'AA==' },
          mimeType: 'image/png',
          said: '',
        },
      ],
    ],
    [
      'whole messages instead of deltas',
      [chunk(null, { message: { role: 'assistant', content: 'a' } })],
      [text('a')],
    ],
    [
      'a first chunk without choices, id and model (Azure)',
      [{ id: '', model: '', object: '', choices: [], prompt_filter_results: [] }, chunk({ content: 'a' })],
      [text('a')],
    ],
  ])('is heard with %s', (_, chunks, parts) => {
    expect(told(heard([...chunks, STOP, '[DONE]'])).parts).toEqual(parts)
    // Not everybody says [DONE].
    expect(told(heard([...chunks, STOP])).parts).toEqual(parts)
  })

  test('starts with what the first real chunk says', () => {
    const azure = { id: '', model: '', choices: [] }
    const [start] = heard([azure, chunk({ content: 'a' }, {}, { service_tier: 'flex' }), STOP])
    expect(start).toEqual({ kind: 'start', id: 'c1', model: 'm', serviceTier: 'flex', usage: null })
  })

  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
  test.each<readonly [string, readonly JsonObject[]]>([
    ['in a chunk of its own', [STOP, { ...chunk({}), choices: [], usage }]],
    ['in the last choice chunk', [{ ...STOP, usage }]],
    [
      'with null before it',
      [{ ...chunk({ content: 'a' }), usage: null }, STOP, { id: 'c1', choices: [], usage }],
    ],
    ['in Groq’s place', [{ ...STOP, x_groq: { usage } }]],
  ])('tells its usage %s', (_, chunks) => {
    const events = heard([chunk({ content: 'x' }), ...chunks, '[DONE]'])
    const snapshots = events.filter(({ kind }) => kind === 'usage')
    expect(snapshots).toEqual([
      expect.objectContaining({ usage: expect.objectContaining({ input: 3, output: 2 }) }),
    ])
  })

  test.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content-filter'],
    ['model_length', 'context-full'],
    ['insufficient_system_resource', 'other'],
  ])('that says %s ends with %s', (reason, kind) => {
    expect(told(heard([chunk({ content: 'a' }), chunk({}, { finish_reason: reason })])).ends).toEqual([kind])
  })

  test('that says stop after calls ends with tool-calls, after a refusal with refusal', () => {
    expect(told(heard([calls(piece(0, 'a', 'f', '{}')), STOP])).ends).toEqual(['tool-calls'])
    expect(told(heard([chunk({ refusal: 'no' }), STOP])).ends).toEqual(['refusal'])
  })

  test('keeps what comes after its finish reason, and ends once', () => {
    const early = chunk({ content: 'b' }, { finish_reason: 'length' })
    const events = heard([chunk({ content: 'a' }), early, early, chunk({ content: 'c' }), '[DONE]', STOP])
    expect(told(events)).toEqual({ parts: [text('abbc')], ends: ['length'] })
  })

  test('tells several candidates apart', () => {
    const other = {
      ...chunk({ content: 'y' }),
      choices: [{ index: 1, delta: { content: 'y' }, finish_reason: 'stop' }],
    }
    expect(told(heard([chunk({ content: 'x' }), other, STOP]))).toEqual({
      parts: [text('x'), { ...text('y'), candidate: 1 }],
      ends: ['stop', 'stop'],
    })
  })

  test('gives tools back their own names', () => {
    const names = new Map([['sent', 'my.own']])
    expect(told(heard([calls(piece(0, 'a', 'sent', '{}')), STOP], names)).parts).toEqual([
      call('a', 'my.own', '{}'),
    ])
  })

  test.each<readonly [string, readonly (JsonObject | string)[]]>([
    ['without a finish reason', [chunk({ content: 'a' })]],
    ['without a finish reason before [DONE]', [chunk({ content: 'a' }), '[DONE]']],
    ['after nothing', []],
    ['after a first chunk', [chunk({ role: 'assistant', content: '' })]],
    ['in the middle of a chunk', [chunk({ content: 'a' }), '{"id":"c1","choi']],
  ])('that breaks off %s is an error, never a stop', (_, chunks) => {
    expect(heard(chunks).at(-1)).toEqual({ kind: 'error', problem: { code: 'stream_broken' } })
  })

  test.each<readonly [string, JsonObject, string]>([
    ['OpenAI’s object', { error: { message: 'full', type: 'server_error', code: null } }, 'full'],
    [
      'OpenRouter’s number beside choices',
      { ...chunk({ content: '' }), error: { code: 400, message: 'full' } },
      'full',
    ],
    ['xAI’s text', { code: 'x', error: 'full' }, 'full'],
  ])('tells an error as %s, and nothing after it', (_, error, message) => {
    const events = heard([chunk({ content: 'a' }), error, chunk({ content: 'b' }), '[DONE]'])
    expect(events.at(-1)).toEqual({ kind: 'error', problem: { code: 'upstream_error', message } })
    expect(told(events).ends).toEqual([])
  })
})
