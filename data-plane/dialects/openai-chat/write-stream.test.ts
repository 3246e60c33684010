import { describe, expect, test } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { answerTarget, ASKED } from '#test/conformance/contexts.ts'
import { eventsOf } from '#test/conformance/recordings.ts'
import { arrayOf, objectOf, stringOf, type JsonObject } from '../canonical/json.ts'
import type { Finish } from '../canonical/reply.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import { openWriter } from './write-stream.ts'

const START: StreamEvent = { kind: 'start', id: 'msg_1', model: 'claude', serviceTier: null, usage: null }
const STOP: StreamEvent = { kind: 'finish', candidate: 0, finish: { kind: 'stop' } }
const CHAT: CanonicalRequest = { ...ASKED, dialect: 'openai-chat' }

const part = (
  index: number,
  begun: PartStart['part'],
  ...between: readonly StreamEvent[]
): readonly StreamEvent[] => [
  { kind: 'part-start', index, candidate: 0, part: begun },
  ...between,
  { kind: 'part-end', index },
]
const text = (index: number, said: string): readonly StreamEvent[] =>
  part(index, { kind: 'text' }, { kind: 'text', index, text: said })
const call = (index: number, name: string, ...args: readonly string[]): readonly StreamEvent[] =>
  part(
    index,
    { kind: 'tool-call', id: `call_${index}`, name, isCustom: false },
    ...args.map((said): StreamEvent => ({ kind: 'args', index, text: said })),
  )

function frames(events: readonly StreamEvent[], request: CanonicalRequest = CHAT): string {
  const writer = openWriter(answerTarget(request))
  const written = events.map((event) => writer.write(event))
  // One write holds whole frames only.
  for (const one of written) expect(one === '' || one.endsWith('\n\n')).toBe(true)
  return written.join('') + writer.end()
}
const chunks = (events: readonly StreamEvent[], request: CanonicalRequest = CHAT): readonly JsonObject[] =>
  eventsOf(frames(events, request)).flatMap(({ data }) =>
    data === '[DONE]' ? [] : [objectOf(JSON.parse(data))],
  )
const choices = (events: readonly StreamEvent[], request: CanonicalRequest = CHAT): readonly JsonObject[] =>
  chunks(events, request).flatMap((chunk) => arrayOf(chunk['choices']).map((choice) => objectOf(choice)))
const deltas = (events: readonly StreamEvent[], request: CanonicalRequest = CHAT): unknown =>
  choices(events, request).map(({ delta }) => delta)

const ROLE = { role: 'assistant', content: '', refusal: null }

