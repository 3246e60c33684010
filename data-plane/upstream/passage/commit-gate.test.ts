import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NATIVE_ANSWERS, type Verdict } from '../../dialects/native/answers.ts'
import { CommitGate } from './commit-gate.ts'

const chunk = (choice: object | null, more: object = {}): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: choice === null ? [] : [choice], ...more })}\n\n`
const delta = (value: object, finish: string | null = null): string =>
  chunk({ index: 0, delta: value, finish_reason: finish })

const ROLE = delta({ role: 'assistant', content: '' })
const WORD = delta({ content: 'é🎉' })
const DONE = 'data: [DONE]\n\n'
const ERROR = 'data: {"error":{"message":"no","code":"server_error"}}\n\n'

/** @returns the verdict after everything, or the first that is not `hold`. */
function feed(gate: CommitGate, chunks: readonly (string | Buffer)[]): Verdict {
  for (const part of chunks) {
    const verdict = gate.feed(Buffer.from(part))
    if (verdict !== 'hold') return verdict
  }
  return 'hold'
}

const judge = (...chunks: readonly (string | Buffer)[]): Verdict =>
  feed(new CommitGate(NATIVE_ANSWERS['openai-chat'].judgeEvent), chunks)

describe('the commit gate', () => {
  test.each([
    ['a word', WORD],
    ['a word right away with the role', delta({ role: 'assistant', content: 'Hi' })],
    ['a space', delta({ content: ' ' })],
    ['reasoning', delta({ reasoning_content: 'hm' })],
    ['reasoning under another name', delta({ reasoning: 'hm' })],
    [
      'a tool call',
      delta({
        tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } }],
      }),
    ],
    ['a function call', delta({ function_call: { name: 'f', arguments: '' } })],
    ['a refusal', delta({ refusal: 'I cannot' })],
    ['audio', delta({ audio: { id: 'a' } })],
    ['a finish without a word', delta({}, 'stop')],
    [
      'a word of the second choice',
      chunk(null, {
        choices: [
          { index: 0, delta: {} },
          { index: 1, delta: { content: 'x' } },
        ],
      }),
    ],
    [
      'a word with usage',
      delta({ content: 'x' }).replace('"choices"', '"usage":{"total_tokens":1},"choices"'),
    ],
  ])('opens at %s', (_what, event) => {
    expect(judge(event)).toBe('content')
    expect(judge(ROLE, event)).toBe('content')
    expect(judge(ROLE + event + DONE)).toBe('content')
  })

  test.each([
    ['a role', ROLE],
    ['a role alone', delta({ role: 'assistant' })],
    ['an empty delta', delta({})],
    ['empty content', delta({ content: '' })],
    ['null content', delta({ content: null, refusal: null })],
    ['no tool calls', delta({ tool_calls: [] })],
    ['a delta of null', chunk({ index: 0, delta: null, finish_reason: null })],
    ['usage only', chunk(null, { usage: { total_tokens: 7 } })],
    ['Azure’s filter results', chunk(null, { prompt_filter_results: [{ content_filter_results: {} }] })],
    ['choices that are no list', 'data: {"choices":{"0":{"delta":{"content":"x"}}}}\n\n'],
    ['a choice that is no object', 'data: {"choices":["x",null]}\n\n'],
    ['[DONE] first', DONE],
    ['comments', ': keep-alive\n\n: OPENROUTER PROCESSING\n\n'],
    ['a comment before its data', `: thinking\n${ROLE}`],
    ['blank lines', '\n\n\n\n'],
    ['fields without data', 'event: ping\nid: 1\nretry: 5\n\n'],
    ['what is not JSON', 'data: {"choices":[{"delta":{"content":\n\n'],
    ['JSON that is no object', 'data: "x"\n\ndata: 7\n\ndata: [1]\n\ndata: null\n\n'],
    ['an error of null', 'data: {"error":null,"choices":[]}\n\n'],
    ['half a word', WORD.slice(0, -1)],
  ])('stays shut at %s', (_what, event) => {
    expect(judge(event)).toBe('hold')
    expect(judge(event, event)).toBe('hold')
  })

  test.each([
    ['an error object', ERROR],
    ['a named error event', `event: error\n${ERROR}`],
    ['an error as a string', 'data: {"error":"boom","code":7}\n\n'],
    [
      'an error with choices',
      'data: {"error":{"code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}\n\n',
    ],
    ['an error after a role and comments', `${ROLE}: wait\n\n${ERROR}`],
  ])('tells of %s, with its words', (_what, event) => {
    const gate = new CommitGate(NATIVE_ANSWERS['openai-chat'].judgeEvent)
    expect(feed(gate, [event])).toBe('error')
    expect(JSON.parse(gate.errorText)).toHaveProperty('error')
  })

  test('tells the words of an error as they were said, wherever a character was cut', () => {
    const bytes = Buffer.from('data: {"error":{"message":"é🎉"}}\n\n')
    for (let cut = 1; cut < bytes.length; cut++) {
      const gate = new CommitGate(NATIVE_ANSWERS['openai-chat'].judgeEvent)
      expect(feed(gate, [bytes.subarray(0, cut), bytes.subarray(cut)])).toBe('error')
      expect(JSON.parse(gate.errorText)).toEqual({ error: { message: 'é🎉' } })
    }
  })

  test('goes by what comes first, error or word, in one chunk too', () => {
    expect(judge(ERROR + WORD)).toBe('error')
    expect(judge(WORD + ERROR)).toBe('content')
  })

  test('keeps its verdict', () => {
    const gate = new CommitGate(NATIVE_ANSWERS['openai-chat'].judgeEvent)
    expect([gate.feed(Buffer.from(ERROR)), gate.feed(Buffer.from(WORD))]).toEqual(['error', 'error'])
  })

  test.each([
    ['LF', (text: string) => text],
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
    ['CR', (text: string) => text.replaceAll('\n', '\r')],
    ['a byte order mark', (text: string) => `\ufeff${text}`],
    ['data without a space', (text: string) => text.replaceAll('data: ', 'data:')],
  ])('reads streams with %s, cut at every byte', (_what, write) => {
    const bytes = Buffer.from(write(ROLE + WORD + DONE))
    // Where the word's event is complete: a CR may be the first half of a CRLF, so its end is known a byte later.
    const until = Buffer.byteLength(write(ROLE + WORD))
    for (let cut = 1; cut < bytes.length; cut++) {
      const gate = new CommitGate(NATIVE_ANSWERS['openai-chat'].judgeEvent)
      const first = gate.feed(bytes.subarray(0, cut))
      if (cut < until - 2) expect([cut, first]).toEqual([cut, 'hold'])
      if (cut > until) expect([cut, first]).toEqual([cut, 'content'])
      expect(first === 'content' ? first : gate.feed(bytes.subarray(cut))).toBe('content')
    }
    expect(judge(...[...bytes].map((byte) => Buffer.of(byte)))).toBe('content')
  })

  test('says the same however the stream is cut into pieces', () => {
    const events = fc.array(fc.constantFrom(ROLE, DONE, ': c\n\n', chunk(null), delta({}), WORD, ERROR), {
      maxLength: 8,
    })
    fc.assert(
      fc.property(events, fc.array(fc.nat(), { maxLength: 12 }), (list, cuts) => {
        const bytes = Buffer.from(list.join(''))
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
        const pieces = places.slice(1).map((end, at) => bytes.subarray(places[at], end))
        expect(judge(...pieces)).toBe(judge(...list))
      }),
      { numRuns: 1_000 },
    )
  })

  test('lets pass what it does not understand: many events, or many bytes, without a word', () => {
    expect(judge(ROLE.repeat(64))).toBe('hold')
    expect(judge(ROLE.repeat(65))).toBe('content')
    expect(judge(`data: "${'x'.repeat(300_000)}`)).toBe('content')
  })

  test('waits through any number of comments', () => {
    expect(judge(...Array.from({ length: 1_000 }, () => ': still thinking\n\n'))).toBe('hold')
  })
})
