import { describe, expect, test } from 'vitest'
import { OPENAI, call, model, result, text, user, write } from '#test/conformance/chat-request.ts'
import { arrayOf, objectOf, stringOf } from '../../canonical/json.ts'
import type { Part, Tool } from '../../canonical/request.ts'

describe('tools', () => {
  const CLOSED = { type: 'object', properties: {}, additionalProperties: false }
  const f: Tool = { kind: 'function', name: 'f', description: 'd', parameters: CLOSED }
  const g: Tool = { kind: 'function', name: 'g' }
  const grammar: Tool = {
    kind: 'custom',
    name: 'c',
    format: { type: 'grammar', syntax: 'lark', definition: 'x' },
  }

  test('are functions; without parameters they take an empty object', () => {
    expect(write({ tools: [f, g] }).body['tools']).toEqual([
      { type: 'function', function: { name: 'f', description: 'd', parameters: CLOSED } },
      { type: 'function', function: { name: 'g', parameters: { type: 'object', properties: {} } } },
    ])
  })

  test('are strict only with a schema that OpenAI takes so', () => {
    const open = { type: 'object', properties: { a: { type: 'string' } } }
    const { body, losses } = write({
      tools: [
        { ...f, strict: true },
        { ...f, strict: true, parameters: open },
      ],
    })
    const strict = arrayOf(body['tools']).map((tool) => objectOf(objectOf(tool)['function'])['strict'])
    expect(strict).toEqual([true, false])
    expect(losses).toEqual(['tools[1].strict:degraded'])
  })

  test('of free form are functions of one text where they are not known', () => {
    expect(write({ tools: [grammar] }, { ...OPENAI, model: 'gpt-5' }).body['tools']).toEqual([
      {
        type: 'custom',
        custom: { name: 'c', format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'x' } } },
      },
    ])
    const { body, losses } = write({ tools: [grammar] })
    expect(objectOf(arrayOf(body['tools'])[0])).toMatchObject({
      type: 'function',
      function: { name: 'c', parameters: { required: ['input'] } },
    })
    expect(losses).toEqual(['tools[0].format:degraded'])
  })

  test('of another dialect’s own are refused, web search is chat’s own field', () => {
    const value = {
      type: 'web_search_20260101',
      name: 'web_search',
      max_uses: 3,
      user_location: { type: 'approximate', city: 'Bonn' },
    }
    const search: Tool = { kind: 'web-search', dialect: 'anthropic', value }
    const code: Tool = { kind: 'native', dialect: 'anthropic', type: 'code_execution', value: {} }
    const { body, losses } = write({ tools: [search, code] })
    expect(body['web_search_options']).toEqual({
      user_location: { type: 'approximate', approximate: { city: 'Bonn' } },
    })
    expect(body).not.toHaveProperty('tools')
    expect(losses).toEqual(['tools[1]:refuse', 'tools.web_search:degraded'])
  })

  test.each([
    [{ kind: 'auto' }, {}, 'auto', []],
    [{ kind: 'none' }, {}, 'none', []],
    [{ kind: 'required' }, {}, 'required', []],
    [{ kind: 'one', name: 'f', isCustom: false }, {}, { type: 'function', function: { name: 'f' } }, []],
    [{ kind: 'required' }, { set: { forcedToolChoice: false } }, 'auto', ['toolChoice:degraded']],
    [
      { kind: 'one', name: 'f', isCustom: false },
      { set: { forcedToolChoice: false } },
      'auto',
      ['toolChoice:degraded'],
    ],
    [{ kind: 'subset', names: ['f'], mode: 'required' }, {}, 'required', ['toolChoice:degraded']],
    [{ kind: 'subset', names: ['f'], mode: 'auto' }, {}, 'auto', ['toolChoice:degraded']],
    [
      { kind: 'subset', names: ['f'], mode: 'required' },
      { ...OPENAI, model: 'gpt-5' },
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'f' } }] },
      },
      [],
    ],
  ] as const)('are chosen by %j at %o as %j', (toolChoice, where, expected, lost) => {
    const { body, losses } = write({ tools: [f, g], toolChoice }, where)
    expect(body['tool_choice']).toEqual(expected)
    expect(losses).toEqual(lost)
    const isCut = toolChoice.kind === 'subset' && losses.length > 0
    expect(arrayOf(body['tools'])).toHaveLength(isCut ? 1 : 2)
  })

  test('are one at a time where that can be asked, and nothing is said of them without tools', () => {
    expect(write({ tools: [f], parallelTools: false }).body['parallel_tool_calls']).toBe(false)
    const { body, losses } = write({ tools: [f], parallelTools: false }, { ...OPENAI, model: 'o3' })
    expect(body).not.toHaveProperty('parallel_tool_calls')
    expect(losses).toEqual(['parallelTools:unsupported'])
    expect(Object.keys(write({ toolChoice: { kind: 'auto' }, parallelTools: false }).body)).toEqual([
      'model',
      'messages',
    ])
  })

  test('have names that OpenAI takes, in choice and history as well, and the way back', () => {
    const name = 'my.tool with spaces'
    const { body, toolNames } = write({
      tools: [{ ...f, name }],
      toolChoice: { kind: 'one', name, isCustom: false },
      turns: [user(text('Hi')), model({ ...call('1'), name } as Part), user(result('1'))],
    })
    const sent = stringOf(objectOf(objectOf(arrayOf(body['tools'])[0])['function'])['name']) ?? ''
    expect(sent).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
    expect(toolNames.get(sent)).toBe(name)
    expect(body['tool_choice']).toEqual({ type: 'function', function: { name: sent } })
    expect(JSON.stringify(body['messages'])).toContain(`"name":"${sent}"`)
  })
})
