import { describe, expect, test } from 'vitest'
import { objectOf, type JsonObject } from '../canonical/json.ts'
import { openRepair } from './repair-stream.ts'

const chunk = (delta: JsonObject | null, more: JsonObject = {}): JsonObject => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, ...(delta === null ? {} : { delta }), finish_reason: null, ...more }],
})

function repaired(...chunks: readonly JsonObject[]): readonly JsonObject[] {
  const repair = openRepair()
  return chunks.map((one) => {
    const choice = (objectOf(JSON.parse(repair.repair(JSON.stringify(one))))['choices'] as JsonObject[])[0]
    return objectOf(choice)
  })
}

const deltas = (...chunks: readonly JsonObject[]): unknown =>
  repaired(...chunks.map((delta) => chunk(delta))).map(({ delta }) => delta)

describe('a chat stream', () => {
  test('that OpenAI could have sent stays the very same text', () => {
    const repair = openRepair()
    const sent = [
      chunk({ role: 'assistant', content: '', refusal: null }),
      chunk({ content: 'a "tool_calls" in words, and "stop"' }),
      chunk({
        tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }],
      }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{}' } }] }),
      chunk({
        tool_calls: [{ index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '' } }],
      }),
      chunk({}, { finish_reason: 'tool_calls' }),
      { ...chunk({}), choices: [], usage: { prompt_tokens: 1 } },
    ].map((one) => JSON.stringify(one))
    for (const data of [...sent, '[DONE]', '{not json', '{"error":"x"}'])
      expect(repair.repair(data)).toBe(data)
  })

  test('gets the role that was left out, once', () => {
    expect(deltas({ content: 'a' }, { content: 'b' })).toEqual([
      { content: 'a', role: 'assistant' },
      { content: 'b' },
    ])
  })

  test('gets index, type and id of its calls (Mistral)', () => {
    const first = { id: 'gSIMJiOkT', function: { name: 'f', arguments: '{}' } }
    const second = { id: 'abcdefghi', function: { name: 'g', arguments: '{"a":1}' } }
    expect(deltas({ role: 'assistant', tool_calls: [first, second] })).toEqual([
      {
        role: 'assistant',
        tool_calls: [
          { ...first, index: 0, type: 'function' },
          { ...second, index: 1, type: 'function' },
        ],
      },
    ])
  })

  test('keeps a call together whose later pieces say null for an id', () => {
    expect(
      deltas(
        { role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{"x"' } }] },
        { tool_calls: [{ id: 'null', function: { name: '', arguments: ':1}' } }] },
      ),
    ).toEqual([
      {
        role: 'assistant',
        tool_calls: [{ id: 'a', index: 0, type: 'function', function: { name: 'f', arguments: '{"x"' } }],
      },
      { tool_calls: [{ index: 0, function: { name: '', arguments: ':1}' } }] },
    ])
  })

  test('counts its calls from 0', () => {
    const call = { index: 1, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }
    expect(deltas({ role: 'assistant', tool_calls: [call] })).toEqual([
      { role: 'assistant', tool_calls: [{ ...call, index: 0 }] },
    ])
  })

  test('parts two calls that came under one index, with ids or without (Google)', () => {
    const call = (id: string, name: string) => ({
      index: 0,
      id,
      type: 'function',
      function: { name, arguments: '{}' },
    })
    const indices = (...ids: readonly string[]) =>
      (
        deltas(...ids.map((id, at) => ({ role: 'assistant', tool_calls: [call(id, `f${at}`)] }))) as {
          tool_calls: JsonObject[]
        }[]
      ).map(({ tool_calls: [first] }) => [first?.['index'], first?.['id']])
    expect(indices('a', 'b')).toEqual([
      [0, 'a'],
      [1, 'b'],
    ])
    const invented = indices('', '')
    expect(invented.map(([index]) => index)).toEqual([0, 1])
    expect(new Set(invented.map(([, id]) => id)).size).toBe(2)
    for (const [, id] of invented) expect(id).toMatch(/^call_[a-z0-9]{24}$/)
  })

  test('leaves a call alone whose id is repeated in every piece (Alibaba)', () => {
    const piece = (args: string) => ({
      tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: args } }],
    })
    const sent = [{ role: 'assistant', ...piece('{"a"') }, piece(':1}')]
    expect(deltas(...sent)).toEqual(sent)
  })

  test('writes arguments as text that came as an object', () => {
    const call = { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: { x: 1 } } }
    expect(deltas({ role: 'assistant', tool_calls: [call] })).toEqual([
      {
        role: 'assistant',
        tool_calls: [{ ...call, function: { name: 'f', arguments: '{"x":1}' } }],
      },
    ])
  })

  test('says content as text and thinking beside it (Mistral)', () => {
    const thinking = { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }
    expect(
      deltas({ role: 'assistant', content: [thinking] }, { content: [{ type: 'text', text: '4' }] }),
    ).toEqual([{ role: 'assistant', content: null, reasoning_content: 'hm' }, { content: '4' }])
  })

  test('ends with tool_calls when it called, though the host says stop (xAI)', () => {
    const call = { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }
    const [, last] = repaired(
      chunk({ role: 'assistant', tool_calls: [call] }),
      chunk({}, { finish_reason: 'stop' }),
    )
    expect(last?.['finish_reason']).toBe('tool_calls')
  })

  test('takes whole messages for deltas', () => {
    const [only] = repaired(chunk(null, { message: { role: 'assistant', content: 'a' } }))
    expect(only?.['delta']).toEqual({ role: 'assistant', content: 'a' })
  })
})
