import { createParser } from 'eventsource-parser'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NATIVE_ANSWERS, type Ending } from '../../dialects/native/answers.ts'
import { lastBorder, StreamTail } from './stream-tail.ts'

const WORD = 'data: {"choices":[{"delta":{"content":"word"},"finish_reason":null}]}\n\n'
const STOP = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
const DONE = 'data: [DONE]\n\n'
const ERROR = 'data: {"error":{"message":"boom"}}\n\n'

/** A tail that was given the text in pieces of `size` bytes, and what it let pass. */
function pushed(text: string, size = 1_000_000): { tail: StreamTail; passed: string } {
  const tail = new StreamTail(NATIVE_ANSWERS['openai-chat'].endingOf)
  const bytes = Buffer.from(text)
  let passed = ''
  for (let at = 0; at < bytes.length; at += size)
    passed += tail.push(bytes.subarray(at, at + size))?.toString('latin1') ?? ''
  return { tail, passed: Buffer.from(passed, 'latin1').toString() }
}

function dataOf(stream: string): readonly string[] {
  const found: string[] = []
  createParser({ onEvent: ({ data }) => void found.push(data) }).feed(stream)
  return found
}

describe('how a stream ended', () => {
  test.each<[string, string, Ending]>([
    ['with [DONE]', WORD + STOP + DONE, 'finished'],
    ['with [DONE] and no finish', WORD + DONE, 'finished'],
    ['with [DONE] without a space', `${WORD}data:[DONE]\n\n`, 'finished'],
    ['with [DONE] without a blank line', `${WORD}data: [DONE]`, 'finished'],
    ['with a finish and no [DONE]', WORD + STOP, 'finished'],
    [
      'with a finish and usage',
      `${WORD + STOP}data: {"choices":[],"usage":{"total_tokens":1}}\n\n`,
      'finished',
    ],
    [
      'with a finish written with a space',
      WORD + STOP.replace('"finish_reason":', '"finish_reason": '),
      'finished',
    ],
    ['with CRLF', (WORD + STOP + DONE).replaceAll('\n', '\r\n'), 'finished'],
    ['after a word', WORD, 'broken'],
    ['inside a word', WORD.slice(0, 30), 'broken'],
    ['inside [DONE]', `${WORD}data: [DON`, 'broken'],
    ['with nothing', '', 'broken'],
    ['with comments', `${WORD}: bye\n\n`, 'broken'],
    ['with an error', WORD + ERROR, 'error_told'],
    ['with an error and [DONE]', WORD + ERROR + DONE, 'error_told'],
    ['with a named error event', `${WORD}event: error\n${ERROR}`, 'error_told'],
    [
      'with an error in an ordinary chunk',
      `${WORD}data: {"id":"x","error":{"code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}\n\n`,
      'error_told',
    ],
    [
      'after words that quote an end',
      'data: {"choices":[{"delta":{"content":"\\"finish_reason\\":\\"stop\\" data: [DONE]"},"finish_reason":null}]}\n\n',
      'broken',
    ],
    [
      'after words that quote an error',
      `data: {"choices":[{"delta":{"content":"data: {\\"error\\":1}"},"finish_reason":null}]}\n\n${STOP}`,
      'finished',
    ],
  ])('%s', (_how, text, ending) => {
    for (const size of [1, 7, 1_000]) expect(pushed(text, size).tail.ending()).toBe(ending)
  })

  test('is told by the last 16 KiB: what came long before does not count', () => {
    expect(pushed(STOP + WORD.repeat(10), 100).tail.ending()).toBe('finished')
    expect(pushed(STOP + WORD.repeat(1_000), 100).tail.ending()).toBe('broken')
    expect(pushed(WORD.repeat(10_000) + STOP, 100).tail.ending()).toBe('finished')
  })
})

