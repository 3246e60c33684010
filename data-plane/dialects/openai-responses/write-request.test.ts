import { describe, expect, test } from 'vitest'
import type { Capabilities } from '#contracts/catalog/capability.ts'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { ASKED } from '#test/conformance/contexts.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest, Part, Turn } from '../canonical/request.ts'
import { writeRequest } from './write-request.ts'

const CAPABILITIES: Capabilities = {
  ...capabilitiesOf('openai', 'api.openai.com', 'gpt-5.6', {}),
  sampling: true,
}

const asked = (over: Partial<CanonicalRequest> = {}): CanonicalRequest => ({ ...ASKED, ...over })

function sent(over: Partial<CanonicalRequest>, capabilities: Partial<Capabilities> = {}) {
  const { body, losses, toolNames } = writeRequest(asked(over), {
    model: 'gpt-5.6',
    provider: 'openai',
    stream: false,
    capabilities: { ...CAPABILITIES, ...capabilities },
  })
  return { body: JSON.parse(body) as JsonObject, text: body, losses, toolNames }
}

const user = (...parts: readonly Part[]): Turn => ({ role: 'user', parts })
const text = (value: string): Part => ({ kind: 'text', text: value })

const inputOf = (turns: readonly Turn[], capabilities: Partial<Capabilities> = {}, over = {}) =>
  sent({ turns, ...over }, capabilities).body['input']

const lossesOf = (over: Partial<CanonicalRequest>, capabilities: Partial<Capabilities> = {}) =>
  sent(over, capabilities).losses.map(({ at, reason, refuse }) => `${at} ${refuse ? 'refused' : reason}`)

