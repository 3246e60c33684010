import { describe, expect, test } from 'vitest'
import { askingForUsage, withoutCount } from './stream-usage.ts'

const asked = (body: string): unknown => {
  const made = askingForUsage(Buffer.from(body))
  return made === null ? null : JSON.parse(made.toString())
}
const COUNTED = { include_usage: true }

describe('a request for a stream', () => {
  test('asks for the count, whatever else it says', () => {
    expect(asked('{"model":"m"}')).toEqual({ model: 'm', stream_options: COUNTED })
    expect(asked(' { "model":"m","stream_options":null}')).toEqual({ model: 'm', stream_options: COUNTED })
    expect(
      asked('{"stream_options":{"include_obfuscation":false,"include_usage":false},"model":"é"}'),
    ).toEqual({
      model: 'é',
      stream_options: { include_obfuscation: false, ...COUNTED },
    })
    const said = { model: 'm', messages: [{ role: 'user', content: 'what is "stream_options"?' }] }
    const named = { ...said, tools: [{ stream_options: 1 }] }
    for (const one of [said, named])
      expect(asked(JSON.stringify(one))).toEqual({ ...one, stream_options: COUNTED })
  })

  test('that asks already, or asks what nobody understands, stays as it is', () => {
    expect(asked('{"model":"m","stream_options":{"include_usage":true}}')).toBeNull()
    expect(asked('{"model":"m","stream_options":"yes"}')).toBeNull()
    expect(asked('{"stream_options":{},"stream_options":{},"model":"m"}')).toBeNull()
  })
})

describe('a stream', () => {
  const event = (value: object | string, end = '\n\n'): string =>
    `data: ${typeof value === 'string' ? value : JSON.stringify(value)}${end}`
  const word = event({ choices: [{ delta: { content: 'é [] "usage"' } }], usage: null })
  const count = event({ choices: [], usage: { prompt_tokens: 1 } })
  const filters = event({ choices: [], prompt_filter_results: [], usage: null })
  const done = event('[DONE]')
  const told = (text: string): string | undefined => withoutCount(Buffer.from(text))?.toString()

  test('loses its count and not a byte more', () => {
    expect(told(word + count + done)).toBe(word + done)
    expect(told(count)).toBeUndefined()
    for (const rest of [word, filters, done, filters + word + done]) expect(told(rest)).toBe(rest)
    const spaced = event('{"choices": [], "usage": {"prompt_tokens": 1}}', '\r\n\r\n')
    expect(told(word + spaced + done)).toBe(word + done)
  })

  test('keeps a count that comes with the end of a choice', () => {
    const both = event({ choices: [{ delta: {}, finish_reason: 'stop' }], usage: { prompt_tokens: 1 } })
    expect(told(both + done)).toBe(both + done)
  })
})