describe('what passes', () => {
  test('is whole events, and in the end everything', () => {
    const events = fc.array(
      fc.constantFrom(WORD, STOP, DONE, ': c\n\n', 'data: é🎉\n\n', 'event: x\ndata: 1\n\n', '\n'),
      { maxLength: 10 },
    )
    const ends = fc.constantFrom('\n', '\r\n', '\r')
    fc.assert(
      fc.property(
        events,
        fc.constantFrom('', 'data: half', 'data: line\n'),
        ends,
        fc.integer({ min: 1, max: 40 }),
        (list, half, end, size) => {
          const text = (list.join('') + half).replaceAll('\n', end)
          const { tail, passed } = pushed(text, size)
          expect(passed + (tail.rest?.toString() ?? '')).toBe(text)
          expect(tail.isBetweenEvents).toBe(true)
          // An error put behind it is an event of its own.
          expect(dataOf(passed + ERROR).at(-1)).toBe(ERROR.slice('data: '.length).trimEnd())
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('is the very chunk when it ends with an event', () => {
    const tail = new StreamTail(NATIVE_ANSWERS['openai-chat'].endingOf)
    const chunk = Buffer.from(WORD + WORD)
    expect(tail.push(chunk)).toBe(chunk)
    expect(tail.rest).toBeNull()
  })

  test('is nothing while an event is incomplete', () => {
    const tail = new StreamTail(NATIVE_ANSWERS['openai-chat'].endingOf)
    expect(tail.push(Buffer.from(WORD.slice(0, 20)))).toBeNull()
    expect(tail.push(Buffer.from(WORD.slice(20, -1)))).toBeNull()
    expect(tail.push(Buffer.from('\n'))?.toString()).toBe(WORD)
  })

  test('is whole events also of a chunk that is longer than any event may be', () => {
    const tail = new StreamTail(NATIVE_ANSWERS['openai-chat'].endingOf)
    const many = WORD.repeat(2_000)
    expect(tail.push(Buffer.from(many + WORD.slice(0, 9)))?.toString()).toBe(many)
    expect([tail.rest?.toString(), tail.isBetweenEvents]).toEqual([WORD.slice(0, 9), true])
  })

  test('is an event longer than 64 KiB in pieces, of which an error is then kept apart', () => {
    const tail = new StreamTail(NATIVE_ANSWERS['openai-chat'].endingOf)
    expect(tail.push(Buffer.from(`${WORD}data: ${'x'.repeat(60_000)}`))?.toString()).toBe(WORD)
    expect(tail.isBetweenEvents).toBe(true)
    expect(tail.push(Buffer.alloc(10_000, 'x'))).toHaveLength(70_006)
    expect(tail.isBetweenEvents).toBe(false)
    expect(tail.push(Buffer.from('end\n\n'))?.toString()).toBe('end\n\n')
    expect(tail.isBetweenEvents).toBe(true)
  })
})

describe('the last border between events', () => {
  test.each([
    ['', 0],
    ['\n', 0],
    ['a\n', 0],
    ['a\n\n', 3],
    ['a\n\nb', 3],
    ['a\n\nb\n', 3],
    ['a\n\nb\n\n', 6],
    ['a\r\n\r\n', 5],
    ['a\r\n', 0],
    ['a\r\n\r', 4],
    ['a\r\r', 3],
    ['a\rb\r', 0],
    ['a\n\r\n', 4],
    ['a\r\n\n', 4],
    ['a\n\n\n', 4],
  ])('of %j is %i', (text, at) => {
    expect(lastBorder(Buffer.from(text))).toBe(at)
  })
})

describe('a last event that is longer than the tail', () => {
  const delta =
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n'
  const last = (type: string) =>
    `event: ${type}\ndata: {"type":"${type}","response":{"instructions":"${'x'.repeat(200_000)}","usage":{}}}\n\n`

  function endingOf(stream: string, size: number): Ending {
    const tail = new StreamTail(NATIVE_ANSWERS['openai-responses'].endingOf)
    const bytes = Buffer.from(stream)
    for (let at = 0; at < bytes.length; at += size) tail.push(bytes.subarray(at, at + size))
    return tail.ending()
  }

  test.each([1_000_000, 65_536, 16_384, 1_400, 64, 7])(
    'is known by its beginning, in pieces of %i',
    (size) => {
      expect(endingOf(delta + last('response.completed'), size)).toBe('finished')
      expect(endingOf(delta + last('response.failed'), size)).toBe('error_told')
      expect(endingOf(delta + last('response.output_text.done'), size)).toBe('broken')
    },
  )

  test('is not taken for the one before it', () => {
    for (let size = 60; size < 200; size += 1)
      expect(endingOf(last('response.output_text.done') + delta.repeat(300), size)).toBe('broken')
  })
})
