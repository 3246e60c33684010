import { describe, expect, test } from 'vitest'
import { AnswerReader } from './answer-reader.ts'
import { markOf, readMark } from './mark.ts'
import { scriptOf, type Script } from './script.ts'

type Answer = { status: number; body: string }

/** Reads in pieces of a size, all in the same buffer, as the load client does. */
function read(bytes: Buffer, pieceBytes: number): readonly Answer[] {
  const answers: Answer[] = []
  const body: string[] = []
  const reader = new AnswerReader({
    onBody: (from, start, end) => void body.push(from.toString('latin1', start, end)),
    onEnd: (status) => void answers.push({ status, body: body.splice(0).join('') }),
  })
  const shared = Buffer.alloc(pieceBytes)
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const count = bytes.copy(shared, 0, at, at + pieceBytes)
    reader.feed(shared.subarray(0, count))
  }
  return answers
}

const streamed = (script: Extract<Script, { kind: 'stream' }>, mark: number): string =>
  script.head +
  `${script.chunk.before}${markOf(mark)}${script.chunk.after}`.repeat(script.chunks) +
  script.end

const script = scriptOf('mock-s3-d0-p16')
const stream = script?.kind === 'stream' ? streamed(script, 1_234_567) : ''
const json = scriptOf('mock-j600')
const whole = json?.kind === 'json' ? json.answer : Buffer.alloc(0)

describe('the reader of answers', () => {
  const bytes = Buffer.concat([
    whole,
    Buffer.from(stream),
    Buffer.from('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'),
    whole,
  ])
  test.each([1, 2, 3, 7, 100, 1_000, 100_000])('reads them whole from pieces of %i bytes', (pieceBytes) => {
    const [first, second, third, fourth, ...more] = read(bytes, pieceBytes)
    expect([first?.status, second?.status, third?.status, fourth?.status, more.length]).toEqual([
      200, 200, 404, 200, 0,
    ])
    expect(first?.body).toHaveLength(600)
    expect(JSON.parse(first?.body ?? '')).toMatchObject({ choices: [{ message: { role: 'assistant' } }] })
    expect(fourth).toEqual(first)
    expect(third?.body).toBe('')
    const events = second?.body.split('\n\n') ?? []
    expect(events.slice(-2)).toEqual(['data: [DONE]', ''])
    for (const event of events.slice(0, 3)) expect(readMark(event, 0, event.length)).toBe(1_234_567)
    expect(events).toHaveLength(6)
  })

  test('refuses an answer that does not say how long it is', () => {
    expect(() => read(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), 100)).toThrow(/without a length/)
  })
})

describe('a model name of the upstream', () => {
  test.each(['', 'mock-', 'mock-j', 'mock-s3', 'gpt-4'])('says nothing when it is %j', (model) => {
    expect(scriptOf(model)).toBeNull()
  })
})
