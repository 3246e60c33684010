import { describe, expect, test } from 'vitest'
import { readContext } from '#test/conformance/contexts.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { CanonicalRequest } from '../canonical/request.ts'
import { readRequest } from './read-request.ts'

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
