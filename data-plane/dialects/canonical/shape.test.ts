import { describe, expect, test } from 'vitest'
import type { JsonObject } from './json.ts'
import type { DialectName } from './request.ts'
import { DIALECT } from '../registry.ts'
import { isContent, misshapen, shapeOf } from './shape.ts'

describe('the shape of a request', () => {
  const shape = shapeOf({ n: 'number', 'a.b': ['text', 'texts'], list: 'objects' })

  test.each<JsonObject>([
    {},
    { n: null, a: null, list: null },
    { n: 1, a: { b: 'x' }, list: [{}] },
    { a: { b: ['x', 'y'] }, list: [], more: 5 },
    { a: 'not looked into' },
  ])('fits %j', (body) => {
    expect(misshapen(body, shape)).toBeNull()
  })

  test.each<[JsonObject, string, string]>([
    [{ n: '1' }, 'n', "'n' must be a number."],
    [{ a: { b: 5 } }, 'a.b', "'a.b' must be a string or a list of strings."],
    [{ a: { b: ['x', 5] } }, 'a.b', "'a.b' must be a string or a list of strings."],
    [{ list: [{}, 5] }, 'list', "'list' must be a list of objects."],
    [{ list: {} }, 'list', "'list' must be a list of objects."],
  ])('does not fit %j', (body, param, message) => {
    expect(misshapen(body, shape)).toEqual({ code: 'invalid_value', param, message })
  })

  test('is told by where it stands', () => {
    expect(misshapen({ n: true }, shape, 'config.')?.param).toBe('config.n')
  })

  test.each([undefined, null, 'text', [], [{}]])('content may be %j', (value) => {
    expect(isContent(value)).toBe(true)
  })

  test.each([5, true, {}, ['text'], [null]])('content is not %j', (value) => {
    expect(isContent(value)).toBe(false)
  })
})

/** What no reader could use, and a member it would otherwise have passed over without a word. */
const BODIES: Readonly<Record<DialectName, JsonObject>> = {
  'openai-chat': { messages: [{ role: 'user', content: 'hi' }] },
  'openai-responses': { input: 'hi' },
  anthropic: { max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] },
}
const CONTEXT = {
  model: 'm',
  stream: false,
  headers: {},
  framing: 'sse' as const,
  sealer: { seal: () => '', open: () => null },
}

function faultOf(name: DialectName, more: JsonObject): string | null | undefined {
  const read = DIALECT[name].readRequest({ ...BODIES[name], ...more }, CONTEXT)
  return read.ok ? null : read.error.param
}

describe('a member of the wrong type is refused by name, not left out', () => {
  test.each<[DialectName, JsonObject, string]>([
    ['openai-chat', { temperature: 'hot' }, 'temperature'],
    ['openai-chat', { tools: 'hammer' }, 'tools'],
    ['openai-chat', { tools: [5] }, 'tools'],
    ['openai-chat', { stop: 5 }, 'stop'],
    ['openai-chat', { n: {} }, 'n'],
    ['openai-chat', { response_format: 'json' }, 'response_format'],
    ['openai-chat', { messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
    ['openai-chat', { messages: [{ role: 'user', content: ['text'] }] }, 'messages[0].content'],
    ['openai-responses', { instructions: ['a'] }, 'instructions'],
    ['openai-responses', { temperature: true }, 'temperature'],
    ['openai-responses', { text: { format: 'json' } }, 'text.format'],
    ['openai-responses', { input: [{ role: 'user', content: [5] }] }, 'input[0].content'],
    ['anthropic', { system: 5 }, 'system'],
    ['anthropic', { max_tokens: 'many' }, 'max_tokens'],
    ['anthropic', { thinking: { type: 'enabled', budget_tokens: 'a lot' } }, 'thinking.budget_tokens'],
    ['anthropic', { messages: [{ role: 'user', content: {} }] }, 'messages.0.content'],
    ['gemini', { generationConfig: 'warm' }, 'generationConfig'],
    ['gemini', { generation_config: { top_k: 'x' } }, 'generationConfig.topK'],
    ['gemini', { contents: 5 }, 'contents'],
    ['gemini', { contents: [5] }, 'contents[0]'],
    ['gemini', { contents: [{ parts: 'x' }] }, 'contents[0].parts'],
    ['gemini', { contents: [{ parts: [{ text: 'x' }, 5] }] }, 'contents[0].parts[1]'],
  ])('%s %j', (name, more, param) => {
    expect(faultOf(name, more)).toBe(param)
  })

  test.each<[DialectName, JsonObject]>([
    ['openai-chat', { tools: null, temperature: null, stop: ['a'], tool_choice: 'auto' }],
    ['openai-responses', { input: null, instructions: null, text: { format: null } }],
    ['anthropic', { system: [{ type: 'text', text: 'x' }], stop_sequences: [], thinking: null }],
    ['gemini', { contents: 'hi', tools: {}, systemInstruction: { parts: [{ text: 'x' }] } }],
  ])('while %s takes %j', (name, more) => {
    expect(faultOf(name, more)).toBeNull()
  })
})

describe('a word that a chat request uses and nobody here knows is a loss', () => {
  test.each([
    { reasoning_effort: 'ultra' },
    { tool_choice: 'perhaps' },
    { response_format: { type: 'grammar' } },
    { tool_choice: { type: 'hosted' } },
  ])('%j', (more) => {
    const read = DIALECT['openai-chat'].readRequest({ ...BODIES['openai-chat'], ...more }, CONTEXT)
    const [[path, value] = []] = Object.entries(more)
    expect(read.ok && read.value.extras).toEqual([{ path, value, cross: 'warn' }])
  })

  test('but not one that says what is so anyway', () => {
    const more = { reasoning_effort: 'low', tool_choice: 'auto', response_format: { type: 'text' } }
    const read = DIALECT['openai-chat'].readRequest({ ...BODIES['openai-chat'], ...more }, CONTEXT)
    expect(read.ok && read.value.extras).toEqual([])
  })
})
