import { describe, expect, test } from 'vitest'
import { origin } from '#test/conformance/contexts.ts'
import { gather, readStream } from '#test/conformance/gather.ts'
import type { JsonObject } from '../canonical/json.ts'
import { openReader } from './read-stream.ts'

const RESPONSE = { id: 'resp_1', model: 'gpt-x', service_tier: 'default' }
const CREATED = { type: 'response.created', response: RESPONSE }

const completed = (over: JsonObject = {}): JsonObject => ({
  type: 'response.completed',
  response: { ...RESPONSE, status: 'completed', output: [], ...over },
})

const heard = (...payloads: readonly (JsonObject | string)[]) =>
  gather(
    readStream(
      openReader(origin('openai', new Map([['short', 'a tool of a long name']]))),
      payloads.map((payload) => ({
        event: '',
        data: typeof payload === 'string' ? payload : JSON.stringify(payload),
      })),
    ),
    'openai-responses',
  )

const partsOf = (...payloads: readonly (JsonObject | string)[]) =>
  heard(CREATED, ...payloads, completed()).reply.candidates[0]?.parts

const item = (type: 'added' | 'done', place: number, value: JsonObject): JsonObject => ({
  type: `response.output_item.${type}`,
  output_index: place,
  item: value,
})

const delta = (kind: string, place: number, text: string, over: JsonObject = {}): JsonObject => ({
  type: `response.${kind}.delta`,
  output_index: place,
  content_index: 0,
  delta: text,
  ...over,
})

const MESSAGE = { id: 'msg_1', type: 'message', role: 'assistant', content: [] }
const CALL = { id: 'fc_1', type: 'function_call', call_id: 'call_1', name: 'f', arguments: '' }

