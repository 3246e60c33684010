import { describe, expect, test } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import { answerTarget, ASKED, origin } from '#test/conformance/contexts.ts'
import { stringOf, type JsonObject } from '../canonical/json.ts'
import type { AnswerPart, CanonicalReply, Finish } from '../canonical/reply.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import { readReply } from './read-reply.ts'
import { writeReply } from './write-reply.ts'

const asked = (over: Partial<CanonicalRequest> = {}): CanonicalRequest => ({
  ...ASKED,
  dialect: 'openai-responses',
  ...over,
})

const said = (
  parts: readonly AnswerPart[],
  over: Partial<CanonicalReply> = {},
  finish: Finish = { kind: 'stop' },
) =>
  ({
    dialect: 'anthropic',
    id: 'msg_up',
    model: 'claude',
    created: null,
    candidates: [{ index: 0, parts, finish, logprobs: null }],
    usage: null,
    serviceTier: null,
    ...over,
  }) satisfies CanonicalReply

const written = (reply: CanonicalReply, request = asked()): JsonObject =>
  JSON.parse(writeReply(reply, answerTarget(request))) as JsonObject

const outputOf = (parts: readonly AnswerPart[], request = asked()) => written(said(parts), request)['output']

describe('a Responses body', () => {
  test('has every member that the Open Responses rules ask for, whatever was asked', () => {
    expect(written(said([]))).toEqual({
      id: 'resp_id1',
      object: 'response',
      created_at: 1_790_000_000,
      completed_at: 1_790_000_000,
      status: 'completed',
      error: null,
      incomplete_details: null,
      model: 'claude',
      output: [],
      usage: {
        input_tokens: 0,
        input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
        output_tokens: 0,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 0,
      },
      background: false,
      frequency_penalty: 0,
      instructions: null,
      max_output_tokens: null,
      max_tool_calls: null,
      metadata: {},
      parallel_tool_calls: true,
      presence_penalty: 0,
      previous_response_id: null,
      prompt_cache_key: null,
      reasoning: { effort: null, summary: null },
      safety_identifier: null,
      service_tier: 'default',
      store: false,
      temperature: 1,
      text: { format: { type: 'text' }, verbosity: 'medium' },
      tool_choice: 'auto',
      tools: [],
      top_logprobs: 0,
      top_p: 1,
      truncation: 'disabled',
    })
  })

  test('repeats the request', () => {
    const source = {
      instructions: 'be brief',
      max_output_tokens: 100,
      temperature: 0.5,
      reasoning: { effort: 'high', mode: 'pro' },
      text: { format: { type: 'json_object' }, verbosity: 'low' },
      tool_choice: { type: 'function', name: 'f' },
      tools: [
        { type: 'function', name: 'f' },
        { type: 'custom', name: 'sh' },
      ],
      user: 'u',
      prompt_cache_key: 'k',
      store: true,
      service_tier: 'auto',
    }
    const body = written(said([]), asked({ source, params: { metadata: { a: 'b' } } }))
    expect(body).toMatchObject({
      ...source,
      reasoning: { effort: 'high', mode: 'pro', summary: null },
      tools: [
        { type: 'function', name: 'f', description: null, parameters: null, strict: true },
        { type: 'custom', name: 'sh' },
      ],
      metadata: { a: 'b' },
      // Nobody can ask for it again.
      store: false,
      service_tier: 'default',
    })
  })

  test('puts texts and refusals into one message and everything else into items of its own', () => {
    expect(
      outputOf([
        { kind: 'reasoning', text: 'hm', isSummary: true },
        { kind: 'text', text: 'a' },
        { kind: 'refusal', text: 'b' },
        { kind: 'tool-call', id: 'c1', name: 'f', args: '{"x": 1}', isCustom: false },
        { kind: 'tool-call', id: 'c2', name: 'sh', args: 'ls', isCustom: true },
        { kind: 'media', media: 'image', source: { kind: 'base64', data: 'AAAA' }, mimeType: 'image/webp' },
        { kind: 'text', text: 'c' },
      ]),
    ).toEqual([
      {
        type: 'reasoning',
        id: 'rs_id2',
        status: 'completed',
        summary: [{ type: 'summary_text', text: 'hm' }],
      },
      {
        type: 'message',
        id: 'msg_id3',
        status: 'completed',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'a', annotations: [], logprobs: [] },
          { type: 'refusal', refusal: 'b' },
        ],
      },
      {
        type: 'function_call',
        id: 'fc_id4',
        status: 'completed',
        call_id: 'c1',
        name: 'f',
        arguments: '{"x": 1}',
      },
      {
        type: 'custom_tool_call',
        id: 'ctc_id5',
        status: 'completed',
        call_id: 'c2',
        name: 'sh',
        input: 'ls',
      },
      {
        type: 'image_generation_call',
        id: 'ig_id6',
        status: 'completed',
        output_format: 'webp',
        result: 'AAAA',
      },
      expect.objectContaining({ type: 'message', id: 'msg_id7' }),
    ])
  })

  test('shows the thought itself as content, not as a summary', () => {
    expect(outputOf([{ kind: 'reasoning', text: 'raw', isSummary: false }])).toMatchObject([
      { summary: [], content: [{ type: 'reasoning_text', text: 'raw' }] },
    ])
  })

  test('has probabilities only when they were asked for', () => {
    const logprobs = [{ token: 'é', logprob: -1, bytes: null, top: [] }]
    const parts: readonly AnswerPart[] = [{ kind: 'text', text: 'é' }]
    const reply = said(parts, { candidates: [{ index: 0, parts, finish: { kind: 'stop' }, logprobs }] })
    expect(written(reply)['output']).toMatchObject([{ content: [{ logprobs: [] }] }])
    expect(written(reply, asked({ params: { topLogprobs: 0 } }))['output']).toMatchObject([
      { content: [{ logprobs: [{ token: 'é', logprob: -1, bytes: [0xc3, 0xa9], top_logprobs: [] }] }] },
    ])
  })

  test('cites in its own words, by the whole text where no place is known', () => {
    const native = { type: 'file_citation', file_id: 'file-1', filename: 'a.pdf', index: 3 }
    const citations = [
      { kind: 'url', url: 'https://a.example', title: 'A', start: 1, end: 2 },
      { kind: 'url', url: 'https://b.example' },
      { kind: 'document', title: 'c.pdf', native: { dialect: 'openai-responses', value: native } },
      { kind: 'document', title: 'd.pdf' },
    ] as const
    expect(outputOf([{ kind: 'text', text: 'hello', citations }])).toMatchObject([
      {
        content: [
          {
            annotations: [
              { type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 1, end_index: 2 },
              {
                type: 'url_citation',
                url: 'https://b.example',
                title: 'https://b.example',
                start_index: 0,
                end_index: 5,
              },
              native,
              { type: 'file_citation', filename: 'd.pdf' },
            ],
          },
        ],
      },
    ])
  })

  test.each([
    ['google', { dialect: 'gemini', form: 'thought' }],
    ['anthropic', { dialect: 'anthropic', form: 'signature' }],
  ] as const)('seals the state of %s in front of what it belongs to', (provider, state) => {
    const carrier = { ...state, provider, data: 'sig', of: 'own' } as const
    const output = outputOf([
      { kind: 'text', text: 'a', carrier },
      { kind: 'tool-call', id: 'c', name: 'f', args: '', isCustom: false, carrier },
    ]) as readonly JsonObject[]
    expect(output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'reasoning', 'function_call'])
    expect(openSealer.open(stringOf(output[2]?.['encrypted_content']) ?? '')).toEqual({
      ...carrier,
      of: 'next',
    })
    expect(output[3]).toMatchObject({ arguments: '{}' })
  })

  test('hands its own state over unsealed, and says nothing where there is none', () => {
    const carrier = {
      dialect: 'openai-responses',
      provider: 'p',
      data: 'gAAA',
      form: 'encrypted',
      of: 'own',
    } as const
    expect(outputOf([{ kind: 'reasoning', text: '', isSummary: true, carrier }])).toMatchObject([
      { type: 'reasoning', encrypted_content: 'gAAA', summary: [] },
    ])
    expect(
      outputOf([
        { kind: 'reasoning', text: '', isSummary: true },
        { kind: 'text', text: '' },
      ]),
    ).toEqual([])
  })

  test('takes the text out of a free-form tool that had to be told as a function', () => {
    const call: AnswerPart = {
      kind: 'tool-call',
      id: 'c',
      name: 'sh',
      args: '{"input":"ls"}',
      isCustom: false,
    }
    expect(outputOf([call], asked({ tools: [{ kind: 'custom', name: 'sh' }] }))).toMatchObject([
      { type: 'custom_tool_call', input: 'ls' },
    ])
    expect(outputOf([call])).toMatchObject([{ type: 'function_call', arguments: '{"input":"ls"}' }])
  })

  test('that was cut short says so, also of its last message', () => {
    expect(written(said([{ kind: 'text', text: 'a' }], {}, { kind: 'length' }))).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      completed_at: null,
      output: [{ status: 'incomplete' }],
    })
  })

  test('tells why the model refused', () => {
    const finish: Finish = { kind: 'refusal', explanation: 'No.' }
    expect(written(said([], {}, finish))).toMatchObject({
      status: 'completed',
      output: [{ content: [{ type: 'refusal', refusal: 'No.' }] }],
    })
  })

  test('of a blocked prompt is incomplete and empty', () => {
    expect(written(said([], {}, { kind: 'content-filter' }))).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'content_filter' },
      output: [],
    })
  })
})

describe('an answer of the Responses API', () => {
  test.each([
    ['no output', {}],
    ['status in_progress', { output: [], status: 'in_progress' }],
    ['status failed', { output: [], status: 'failed' }],
  ])('is none: %s', (reason, body) => {
    expect(readReply(body, origin('p'))).toEqual({ ok: false, error: reason })
  })
})
