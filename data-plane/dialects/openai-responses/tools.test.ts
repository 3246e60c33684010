import { describe, expect, test } from 'vitest'
import type { Capabilities } from '#contracts/catalog/capability.ts'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { ASKED, readContext } from '#test/conformance/contexts.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest, Tool, ToolChoice } from '../canonical/request.ts'
import { readRequest } from './read-request.ts'
import { writeRequest } from './write-request.ts'

function read(body: JsonObject): CanonicalRequest {
  const result = readRequest(body, readContext())
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

describe('the tools of a Responses request', () => {
  const tools = [
    { type: 'function', name: 'f', description: null, parameters: { type: 'object' }, strict: false },
    { type: 'function', name: 'g', defer_loading: true },
    { type: 'custom', name: 'sh', format: { type: 'text' } },
    { type: 'web_search', search_context_size: 'low' },
    { type: 'file_search', vector_store_ids: ['vs_1'] },
  ]

  test('are read by their kinds', () => {
    expect(read({ input: 'x', tools }).tools).toEqual([
      { kind: 'function', name: 'f', parameters: { type: 'object' }, strict: false },
      {
        kind: 'function',
        name: 'g',
        native: { dialect: 'openai-responses', value: { defer_loading: true } },
      },
      { kind: 'custom', name: 'sh', format: { type: 'text' } },
      { kind: 'web-search', dialect: 'openai-responses', value: tools[3] },
      { kind: 'native', dialect: 'openai-responses', type: 'file_search', value: tools[4] },
    ])
  })

  test.each([
    ['auto', { kind: 'auto' }],
    ['none', { kind: 'none' }],
    ['required', { kind: 'required' }],
    [
      { type: 'function', name: 'f' },
      { kind: 'one', name: 'f', isCustom: false },
    ],
    [
      { type: 'custom', name: 'sh' },
      { kind: 'one', name: 'sh', isCustom: true },
    ],
    [
      { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'f' }, { name: 'g' }] },
      { kind: 'subset', names: ['f', 'g'], mode: 'required' },
    ],
  ])('are chosen by %j', (choice, canonical) => {
    expect(read({ input: 'x', tools, tool_choice: choice }).toolChoice).toEqual(canonical)
  })

  test.each([
    [{ type: 'file_search' }],
    [{ type: 'allowed_tools', mode: 'auto', tools: [{ type: 'mcp', server_label: 's' }] }],
  ])('of the service can be chosen only there: %j', (choice) => {
    const { toolChoice, extras } = read({ input: 'x', tools, tool_choice: choice })
    expect(toolChoice).toBeUndefined()
    expect(extras).toEqual([{ path: 'tool_choice', value: choice, cross: 'refuse' }])
  })
})

describe('tools to the Responses API', () => {
  const write = (over: Partial<CanonicalRequest>, capabilities: Partial<Capabilities> = {}) => {
    const written = writeRequest(
      { ...ASKED, ...over },
      {
        model: 'm',
        provider: 'p',
        stream: false,
        capabilities: { ...capabilitiesOf('openai', 'api.openai.com', 'gpt-5.6', {}), ...capabilities },
      },
    )
    return { ...written, body: JSON.parse(written.body) as JsonObject }
  }
  const f: Tool = { kind: 'function', name: 'f' }
  const closed = { type: 'object', properties: {}, additionalProperties: false, required: [] }

  test('are strict only where that was said and the schema keeps the rules', () => {
    expect(
      write({
        tools: [
          f,
          { ...f, parameters: closed, strict: true },
          { ...f, parameters: { type: 'object' }, strict: true },
        ],
      }).body['tools'],
    ).toEqual([
      { type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: false },
      { type: 'function', name: 'f', parameters: closed, strict: true },
      { type: 'function', name: 'f', parameters: { type: 'object' }, strict: false },
    ])
  })

  test('of its own clients are left to its own default', () => {
    const native = { dialect: 'openai-responses', value: { defer_loading: true } } as const
    expect(write({ dialect: 'openai-responses', tools: [{ ...f, native }] }).body['tools']).toEqual([
      { type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, defer_loading: true },
    ])
  })

  test('have names that the service takes, and the way back', () => {
    const name = 'a tool/with a name'
    const { body, toolNames } = write({
      tools: [{ ...f, name }],
      toolChoice: { kind: 'one', name, isCustom: false },
    })
    const [sent] = [...toolNames.keys()]
    expect(sent).toMatch(/^[A-Za-z0-9_-]{1,64}$/)
    expect(toolNames.get(sent ?? '')).toBe(name)
    expect(body).toMatchObject({ tools: [{ name: sent }], tool_choice: { type: 'function', name: sent } })
  })

  test('keep the names that their own clients gave them', () => {
    const name = 'x'.repeat(100)
    const { body, toolNames } = write({ dialect: 'openai-responses', tools: [{ ...f, name }] })
    expect([body['tools'], toolNames.size]).toMatchObject([[{ name }], 0])
  })

  test('that are free-form become functions where they have to, with a word about a lost grammar', () => {
    const shell: Tool = {
      kind: 'custom',
      name: 'sh',
      format: { type: 'grammar', syntax: 'lark', definition: 'x' },
    }
    expect(write({ tools: [shell] }, { customTools: true }).body['tools']).toEqual([
      { type: 'custom', name: 'sh', format: shell.format },
    ])
    const { body, losses } = write({ tools: [shell] }, { customTools: false })
    expect(body['tools']).toMatchObject([
      { type: 'function', name: 'sh', strict: true, parameters: { required: ['input'] } },
    ])
    expect(losses).toMatchObject([{ at: 'tools[0]', reason: 'degraded', refuse: false }])
  })

  test.each([
    [
      'openai-chat',
      { search_context_size: 'low', user_location: { type: 'approximate', approximate: { city: 'Bern' } } },
      {
        type: 'web_search',
        user_location: { type: 'approximate', city: 'Bern' },
        search_context_size: 'low',
      },
      [],
    ],
    [
      'anthropic',
      { type: 'web_search_20250305', name: 'web_search', max_uses: 2, allowed_domains: ['a.example'] },
      { type: 'web_search', filters: { allowed_domains: ['a.example'] } },
      ['degraded'],
    ],
    ['gemini', {}, { type: 'web_search' }, []],
  ] as const)('for searching the web come from %s', (dialect, value, written, reasons) => {
    const { body, losses } = write({ tools: [{ kind: 'web-search', dialect, value }] })
    expect(body['tools']).toEqual([written])
    expect(losses.map(({ reason }) => reason)).toEqual(reasons)
  })

  test('that another service runs itself are refused', () => {
    const tool: Tool = { kind: 'native', dialect: 'gemini', type: 'codeExecution', value: {} }
    expect(write({ tools: [tool] }).losses).toMatchObject([{ at: 'tools[0]', refuse: true }])
  })

  test.each<[ToolChoice, unknown]>([
    [{ kind: 'none' }, 'none'],
    [{ kind: 'required' }, 'required'],
    [
      { kind: 'subset', names: ['f'], mode: 'auto' },
      { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] },
    ],
    [
      { kind: 'one', name: 'sh', isCustom: true },
      { type: 'custom', name: 'sh' },
    ],
  ])('are chosen: %j', (toolChoice, written) => {
    const { body } = write({ tools: [f, { kind: 'custom', name: 'sh' }], toolChoice }, { customTools: true })
    expect(body['tool_choice']).toEqual(written)
  })
})