describe('a stream of the Responses API', () => {
  test('begins with who answers', () => {
    expect(heard(CREATED, completed()).reply).toMatchObject({
      id: 'resp_1',
      model: 'gpt-x',
      serviceTier: 'default',
    })
  })

  test('is told by places, whatever becomes of the ids', () => {
    expect(
      partsOf(
        item('added', 0, MESSAGE),
        delta('output_text', 0, 'Hel', { item_id: 'msg_2' }),
        item('added', 1, CALL),
        delta('function_call_arguments', 1, '{"a"', { item_id: 'fc_7' }),
        delta('output_text', 0, 'lo', { item_id: 'msg_3' }),
        delta('function_call_arguments', 1, ':1}', { item_id: 'fc_8' }),
        item('done', 1, { ...CALL, id: 'fc_9', arguments: '{"a":1}' }),
        item('done', 0, { ...MESSAGE, content: [{ type: 'output_text', text: 'Hello' }] }),
      ),
    ).toMatchObject([
      { kind: 'text', text: 'Hello' },
      { kind: 'tool-call', id: 'call_1', name: 'f', args: '{"a":1}' },
    ])
  })

  test('may leave out places where ids tell them', () => {
    const { output_index: _place, ...placeless } = delta('output_text', 0, 'a', { item_id: 'msg_1' })
    expect(partsOf(item('added', 3, MESSAGE), item('added', 4, CALL), placeless)).toMatchObject([
      { kind: 'tool-call' },
      { kind: 'text', text: 'a' },
    ])
  })

  test('may leave out the opening of items and parts', () => {
    expect(partsOf(delta('output_text', 0, 'a'), delta('output_text', 0, 'b'))).toEqual([
      { kind: 'text', text: 'ab' },
    ])
  })

  test('may begin without saying so', () => {
    const { reply, problem } = heard(delta('output_text', 0, 'a'), completed())
    expect([reply.candidates[0]?.parts, problem]).toEqual([[{ kind: 'text', text: 'a' }], null])
  })

  test('may tell an item only at its end', () => {
    expect(
      partsOf(
        item('done', 0, {
          ...MESSAGE,
          content: [
            { type: 'output_text', text: 'a' },
            { type: 'refusal', refusal: 'b' },
          ],
        }),
        item('done', 1, { ...CALL, arguments: '{}' }),
        item('done', 2, { type: 'custom_tool_call', call_id: 'c', name: 'sh', input: 'ls' }),
      ),
    ).toMatchObject([
      { kind: 'text', text: 'a' },
      { kind: 'refusal', text: 'b' },
      { kind: 'tool-call', args: '{}', isCustom: false },
      { kind: 'tool-call', id: 'c', args: 'ls', isCustom: true },
    ])
  })

  test('may tell everything only in its last event', () => {
    const output = [{ ...MESSAGE, content: [{ type: 'output_text', text: 'a' }] }]
    expect(heard(CREATED, completed({ output })).reply.candidates[0]?.parts).toEqual([
      { kind: 'text', text: 'a' },
    ])
  })

  test('tells nothing twice when its last event lacks an item', () => {
    const message = { ...MESSAGE, content: [{ type: 'output_text', text: 'a' }] }
    const reasoning = { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'hm' }] }
    const { reply } = heard(
      CREATED,
      item('done', 0, reasoning),
      item('done', 1, message),
      completed({ output: [message] }),
    )
    expect(reply.candidates[0]?.parts).toMatchObject([{ text: 'hm' }, { text: 'a' }])
  })

  test('tells nothing twice when its last event counts items otherwise', () => {
    const output = [{ ...MESSAGE, content: [{ type: 'output_text', text: 'a' }] }]
    const { reply } = heard(
      CREATED,
      delta('reasoning_text', 0, 'hm'),
      delta('output_text', 1, 'a'),
      completed({ output }),
    )
    expect(reply.candidates[0]?.parts).toEqual([
      { kind: 'reasoning', text: 'hm', isSummary: false },
      { kind: 'text', text: 'a' },
    ])
  })

  test('waits for the name of a call whose arguments come first', () => {
    expect(
      partsOf(delta('function_call_arguments', 0, '{'), item('done', 0, { ...CALL, arguments: '{"a":1}' })),
    ).toMatchObject([{ id: 'call_1', name: 'f', args: '{"a":1}' }])
  })

  test('gives calls the names the client knows', () => {
    expect(partsOf(item('done', 0, { ...CALL, name: 'short' }))).toMatchObject([
      { name: 'a tool of a long name' },
    ])
  })

  test('puts summaries into one thought, with the state that its end brings', () => {
    const place = { output_index: 0, item_id: 'rs_1' }
    expect(
      partsOf(
        item('added', 0, { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'half' }),
        { type: 'response.reasoning_summary_part.added', ...place, summary_index: 0 },
        { type: 'response.reasoning_summary_text.delta', ...place, summary_index: 0, delta: 'one' },
        { type: 'response.reasoning_summary_part.added', ...place, summary_index: 1 },
        { type: 'response.reasoning_summary_text.delta', ...place, summary_index: 1, delta: 'two' },
        item('done', 0, {
          type: 'reasoning',
          id: 'rs_1',
          summary: [
            { type: 'summary_text', text: 'one' },
            { type: 'summary_text', text: 'two' },
          ],
          encrypted_content: 'whole',
        }),
      ),
    ).toEqual([
      {
        kind: 'reasoning',
        text: 'one\n\ntwo',
        isSummary: true,
        carrier: {
          dialect: 'openai-responses',
          provider: 'openai',
          data: 'whole',
          form: 'encrypted',
          of: 'own',
          id: 'rs_1',
        },
      },
    ])
  })

  test.each(['reasoning_text', 'reasoning'])('tells the thought itself by response.%s.delta', (kind) => {
    expect(
      partsOf(item('added', 0, { type: 'reasoning', id: 'rs_1', summary: [] }), delta(kind, 0, 'raw')),
    ).toEqual([{ kind: 'reasoning', text: 'raw', isSummary: false }])
  })

  test('keeps state that comes without a word', () => {
    expect(
      partsOf(item('done', 0, { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' })),
    ).toMatchObject([{ kind: 'reasoning', text: '', carrier: { data: 'x' } }])
  })

  test('tells phase, citations and probabilities once', () => {
    const annotation = {
      type: 'url_citation',
      url: 'https://a.example',
      title: 'A',
      start_index: 0,
      end_index: 1,
    }
    const logprobs = [{ token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [{ token: 'b', logprob: -1 }] }]
    const part = { type: 'output_text', text: 'a', annotations: [annotation], logprobs }
    const { reply } = heard(
      CREATED,
      item('added', 0, { ...MESSAGE, phase: 'commentary' }),
      delta('output_text', 0, 'a', { logprobs }),
      { type: 'response.output_text.annotation.added', output_index: 0, content_index: 0, annotation },
      { type: 'response.content_part.done', output_index: 0, content_index: 0, part },
      item('done', 0, { ...MESSAGE, content: [part] }),
      completed({ output: [{ ...MESSAGE, content: [part] }] }),
    )
    expect(reply.candidates[0]).toMatchObject({
      parts: [
        {
          text: 'a',
          phase: 'commentary',
          citations: [{ kind: 'url', url: 'https://a.example', title: 'A', start: 0, end: 1 }],
        },
      ],
      logprobs: [{ token: 'a', bytes: [97], top: [{ token: 'b', logprob: -1, bytes: null }] }],
    })
    expect(reply.candidates[0]?.parts).toMatchObject([{ citations: { length: 1 } }])
  })

  test('hands over pictures, and the work of its own tools whole', () => {
    const search = { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search' } }
    expect(
      partsOf(
        item('added', 0, { type: 'web_search_call', id: 'ws_1', status: 'in_progress' }),
        { type: 'response.web_search_call.searching', output_index: 0, item_id: 'ws_1' },
        item('done', 0, search),
        item('done', 1, { type: 'image_generation_call', id: 'ig_1', result: 'AAAA', output_format: 'webp' }),
      ),
    ).toEqual([
      { kind: 'native', dialect: 'openai-responses', type: 'web_search_call', value: search },
      { kind: 'media', media: 'image', source: { kind: 'base64', data: 'AAAA' }, mimeType: 'image/webp' },
    ])
  })

  test('goes on over events nobody knows, keep-alives and [DONE]', () => {
    expect(
      partsOf(
        { type: 'response.brand_new', output_index: 0 },
        { type: 'keepalive' },
        '',
        delta('output_text', 0, 'a'),
        '[DONE]',
      ),
    ).toEqual([{ kind: 'text', text: 'a' }])
  })

  test('says nothing after its end, even when another answer follows', () => {
    const { reply, problem } = heard(
      CREATED,
      delta('output_text', 0, 'a'),
      completed(),
      { type: 'response.created', response: { id: 'resp_2' } },
      delta('output_text', 0, 'b'),
    )
    expect([reply.candidates[0]?.parts, problem]).toEqual([[{ kind: 'text', text: 'a' }], null])
  })
})

describe('the end of a stream of the Responses API', () => {
  const finishOf = (...payloads: readonly JsonObject[]) =>
    heard(CREATED, ...payloads).reply.candidates[0]?.finish

  test('is a stop, calls, or a refusal', () => {
    expect(finishOf(completed())).toEqual({ kind: 'stop' })
    expect(finishOf(item('done', 0, CALL), completed())).toEqual({ kind: 'tool-calls' })
    expect(finishOf(delta('refusal', 0, 'No.'), completed())).toEqual({ kind: 'refusal', explanation: 'No.' })
  })

  test.each([
    ['max_output_tokens', 'length'],
    ['content_filter', 'content-filter'],
    ['brand_new', 'pause'],
  ])('for %s is %s', (reason, kind) => {
    const response = { ...RESPONSE, incomplete_details: { reason }, output: [] }
    expect(finishOf({ type: 'response.incomplete', response })).toEqual({ kind })
  })

  test('counts tokens', () => {
    const usage = {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 15,
    }
    expect(heard(CREATED, completed({ usage })).reply.usage).toMatchObject({
      input: 10,
      output: 5,
      cacheRead: 4,
      cacheWrite: 2,
      reasoning: 3,
      native: usage,
    })
  })

  test.each([
    ['flat', { type: 'error', code: 'rate_limit_exceeded', message: 'slow', param: null }],
    ['nested', { type: 'error', error: { type: 'x', code: 'rate_limit_exceeded', message: 'slow' } }],
    ['without a type', { error: { code: 'rate_limit_exceeded', message: 'slow' } }],
    [
      'in a response',
      { type: 'response.failed', response: { error: { code: 'rate_limit_exceeded', message: 'slow' } } },
    ],
  ])('may be an error, told %s', (_name, event) => {
    expect(heard(CREATED, event, delta('output_text', 0, 'more')).problem).toEqual({
      code: 'rate_limit_exceeded',
      message: 'slow',
    })
  })

  test('is the upstream’s fault for reasons we do not know', () => {
    expect(heard(CREATED, { type: 'error', code: 'constructor', message: 'x' }).problem).toEqual({
      code: 'upstream_error',
      message: 'x',
    })
  })

  test('is broken when there is none, or what comes is no JSON', () => {
    expect(heard(CREATED, delta('output_text', 0, 'a')).problem).toEqual({ code: 'stream_broken' })
    expect(heard(CREATED, '{"type":').problem).toEqual({ code: 'stream_broken' })
  })
})
