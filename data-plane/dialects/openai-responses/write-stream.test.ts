import { describe, expect, test } from 'vitest'
import { answerTarget, ASKED } from '#test/conformance/contexts.ts'
import { eventsOf as framesOf } from '#test/conformance/recordings.ts'
import { lastOf, payloads, rebuilt, typesOf } from '#test/conformance/responses-stream.ts'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { objectOf, type JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import type { PartStart, StreamEvent } from '../canonical/stream.ts'
import { openaiResponses } from '../openai-responses.ts'

const START: StreamEvent = { kind: 'start', id: 'up_1', model: 'gpt-x', serviceTier: null, usage: null }
const STOP: StreamEvent = { kind: 'finish', candidate: 0, finish: { kind: 'stop' } }
const USAGE: StreamEvent = {
  kind: 'usage',
  usage: {
    input: 10,
    output: 5,
    cacheRead: 4,
    cacheWrite: 0,
    cacheWriteLong: 0,
    reasoning: 2,
    inputAudio: 0,
    outputAudio: 0,
    native: {},
  },
}

const asked = (over: Partial<CanonicalRequest> = {}): CanonicalRequest => ({
  ...ASKED,
  dialect: 'openai-responses',
  ...over,
})

const begin = (index: number, part: PartStart['part']): StreamEvent => ({
  kind: 'part-start',
  index,
  candidate: 0,
  part,
})
const end = (index: number): StreamEvent => ({ kind: 'part-end', index })
const text = (index: number, value: string): StreamEvent => ({ kind: 'text', index, text: value })
const args = (index: number, value: string): StreamEvent => ({ kind: 'args', index, text: value })

const CALL = { kind: 'tool-call', id: 'call_1', name: 'lookup', isCustom: false } as const

/** All frames of these events and of the end. */
function told(events: readonly StreamEvent[], request = asked()): string {
  const writer = openaiResponses.openWriter(answerTarget(request))
  return events.map((event) => writer.write(event)).join('') + writer.end()
}

describe('a stream to a Responses client', () => {
  test('tells a text in the order the service tells it', () => {
    const stream = told([
      START,
      begin(0, { kind: 'text' }),
      text(0, 'Hel'),
      text(0, 'lo'),
      end(0),
      STOP,
      USAGE,
    ])
    expect(typesOf(stream)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(lastOf(stream)).toMatchObject({
      status: 'completed',
      model: 'gpt-x',
      output: [{ type: 'message', status: 'completed', content: [{ type: 'output_text', text: 'Hello' }] }],
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 0 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 15,
      },
    })
  })

  test('numbers its events without a gap and names each in its event line', () => {
    const stream = told([START, begin(0, CALL), args(0, '{}'), end(0), STOP])
    expect(payloads(stream).map((event) => event['sequence_number'])).toEqual(
      payloads(stream).map((_event, index) => index),
    )
    for (const { event, data } of framesOf(stream)) expect(objectOf(JSON.parse(data))['type']).toBe(event)
  })

  test('is rebuilt by the official SDK into the response it ends with', async () => {
    const stream = told([
      START,
      begin(0, { kind: 'reasoning', isSummary: true }),
      { kind: 'reasoning', index: 0, text: 'Let me ' },
      { kind: 'reasoning', index: 0, text: 'see.' },
      { kind: 'carrier', index: 0, carrier: CARRIER },
      end(0),
      begin(1, { kind: 'reasoning', isSummary: false }),
      { kind: 'reasoning', index: 1, text: 'raw' },
      end(1),
      begin(2, { kind: 'text' }),
      text(2, 'I will '),
      text(2, 'look.'),
      {
        kind: 'citation',
        index: 2,
        citation: { kind: 'url', url: 'https://a.example', title: 'A', start: 0, end: 4 },
      },
      end(2),
      begin(3, { kind: 'refusal' }),
      { kind: 'refusal', index: 3, text: 'Not that.' },
      end(3),
      begin(4, CALL),
      args(4, '{"q":'),
      args(4, '1}'),
      end(4),
      begin(5, { kind: 'tool-call', id: 'call_2', name: 'shell', isCustom: true }),
      args(5, 'ls'),
      end(5),
      begin(6, {
        kind: 'media',
        media: 'image',
        source: { kind: 'base64', data: 'AAAA' },
        mimeType: 'image/png',
      }),
      end(6),
      { kind: 'finish', candidate: 0, finish: { kind: 'tool-calls' } },
      USAGE,
    ])
    const response = await rebuilt(stream)
    const { output_text: _text, ...rest } = response
    expect(rest).toMatchObject(lastOf(stream))
    expect(response['output']).toHaveLength(6)
  })

  test('keeps parts apart that are told at the same time', async () => {
    const stream = told([
      START,
      begin(0, { kind: 'text' }),
      text(0, 'a'),
      begin(1, CALL),
      args(1, '{"a":'),
      begin(2, { ...CALL, id: 'call_2' }),
      args(2, '{"b":'),
      args(1, '1}'),
      text(0, 'b'),
      end(1),
      args(2, '2}'),
      end(0),
      end(2),
      { kind: 'finish', candidate: 0, finish: { kind: 'tool-calls' } },
    ])
    expect((await rebuilt(stream))['output']).toMatchObject([
      { content: [{ text: 'ab' }] },
      { call_id: 'call_1', arguments: '{"a":1}' },
      { call_id: 'call_2', arguments: '{"b":2}' },
    ])
  })

  test('puts texts and refusals that follow each other into one message', () => {
    const stream = told([
      START,
      begin(0, { kind: 'text' }),
      text(0, 'one'),
      end(0),
      begin(1, { kind: 'text' }),
      text(1, 'two'),
      end(1),
      STOP,
    ])
    expect(lastOf(stream)['output']).toMatchObject([{ content: [{ text: 'one' }, { text: 'two' }] }])
  })

  test('begins another message where the phase changes', () => {
    const stream = told([
      START,
      begin(0, { kind: 'text', phase: 'commentary' }),
      text(0, 'one'),
      end(0),
      begin(1, { kind: 'text', phase: 'final_answer' }),
      text(1, 'two'),
      end(1),
      STOP,
    ])
    expect(lastOf(stream)['output']).toMatchObject([{ phase: 'commentary' }, { phase: 'final_answer' }])
  })

  test('says nothing of parts that hold nothing', () => {
    const nothing = told([
      START,
      begin(0, { kind: 'text' }),
      end(0),
      begin(1, { kind: 'reasoning', isSummary: true }),
      end(1),
      STOP,
    ])
    expect(lastOf(nothing)['output']).toEqual([])
  })

  test('tells the one answer that the API has', () => {
    const other: StreamEvent = { kind: 'part-start', index: 1, candidate: 1, part: { kind: 'text' } }
    const stream = told([
      START,
      begin(0, { kind: 'text' }),
      other,
      text(0, 'a'),
      text(1, 'b'),
      end(1),
      end(0),
      { kind: 'finish', candidate: 1, finish: { kind: 'length' } },
      STOP,
    ])
    expect(lastOf(stream)).toMatchObject({ status: 'completed', output: [{ content: [{ text: 'a' }] }] })
    expect(lastOf(stream)['output']).toHaveLength(1)
  })

  test('gives a call without arguments an empty object', () => {
    const stream = told([START, begin(0, CALL), end(0), STOP])
    expect(lastOf(stream)['output']).toMatchObject([{ arguments: '{}' }])
    expect(typesOf(stream)).toContain('response.function_call_arguments.delta')
  })

  test('takes the text out of a free-form tool that had to be told as a function', () => {
    const request = asked({ tools: [{ kind: 'custom', name: 'shell' }] })
    const stream = told(
      [START, begin(0, { ...CALL, name: 'shell' }), args(0, '{"input":'), args(0, '"ls -l"}'), end(0), STOP],
      request,
    )
    expect(lastOf(stream)['output']).toMatchObject([{ type: 'custom_tool_call', input: 'ls -l' }])
    expect(
      payloads(stream).filter(({ type }) => type === 'response.custom_tool_call_input.delta'),
    ).toMatchObject([{ delta: 'ls -l' }])
  })

  test('tells probabilities with the text they belong to', () => {
    const request = asked({ params: { topLogprobs: 0 } })
    const token = (value: string) => ({ token: value, logprob: -1, bytes: null, top: [] })
    const stream = told(
      [
        START,
        begin(0, { kind: 'text' }),
        text(0, 'a'),
        { kind: 'logprobs', index: 0, tokens: [token('a')] },
        { kind: 'logprobs', index: 0, tokens: [token('é')] },
        text(0, 'é'),
        end(0),
        STOP,
      ],
      request,
    )
    expect(payloads(stream).filter(({ type }) => type === 'response.output_text.delta')).toMatchObject([
      { delta: 'a', logprobs: [{ token: 'a', bytes: [97] }] },
      { delta: 'é', logprobs: [{ token: 'é', bytes: [0xc3, 0xa9] }] },
    ])
    expect(lastOf(stream)['output']).toMatchObject([
      { content: [{ logprobs: [{ token: 'a' }, { token: 'é' }] }] },
    ])
  })

  test('cites the whole text where the upstream named no place', () => {
    const stream = told([
      START,
      begin(0, { kind: 'text' }),
      { kind: 'citation', index: 0, citation: { kind: 'url', url: 'https://a.example' } },
      text(0, 'hello'),
      end(0),
      STOP,
    ])
    expect(lastOf(stream)['output']).toMatchObject([
      { content: [{ annotations: [{ type: 'url_citation', start_index: 0, end_index: 5 }] }] },
    ])
  })
})

const CARRIER = { dialect: 'gemini', provider: 'google', data: 'c2ln', form: 'thought', of: 'own' } as const

/** State in the items of a response, opened. */
const stateIn = (stream: string): readonly unknown[] =>
  (lastOf(stream)['output'] as readonly JsonObject[]).map(({ type, encrypted_content: state }) =>
    typeof state === 'string' ? openSealer.open(state) : type,
  )

describe('state of another vendor in a stream to a Responses client', () => {
  test('stands in front of its call when it came before the arguments', () => {
    const stream = told([
      START,
      begin(0, CALL),
      { kind: 'carrier', index: 0, carrier: CARRIER },
      args(0, '{}'),
      end(0),
      STOP,
    ])
    expect(stateIn(stream)).toEqual([{ ...CARRIER, of: 'next' }, 'function_call'])
  })

  test('stands behind its part when that had been told before', () => {
    const stream = told([
      START,
      begin(0, { kind: 'text' }),
      text(0, 'a'),
      { kind: 'carrier', index: 0, carrier: CARRIER },
      end(0),
      begin(1, CALL),
      args(1, '{}'),
      { kind: 'carrier', index: 1, carrier: CARRIER },
      end(1),
      STOP,
    ])
    expect(stateIn(stream)).toEqual([
      'message',
      { ...CARRIER, of: 'previous' },
      'function_call',
      { ...CARRIER, of: 'previous' },
    ])
  })

  test('keeps the exact thought beside it', () => {
    const stream = told([
      START,
      begin(0, { kind: 'reasoning', isSummary: true }),
      { kind: 'reasoning', index: 0, text: 'hm' },
      { kind: 'carrier', index: 0, carrier: CARRIER },
      end(0),
      STOP,
    ])
    expect(stateIn(stream)).toEqual([{ ...CARRIER, text: 'hm' }])
  })
})

describe('the end of a stream to a Responses client', () => {
  const SAID = [START, begin(0, { kind: 'text' }), text(0, 'a'), end(0)]

  test.each([
    ['stop', 'completed', null],
    ['stop-sequence', 'completed', null],
    ['tool-calls', 'completed', null],
    ['refusal', 'completed', null],
    ['other', 'completed', null],
    ['length', 'incomplete', { reason: 'max_output_tokens' }],
    ['context-full', 'incomplete', { reason: 'max_output_tokens' }],
    ['pause', 'incomplete', { reason: 'max_output_tokens' }],
    ['content-filter', 'incomplete', { reason: 'content_filter' }],
  ] as const)('tells %s as %s', (kind, status, details) => {
    const stream = told([...SAID, { kind: 'finish', candidate: 0, finish: { kind } }])
    expect(lastOf(stream)).toMatchObject({
      status,
      incomplete_details: details,
      output: [{ status }],
    })
    expect(typesOf(stream).at(-1)).toBe(`response.${status}`)
  })

  test('tells an odd end without a word as a failure', () => {
    const stream = told([START, { kind: 'finish', candidate: 0, finish: { kind: 'other' } }])
    expect(lastOf(stream)).toMatchObject({ status: 'failed', error: { code: 'server_error' } })
  })

  test('tells why the model refused', () => {
    const finish = { kind: 'refusal', explanation: 'No.' } as const
    const stream = told([...SAID, { kind: 'finish', candidate: 0, finish }])
    expect(lastOf(stream)['output']).toMatchObject([{ content: [{ text: 'a' }, { refusal: 'No.' }] }])
  })

  test('is an error when the upstream broke off', () => {
    const stream = told([START, begin(0, { kind: 'text' }), text(0, 'a')])
    expect(typesOf(stream).slice(-3)).toEqual(['response.output_text.delta', 'error', 'response.failed'])
    expect(payloads(stream).at(-2)).toMatchObject({
      code: 'stream_broken',
      error: { code: 'stream_broken', type: 'upstream_error' },
    })
    expect(lastOf(stream)).toMatchObject({
      status: 'failed',
      error: { code: 'server_error' },
      output: [{ status: 'incomplete', content: [{ text: 'a' }] }],
    })
  })

  test('makes the official SDK throw on an error, and nothing follows it', async () => {
    const writer = openaiResponses.openWriter(answerTarget(asked()))
    const stream =
      writer.write(START) +
      writer.write({ kind: 'error', problem: { code: 'rate_limit_exceeded', message: 'slow down' } })
    expect(writer.write(text(0, 'more')) + writer.end() + writer.fail({ code: 'internal_error' })).toBe('')
    await expect(rebuilt(stream)).rejects.toThrow()
    expect(lastOf(stream)).toMatchObject({ error: { code: 'rate_limit_exceeded', message: 'slow down' } })
  })
})
