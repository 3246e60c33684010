import { describe, expect, test } from 'vitest'
import { NATIVE_ANSWERS } from '../../dialects/native/answers.ts'
import { AlteredPassage } from './altered.ts'
import { mending } from './mended.ts'
import { NativePassage } from './native.ts'

const chunk = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta, finish_reason: finish }] })}\r\n\r\n`
const FINE =
  chunk({ role: 'assistant', content: 'é🎉' }) +
  ': comment\r\n\r\n' +
  chunk({}, 'stop') +
  'data: [DONE]\r\n\r\n'
/** As Mistral's: no role, no index. */
const ODD =
  chunk({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{}' } }] }) + chunk({}, 'tool_calls')

function passed(text: string, size: number): string {
  const answers = NATIVE_ANSWERS['openai-chat']
  const native = new NativePassage({ answers, meter: null, errorEvent: () => '' })
  const stream = new AlteredPassage(native, mending).openStream()
  const bytes = Buffer.from(text)
  const out: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) {
    const told = stream.push(bytes.subarray(at, at + size))
    if (told !== null) out.push(told)
  }
  const { ending, last } = stream.end()
  expect(ending).toBe('finished')
  if (last !== null) out.push(last)
  return Buffer.concat(out).toString()
}

describe.each([1, 7, 100_000])('a stream in pieces of %i bytes', (size) => {
  test('passes byte for byte where nothing is amiss', () => {
    expect(passed(FINE, size)).toBe(FINE)
  })

  test('is mended where an SDK would throw', () => {
    const [first = ''] = passed(ODD, size).split('\r\n\r\n')
    const { choices } = JSON.parse(first.replace(/^data: /, ''))
    expect(choices[0].delta).toMatchObject({
      role: 'assistant',
      tool_calls: [{ index: 0, type: 'function' }],
    })
  })

  test('has its last event also without a blank line behind it', () => {
    expect(passed(FINE.trimEnd(), size)).toBe(FINE.trimEnd())
  })
})
