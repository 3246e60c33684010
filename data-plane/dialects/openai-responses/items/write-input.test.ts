import { describe, expect, test } from 'vitest'
import type { Capabilities } from '#contracts/catalog/capability.ts'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { ASKED } from '#test/conformance/contexts.ts'
import type { JsonObject } from '../../canonical/json.ts'
import type { CanonicalRequest, Part, Turn } from '../../canonical/request.ts'
import { writeRequest } from '../write-request.ts'

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
const assistant = (...parts: readonly Part[]): Turn => ({ role: 'assistant', parts })
const text = (value: string): Part => ({ kind: 'text', text: value })

const inputOf = (turns: readonly Turn[], capabilities: Partial<Capabilities> = {}, over = {}) =>
  sent({ turns, ...over }, capabilities).body['input']

const lossesOf = (over: Partial<CanonicalRequest>, capabilities: Partial<Capabilities> = {}) =>
  sent(over, capabilities).losses.map(({ at, reason, refuse }) => `${at} ${refuse ? 'refused' : reason}`)

describe('a conversation to the Responses API', () => {
  const call = (id: string, over = {}): Part => ({
    kind: 'tool-call',
    id,
    name: 'f',
    args: '{"a": 1}',
    isCustom: false,
    ...over,
  })
  const result = (callId: string, over = {}): Part => ({
    kind: 'tool-result',
    callId,
    content: [{ kind: 'text', text: 'r' }],
    isError: false,
    isCustom: false,
    ...over,
  })

  test('has an item for each thing said, called and answered', () => {
    expect(
      inputOf([
        user(text('q')),
        assistant(text('a'), call('c1'), call('c2', { args: '' })),
        user(result('c1'), result('c2'), text('and?')),
      ]),
    ).toEqual([
      { type: 'message', role: 'user', content: 'q' },
      { type: 'message', role: 'assistant', content: 'a' },
      { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{"a": 1}' },
      { type: 'function_call', call_id: 'c2', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: 'r' },
      { type: 'function_call_output', call_id: 'c2', output: 'r' },
      { type: 'message', role: 'user', content: 'and?' },
    ])
  })

  test('has a result for every call and a call for every result', () => {
    const turns = [assistant(call('c1')), user(result('c9'), text('q'))]
    expect(inputOf(turns)).toMatchObject([
      { type: 'function_call', call_id: 'c1' },
      { type: 'function_call_output', call_id: 'c1', output: 'no result' },
      { role: 'user' },
    ])
    expect(lossesOf({ turns })).toHaveLength(2)
  })

  test('may lean on calls that its own service has stored', () => {
    expect(inputOf([user(result('c9'))], {}, { dialect: 'openai-responses' })).toMatchObject([
      { call_id: 'c9' },
    ])
  })

  test('has ids that the service takes, the same for call and result', () => {
    const long = 'x'.repeat(100)
    const [called, answered] = inputOf([assistant(call(long)), user(result(long))]) as readonly JsonObject[]
    expect(called?.['call_id']).toMatch(/^.{1,64}$/)
    expect(answered?.['call_id']).toBe(called?.['call_id'])
  })

  test('keeps a message together that was cut only where it cites', () => {
    const citations = [{ kind: 'url', url: 'https://a.example' }] as const
    const cited: Part = { kind: 'text', text: 'b', citations }
    expect(inputOf([assistant(text('a'), cited, text('c'))])).toMatchObject([{ content: 'abc' }])
    expect(inputOf([assistant(text('a'), text('b'))])).toMatchObject([{ content: 'a' }, { content: 'b' }])
  })

  test('tells what the model refused', () => {
    expect(inputOf([assistant({ kind: 'refusal', text: 'No.' })])).toMatchObject([
      { role: 'assistant', status: 'completed', content: [{ type: 'refusal', refusal: 'No.' }] },
    ])
  })

  test('sends state back to its own provider only, with the words it vouches for', () => {
    const carrier = {
      dialect: 'openai-responses',
      provider: 'openai',
      data: 'gAAA',
      form: 'encrypted',
      of: 'own',
      id: 'rs_1',
    } as const
    const thought = (over = {}): Part => ({
      kind: 'reasoning',
      text: 'changed',
      isSummary: true,
      carrier: { ...carrier, ...over },
    })
    expect(inputOf([assistant(thought({ text: 'hm' }), text('a'))])).toMatchObject([
      {
        type: 'reasoning',
        id: 'rs_1',
        encrypted_content: 'gAAA',
        summary: [{ type: 'summary_text', text: 'hm' }],
      },
      { role: 'assistant' },
    ])
    expect(inputOf([assistant(thought({ provider: null }), text('a'))])).toHaveLength(2)
    expect(inputOf([assistant(thought({ provider: 'azure' }), text('a'))])).toHaveLength(1)
    expect(inputOf([assistant(thought({ dialect: 'anthropic' }), text('a'))])).toHaveLength(1)
  })

  test('sends the thought itself back to hosts that want it', () => {
    const thought: Part = { kind: 'reasoning', text: 'raw', isSummary: false }
    expect(inputOf([assistant(thought, call('c'))], { reasoningReplay: 'reasoning_content' })).toMatchObject([
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'raw' }] },
      { type: 'function_call' },
      { type: 'function_call_output' },
    ])
    expect(inputOf([assistant(thought, text('a'))])).toHaveLength(1)
  })

  test('has media in each form that the service takes', () => {
    const image = (source: object, over = {}): Part =>
      ({ kind: 'media', media: 'image', source, ...over }) as unknown as Part
    const file = (source: object, over = {}): Part =>
      ({ kind: 'media', media: 'document', source, ...over }) as unknown as Part
    expect(
      inputOf([
        user(
          image({ kind: 'base64', data: 'AAAA' }, { mimeType: 'image/png', detail: 'low' }),
          image({ kind: 'url', url: 'https://a.example/x.png' }),
          file({ kind: 'base64', data: 'JVBE' }, { mimeType: 'application/pdf', title: 'a' }),
          file({ kind: 'url', url: 'https://a.example/x.pdf' }),
          file({ kind: 'text', text: 'grüße' }, { filename: 'b.txt' }),
          file({ kind: 'file', id: 'file-1', dialect: 'openai-responses' }),
        ),
      ]),
    ).toEqual([
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_image', detail: 'low', image_url: 'data:image/png;base64,AAAA' },
          { type: 'input_image', detail: 'auto', image_url: 'https://a.example/x.png' },
          { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBE' },
          { type: 'input_file', file_url: 'https://a.example/x.pdf' },
          { type: 'input_file', filename: 'b.txt', file_data: 'data:text/plain;base64,Z3LDvMOfZQ==' },
          { type: 'input_file', file_id: 'file-1' },
        ],
      },
    ])
  })

  test.each<[string, Partial<Extract<Part, { kind: 'media' }>>, Partial<Capabilities>]>([
    ['sound', { media: 'audio' }, { media: ['audio'] }],
    ['film', { media: 'video' }, { media: ['video'] }],
    ['pictures for the blind', { media: 'image' }, { media: [] }],
    ['URLs nobody fetches', { source: { kind: 'url', url: 'https://a.example' } }, { urlMedia: false }],
    ['files of others', { source: { kind: 'file', id: 'f', dialect: 'gemini' } }, {}],
  ])('is refused with %s', (_name, over, capabilities) => {
    const part: Part = { kind: 'media', media: 'image', source: { kind: 'base64', data: 'AAAA' }, ...over }
    expect(lossesOf({ turns: [user(part, text('a'))] }, capabilities)).toEqual(['turns[0].parts[0] refused'])
  })

  test('has media inside results, or behind them where they cannot stand there', () => {
    const picture = {
      kind: 'media',
      media: 'image',
      source: { kind: 'base64', data: 'AAAA' },
      mimeType: 'image/png',
    }
    const turns = [
      assistant(call('c')),
      user(result('c', { content: [{ kind: 'text', text: 'r' }, picture] })),
    ]
    const image = { type: 'input_image', detail: 'auto', image_url: 'data:image/png;base64,AAAA' }
    expect(inputOf(turns)).toMatchObject([{}, { output: [{ type: 'input_text', text: 'r' }, image] }])
    expect(inputOf(turns, { toolResultMedia: false })).toMatchObject([
      {},
      { output: [{ text: 'r' }, { type: 'input_text' }] },
      { role: 'user', content: [image] },
    ])
    expect(lossesOf({ turns }, { toolResultMedia: false })).toEqual(['turns[1].parts[0] degraded'])
  })

  test('drops the traces of a search elsewhere, and refuses what else only others know', () => {
    const native = (type: string): Part => ({ kind: 'native', dialect: 'anthropic', type, value: { type } })
    const turns = [assistant(native('web_search_tool_result'), native('container_upload'), text('a'))]
    expect(inputOf(turns)).toHaveLength(1)
    expect(lossesOf({ turns })).toEqual(['turns[0].parts[0] dropped', 'turns[0].parts[1] refused'])
  })

  test('has its own items back as they were', () => {
    const value = { type: 'item_reference', id: 'msg_1' }
    const part: Part = { kind: 'native', dialect: 'openai-responses', type: 'item_reference', value }
    expect(inputOf([assistant(part)], {}, { dialect: 'openai-responses' })).toEqual([value])
  })

  test('has free-form calls, or functions with one text where there are none', () => {
    const free = call('c', { isCustom: true, args: 'ls' })
    const turns = [assistant(free), user(result('c'))]
    expect(inputOf(turns, { customTools: true })).toMatchObject([
      { type: 'custom_tool_call', input: 'ls' },
      { type: 'custom_tool_call_output' },
    ])
    expect(inputOf(turns, { customTools: false })).toMatchObject([
      { type: 'function_call', arguments: '{"input":"ls"}' },
      { type: 'function_call_output' },
    ])
  })
})