describe('a stream to a chat client', () => {
  test('begins with the role, ends with the reason, the usage and [DONE]', () => {
    const usage = {
      input: 3,
      output: 2,
      cacheRead: 0,
      cacheWrite: 0,
      cacheWriteLong: 0,
      reasoning: 0,
      inputAudio: 0,
      outputAudio: 0,
      native: {},
    }
    const events = [START, ...text(0, 'a'), STOP, { kind: 'usage', usage } as const]
    expect(chunks(events).map(({ choices: said, usage: spent }) => [said, spent])).toEqual([
      [[{ index: 0, delta: ROLE, logprobs: null, finish_reason: null }], null],
      [[{ index: 0, delta: { content: 'a' }, logprobs: null, finish_reason: null }], null],
      [[{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }], null],
      [[], expect.objectContaining({ prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 })],
    ])
    expect(frames(events).endsWith('data: [DONE]\n\n')).toBe(true)
    for (const chunk of chunks(events))
      expect(chunk).toMatchObject({
        id: 'chatcmpl-id1',
        object: 'chat.completion.chunk',
        created: 1_790_000_000,
        model: 'claude',
      })
  })

  test('says nothing of usage to whoever did not ask', () => {
    const request = { ...CHAT, telling: { ...CHAT.telling, usageChunk: false } }
    expect(frames([START, ...text(0, 'a'), STOP], request)).not.toContain('usage')
  })

  test('keeps OpenAI’s own id', () => {
    const [first] = chunks([{ ...START, id: 'chatcmpl-x' }, STOP])
    expect(first?.['id']).toBe('chatcmpl-x')
  })

  test.each<readonly [string, readonly StreamEvent[], readonly unknown[]]>([
    [
      'thought',
      part(0, { kind: 'reasoning', isSummary: false }, { kind: 'reasoning', index: 0, text: 'hm' }),
      [{ reasoning_content: 'hm' }],
    ],
    [
      'a refusal',
      part(0, { kind: 'refusal' }, { kind: 'refusal', index: 0, text: 'no' }),
      [{ refusal: 'no' }],
    ],
    [
      'a call in pieces',
      call(0, 'f', '{"x"', ':1}'),
      [
        {
          tool_calls: [
            { index: 0, id: 'call_0', type: 'function', function: { name: 'f', arguments: '{"x"' } },
          ],
        },
        { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] },
      ],
    ],
    [
      'a call without arguments',
      call(0, 'f'),
      [
        {
          tool_calls: [
            { index: 0, id: 'call_0', type: 'function', function: { name: 'f', arguments: '{}' } },
          ],
        },
      ],
    ],
    [
      'calls counted among themselves, interleaved',
      [
        ...text(0, 'a'),
        {
          kind: 'part-start',
          index: 1,
          candidate: 0,
          part: { kind: 'tool-call', id: 'a', name: 'f', isCustom: false },
        },
        {
          kind: 'part-start',
          index: 2,
          candidate: 0,
          part: { kind: 'tool-call', id: 'b', name: 'g', isCustom: false },
        },
        { kind: 'args', index: 2, text: '[]' },
        { kind: 'args', index: 1, text: '{}' },
        { kind: 'part-end', index: 1 },
        { kind: 'part-end', index: 2 },
      ],
      [
        { content: 'a' },
        { tool_calls: [{ index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '[]' } }] },
        { tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      ],
    ],
    [
      'a free-form call',
      part(
        0,
        { kind: 'tool-call', id: 'a', name: 'f', isCustom: true },
        { kind: 'args', index: 0, text: 'x' },
        { kind: 'args', index: 0, text: ' y' },
      ),
      [{ tool_calls: [{ index: 0, id: 'a', type: 'custom', custom: { name: 'f', input: 'x y' } }] }],
    ],
    [
      'a citation',
      [
        ...text(0, 'ab'),
        ...part(
          1,
          { kind: 'text' },
          { kind: 'text', index: 1, text: 'cd' },
          { kind: 'citation', index: 1, citation: { kind: 'url', url: 'u', start: 0, end: 2 } },
        ),
      ],
      [
        { content: 'ab' },
        { content: 'cd' },
        {
          annotations: [
            { type: 'url_citation', url_citation: { url: 'u', title: '', start_index: 2, end_index: 4 } },
          ],
        },
      ],
    ],
    [
      'an image',
      part(0, {
        kind: 'media',
        media: 'image',
        source: { kind: 'base64', data: 'AA==' },
        mimeType: 'image/png',
      }),
      [{ images: [{ type: 'image_url', index: 0, image_url: { url: 'data:image/png;base64,AA==' } }] }],
    ],
  ])('tells %s', (_, events, expected) => {
    expect(deltas([START, ...events, STOP])).toEqual([ROLE, ...expected, {}])
  })

  test('tells the state of a call with its first piece, sealed when it is another vendor’s', () => {
    const carrier = { dialect: 'gemini', provider: 'g', data: 'S', form: 'thought', of: 'own' } as const
    const events = part(
      0,
      { kind: 'tool-call', id: 'a', name: 'f', isCustom: false },
      { kind: 'carrier', index: 0, carrier },
      { kind: 'args', index: 0, text: '{}' },
    )
    const signature = { google: { thought_signature: openSealer.seal(carrier) } }
    expect(deltas([START, ...events, STOP])).toEqual([
      ROLE,
      {
        tool_calls: [
          {
            index: 0,
            id: 'a',
            type: 'function',
            function: { name: 'f', arguments: '{}' },
            extra_content: signature,
          },
        ],
      },
      {},
    ])
    // It may also come late.
    expect(
      deltas([START, events[0], events[2], events[1], events[3], STOP].filter((one) => one !== undefined)),
    ).toContainEqual({
      tool_calls: [{ index: 0, extra_content: signature }],
    })
  })

  test('tells all other state at once, before the end, with the texts it belongs to', () => {
    const signed = { dialect: 'anthropic', provider: 'a', data: 'S', form: 'signature', of: 'own' } as const
    const events = [
      ...part(
        0,
        { kind: 'reasoning', isSummary: false },
        { kind: 'reasoning', index: 0, text: 'h' },
        { kind: 'reasoning', index: 0, text: 'm' },
        { kind: 'carrier', index: 0, carrier: signed },
      ),
      ...part(
        1,
        { kind: 'text' },
        { kind: 'text', index: 1, text: 'a' },
        { kind: 'carrier', index: 1, carrier: { ...signed, dialect: 'gemini' } },
      ),
    ]
    const told = deltas([START, ...events, STOP]) as readonly JsonObject[]
    const details = arrayOf(told.at(-2)?.['reasoning_details']).map((detail) =>
      openSealer.open(stringOf(objectOf(detail)['data']) ?? ''),
    )
    expect(details).toEqual([
      { ...signed, text: 'hm' },
      { ...signed, dialect: 'gemini', of: 'next', text: 'a' },
    ])
    expect(told.filter((delta) => 'reasoning_details' in delta)).toHaveLength(1)
  })

  test('takes the text out of a free-form tool that the upstream knew as a function', () => {
    const request: CanonicalRequest = { ...CHAT, tools: [{ kind: 'custom', name: 'f' }] }
    expect(deltas([START, ...call(0, 'f', '{"input":', '"x y"}'), STOP], request)).toEqual([
      ROLE,
      { tool_calls: [{ index: 0, id: 'call_0', type: 'custom', custom: { name: 'f', input: 'x y' } }] },
      {},
    ])
  })

  test('tells whoever sent functions of one call, in the legacy form', () => {
    const request: CanonicalRequest = { ...CHAT, telling: { ...CHAT.telling, legacyFunctions: true } }
    const said = choices([START, ...call(0, 'f', '{"x"', ':1}'), ...call(1, 'g', '{}'), STOP], request)
    expect(said.map(({ delta }) => delta)).toEqual([
      ROLE,
      { function_call: { name: 'f', arguments: '{"x"' } },
      { function_call: { arguments: ':1}' } },
      {},
    ])
    expect(said.at(-1)?.['finish_reason']).toBe('function_call')
  })

  test('tells log probabilities', () => {
    const tokens = [{ token: 'a', logprob: -1, bytes: null, top: [] }]
    const said = choices([
      START,
      ...part(
        0,
        { kind: 'text' },
        { kind: 'text', index: 0, text: 'a' },
        { kind: 'logprobs', index: 0, tokens },
      ),
      STOP,
    ])
    expect(said[2]).toMatchObject({
      delta: {},
      logprobs: { content: [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [] }], refusal: null },
    })
  })

  test('begins each candidate with its role', () => {
    const other: StreamEvent = { kind: 'part-start', index: 1, candidate: 1, part: { kind: 'text' } }
    const said = choices([
      START,
      ...text(0, 'a'),
      other,
      { kind: 'text', index: 1, text: 'b' },
      { kind: 'part-end', index: 1 },
      STOP,
      { ...STOP, candidate: 1 },
    ])
    expect(said.map(({ index, delta }) => [index, delta])).toEqual([
      [0, ROLE],
      [0, { content: 'a' }],
      [1, ROLE],
      [1, { content: 'b' }],
      [0, {}],
      [1, {}],
    ])
  })

  test('says why a filter refused', () => {
    const finish: Finish = { kind: 'refusal', explanation: 'not this' }
    const said = choices([START, { kind: 'finish', candidate: 0, finish }])
    expect(said.map(({ delta, finish_reason: reason }) => [delta, reason])).toEqual([
      [ROLE, null],
      [{ refusal: 'not this' }, null],
      [{}, 'content_filter'],
    ])
  })

  test('keeps the connection with a comment that every parser takes', () => {
    expect(openWriter(answerTarget(CHAT)).write({ kind: 'ping' })).toBe(': ping\n\n')
  })

  test('ends with an error in OpenAI’s words, and then says nothing', () => {
    const writer = openWriter(answerTarget(CHAT))
    writer.write(START)
    const told = writer.write({ kind: 'error', problem: { code: 'stream_broken' } })
    expect(objectOf(JSON.parse(told.slice('data: '.length)))['error']).toMatchObject({
      code: 'stream_broken',
      type: 'upstream_error',
    })
    expect([writer.write(STOP), writer.fail({ code: 'internal_error' }), writer.end()]).toEqual(['', '', ''])
  })
})
