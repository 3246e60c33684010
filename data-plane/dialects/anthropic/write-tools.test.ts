import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '#contracts/catalog/capability-seeds.ts'
import { blankRequest } from '#test/arbitraries/canonical.ts'
import { assistant, call, look, result, text, user, write } from '#test/conformance/anthropic-request.ts'
import type { JsonObject } from '../canonical/json.ts'
import type { Tool } from '../canonical/request.ts'
import { writeRequest } from './write-request.ts'

describe('tools', () => {
  test.each([
    ['auto', { kind: 'auto' }, { type: 'auto' }],
    ['none', { kind: 'none' }, { type: 'none' }],
    ['required', { kind: 'required' }, { type: 'any' }],
    ['one', { kind: 'one', name: 'look', isCustom: false }, { type: 'tool', name: 'look' }],
  ] as const)('choice %s is %o', (_name, toolChoice, written) => {
    expect(write({ tools: [look], toolChoice }).body['tool_choice']).toEqual(written)
  })

  test('in parallel are switched off in any choice but none', () => {
    const off = { tools: [look], parallelTools: false }
    expect(write(off).body['tool_choice']).toEqual({ type: 'auto', disable_parallel_tool_use: true })
    expect(write({ ...off, toolChoice: { kind: 'required' } }).body['tool_choice']).toEqual({
      type: 'any',
      disable_parallel_tool_use: true,
    })
    expect(write({ ...off, toolChoice: { kind: 'none' } }).body['tool_choice']).toEqual({ type: 'none' })
    expect(write({ tools: [look], parallelTools: true }).body).not.toHaveProperty('tool_choice')
  })

  test('cannot be forced on models that refuse it', () => {
    const written = write({ tools: [look], toolChoice: { kind: 'required' } }, 'claude-opus-5-5')
    expect(written.body['tool_choice']).toEqual({ type: 'auto' })
    expect(written.lost).toEqual(['toolChoice:degraded'])
  })

  test('of a subset are the only ones sent', () => {
    const tools: Tool[] = [look, { kind: 'function', name: 'walk' }]
    const written = write({ tools, toolChoice: { kind: 'subset', names: ['walk'], mode: 'required' } })
    expect(written.body['tools']).toEqual([
      { name: 'walk', input_schema: { type: 'object', properties: {} } },
    ])
    expect(written.body['tool_choice']).toEqual({ type: 'any' })
    expect(written.lost).toEqual(['toolChoice:degraded'])
  })

  test('of free form become functions with one text, grammars are lost', () => {
    const written = write({
      tools: [{ kind: 'custom', name: 'patch', format: { type: 'grammar' } }],
      turns: [
        user(text('a')),
        assistant({ kind: 'tool-call', id: '1', name: 'patch', args: 'x = "1"', isCustom: true }),
      ],
    })
    expect(written.body['tools']).toMatchObject([{ name: 'patch', input_schema: { required: ['input'] } }])
    expect((written.body['messages'] as JsonObject[])[1]).toMatchObject({
      content: [{ type: 'tool_use', input: { input: 'x = "1"' } }],
    })
    expect(written.lost).toContain('tools[0]:degraded')
  })

  test('that were called before are named when the client no longer sends them', () => {
    const written = write({ turns: [user(text('a')), assistant(call('1')), user(result('1'))] })
    expect(written.body).toMatchObject({ tools: [{ name: 'look' }], tool_choice: { type: 'none' } })
    expect(written.lost).toEqual(['tools:synthesised'])
  })

  test('of another vendor’s servers are refused, a web search is not', () => {
    const tools: Tool[] = [
      { kind: 'native', dialect: 'openai-responses', type: 'file_search', value: {} },
      {
        kind: 'web-search',
        dialect: 'openai-responses',
        value: {
          type: 'web_search',
          filters: { allowed_domains: ['a.org'] },
          user_location: { type: 'approximate', city: 'Bern', region: null },
        },
      },
    ]
    const written = write({ tools })
    expect(written.refused).toEqual(['tools[0]'])
    expect(written.body['tools']).toEqual([
      {
        type: 'web_search_20250305',
        name: 'web_search',
        allowed_domains: ['a.org'],
        user_location: { type: 'approximate', city: 'Bern' },
      },
    ])
  })

  test('have a place as chat writes it one level deeper', () => {
    const value = { user_location: { type: 'approximate', approximate: { country: 'CH' } } }
    expect(
      write({ tools: [{ kind: 'web-search', dialect: 'openai-chat', value }] }).body['tools'],
    ).toMatchObject([{ user_location: { type: 'approximate', country: 'CH' } }])
  })

  test('with names that do not fit get others, and the way back', () => {
    const request = {
      ...blankRequest('gemini'),
      tools: [{ kind: 'function' as const, name: 'mcp.files:read' }],
    }
    const capabilities = capabilitiesOf('anthropic', 'api.anthropic.com', 'claude-opus-5', {})
    const written = writeRequest(request, { model: 'm', provider: 'claude', capabilities, stream: false })
    const [[sent, name] = []] = [...written.toolNames]
    expect(name).toBe('mcp.files:read')
    expect(JSON.parse(written.body)).toMatchObject({ tools: [{ name: sent }] })
  })

  test('that are strict lose what the decoder refuses, and say it in words', () => {
    const parameters = {
      type: 'object',
      properties: { n: { type: 'integer', minimum: 1, description: 'A number.' } },
      required: ['n'],
      additionalProperties: false,
    }
    const tools: Tool[] = [{ kind: 'function', name: 'count', strict: true, parameters }]
    const written = write({ tools })
    expect(written.body['tools']).toMatchObject([
      {
        strict: true,
        input_schema: { properties: { n: { type: 'integer', description: 'A number.\nminimum: 1.' } } },
      },
    ])
    expect(written.lost).toEqual(['tools[0]:simplified'])
    expect(write({ tools }, 'claude-sonnet-4-0').body['tools']).toEqual([
      { name: 'count', input_schema: parameters },
    ])
  })

  test('with a union at the root become one object', () => {
    const variant = (name: string) => ({ type: 'object', properties: { [name]: { type: 'string' } } })
    const tools: Tool[] = [
      { kind: 'function', name: 'u', parameters: { anyOf: [variant('a'), variant('b')] } },
    ]
    const written = write({ tools })
    expect(written.body['tools']).toEqual([
      {
        name: 'u',
        input_schema: { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } } },
      },
    ])
    expect(written.lost).toEqual(['tools[0]:simplified'])
  })
})
