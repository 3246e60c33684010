import { describe, expect, test } from 'vitest'
import { ERRORS, type ErrorCode } from '#contracts/errors.ts'
import { openaiResponses } from '../openai-responses.ts'

describe('errors to a Responses client', () => {
  test.each(Object.keys(ERRORS) as ErrorCode[])('%s is told with status, type and code', (code) => {
    const { status, body } = openaiResponses.writeError({ code }, 'req_1')
    expect(status).toBe(ERRORS[code].status)
    expect(JSON.parse(body)).toEqual({
      error: { message: ERRORS[code].message, type: ERRORS[code].type, param: null, code },
    })
  })

  test('say what is special, with the status that the upstream gave', () => {
    const problem = { code: 'invalid_value', status: 422, message: '"quoted"', param: 'input[0]' } as const
    const { status, body } = openaiResponses.writeError(problem, 'req_1')
    expect([status, JSON.parse(body)]).toEqual([
      422,
      {
        error: {
          message: '"quoted"',
          type: 'invalid_request_error',
          param: 'input[0]',
          code: 'invalid_value',
        },
      },
    ])
  })

  test('are one whole event in a stream, flat as the schema has them and nested as the service sends them', () => {
    const frame = openaiResponses.writeErrorEvent({ code: 'stream_broken', message: 'a\nb' }, 'req_1')
    const [name, data, ...rest] = frame.split('\n')
    expect([name, rest]).toEqual(['event: error', ['', '']])
    expect(JSON.parse(data?.slice('data: '.length) ?? '')).toMatchObject({
      type: 'error',
      code: 'stream_broken',
      message: 'a\nb',
      param: null,
      sequence_number: 0,
      error: { code: 'stream_broken', message: 'a\nb', param: null, type: 'upstream_error' },
    })
  })
})

test.each([
  ['params.maxTokens', 'max_output_tokens'],
  ['params.topP', 'top_p'],
  ['params.endUser', 'safety_identifier'],
  ['params.verbosity', 'text.verbosity'],
  ['format', 'text.format'],
  ['toolChoice', 'tool_choice'],
  ['parallelTools', 'parallel_tool_calls'],
  ['reasoning.effort', 'reasoning.effort'],
  ['reasoning.show', 'reasoning.summary'],
  ['tools[2]', 'tools[2]'],
  ['system[0]', 'instructions'],
  ['turns[3].parts[1]', 'input'],
  ['previous_response_id', 'previous_response_id'],
  ['constructor', 'constructor'],
])('%s is %s to a Responses client', (at, path) => {
  expect(openaiResponses.pathOf(at)).toBe(path)
})
