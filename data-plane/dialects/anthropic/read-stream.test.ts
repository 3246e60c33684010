import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blankRequest, openSealer } from '#test/arbitraries/canonical.ts'
import { defectsOf } from '#test/conformance/anthropic-stream.ts'
import { gather } from '#test/conformance/gather.ts'
import { stringOf, type JsonObject } from '../canonical/json.ts'
import type { StreamEvent } from '../canonical/stream.ts'
import { openReader } from './read-stream.ts'
import { openWriter } from './write-stream.ts'

const origin = { provider: 'claude', toolNames: new Map([['look_x', 'look.x']]) }

function read(...payloads: JsonObject[]): StreamEvent[] {
  const reader = openReader(origin)
  const events = payloads.flatMap((payload) => [
    ...reader.push({ event: stringOf(payload['type']) ?? '', data: JSON.stringify(payload) }),
  ])
  return [...events, ...reader.end()]
}

const start = (
  id = 'msg_1',
  usage: JsonObject | undefined = { input_tokens: 5, output_tokens: 1 },
): JsonObject => ({
  type: 'message_start',
  message: { id, model: 'claude-x', ...(usage === undefined ? {} : { usage }) },
})
const open = (index: number, content_block: JsonObject): JsonObject => ({
  type: 'content_block_start',
  index,
  content_block,
})
const delta = (index: number, value: JsonObject): JsonObject => ({
  type: 'content_block_delta',
  index,
  delta: value,
})
const close = (index: number): JsonObject => ({ type: 'content_block_stop', index })
const finish = (stop_reason: string, usage: JsonObject = { output_tokens: 9 }): JsonObject => ({
  type: 'message_delta',
  delta: { stop_reason },
  usage,
})
const stop: JsonObject = { type: 'message_stop' }
const hello = [open(0, { type: 'text', text: '' }), delta(0, { type: 'text_delta', text: 'hi' }), close(0)]

const kinds = (events: readonly StreamEvent[]): string => events.map(({ kind }) => kind).join(' ')

