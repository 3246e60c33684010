import { describe, expect, test } from 'vitest'
import {
  OPENAI,
  BASE,
  call,
  messagesOf,
  model,
  result,
  text,
  user,
  type Where,
} from '#test/conformance/chat-request.ts'
import type { Carrier } from '../../canonical/carrier.ts'
import { arrayOf, objectOf } from '../../canonical/json.ts'
import type { Part, Turn } from '../../canonical/request.ts'

describe('the conversation', () => {
  test('begins with the instructions, called as the model calls them', () => {
    const system = [
      { text: 'a', role: 'system' },
      { text: 'b', role: 'developer' },
    ] as const
    expect(messagesOf(BASE.turns, { ...OPENAI, model: 'gpt-5' }, { system: [system[0]] }).messages).toEqual([
      { role: 'developer', content: 'a' },
      { role: 'user', content: 'Hi' },
    ])
    // One place for all of them elsewhere, a message each in chat.
    expect(arrayOf(messagesOf(BASE.turns, {}, { system }).messages)[0]).toEqual({
      role: 'system',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    })
    expect(arrayOf(messagesOf(BASE.turns, { set: { contentParts: false } }, { system }).messages)[0]).toEqual(
      {
        role: 'system',
        content: 'a\n\nb',
      },
    )
    expect(
      arrayOf(messagesOf(BASE.turns, {}, { system, dialect: 'openai-chat' }).messages).slice(0, 2),
    ).toEqual([
      { role: 'system', content: 'a' },
      { role: 'system', content: 'b' },
    ])
  })

  test('keeps system turns in their place, or makes them the user’s', () => {
    const turns: readonly Turn[] = [user(text('a')), { role: 'system', parts: [text('b')] }, user(text('c'))]
    expect(messagesOf(turns).messages).toEqual([
      { role: 'user', content: 'a' },
      { role: 'system', content: 'b' },
      { role: 'user', content: 'c' },
    ])
    const moved = messagesOf(turns, { set: { midSystem: false } })
    expect(arrayOf(moved.messages).map((message) => objectOf(message)['role'])).toEqual([
      'user',
      'user',
      'user',
    ])
    expect(moved.losses).toEqual(['turns[1]:degraded'])
  })

  test('answers each call directly after it, then says the rest of the turn', () => {
    const turns = [
      user(text('a')),
      model(text('b'), call('1'), call('2', '')),
      user(text('c'), result('2', text('two')), result('1', text('o'), text('ne'))),
    ]
    expect(messagesOf(turns).messages).toEqual([
      { role: 'user', content: 'a' },
      {
        role: 'assistant',
        content: 'b',
        tool_calls: [
          { id: '1', type: 'function', function: { name: 'f', arguments: '{}' } },
          { id: '2', type: 'function', function: { name: 'f', arguments: '{}' } },
        ],
      },
      {
        role: 'tool',
        tool_call_id: '1',
        content: [
          { type: 'text', text: 'o' },
          { type: 'text', text: 'ne' },
        ],
      },
      { role: 'tool', tool_call_id: '2', content: 'two' },
      { role: 'user', content: 'c' },
    ])
  })

  test('gives a call without a result one, and drops a result without a call', () => {
    const { messages, losses } = messagesOf([
      user(text('a')),
      model(call('1')),
      user(result('9', text('x')), text('b')),
    ])
    expect(arrayOf(messages).slice(2)).toEqual([
      { role: 'tool', tool_call_id: '1', content: 'no result' },
      { role: 'user', content: 'b' },
    ])
    expect(losses).toEqual(
      expect.arrayContaining(['turns[1].parts[0]:synthesised', 'turns[2].parts[0]:dropped']),
    )
  })

  test('shortens ids for Mistral, call and result alike', () => {
    const { messages } = messagesOf(
      [user(text('a')), model(call('toolu_0123456789')), user(result('toolu_0123456789', text('x')))],
      {
        host: 'api.mistral.ai',
      },
    )
    const [, said, answered] = arrayOf(messages).map(objectOf)
    const id = objectOf(arrayOf(said?.['tool_calls'])[0])['id']
    expect(id).toMatch(/^[A-Za-z0-9]{9}$/)
    expect(answered?.['tool_call_id']).toBe(id)
  })

  test('moves media out of results into a user message, by name', () => {
    const image: Part = {
      kind: 'media',
      media: 'image',
      source: { kind: 'base64', data: 'AAAA' },
      mimeType: 'image/png',
    }
    const turns = [
      user(text('a')),
      model(call('1'), call('2')),
      user(result('1', text('see'), image), result('2', text('b'))),
    ]
    const { messages, losses } = messagesOf(turns)
    const [first, second, moved] = arrayOf(messages).slice(2).map(objectOf)
    const name = /See file (\w+)\./.exec(JSON.stringify(first))?.[1]
    expect(second).toEqual({ role: 'tool', tool_call_id: '2', content: 'b' })
    expect(moved).toEqual({
      role: 'user',
      content: [
        { type: 'text', text: `This is file ${name}:` },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
      ],
    })
    expect(losses).toEqual(['turns[2].parts:moved'])
  })

  test('keeps broken arguments as they are', () => {
    const { messages } = messagesOf([user(text('a')), model(call('1', '{"x')), user(result('1'))])
    expect(JSON.stringify(messages)).toContain('"arguments":"{\\"x"')
  })

  test('writes free-form calls so, or as functions of one text', () => {
    const turns = [user(text('a')), model(call('1', 'x y', { isCustom: true })), user(result('1'))]
    const calls = (where: Where) => objectOf(arrayOf(messagesOf(turns, where).messages)[1])['tool_calls']
    expect(calls({ ...OPENAI, model: 'gpt-5' })).toEqual([
      { id: '1', type: 'custom', custom: { name: 'f', input: 'x y' } },
    ])
    expect(calls({})).toEqual([
      { id: '1', type: 'function', function: { name: 'f', arguments: '{"input":"x y"}' } },
    ])
  })

  test('has null for content only where something else is said', () => {
    const content = (...parts: readonly Part[]) =>
      objectOf(arrayOf(messagesOf([user(text('a')), model(...parts)]).messages)[1])
    expect(content(call('1'))['content']).toBeNull()
    expect(content({ kind: 'refusal', text: 'no' })).toEqual({
      role: 'assistant',
      content: null,
      refusal: 'no',
    })
    expect(content({ kind: 'reasoning', text: 'hm', isSummary: false })['content']).toBe('')
  })
})

