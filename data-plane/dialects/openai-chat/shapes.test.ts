import { describe, expect, test } from 'vitest'
import { openSealer } from '#test/arbitraries/canonical.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest, Part } from '../canonical/request.ts'
import { isForeign, mayBeForeign, readRequest } from './shapes.ts'

const PIXEL = 'iVBORw0KGgoAAAANSUhEUg=='

function read(body: JsonObject): CanonicalRequest {
  const context = { model: 'm', stream: false, headers: {}, framing: 'sse', sealer: openSealer } as const
  const result = readRequest({ model: 'm', ...body }, context)
  if (!result.ok) throw new Error(result.error.message)
  return result.value
}

const text = (said: string): Part => ({ kind: 'text', text: said })
const user = (...parts: readonly Part[]) => ({ role: 'user', parts })
const model = (...parts: readonly Part[]) => ({ role: 'assistant', parts })
const image: Part = {
  kind: 'media',
  media: 'image',
  source: { kind: 'base64', data: PIXEL },
  mimeType: 'image/png',
}

/** As a large body is looked at, and as a small one. */
function mayBe(body: Buffer): boolean {
  const isSo = mayBeForeign(body, null)
  expect(mayBeForeign(body, body.toString('latin1'))).toBe(isSo)
  return isSo
}

describe('a body at the chat address', () => {
  test.each<readonly [string, JsonObject, readonly unknown[]]>([
    ['input as text', { input: 'Hi' }, [user(text('Hi'))]],
    ['input as a list of texts', { input: ['a', 'b'] }, [user(text('a')), user(text('b'))]],
    [
      'input as messages, with the role model',
      {
        input: [
          { role: 'user', content: 'a' },
          { role: 'model', content: [{ text: 'b' }] },
          { role: 'user', content: ['c', { type: 'text', text: 'd' }] },
        ],
      },
      [user(text('a')), model(text('b')), user(text('c'), text('d'))],
    ],
    [
      'input as bare Gemini parts',
      { input: [{ text: 'a' }, { inline_data: { mime_type: 'image/png', data: PIXEL } }] },
      [user(text('a'), image)],
    ],
    [
      'input as messages with Gemini parts as content',
      {
        input: [
          { role: 'user', content: [{ text: 'a' }, { inlineData: { mimeType: 'image/png', data: PIXEL } }] },
        ],
      },
      [user(text('a'), image)],
    ],
    [
      'input as Gemini contents',
      {
        input: [
          { role: 'user', parts: [{ text: 'a' }] },
          { role: 'model', parts: [{ text: 'b' }] },
        ],
      },
      [user(text('a')), model(text('b'))],
    ],
    ['input as one Gemini content', { input: { role: 'user', parts: [{ text: 'a' }] } }, [user(text('a'))]],
    [
      'input as Responses items',
      {
        input: [
          { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a' }] },
          { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{}' },
          { type: 'function_call_output', call_id: 'call_1', output: 'ok' },
        ],
      },
      [
        user(text('a')),
        model({ kind: 'tool-call', id: 'call_1', name: 'f', args: '{}', isCustom: false }),
        user(
          expect.objectContaining({ kind: 'tool-result', callId: 'call_1', content: [text('ok')] }) as Part,
        ),
      ],
    ],
    [
      'contents as Gemini writes them',
      { contents: [{ role: 'user', parts: [{ text: 'a' }] }] },
      [user(text('a'))],
    ],
    [
      'Claude’s blocks',
      {
        max_tokens: 10,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'a' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
            ],
          },
          { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input: { x: 1 } }] },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: 'ok' }] },
        ],
      },
      [
        user(text('a'), image),
        model({ kind: 'tool-call', id: 't1', name: 'f', args: '{"x":1}', isCustom: false }),
        user(expect.objectContaining({ kind: 'tool-result', callId: 't1' }) as Part),
      ],
    ],
  ])('is read with %s', (_, body, turns) => {
    expect(read(body).turns).toEqual(turns)
    expect(isForeign(body)).toBe(true)
    expect(mayBe(Buffer.from(JSON.stringify(body)))).toBe(true)
  })

  test('is chat with chat’s own messages, tools and roles', () => {
    const body: JsonObject = {
      messages: [
        { role: 'system', content: 'be brief' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'image_url', image_url: { url: 'x' } },
          ],
        },
      ],
      // DeepSeek's and Moonshot's switch is called as Claude's.
      thinking: { type: 'enabled' },
      tools: [{ type: 'function', function: { name: 'f' } }],
    }
    expect(isForeign(body)).toBe(false)
    expect(mayBe(Buffer.from(JSON.stringify(body)))).toBe(false)
  })

  test('with a long conversation is told from Claude’s by what stands before or after it', () => {
    const messages = [{ role: 'user', content: 'words '.repeat(10_000) }]
    const bytes = (body: JsonObject) => Buffer.from(JSON.stringify(body))
    expect(mayBe(bytes({ messages, system: 'x' }))).toBe(true)
    expect(mayBe(bytes({ system: 'x', messages }))).toBe(true)
    expect(mayBe(bytes({ messages, temperature: 1 }))).toBe(false)
    expect(mayBe(bytes({ input: messages }))).toBe(true)
  })

  test('with Claude’s system, tools and choice keeps them, beside chat’s own fields', () => {
    const read_ = read({
      max_tokens: 10,
      system: [{ type: 'text', text: 'be brief' }],
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [
        { name: 'f', input_schema: { type: 'object' } },
        { type: 'function', function: { name: 'g' } },
      ],
      tool_choice: { type: 'any' },
      stop_sequences: ['END'],
      stream_options: { include_usage: true },
      seed: 7,
    })
    expect(read_.system).toEqual([{ text: 'be brief', role: 'system' }])
    expect(read_.tools.map((tool) => 'name' in tool && tool.name)).toEqual(['f', 'g'])
    expect(read_.toolChoice).toEqual({ kind: 'required' })
    expect(read_.params).toMatchObject({ maxTokens: 10, stop: ['END'], seed: 7 })
    expect(read_.telling.usageChunk).toBe(true)
    expect(read_.extras).toEqual([])
  })

  test('with Gemini’s contents takes chat’s fields and Gemini’s, chat’s first', () => {
    const read_ = read({
      contents: [{ role: 'user', parts: [{ text: 'a' }] }],
      systemInstruction: { parts: [{ text: 'be brief' }] },
      generationConfig: { temperature: 0.1, maxOutputTokens: 20, topK: 3 },
      tools: [{ functionDeclarations: [{ name: 'f' }] }, { type: 'function', function: { name: 'g' } }],
      tool_choice: 'required',
      temperature: 0.9,
      safetySettings: [{ category: 'x', threshold: 'y' }],
    })
    expect(read_.system).toEqual([{ text: 'be brief', role: 'system' }])
    expect(read_.params).toEqual({ temperature: 0.9, maxTokens: 20, topK: 3 })
    expect(read_.tools.map((tool) => 'name' in tool && tool.name)).toEqual(['f', 'g'])
    expect(read_.toolChoice).toEqual({ kind: 'required' })
    // Safety is not dropped in silence.
    expect(read_.extras).toEqual([expect.objectContaining({ path: 'safetySettings', cross: 'refuse' })])
  })

  test('without any conversation is told what is missing', () => {
    const context = { model: 'm', stream: false, headers: {}, framing: 'sse', sealer: openSealer } as const
    expect(readRequest({ model: 'm' }, context)).toMatchObject({
      ok: false,
      error: { code: 'invalid_value', param: 'messages' },
    })
  })
})