describe('a reader', () => {
  test('tells an answer from start to finish', () => {
    expect(kinds(read(start(), ...hello, finish('end_turn'), stop))).toBe(
      'start part-start text part-end usage finish',
    )
  })

  test('takes the same beginning twice for one', () => {
    expect(kinds(read(start(), start(), ...hello, finish('end_turn'), stop))).toBe(
      'start part-start text part-end usage finish',
    )
  })

  test('ends with an error where another answer begins in the middle', () => {
    const events = read(start(), ...hello, start('msg_2'), ...hello, finish('end_turn'), stop)
    expect(kinds(events)).toBe('start part-start text part-end error')
  })

  test('begins by itself where the beginning is missing', () => {
    expect(read(...hello, finish('end_turn'), stop)[0]).toMatchObject({
      kind: 'start',
      id: null,
      usage: null,
    })
  })

  test('writes counts over, and never adds them', () => {
    const events = read(
      start('m', { input_tokens: 5, cache_read_input_tokens: 2, output_tokens: 1 }),
      ...hello,
      finish('end_turn', { input_tokens: 61, output_tokens: 2, cache_creation_input_tokens: null }),
      stop,
    )
    expect(events.at(-2)).toMatchObject({ usage: { input: 63, cacheRead: 2, cacheWrite: 0, output: 2 } })
  })

  test('closes at the end what was never closed', () => {
    const events = read(start(), open(0, { type: 'text', text: '' }), finish('max_tokens'), stop)
    expect(kinds(events)).toBe('start part-start usage part-end finish')
  })

  test('takes an answer with a reason to stop for whole, and one without for broken off', () => {
    expect(read(start(), ...hello, finish('end_turn')).at(-1)).toMatchObject({ kind: 'finish' })
    expect(read(start(), ...hello).at(-1)).toEqual({ kind: 'error', problem: { code: 'stream_broken' } })
  })

  test('ignores events and deltas it does not know', () => {
    const events = read(
      start(),
      { type: 'novelty' },
      hello[0] ?? {},
      delta(0, { type: 'novel_delta', x: 1 }),
      delta(7, { type: 'text_delta', text: 'lost' }),
      ...hello.slice(1),
      finish('end_turn'),
      stop,
    )
    expect(kinds(events)).toBe('start part-start text part-end usage finish')
  })

  test.each(['', 'not json', '[DONE]', '1', 'null'])('ignores the data %j', (data) => {
    expect(openReader(origin).push({ event: 'message_start', data })).toEqual([])
  })

  test('tells calls by the names the client gave, with arguments whole or in pieces', () => {
    const events = read(
      start(),
      open(0, { type: 'tool_use', id: 't1', name: 'look_x', input: {} }),
      delta(0, { type: 'input_json_delta', partial_json: '' }),
      delta(0, { type: 'input_json_delta', partial_json: '{"a":' }),
      delta(0, { type: 'input_json_delta', partial_json: '1}' }),
      close(0),
      open(1, { type: 'tool_use', id: 't2', name: 'other', input: { b: 2 } }),
      close(1),
      finish('tool_use'),
      stop,
    )
    expect(
      events.filter(({ kind }) => kind === 'part-start').map((event) => 'part' in event && event.part),
    ).toEqual([
      { kind: 'tool-call', id: 't1', name: 'look.x', isCustom: false },
      { kind: 'tool-call', id: 't2', name: 'other', isCustom: false },
    ])
    expect(events.flatMap((event) => (event.kind === 'args' ? [event.index + event.text] : []))).toEqual([
      '0{"a":',
      '01}',
      '1{"b":2}',
    ])
  })

  test('tells thoughts with their state, also those that show nothing', () => {
    const events = read(
      start(),
      open(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'hm' }),
      delta(0, { type: 'signature_delta', signature: 'sig' }),
      close(0),
      open(1, { type: 'redacted_thinking', data: 'enc' }),
      close(1),
      finish('end_turn'),
      stop,
    )
    expect(events.flatMap((event) => (event.kind === 'carrier' ? [event.carrier] : []))).toEqual([
      { dialect: 'anthropic', provider: 'claude', data: 'sig', form: 'signature', of: 'own' },
      { dialect: 'anthropic', provider: 'claude', data: 'enc', form: 'redacted', of: 'own' },
    ])
  })

  test('tells blocks of servers whole, once they are', () => {
    const events = read(
      start(),
      open(0, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
      delta(0, { type: 'input_json_delta', partial_json: '{"query":' }),
      delta(0, { type: 'input_json_delta', partial_json: '"x"}' }),
      close(0),
      open(1, { type: 'compaction', content: null }),
      delta(1, { type: 'compaction_delta', content: 'So far…', encrypted_content: 'e' }),
      close(1),
      ...hello.map((event) => ({ ...event, index: 2 })),
      finish('pause_turn'),
      stop,
    )
    expect(
      events.flatMap((event) => (event.kind === 'part-start' ? [[event.index, event.part]] : [])),
    ).toEqual([
      [
        0,
        {
          kind: 'native',
          dialect: 'anthropic',
          type: 'server_tool_use',
          value: { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
        },
      ],
      [
        1,
        {
          kind: 'native',
          dialect: 'anthropic',
          type: 'compaction',
          value: { type: 'compaction', content: 'So far…', encrypted_content: 'e' },
        },
      ],
      [2, { kind: 'text' }],
    ])
    expect(events.at(-1)).toMatchObject({ finish: { kind: 'pause' } })
  })

  test('cites for the whole block', () => {
    const citation = {
      type: 'web_search_result_location',
      url: 'https://a',
      title: 't',
      cited_text: 'c',
      encrypted_index: 'e',
    }
    const events = read(
      start(),
      open(0, { type: 'text', text: '', citations: [] }),
      delta(0, { type: 'citations_delta', citation }),
      delta(0, { type: 'text_delta', text: 'four' }),
      close(0),
      finish('end_turn'),
      stop,
    )
    expect(events.find(({ kind }) => kind === 'citation')).toMatchObject({
      citation: { kind: 'url', url: 'https://a', title: 't', start: 0, end: 4, citedText: 'c' },
    })
  })

  test.each([
    ['overloaded_error', 'upstream_overloaded'],
    ['rate_limit_error', 'rate_limit_exceeded'],
    ['api_error', 'upstream_error'],
  ] as const)('tells the error %s as %s, and nothing after it', (type, code) => {
    const events = read(start(), { type: 'error', error: { type, message: 'Oh.' } }, ...hello, stop)
    expect(events.slice(1)).toEqual([{ kind: 'error', problem: { code, message: 'Oh.' } }])
  })

  test('refusals keep what was explained', () => {
    const details = { type: 'refusal', category: 'cyber', explanation: 'No.' }
    const events = read(
      start(),
      { type: 'message_delta', delta: { stop_reason: 'refusal', stop_details: details }, usage: {} },
      stop,
    )
    expect(events.at(-1)).toEqual({
      kind: 'finish',
      candidate: 0,
      finish: { kind: 'content-filter', explanation: 'No.', details },
    })
  })
})

describe('whatever an upstream sends', () => {
  const index = fc.integer({ min: -1, max: 3 })
  const word = fc.constantFrom('', 'a', '{"a":', '1}', '\ud83c')
  const odd: fc.Arbitrary<JsonObject[keyof JsonObject]> = fc.constantFrom(null, 1, 'x', [], {}, { type: 1 })
  const anyBlock = fc.oneof(
    fc.constantFrom(
      { type: 'text', text: 'b' },
      { type: 'text' },
      { type: 'thinking', thinking: '', signature: 's' },
      { type: 'redacted_thinking', data: 'd' },
      { type: 'redacted_thinking' },
      { type: 'tool_use', id: 't', name: 'n', input: {} },
      { type: 'tool_use', input: { a: 1 } },
      { type: 'server_tool_use', id: 's', name: 'n', input: {} },
      { type: 'novelty' },
    ),
    odd,
  )
  const anyDelta = fc.oneof(
    fc
      .tuple(
        fc.constantFrom(
          'text_delta',
          'thinking_delta',
          'input_json_delta',
          'signature_delta',
          'citations_delta',
          'x',
        ),
        word,
      )
      .map(([type, text]) => ({
        type,
        text,
        thinking: text,
        partial_json: text,
        signature: text,
        citation: { cited_text: text },
      })),
    odd,
  )
  const anyEvent: fc.Arbitrary<JsonObject> = fc.oneof(
    fc.constantFrom('msg_1', 'msg_2').map((id) => start(id)),
    fc
      .tuple(index, anyBlock)
      .map(([at, content_block]) => ({ type: 'content_block_start', index: at, content_block })),
    fc
      .tuple(index, anyDelta)
      .map(([at, value]) => ({ type: 'content_block_delta', index: at, delta: value })),
    index.map(close),
    fc.constantFrom('end_turn', 'tool_use', 'novelty').map((reason) => finish(reason)),
    fc.constantFrom<JsonObject>(
      stop,
      { type: 'ping' },
      { type: 'error', error: null },
      { type: 'message_delta', delta: null },
    ),
  )

  test('a reader keeps its promises, and a writer ends well or with an error', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 25 }), (payloads) => {
        const events = read(start(), ...payloads)
        const { problem } = gather(events, 'anthropic')
        const writer = openWriter({
          request: blankRequest('anthropic'),
          newId: () => 'new',
          now: 0,
          sealer: openSealer,
          requestId: 'r',
        })
        const written = events.map((event) => writer.write(event)).join('') + writer.end()
        if (problem === null) expect(defectsOf(written)).toEqual([])
        else expect(written).toMatch(/event: error\ndata: .*\n\n$/)
      }),
      { numRuns: 2_000 },
    )
  })
})
