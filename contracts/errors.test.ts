import { describe, expect, test } from 'vitest'
import { ERRORS, type ErrorCode } from './errors.ts'
import { openaiErrorBody, openaiErrorEvent } from './http/openai-error.ts'

const CODES = Object.keys(ERRORS) as ErrorCode[]

describe('the error catalogue', () => {
  test.each(CODES)('%s has a name, a status and a sentence that fit', (code) => {
    const { status, message, retry, type } = ERRORS[code]
    expect(code).toMatch(/^[a-z][a-z_]+$/)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(status).toBeLessThan(600)
    expect(message).toMatch(/^[A-Z].*\.$/)
    // What the client got wrong stays wrong when it is sent again; 429 is the exception.
    if (code === 'insufficient_quota') expect([retry, type]).toEqual([false, code])
    else if (status < 500)
      expect([retry, type]).toEqual(
        status === 429 ? [true, 'rate_limit_error'] : [false, 'invalid_request_error'],
      )
    else expect(type).not.toBe('invalid_request_error')
  })
})

describe('an error as OpenAI writes it', () => {
  test('has the four members, null where there is nothing to say', () => {
    expect(JSON.parse(openaiErrorBody({ code: 'model_not_found' }))).toEqual({
      error: {
        message: ERRORS.model_not_found.message,
        type: 'invalid_request_error',
        param: null,
        code: 'model_not_found',
      },
    })
  })

  test('says what is special about the occasion', () => {
    const body = openaiErrorBody({
      code: 'invalid_value',
      message: 'must be "a"\n or b',
      param: 'messages[0]',
    })
    expect(JSON.parse(body)).toMatchObject({ error: { message: 'must be "a"\n or b', param: 'messages[0]' } })
  })

  test('is one event in a stream, whatever its text holds', () => {
    const event = openaiErrorEvent({ code: 'stream_broken', message: 'one\n\ndata: [DONE]\n\n' })
    expect(event.startsWith('data: {')).toBe(true)
    expect(event.indexOf('\n\n')).toBe(event.length - 2)
    expect(event.slice(0, -2)).not.toContain('\n')
  })
})