describe('thought and state', () => {
  const state = (more: Partial<Carrier> = {}): Carrier => ({
    dialect: 'openai-chat',
    provider: null,
    data: 'S',
    form: 'encrypted/f',
    of: 'own',
    ...more,
  })
  const said = (parts: readonly Part[], where: Where) => {
    const written = objectOf(arrayOf(messagesOf([user(text('a')), model(...parts)], where).messages)[1])
    return written
  }
  const thought = (carrier?: Carrier): Part => ({
    kind: 'reasoning',
    text: 'hm',
    isSummary: false,
    ...(carrier === undefined ? {} : { carrier }),
  })

  test('stay at home where nobody asks for them', () => {
    expect(said([thought(state()), text('b')], {})).toEqual({ role: 'assistant', content: 'b' })
  })

  test('go back to whoever is known to have given them', () => {
    const own = [thought(state({ provider: 'p' })), text('b')]
    expect(said(own, { provider: 'p' })['reasoning_details']).toHaveLength(2)
    expect(said(own, { provider: 'q' })).toEqual({ role: 'assistant', content: 'b' })
  })

  test('go back as text to hosts that want it, beside calls even when there is none', () => {
    const where = { host: 'api.deepseek.com' }
    expect(said([thought(state({ dialect: 'anthropic' })), text('b')], where)).toEqual({
      role: 'assistant',
      content: 'b',
      reasoning_content: 'hm',
    })
    expect(said([text('b')], where)).not.toHaveProperty('reasoning_content')
    expect(said([call('1')], where)).toMatchObject({ content: null, reasoning_content: '' })
  })

  test('go back as details, as they came, to their own provider', () => {
    const where = { host: 'openrouter.ai', provider: 'p' }
    const parts = [
      thought(state({ form: 'text/f', provider: 'p' })),
      { ...thought(state({ id: 'i' })), text: '' } as Part,
      text('b'),
    ]
    expect(said(parts, where)['reasoning_details']).toEqual([
      { type: 'reasoning.text', text: 'hm', signature: 'S', format: 'f', index: 0 },
      { type: 'reasoning.encrypted', data: 'S', format: 'f', index: 1, id: 'i' },
    ])
  })

  test.each<readonly [string, Carrier]>([
    ['another vendor’s', state({ dialect: 'anthropic' })],
    ['another provider’s', state({ provider: 'q' })],
  ])('of %s are never sent; the text may be', (_, carrier) => {
    expect(said([thought(carrier), text('b')], { host: 'openrouter.ai' })).toEqual({
      role: 'assistant',
      content: 'b',
      reasoning: 'hm',
    })
  })

  test('of Google stand on the call and the text they belong to', () => {
    const google = state({ form: 'google' })
    const where = { host: 'generativelanguage.googleapis.com' }
    const parts = [{ kind: 'text', text: 'b', carrier: google } as Part, call('1', '{}', { carrier: google })]
    const extra = { google: { thought_signature: 'S' } }
    expect(said(parts, where)).toMatchObject({ extra_content: extra, tool_calls: [{ extra_content: extra }] })
    const foreign = parts.map(
      (part) => ({ ...part, carrier: { ...google, dialect: 'gemini' as const } }) as Part,
    )
    expect(JSON.stringify(said(foreign, where))).not.toContain('signature')
  })

  test('of another vendor’s own tools are dropped from history aloud, and refused in a question', () => {
    const native: Part = { kind: 'native', dialect: 'anthropic', type: 'server_tool_use', value: {} }
    expect(messagesOf([user(text('a')), model(native, text('b'))]).losses).toEqual([
      'turns[1].parts[0]:dropped',
    ])
    expect(messagesOf([user(native)]).losses).toEqual(['turns[0].parts[0]:refuse'])
  })
})
