import { describe, expect, test } from 'vitest'
import { responseIdInEvent, responseIdOf, stateOf } from './state.ts'

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))

describe('the state a request leans on', () => {
  test.each([
    ['a text', { model: 'm', input: 'x' }],
    ['explicit nothing', { model: 'm', previous_response_id: null, conversation: null, background: false }],
    ['words inside a text', { input: 'say {"type":"item_reference","id":"a"} or {"file_id":"b"}' }],
    ['a word at the end of a text', { id: 'x', input: 'say "item_reference' }],
    ['a property of a schema', { tools: [{ parameters: { properties: { file_id: { type: 'string' } } } }] }],
    ['a required property', { tools: [{ parameters: { required: ['file_id'] } }] }],
    ['no JSON', '{"previous_response_id":'],
  ])('is none for %s', (_name, body) => {
    expect(stateOf(bytes(body))).toBeNull()
  })

  test.each([
    ['an earlier response', { previous_response_id: 'resp_1' }, { kind: 'response', id: 'resp_1' }],
    ['a conversation', { conversation: 'conv_1' }, { kind: 'conversation', id: 'conv_1' }],
    ['a conversation by object', { conversation: { id: 'conv_1' } }, { kind: 'conversation', id: 'conv_1' }],
    ['a prompt', { prompt: { id: 'pmpt_1', version: '2' } }, { kind: 'prompt', id: 'pmpt_1' }],
    ['an item', { input: [{ type: 'item_reference', id: 'msg_1' }] }, { kind: 'item', id: 'msg_1' }],
    [
      'an item told the other way round',
      '{"input":[{"id":"msg_1", "type" : "item_reference"}]}',
      { kind: 'item', id: 'msg_1' },
    ],
    [
      'a file',
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }] },
      { kind: 'file', id: 'file-1' },
    ],
    ['a store of files', { tools: [{ vector_store_ids: ['vs_1'] }] }, { kind: 'file', id: 'vs_1' }],
  ])('is found in %s', (_name, body, id) => {
    expect(stateOf(bytes(body))).toEqual({ ids: [id], background: false })
  })

  test('is all that is there, each once', () => {
    const file = { type: 'input_image', file_id: 'file-1' }
    const body = {
      previous_response_id: 'resp_1',
      background: true,
      input: [
        { type: 'item_reference', id: 'a' },
        { role: 'user', content: [file, file] },
        { type: 'item_reference', id: 'b' },
      ],
      tools: [{ container: { type: 'auto', file_ids: ['file-2', 'file-3'] } }],
    }
    expect(stateOf(bytes(body))).toEqual({
      ids: [
        { kind: 'response', id: 'resp_1' },
        { kind: 'item', id: 'a' },
        { kind: 'item', id: 'b' },
        { kind: 'file', id: 'file-1' },
        { kind: 'file', id: 'file-2' },
        { kind: 'file', id: 'file-3' },
      ],
      background: true,
    })
  })

  test('is found at the end of a large body', () => {
    const body = {
      model: 'm',
      input: [{ role: 'user', content: 'x'.repeat(100_000) }],
      previous_response_id: 'resp_1',
    }
    expect(stateOf(bytes(body))?.ids).toEqual([{ kind: 'response', id: 'resp_1' }])
  })

  test('is only a job in the background when nothing else is named', () => {
    expect(stateOf(bytes({ background: true, input: 'x' }))).toEqual({ ids: [], background: true })
  })
})

describe('the id of a native answer', () => {
  test('is read from a whole one, and not from its items', () => {
    expect(responseIdOf(bytes({ output: [{ id: 'msg_1' }], id: 'resp_1' }))).toBe('resp_1')
    expect(responseIdOf(bytes({ output: [{ id: 'msg_1' }] }))).toBeNull()
    expect(responseIdOf(bytes('<html>'))).toBeNull()
  })

  test('is read from the first event of a stream', () => {
    const event = { type: 'response.created', response: { object: 'response', id: 'resp_1', output: [] } }
    expect(responseIdInEvent(bytes(event))).toBe('resp_1')
    expect(responseIdInEvent(bytes({ type: 'response.output_text.delta', item_id: 'x' }))).toBeNull()
  })
})