describe('a request to the Responses API', () => {
  test('says what stays the same first and the conversation last', () => {
    const tools = [{ kind: 'function', name: 'f' }] as const
    const { body } = sent({ tools, system: [{ text: 's', role: 'system' }], params: { maxTokens: 50 } })
    expect(Object.keys(body)).toEqual([
      'model',
      'max_output_tokens',
      'store',
      'include',
      'tools',
      'instructions',
      'input',
    ])
  })

  test('is not stored when its client could not ask for it, and left alone when it is its own', () => {
    expect(sent({}).body['store']).toBe(false)
    expect(sent({ params: { store: true } }).body['store']).toBe(true)
    expect(sent({ dialect: 'openai-responses' }).body).not.toHaveProperty('store')
  })

  test('asks for the state of reasoning of whoever thinks', () => {
    expect(sent({}).body['include']).toEqual(['reasoning.encrypted_content'])
    expect(sent({}, { thinking: 'none' }).body).not.toHaveProperty('include')
    expect(sent({ params: { topLogprobs: 3 } }, { thinking: 'none' }).body).toMatchObject({
      include: ['message.output_text.logprobs'],
      top_logprobs: 3,
    })
  })

  test('writes settings in its own words', () => {
    const { body, losses } = sent({
      stream: true,
      params: {
        maxTokens: 100,
        temperature: 0.5,
        topP: 0.9,
        verbosity: 'low',
        endUser: 'u',
        metadata: { a: 'b' },
        serviceTier: 'flex',
        cacheKey: 'k',
      },
      reasoning: { effort: 'high', show: 'auto' },
      parallelTools: false,
    })
    expect(losses).toEqual([])
    expect(body).toMatchObject({
      max_output_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      text: { verbosity: 'low' },
      safety_identifier: 'u',
      metadata: { a: 'b' },
      service_tier: 'flex',
      prompt_cache_key: 'k',
      reasoning: { effort: 'high', summary: 'auto' },
      parallel_tool_calls: false,
    })
  })

  test.each<[string, Partial<CanonicalRequest>, Partial<Capabilities>]>([
    ['params.maxTokens clamped', { params: { maxTokens: 5 } }, {}],
    ['params.maxTokens clamped', { params: { maxTokens: 500 } }, { maxOutputTokens: 100 }],
    ['params.temperature unsupported', { params: { temperature: 1 } }, { sampling: false }],
    ['params.temperature clamped', { params: { temperature: 1.5 } }, { maxTemperature: 1 }],
    ['params.topP unsupported', { params: { topP: 1 } }, { sampling: false }],
    ['params.topK unsupported', { params: { topK: 5 } }, {}],
    ['params.seed unsupported', { params: { seed: 5 } }, {}],
    ['params.stop unsupported', { params: { stop: ['x'] } }, {}],
    ['params.frequencyPenalty unsupported', { params: { frequencyPenalty: 1 } }, {}],
    ['params.presencePenalty unsupported', { params: { presencePenalty: 1 } }, {}],
    ['params.n refused', { params: { n: 2 } }, {}],
    ['params.logitBias refused', { params: { logitBias: { '5': 1 } } }, {}],
    ['params.endUser dropped', { params: { endUser: 'u'.repeat(65) } }, {}],
    ['reasoning.effort unsupported', { reasoning: { effort: 'high' } }, { thinking: 'none' }],
    ['reasoning.effort degraded', { reasoning: { effort: 'max' } }, { efforts: ['low', 'high'] }],
    ['parallelTools unsupported', { parallelTools: false }, { parallelSwitch: false }],
    ['format degraded', { format: { kind: 'schema', schema: {} } }, { structuredOutput: false }],
    ['toolChoice degraded', { toolChoice: { kind: 'required' } }, { forcedToolChoice: false }],
    [
      'toolChoice degraded',
      { toolChoice: { kind: 'one', name: 'f', isCustom: false }, reasoning: { effort: 'low' } },
      { forcedWithThinking: false },
    ],
    ['safetySettings refused', { extras: [{ path: 'safetySettings', value: [], cross: 'refuse' }] }, {}],
    ['novelty unsupported', { extras: [{ path: 'novelty', value: 1, cross: 'warn' }] }, {}],
  ])('tells what it cannot say: %s', (loss, over, capabilities) => {
    expect(lossesOf(over, capabilities)).toEqual([loss])
  })

  test('says nothing of hints without an effect, nor of an empty bias', () => {
    expect(
      lossesOf({ extras: [{ path: 'x', value: 1, cross: 'silent' }], params: { logitBias: {} } }),
    ).toEqual([])
  })

  test('passes fields of other dialects that the host takes as well', () => {
    const extras = [{ path: 'top_a', value: 1, cross: 'warn' }] as const
    const { body, losses } = sent({ extras, params: { topK: 5 } }, { extraFields: ['top_a', 'top_k'] })
    expect(body).toMatchObject({ top_a: 1, top_k: 5 })
    expect(losses).toEqual([])
  })

  test('leaves what its own clients ask for to the upstream, whatever we think it can', () => {
    const { body, losses } = sent(
      {
        dialect: 'openai-responses',
        params: { temperature: 1.5, topP: 1, maxTokens: 500, frequencyPenalty: 1 },
        reasoning: { effort: 'max' },
        parallelTools: false,
        toolChoice: { kind: 'required' },
      },
      {
        sampling: false,
        thinking: 'none',
        maxOutputTokens: 100,
        parallelSwitch: false,
        forcedToolChoice: false,
      },
    )
    expect(losses).toEqual([])
    expect(body).toMatchObject({
      temperature: 1.5,
      top_p: 1,
      max_output_tokens: 500,
      frequency_penalty: 1,
      reasoning: { effort: 'max' },
      parallel_tool_calls: false,
      tool_choice: 'required',
    })
  })

  test('puts back what only its own clients say', () => {
    const { body } = sent({
      dialect: 'openai-responses',
      reasoning: { effort: 'low' },
      extras: [
        { path: 'previous_response_id', value: 'resp_1', cross: 'refuse' },
        { path: 'reasoning.mode', value: 'pro', cross: 'warn' },
        { path: 'include', value: ['file_search_call.results'], cross: 'silent' },
      ],
    })
    expect(body).toMatchObject({
      previous_response_id: 'resp_1',
      reasoning: { effort: 'low', mode: 'pro' },
      include: ['file_search_call.results', 'reasoning.encrypted_content'],
    })
  })

  test.each([
    ['openai-chat', true, true],
    ['openai-chat', undefined, false],
    ['anthropic', undefined, true],
    ['gemini', false, false],
  ] as const)('from %s with strict %s holds a strict schema to %s', (dialect, strict, expected) => {
    const schema = { type: 'object', properties: {}, additionalProperties: false, required: [] }
    const format = { kind: 'schema', schema, ...(strict === undefined ? {} : { strict }) } as const
    expect(sent({ dialect, format }).body['text']).toEqual({
      format: { type: 'json_schema', name: 'response', schema, strict: expected },
    })
    const open = { kind: 'schema', name: 'a', schema: { type: 'object' }, strict: true } as const
    expect(sent({ dialect, format: open }).body).toMatchObject({ text: { format: { strict: false } } })
  })
})

describe('instructions to the Responses API', () => {
  const block = (value: string) => ({ text: value, role: 'system' }) as const

  test('are a member of their own when they are one text, and messages when they are more', () => {
    expect(sent({ system: [block('a')], turns: [] }).body).toMatchObject({ instructions: 'a', input: [] })
    expect(
      sent({ system: [block('a'), block('b')], turns: [] }, { systemRole: 'developer' }).body['input'],
    ).toEqual([
      { type: 'message', role: 'developer', content: 'a' },
      { type: 'message', role: 'developer', content: 'b' },
    ])
  })

  test('keep their cache mark', () => {
    const system = [{ ...block('a'), cache: { ttl: null } }]
    expect(sent({ system, turns: [] }, { cacheMarks: true }).body['input']).toMatchObject([
      { content: [{ type: 'input_text', text: 'a', prompt_cache_breakpoint: { mode: 'explicit' } }] },
    ])
    expect(sent({ system, turns: [] }, { cacheMarks: false }).body['instructions']).toBe('a')
  })

  test('stay where they stand later on', () => {
    const turns: readonly Turn[] = [user(text('a')), { role: 'system', parts: [text('b')] }, user(text('c'))]
    expect(inputOf(turns, { systemRole: 'developer' })).toMatchObject([
      { role: 'user' },
      { role: 'developer', content: 'b' },
      { role: 'user' },
    ])
  })
})
